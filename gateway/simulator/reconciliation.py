"""Reconciliation: the institution's sums (3201) and lines (3202) against the ledger, and differences planted in it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from gateway.simulator.arithmetic import ZERO
from gateway.simulator.faults import FaultWrong
from gateway.simulator.ledger import Declined, Ledger, Settlement, printed
from gateway.simulator.registry import Turn, handles
from gateway.simulator.settlement import amount, clearing_type
from gateway.simulator.tables import number

_EVEN, _UNEVEN = "0", "1"
_ONLY_THERE, _ONLY_HERE, _UNLIKE = "1", "2", "3"
"""``stmt_rslt`` of a line of the result, as the centre sees it: 中心多, 医药机构多, 数据不一致."""
UPLOADED = ("setl_id", "mdtrt_id", "psn_no", "medfee_sumamt", "fund_pay_sumamt", "acct_pay", "refd_setl_flag")
_UNPACKED_MAX = 256 * 1024 * 1024
PLANTED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the centre's books."""

    setl_id: str
    mdtrt_id: str
    psn_no: str
    msgid: str
    money: tuple[Decimal, Decimal, Decimal]
    refund: bool
    day: str
    institution: str
    insutype: str
    clr_type: str
    other_id: str = ""
    """A refund is known by the settlement's ``setl_id`` and by its own."""


@handles("3201")
def totals(turn: Turn) -> Any:
    """Even when sums and count of the lines of the period agree; else the platform's own sums."""
    data = turn.message["data"]
    mine = [one for one in _period(turn, data) if one.insutype == data["insutype"] and one.clr_type == data["clr_type"]]
    held: tuple[Decimal | int, ...] = (*_sums(one.money for one in mine), len(mine))
    names = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay", "fixmedins_setl_cnt")
    even = held == tuple(amount(data[name]) for name in names)
    said = "、".join(f"{label} {value}" for label, value in zip(("总额", "基金", "账户", "笔数"), held, strict=True))
    return turn.shaped(
        stmtinfo={
            "setl_optins": data["setl_optins"],
            "stmt_rslt": _EVEN if even else _UNEVEN,
            "stmt_rslt_dscr": "平" if even else f"不平，中心：{said}",
        }
    )


@handles("3202")
def details(turn: Turn) -> Any:
    """A file that tells of every line of both sides; where to fetch it."""
    data = turn.message["data"]
    given = turn.ledger.files.get(data["file_qury_no"])
    if given is None or given.fixmedins_code != turn.institution:
        raise Declined(f"文件不存在：{data['file_qury_no']}")
    rows = _read(given.content)
    claimed = (amount(data["medfee_sumamt"]), amount(data["fund_pay_sumamt"]), int(amount(data["fixmedins_setl_cnt"])))
    sums = _sums(_money(row) for row in rows)
    if (*sums[:2], len(rows)) != claimed:
        raise Declined(f"汇总与明细文件不符：文件 总额 {sums[0]}、基金 {sums[1]}、笔数 {len(rows)}")
    mine = [one for one in _period(turn, data) if one.clr_type == (data.get("clr_type") or one.clr_type)]
    name = f"stmt_{turn.msgid}.txt"
    number_ = turn.ledger.keep_file(f"{name}.zip", _packed(name, _result(rows, mine)), turn.institution)
    info = {"file_qury_no": number_, "filename": f"{name}.zip", "dld_endtime": printed(turn.now)}
    return turn.shaped(fileinfo=info)


def _result(rows: list[dict[str, str]], mine: list[Entry]) -> Iterator[list[str]]:
    left = list(mine)
    by_id: dict[tuple[str, bool], Entry] = {}
    for one in mine:
        by_id |= {(known, one.refund): one for known in (one.setl_id, one.other_id) if known}
    for row in rows:
        found = by_id.get((row["setl_id"], row["refd_setl_flag"] == "1"))
        if found is None or found not in left:
            yield _line(
                row["psn_no"], row["mdtrt_id"], row["setl_id"], "", _ONLY_HERE, row["refd_setl_flag"], _money(row)
            )
            continue
        left.remove(found)
        same = found.money == _money(row) and found.psn_no == row["psn_no"]
        yield _told(found, _EVEN if same else _UNLIKE, row["setl_id"], row["mdtrt_id"])
    for one in left:
        yield _told(one, _ONLY_THERE, "", "")  # the institution's numbers are not told for what it has not sent


def _told(one: Entry, result: str, setl_id: str, mdtrt_id: str) -> list[str]:
    return _line(one.psn_no, mdtrt_id, setl_id, one.msgid, result, "1" if one.refund else "0", one.money)


def _line(
    psn_no: str, mdtrt_id: str, setl_id: str, msgid: str, result: str, refund: str, money: Iterable[Decimal]
) -> list[str]:
    return [psn_no, mdtrt_id, setl_id, msgid, result, refund, "", *(f"{part:.2f}" for part in money)]


