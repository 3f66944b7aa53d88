"""Tables as a Chinese HIS has them: pinyin initials, a time of change in each, rows voided and not removed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    Column,
    DateTime,
    Dialect,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    TypeDecorator,
    Unicode,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()


class Money(TypeDecorator[Decimal]):
    """A fixed-point number, also on SQLite, which has none and would keep a float."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(24) if dialect.name == "sqlite" else Numeric(18, 6))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return str(value) if dialect.name == "sqlite" and value is not None else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return Decimal(value) if dialect.name == "sqlite" and value is not None else value


def _texts(**lengths: int) -> list[Column[Any]]:
    return [Column(name, Unicode(length)) for name, length in lengths.items()]


def _times(*names: str) -> list[Column[Any]]:
    return [Column(name, DateTime) for name in names]


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        *columns,
        Column("zfbz", String(1), nullable=False, default="0"),
        Column("xgsj", DateTime, nullable=False, index=True),
    )


STAYS: Final = _table(
    "zy_brry",
    Column("zyh", String(20), nullable=False, unique=True),
    *_texts(
        xm=50, sfzh=18, xb=1, csrq=10, lxdh=20, cbr=30, ryks=20, ryksmc=50, dqbq=20, cwh=10, zzys=20, zzysxm=50, yllb=6
    ),
    *_times("rysj", "cysj"),
)
MOVES: Final = _table(
    "zy_bqyd",
    Column("zyh", String(20), index=True),
    *_texts(ydlx=1, bq=20, bqmc=50, czy=50, bz=200),
    *_times("ydsj", "lrsj"),
)
DIAGNOSES: Final = _table(
    "zy_brzd",
    Column("zyh", String(20), index=True),
    Column("pxh", Integer),
    *_texts(zdlb=3, zzd=1, icd=20, zdmc=100, rybq=3, zdks=50, ysbm=30, ysxm=50),
    *_times("zdsj"),
)
OPERATIONS: Final = _table(
    "zy_ssjl",
    Column("zyh", String(20), index=True),
    *_texts(sslb=1, ssbm=30, ssmc=200, mzfs=6, sz=30, szxm=50, mzys=30),
    *_times("kssj", "jssj", "mzkssj", "mzjssj"),
)
FEES: Final = _table(
    "zy_fymx",
    Column("zyh", String(20), index=True),
    Column("ymxid", Integer),
    Column("yzh", Integer),
    *_texts(xmbm=30, xmmc=100, kdks=30, kdksmc=50, kdys=30, kdysxm=50, zxks=30, zxksmc=50, zyfs=1),
    Column("sl", Money),
    Column("dj", Money),
    Column("je", Money),
    *_times("fysj"),
)
ORDERS: Final = _table(
    "zy_yz",
    Column("zyh", String(20), index=True),
    *_texts(yzlx=1, xmbm=30, yznr=200, kdks=30, kdys=30, kdysxm=50),
    *_times("kssj", "tzsj"),
)
ITEMS: Final = _table(
    "xm_zd",
    Column("xmbm", String(30), unique=True),
    *_texts(xmmc=100, xmlb=10, gjbm=50, gg=60, dw=20),
    Column("dj", Money),
)
