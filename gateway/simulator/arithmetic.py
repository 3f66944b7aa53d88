"""What a settlement pays: simple, exact, and adding up to the cent (fund + account + cash = total).

Per line:   full self-pay (hosp_appr_flag 2) -> all of it; consumables (catalogue code C...) -> 10 % first;
            everything else is covered whole.
Per stay:   in scope = total - full self-pay - first self-pay; the deductible comes off once per stay;
            the fund pays 80 % of the rest, rounded half up; the account pays what is left as far as it reaches,
            if ``acct_used_flag`` is 1; the rest is cash.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from gateway.simulator.wire import CENT

ZERO = Decimal("0.00")
FIRST_SELF_PAY = Decimal("0.1000")


@dataclass(frozen=True, slots=True)
class Policy:
    """``deductible`` in yuan, once per stay or visit; ``ratio`` of the rest that the fund pays."""

    deductible: Decimal
    ratio: Decimal


POLICIES = {
    "stay": Policy(Decimal("500.00"), Decimal("0.8000")),
    "visit": Policy(ZERO, Decimal("0.8000")),
    "purchase": Policy(ZERO, Decimal("0.0000")),
}
"""By kind of episode: a stay, an outpatient visit, a purchase at a pharmacy (account only)."""


@dataclass(frozen=True, slots=True)
class Split:
    """How one line is divided; the three parts add up to ``amount``."""

    amount: Decimal
    full_self_pay: Decimal
    first_self_pay: Decimal
    in_scope: Decimal
    level: str
    """chrgitm_lv: 01 甲, 02 乙, 03 丙."""
    ratio: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """One settlement in yuan: ``total = fund + account + cash``."""

    total: Decimal
    full_self_pay: Decimal
    first_self_pay: Decimal
    in_scope: Decimal
    deductible: Decimal
    ratio: Decimal
    fund: Decimal
    account: Decimal
    cash: Decimal
    balance: Decimal
    """Of the personal account afterwards."""


def cents(amount: Decimal) -> Decimal:
    """Rounded half up to the cent."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def split(amount: Decimal, catalogue_code: str, approval: str) -> Split:
    """Divide a line of ``amount`` yuan; a refund line divides as the mirror of what it refunds."""
    if approval == "2":
        return Split(amount, amount, ZERO, ZERO, "03", Decimal("1.0000"))
    if catalogue_code.upper().startswith("C"):
        first = cents(amount * FIRST_SELF_PAY)
        return Split(amount, ZERO, first, amount - first, "02", FIRST_SELF_PAY)
    return Split(amount, ZERO, ZERO, amount, "01", Decimal("0.0000"))


def settle(
    splits: Iterable[Split], policy: Policy, *, deductible_used: Decimal, balance: Decimal, use_account: bool
) -> Figures:
    """The figures of a settlement.

    Args:
        splits: the unsettled lines; their sum is never negative, refunds included.
        policy: of this kind of episode.
        deductible_used: what earlier settlements of the same episode have already taken off.
        balance: of the personal account, yuan.
        use_account: ``acct_used_flag`` 1.
    """
    rows = list(splits)
    total = sum((row.amount for row in rows), ZERO)
    own = sum((row.full_self_pay for row in rows), ZERO)
    # partial refunds of a 10 % line round each for themselves; their sum stays within what it is a part of
    first = min(max(sum((row.first_self_pay for row in rows), ZERO), ZERO), total - own)
    scope = total - own - first
    deductible = min(max(policy.deductible - deductible_used, ZERO), scope)
    fund = cents((scope - deductible) * policy.ratio)
    account = min(balance, total - fund) if use_account else ZERO
    return Figures(
        total=total,
        full_self_pay=own,
        first_self_pay=first,
        in_scope=scope,
        deductible=deductible,
        ratio=policy.ratio,
        fund=fund,
        account=account,
        cash=total - fund - account,
        balance=balance - account,
    )