def _read(content: bytes) -> list[dict[str, str]]:
    """The lines of an uploaded file. Raises :class:`Declined` for what has another layout."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (member,) = archive.infolist()
            if member.file_size > _UNPACKED_MAX:
                raise Declined("明细文件过大")
            text = archive.read(member).decode("utf-8")
    except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
        raise Declined("明细文件应为只含一个 UTF-8 文本的 ZIP") from error
    rows = []
    for place, line in enumerate(text.splitlines(), 1):
        columns = line.split("\t")
        if len(columns) != len(UPLOADED) or any(not column or column == "null" for column in columns):
            raise Declined(f"明细文件第 {place} 行应有 {len(UPLOADED)} 列，且都不为空")
        row = dict(zip(UPLOADED, columns, strict=True))
        if any(number(row[name]) is None for name in UPLOADED[3:6]):
            raise Declined(f"明细文件第 {place} 行的金额不是数值")
        rows.append(row)
    return rows


def _money(row: Mapping[str, str]) -> tuple[Decimal, Decimal, Decimal]:
    return amount(row["medfee_sumamt"]), amount(row["fund_pay_sumamt"]), amount(row["acct_pay"])


def _sums(money: Iterable[tuple[Decimal, ...]]) -> tuple[Decimal, ...]:
    kept = list(money)
    return tuple(sum((one[place] for one in kept), ZERO) for place in range(3))


def _packed(name: str, rows: Iterable[list[str]]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, "".join("\t".join(column or "null" for column in row) + "\n" for row in rows))
    return file.getvalue()


def _period(turn: Turn, data: Mapping[str, Any]) -> list[Entry]:
    if data["stmt_begndate"] > data["stmt_enddate"]:
        raise Declined("对账开始日期晚于结束日期")
    if data["setl_optins"] != turn.ledger.admdvs:
        return []
    return [
        one
        for one in _planted(turn.ledger, list(_entries(turn.ledger)))
        if one.institution in (turn.institution, "") and data["stmt_begndate"] <= one.day <= data["stmt_enddate"]
    ]


def _entries(ledger: Ledger) -> Iterator[Entry]:
    """What took effect: a settlement, and its cancelling as a negative line of its own day; what 2601 undid never was."""
    for one in ledger.settlements.values():
        if one.state == "reversed":
            continue
        entry = _entry(ledger, one)
        yield entry
        if one.state == "revoked":
            yield _refund(entry, one.revoked_at[:10], one.revoking_msgid, one.revoked_by)


def _entry(ledger: Ledger, one: Settlement) -> Entry:
    return Entry(
        setl_id=one.setl_id,
        mdtrt_id=one.episode.mdtrt_id,
        psn_no=one.episode.psn_no,
        msgid=one.msgid,
        money=(one.figures.total, one.figures.fund, one.figures.account),
        refund=False,
        day=one.setl_time[:10],
        institution=one.episode.fixmedins_code,
        insutype=one.request.get("insutype") or ledger.person(one.episode.psn_no).insutype,
        clr_type=clearing_type(one.episode),
    )


def _refund(entry: Entry, day: str, msgid: str, own_id: str) -> Entry:
    money = (-entry.money[0], -entry.money[1], -entry.money[2])
    return replace(entry, money=money, refund=True, day=day, msgid=msgid, other_id=own_id)


# ------------------------------------------------------------ differences planted on demand


def plant(ledger: Ledger, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Make the centre's books differ from what took effect. Raises :class:`FaultWrong`.

    ``{"kind": "amount", "setl_id", "amount"}`` one settlement is dearer there; ``missing`` it is not there; ``revoked``
    it is cancelled there; ``unrevoked`` its cancelling is not there; ``{"kind": "extra", "psn_no", "amount", "insutype",
    "clr_type", "day"}`` one that nobody sent.
    """
    if len(ledger.planted) >= PLANTED_MAX:
        raise FaultWrong(f"差异已达 {PLANTED_MAX} 条，请先 DELETE /_sim/differences")
    kind = wish.get("kind")
    if not isinstance(kind, str) or kind not in _PLANTS:
        raise FaultWrong(f"kind 不认识：{kind!r}；可用：{'、'.join(_PLANTS)}")
    wanted = _PLANTS[kind]
    if wish.keys() != {"kind", *wanted}:
        raise FaultWrong(f"{kind} 须带且只带：{'、'.join(('kind', *wanted))}")
    if not all(isinstance(wish[name], str) and wish[name] for name in wanted):
        raise FaultWrong("各项须为非空字符串")
    if "setl_id" in wanted and wish["setl_id"] not in ledger.settlements:
        raise FaultWrong(f"没有结算 {wish['setl_id']}")
    if "amount" in wanted and number(wish["amount"]) is None:
        raise FaultWrong(f"amount 应为金额，收到 {wish['amount']!r}")
    ledger.planted.append(dict(wish))
    return dict(wish)


_PLANTS: dict[str, tuple[str, ...]] = {
    "amount": ("setl_id", "amount"),
    "missing": ("setl_id",),
    "revoked": ("setl_id",),
    "unrevoked": ("setl_id",),
    "extra": ("psn_no", "amount", "insutype", "clr_type", "day"),
}


def _planted(ledger: Ledger, entries: list[Entry]) -> list[Entry]:
    for place, wish in enumerate(ledger.planted):
        entries = list(_changed(entries, wish, place))
    return entries


def _changed(entries: list[Entry], wish: Mapping[str, Any], place: int) -> Iterator[Entry]:
    kind, setl_id = wish["kind"], wish.get("setl_id")
    for entry in entries:
        ours = entry.setl_id == setl_id
        if ours and (kind == "missing" or (kind == "unrevoked" and entry.refund)):
            continue
        if ours and kind == "amount" and not entry.refund:
            more = amount(wish["amount"])
            yield replace(entry, money=(entry.money[0] + more, entry.money[1] + more, entry.money[2]))
            continue
        yield entry
        if ours and kind == "revoked" and not entry.refund:
            yield _refund(entry, entry.day, f"{entry.institution}20000101000000{place:04d}", "")
    if kind == "extra":
        money = (amount(wish["amount"]), ZERO, ZERO)
        msgid = f"{'H00000000000'}20000101000000{place:04d}"
        yield Entry(f"PLANTED{place}", "", wish["psn_no"], msgid, money, False, wish["day"], "", wish["insutype"],
                    wish["clr_type"])  # fmt: skip
