"""Stays from a seed: the same seed gives the same hospital, row by row."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from typing import Any, Final

from sqlalchemy import URL, Connection, Table, create_engine, insert

from adapters.his.sample import catalog, tables
from adapters.his.sample.catalog import ICU, ILLNESSES, Illness, Item, Ward

CENT: Final = Decimal("0.01")
BATCH: Final = 2000
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

Rows = Iterator[tuple[Table, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large the sample is.

    Args:
        stays: inpatients.
        fees: least and most rows of fees of a stay.
        until: the newest stays are near this moment, in the hospital's own time.
    """

    stays: int = 300
    fees: tuple[int, int] = (300, 500)
    until: datetime = datetime(2026, 11, 20, 8, 0)  # noqa: DTZ001 - the HIS's own clock, which has no zone


def write_sample(
    url: URL, sizes: Sizes, seed: int, told: Callable[[int, int], None] = lambda _done, _total: None
) -> dict[str, int]:
    """Make the tables of the sample HIS and fill them, all or nothing.

    Args:
        url: an empty database.
        told: called with stays written and stays in all.

    Returns:
        rows by table.

    Raises:
        ValueError: the database has such tables already.
        SQLAlchemyError: it cannot be written.
    """
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            if taken := [name for name in tables.metadata.tables if engine.dialect.has_table(connection, name)]:
                raise ValueError(f"数据库中已有 {'、'.join(taken)}，请用一个空的数据库")
            tables.metadata.create_all(connection)
            return _fill(connection, sizes, seed, told)
    finally:
        engine.dispose()


def _fill(connection: Connection, sizes: Sizes, seed: int, told: Callable[[int, int], None]) -> dict[str, int]:
    counts: dict[str, int] = dict.fromkeys(tables.metadata.tables, 0)
    hospital = _Hospital(random.Random(seed), sizes)  # noqa: S311 - invented persons need no cryptographic randomness
    waiting: dict[Table, list[dict[str, Any]]] = {}
    for number in range(sizes.stays + 1):
        for table, row in hospital.price_list() if number == 0 else hospital.stay(number):
            waiting.setdefault(table, []).append(row)
            counts[table.name] += 1
        told(number, sizes.stays)
        if sum(map(len, waiting.values())) > BATCH or number == sizes.stays:
            for table, rows in waiting.items():
                connection.execute(insert(table), rows)
            waiting.clear()
    return counts


@dataclass(slots=True)
class _Hospital:
    dice: random.Random
    sizes: Sizes
    numbers: dict[Table, int] = field(default_factory=dict)

    def row(self, table: Table, changed_at: datetime, **values: Any) -> tuple[Table, dict[str, Any]]:
        number = self.numbers[table] = self.numbers.get(table, 0) + 1
        return table, {"id": number, "xgsj": min(changed_at, self.sizes.until), "zfbz": "0", **values}

    def price_list(self) -> Rows:
        since = datetime(2026, 1, 1)  # noqa: DTZ001
        for item in catalog.ITEMS:
            yield self.row(tables.ITEMS, since, xmbm=item.code, xmmc=item.name, xmlb=item.kind, gjbm=item.national,
                           gg=item.spec, dw=item.unit, dj=item.price)  # fmt: skip

    def stay(self, number: int) -> Rows:
        """One inpatient from registration to discharge, or still in the ward."""
        illness = self.dice.choice(ILLNESSES)
        ago = timedelta(minutes=self.dice.randrange(2 * 24 * 60, 45 * 24 * 60))
        registered = self.sizes.until - ago
        days = self.dice.randint(*illness.days)
        left = registered + timedelta(days=days, minutes=self.dice.randrange(-180, 180))
        stay = _Stay(self, f"ZY{registered:%y}{number:06d}", illness, registered, left)
        yield stay.registration()
        yield from stay.moves()
        yield from stay.diagnoses()
        yield from stay.operation()
        yield from stay.orders()
        yield from stay.fees(self.dice.randint(*self.sizes.fees))


