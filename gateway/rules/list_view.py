"""A settlement list as the quality rules read it: its own nodes, what the gateway knows beside it, what follows from both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.contract.quality import FACTS, QualityTable
from gateway.rules.message import Row, body, rows, text
from gateway.rules.stay import Settled, Stay
from gateway.rules.times import SHANGHAI, minute_of

Terms = Mapping[str, Mapping[str, tuple[str, ...]]]
"""What catalogs say of codes: catalog -> code -> its names, none where the catalog has no such code; a catalog that has
not been downloaded is absent.
"""
SETLINFO: Final = "setlinfo"
_DURATION: Final = re.compile(r"([0-9]{1,4})/([0-9]{1,2})/([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class Told:
    """The list and what is known beside it.

    Args:
        infno: as the caller named it.
        settled: the settlement that the list is about; None where the gateway does not know it.
        terms: what catalogs say of the codes in it.
    """

    infno: str
    message: Any
    stay: Stay
    settled: Settled | None
    now: datetime
    terms: Terms = field(default_factory=dict)


class View:
    """Values by ``node/field``: empty when nobody has filled it in, None when the gateway cannot know it."""

    def __init__(self, told: Told, table: QualityTable) -> None:
        self._layout = table.layout(told.infno)
        self._message = told.message
        self._form = body(told.message)
        self._rows: dict[str, list[Row] | None] = {}
        self._facts: dict[str, Mapping[str, str]] = {"stay": _stay(told), "settlement": _settlement(told.settled)}
        self._facts["record"] = _record(told)
        self._facts["list"] = self._derived(told)
        self._terms = told.terms

    def names(self, catalog: str, code: str) -> tuple[str, ...] | None:
        """What a code is called in a catalog in force; empty where it has no such code, None where there is no catalog."""
        known = self._terms.get(catalog)
        return None if known is None else known.get(code, ())

    def value(self, path: str, node: str = "", row: Row | None = None) -> str | None:
        """The first that is filled of ``a|b:10``; a name without a node is a field of ``row`` of ``node``."""
        path, _, first = path.partition(":")
        known = False
        for one in path.split("|"):
            found = self._one(one, node, row)
            if found:
                return found[: int(first)] if first else found
            known |= found is not None
        return "" if known else None

    def _one(self, path: str, node: str, row: Row | None) -> str | None:
        of, slash, name = path.rpartition("/")
        if of in FACTS:
            return self._facts[of].get(name)
        if slash and of != SETLINFO:
            return None
        found = text(self._form if slash else row or {}, name)
        return found if found or f"{of if slash else node}/{name}" in self._layout else None

    def rows(self, node: str) -> list[Row] | None:
        """Rows of a node; None where this list has no such node."""
        if node not in self._rows:
            found = rows(self._message, node)
            self._rows[node] = found if found or node in self._layout else None
        return self._rows[node]

    def column(self, path: str) -> list[str] | None:
        """Values of ``node/field`` over the rows of a repeated node, else the one value; None where unknown."""
        node, _, name = path.rpartition("/")
        if not node or node in FACTS or node == SETLINFO:
            found = self.value(path)
            return None if found is None else [found]
        of = self.rows(node)
        return None if of is None else [text(row, name) for row in of]

    def _derived(self, told: Told) -> dict[str, str]:
        admitted, left = self.value("setlinfo/adm_time") or "", self.value("setlinfo/dscg_time") or ""
        begun, ended = minute_of(admitted), minute_of(left)
        known = {
            "kind": self._kind(),
            "sex": self.value("setlinfo/gend") or self._facts["settlement"].get("gend"),
            "today": f"{told.now:%Y-%m-%d}",
            "icu_minutes": self._icu(),
        }
        if begun and ended and ended >= begun:
            known["minutes"] = str(int((ended - begun).total_seconds()) // 60)
            known["days"] = str(max(1, (ended.date() - begun.date()).days))
        if ended:
            known["days_since_discharge"] = str((told.now.date() - ended.date()).days)
        known |= _age(self.value("setlinfo/brdy") or self._facts["settlement"].get("brdy", ""), admitted)
        return {name: value for name, value in known.items() if value is not None}

    def _kind(self) -> str:
        outpatient = text(self._form, "opsp_diag_caty") or text(self._form, "opsp_mdtrt_date")
        return "opsp" if outpatient or rows(self._message, "opspdiseinfo") else "inpatient"

    def _icu(self) -> str | None:
        found = rows(self._message, "icuinfo")
        spans = [span(text(row, "scs_cutd_inpool_time"), text(row, "scs_cutd_exit_time")) for row in found]
        known = [one for one in spans if one is not None]
        return str(sum(known)) if found and len(known) == len(spans) else None


# ------------------------------------------------------------------ what the gateway knows


def _stay(told: Told) -> dict[str, str]:
    stay, settled = told.stay, told.settled
    known: dict[str, str | None] = {
        "t_set": settled.t_set.text if settled and settled.t_set else None,
        "t_ward": stay.times.t_ward.text if stay.times.t_ward else None,
        "t_dsc": stay.times.t_dsc.text if stay.times.t_dsc else None,
        "died": stay.died.isoformat() if stay.died else None,
        "transfers": str(len(stay.wards) - 1) if stay.wards else None,
        "emergency_begin": _emergency(stay),
        "final": None if settled is None else "0" if settled.interim else "1",
        "overlapping": _overlapping(stay),
    }
    fees = [fee for fee in stay.fees if settled and settled.exchange_id and fee.settled_by == settled.exchange_id]
    if fees and stay.times.t_reg:  # of a stay that began elsewhere some may have been uploaded elsewhere
        known["fees_sum"] = format(sum((fee.amount for fee in fees), Decimal(0)), "f")
        times = sorted(fee.occurred.text for fee in fees if fee.occurred)
        known |= {"fees_first": times[0], "fees_last": times[-1]} if times else {}
    return {name: value for name, value in known.items() if value is not None}


def _emergency(stay: Stay) -> str:
    """Where the emergency visit that ended in this admission began; empty without one."""
    begun = [one.begntime for one in stay.emergency if one.begntime]
    return begun[-1].text if begun else ""


def _overlapping(stay: Stay) -> str | None:
    begun, ended = stay.times.t_ward or stay.times.t_ins, stay.times.t_dsc
    if begun is None or ended is None:
        return None
    for other in stay.earlier:
        if (
            other.begntime
            and other.endtime
            and other.begntime.minute < ended.minute
            and begun.minute < other.endtime.minute
        ):
            return f"{other.ipt_no or other.mdtrt_id}（{other.begntime.text[:16]} 至 {other.endtime.text[:16]}）"
    return ""


def _record(told: Told) -> dict[str, str]:
    """What the hospital told of the medical record: whole, so what it left out is empty; nothing where it told nothing."""
    kept = told.stay.list_told.rows[0] if told.stay.list_told and told.stay.list_told.rows else {}
    about = text(kept.get(SETLINFO) or {}, "setl_id")
    if not kept.get("record") or (about and told.settled and about != told.settled.setl_id):
        return {}
    return {name: text(kept["record"], name) for name in FACTS["record"]}


def _settlement(settled: Settled | None) -> dict[str, str]:
    return {name: str(value) for name, value in (settled.figures if settled else {}).items()}


def _age(born: str, at: str) -> dict[str, str]:
    found = age_at(born, at)
    return {} if found is None else {"age_years": str(found[0]), "age_days": str(found[1])}


def age_at(born: str, at: str) -> tuple[int, int] | None:
    """Whole years, and days, between a birthday and a day; None where one of them cannot be read, or comes first."""
    try:
        birthday, day = date.fromisoformat(born[:10]), date.fromisoformat(at[:10].replace("/", "-"))
    except ValueError:
        return None
    if day < birthday:
        return None
    years = day.year - birthday.year - ((day.month, day.day) < (birthday.month, birthday.day))
    return years, (day - birthday).days


# ------------------------------------------------------------------ reading values


def number(raw: str | None) -> Decimal | None:
    """A number, None where there is none."""
    try:
        found = Decimal(raw or "")
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def minutes(raw: str | None) -> Decimal | None:
    """Minutes of ``天/时/分``, or of a plain number of them; None for any other form (IF 4101)."""
    found = _DURATION.fullmatch(raw or "")
    if found is None:
        return number(raw)
    days, hours, rest = (int(part) for part in found.groups())
    return Decimal(days * 1440 + hours * 60 + rest) if hours < 24 and rest < 60 else None


def is_duration(raw: str) -> bool:
    """Whether a text is ``天/时/分``."""
    return "/" in raw and minutes(raw) is not None


@dataclass(frozen=True, slots=True)
class When:
    """A time to the minute, or a day where no more was told."""

    at: datetime
    day_only: bool


def when(raw: str | None) -> When | None:
    """A time or a day, None for anything else."""
    if not raw:
        return None
    if minute := minute_of(raw):
        return When(minute, day_only=False)
    try:
        return When(datetime.combine(date.fromisoformat(raw), datetime.min.time(), SHANGHAI), day_only=True)
    except ValueError:
        return None


def precedes(one: When, other: When) -> bool:
    """Whether ``one`` is not after ``other``; to the day where one of them has no more."""
    if one.day_only or other.day_only:
        return one.at.date() <= other.at.date()
    return one.at <= other.at


def span(begin: str, end: str) -> int | None:
    """Minutes between two times, None where one cannot be read or they are the wrong way round."""
    first, last = minute_of(begin), minute_of(end)
    if first is None or last is None or last < first:
        return None
    return int((last - first) / timedelta(minutes=1))


def in_codes(code: str, sets: Iterable[str]) -> bool:
    """Whether a code begins with one of ``B95``, or lies in ``B95-B97`` (both ends with all that is under them)."""
    return any(_in_one(code, one) for one in sets)


def _in_one(code: str, one: str) -> bool:
    low, dash, high = one.partition("-")
    if not dash:
        return code.startswith(low)
    return low <= code[: len(low)] and code[: len(high)] <= high


def matching(found: Sequence[Row], where: Mapping[str, Sequence[str]]) -> list[Row]:
    """Rows with one of the values in every field of ``where``."""
    return [row for row in found if all(text(row, name) in values for name, values in where.items())]
