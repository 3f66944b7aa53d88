"""Insured persons, invented from a seed and an identity number: the same number is always the same person."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗"
_GIVEN = {"1": "伟强磊军勇杰涛明超志华建国文斌", "2": "芳娜敏静丽娟艳霞秀英桂兰玉珍梅"}
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"
READY_MADE = 6
"""How many persons the ledger holds right after start."""


@dataclass(slots=True)
class Person:
    """An insured person; ``balance`` is the personal account in yuan."""

    psn_no: str
    psn_cert_type: str
    certno: str
    psn_name: str
    gend: str
    brdy: date
    insutype: str
    psn_type: str
    insuplc_admdvs: str
    emp_name: str
    balance: Decimal

    def age_on(self, day: date) -> int:
        """Whole years on ``day``."""
        return day.year - self.brdy.year - ((day.month, day.day) < (self.brdy.month, self.brdy.day))


def check_digit(first17: str) -> str:
    """The eighteenth character of a resident identity number (GB 11643)."""
    return _CHECK_DIGITS[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first17, strict=True)) % 11]


def invent(certno: str, *, seed: int, admdvs: str, today: date, name: str = "") -> Person:
    """The person behind an identity number, or behind a token or card number that stands for one.

    Args:
        certno: identity number; one of 18 characters gives birthday and gender when they can be read.
        seed: fixes what is not in the number.
        admdvs: area where the person is insured.
        today: newborn is nobody invented after this day.
        name: what the caller calls the person; invented when empty.
    """
    dice = random.Random(f"{seed}/{certno}")
    gend, brdy = _read_certno(certno, today) or (dice.choice("12"), today - timedelta(days=dice.randrange(30_000)))
    years = (today - brdy).days // 365
    employee = 18 <= years < 60 or (years >= 60 and dice.random() < 0.5)
    return Person(
        psn_no=number_of(certno, admdvs),
        psn_cert_type="01",
        certno=certno,
        psn_name=name or dice.choice(_SURNAMES) + "".join(dice.sample(_GIVEN[gend], dice.choice((1, 2)))),
        gend=gend,
        brdy=brdy,
        insutype="310" if employee else "390",
        psn_type=_psn_type(years, employee),
        insuplc_admdvs=admdvs,
        emp_name="模拟机械有限公司" if employee and years < 60 else "",
        balance=Decimal(dice.randrange(50_000, 800_000) if employee else 0).scaleb(-2),
    )


def number_of(certno: str, admdvs: str) -> str:
    """``psn_no`` of an identity number: area and twenty digits; no seed, so it outlives a reset."""
    digits = int.from_bytes(hashlib.sha256(certno.encode("utf-8", "replace")).digest(), "big") % 10**20
    return f"{admdvs}{digits:020d}"


def certno_behind(credential: str) -> str:
    """The identity number that an e-credential token or a card number stands for."""
    return _certno(random.Random(credential), date(2020, 1, 1))


def ready_made(seed: int, admdvs: str, today: date) -> list[Person]:
    """A handful of persons with valid identity numbers, to start with; employees (with an account) come first."""
    dice = random.Random(f"{seed}/ready made")
    people = [invent(_certno(dice, today), seed=seed, admdvs=admdvs, today=today) for _ in range(READY_MADE)]
    return sorted(people, key=lambda person: person.insutype)


def _certno(dice: random.Random, today: date) -> str:
    born = today - timedelta(days=dice.randrange(2_000, 30_000))
    first17 = f"{dice.choice(('440802', '440105', '430102', '320104'))}{born:%Y%m%d}{dice.randrange(1, 1000):03d}"
    return first17 + check_digit(first17)


def _read_certno(certno: str, today: date) -> tuple[str, date] | None:
    if len(certno) != 18 or not (certno.isascii() and certno[:17].isdigit()):
        return None
    try:
        born = date(int(certno[6:10]), int(certno[10:12]), int(certno[12:14]))
    except ValueError:
        return None
    return ("1" if int(certno[16]) % 2 else "2", born) if date(1900, 1, 1) <= born <= today else None


def _psn_type(years: int, employee: bool) -> str:
    if employee:
        return "11" if years < 60 else "12"
    if years < 18:
        return "14"
    return "15" if years < 60 else "16"