@dataclass(slots=True)
class _Stay:
    hospital: _Hospital
    zyh: str
    illness: Illness
    registered: datetime
    left: datetime
    doctor: tuple[str, str] = ("", "")
    order_numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.doctor = self.dice.choice(self.illness.ward.doctors)

    @property
    def dice(self) -> random.Random:
        return self.hospital.dice

    @property
    def gone(self) -> bool:
        return self.left <= self.hospital.sizes.until

    @property
    def end(self) -> datetime:
        return min(self.left, self.hospital.sizes.until)

    def registration(self) -> tuple[Table, dict[str, Any]]:
        gend = self.dice.choice("12")
        born = date(1936, 1, 1) + timedelta(days=self.dice.randrange(0, 55 * 365))
        first = f"440{self.dice.randrange(100, 999)}{born:%Y%m%d}{self.dice.randrange(50) * 2:02d}{gend}"
        certno = first + "10X98765432"[sum(w * int(d) for w, d in zip(_WEIGHTS, first, strict=True)) % 11]
        given = "".join(self.dice.sample(catalog.GIVEN[gend], self.dice.choice((1, 2, 2))))
        ward = self.illness.ward
        return self.hospital.row(
            tables.STAYS, self.left if self.gone else self.registered, zyh=self.zyh, xm=self.dice.choice(catalog.SURNAMES) + given,
            sfzh=certno, xb=gend, csrq=f"{born:%Y-%m-%d}", lxdh=f"1380000{self.dice.randrange(10000):04d}",
            cbr=f"4408000{certno[-11:-1]}", ryks=f"K{ward.code}", ryksmc=ward.department, dqbq=ward.code,
            cwh=f"{self.dice.randint(1, 48):02d}", zzys=self.doctor[0], zzysxm=self.doctor[1], yllb="21",
            rysj=self.registered, cysj=self.left if self.gone else None,
        )  # fmt: skip

    def moves(self) -> Rows:
        """Ward-in some time after registration; every eighth goes through intensive care."""
        entered = self.registered + timedelta(minutes=self.dice.randint(8, 170))
        yield self._move("1", self.illness.ward, entered)
        if self.dice.random() < 0.125 and entered + timedelta(days=3) < self.end:
            there = entered + timedelta(hours=self.dice.randint(10, 30))
            yield self._move("2", ICU, there)
            yield self._move("2", self.illness.ward, there + timedelta(hours=self.dice.randint(12, 30)))
        if self.gone:
            yield self._move("3", self.illness.ward, self.left - timedelta(minutes=self.dice.randint(10, 90)))

    def _move(self, kind: str, ward: Ward, at: datetime) -> tuple[Table, dict[str, Any]]:
        recorded = at + timedelta(minutes=self.dice.choice((0, 0, 0, 1, 2, 25)))
        return self.hospital.row(tables.MOVES, recorded, zyh=self.zyh, ydlx=kind, bq=ward.code, bqmc=ward.name,
                                 czy=f"护士{self.dice.choice(catalog.SURNAMES)}", ydsj=at, lrsj=recorded)  # fmt: skip

    def diagnoses(self) -> Rows:
        others = self.dice.sample(self.illness.others, self.dice.randint(0, len(self.illness.others)))
        at = self.registered + timedelta(hours=self.dice.randint(1, 6))
        for place, (code, name) in enumerate([(self.illness.code, self.illness.name), *others], 1):
            main = place == 1
            yield self.hospital.row(
                tables.DIAGNOSES, at, zyh=self.zyh, pxh=place, zdlb="1" if main else "2", zzd="1" if main else "0", icd=code,
                zdmc=name, rybq="1", zdks=self.illness.ward.department, ysbm=self.doctor[0], ysxm=self.doctor[1], zdsj=at,
            )  # fmt: skip

    def _operated(self) -> datetime:
        return (self.registered + timedelta(days=1)).replace(hour=9, minute=30, second=0)

    def operation(self) -> Rows:
        """The operation on the second day, where the illness asks for one and that day has come."""
        done = self.illness.operation
        begin = self._operated()
        if done is None or begin + timedelta(hours=3) > self.end:
            return
        end = begin + timedelta(minutes=self.dice.randint(35, 150))
        quarter = timedelta(minutes=15)
        yield self.hospital.row(
            tables.OPERATIONS, end + quarter, zyh=self.zyh, sslb="1", ssbm=done.code, ssmc=done.name,
            mzfs="1" if done.general else "3", sz=self.doctor[0], szxm=self.doctor[1],
            mzys="D440800000120" if done.general else None, kssj=begin, jssj=end, mzkssj=begin - quarter, mzjssj=end + quarter,
        )  # fmt: skip
        for item in (done.item, catalog.SURGERY[4] if done.general else catalog.SURGERY[5]):
            yield self._fee(item, Decimal(1), end)

    def orders(self) -> Rows:
        chosen = [*catalog.DAILY[:3], *self.dice.sample(catalog.DRUGS, 6)]
        if self.illness.herbs:
            chosen += self.dice.sample(catalog.HERBS, 8)
        for item in chosen:
            at = self.registered + timedelta(hours=self.dice.randint(1, 5))
            table, row = self.hospital.row(
                tables.ORDERS, self.end, zyh=self.zyh, yzlx="1", xmbm=item.code, yznr=f"{item.name} {item.spec}",
                kdks=f"K{self.illness.ward.code}", kdys=self.doctor[0], kdysxm=self.doctor[1], kssj=at,
                tzsj=self.left if self.gone else None,
            )  # fmt: skip
            self.order_numbers[item.code] = row["id"]
            yield table, row

    def fees(self, count: int) -> Rows:
        """Charges day by day; some are given back in whole or in part the next day."""
        yield from islice(self._charges(count), count)

    def _charges(self, count: int) -> Rows:
        drugs = [item for item in catalog.DRUGS if item.code in self.order_numbers]
        herbs = [item for item in catalog.HERBS if item.code in self.order_numbers]
        span = max((self.end - self.registered) // timedelta(minutes=1) - 60, 60)
        others = [*catalog.DAILY, *catalog.TESTS, *catalog.SUPPLIES]
        for _ in range(count):
            at = self.registered + timedelta(minutes=30 + self.dice.randrange(span))
            item = self.dice.choice(self.dice.choice([pool for pool in (drugs, herbs, others) if pool]))
            amount = Decimal(self.dice.choice((7, 10, 15, 30)) * 5 if item.kind == "herb" else self.dice.randint(1, 3))
            table, row = self._fee(item, amount, at)
            yield table, row
            if self.dice.random() < 0.02:
                yield self._fee(item, -amount, min(at + timedelta(hours=20), self.end), row["id"])

    def _fee(
        self, item: Item, amount: Decimal, at: datetime, returned: int | None = None
    ) -> tuple[Table, dict[str, Any]]:
        ward = self.illness.ward
        return self.hospital.row(
            tables.FEES, at, zyh=self.zyh, ymxid=returned, yzh=self.order_numbers.get(item.code), xmbm=item.code,
            xmmc=item.name, sl=amount, dj=item.price, je=(amount * item.price).quantize(CENT, ROUND_HALF_UP), fysj=at,
            kdks=f"K{ward.code}", kdksmc=ward.department, kdys=self.doctor[0], kdysxm=self.doctor[1],
            zxks=f"K{ward.code}", zxksmc=ward.department, zyfs="1" if item.kind == "herb" else None,
        )  # fmt: skip
