"""Catalogs (13xx): small believable ones in editions, as files (13xx, then 9102) or as pages, and files that are broken on demand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from gateway.simulator.faults import FaultWrong
from gateway.simulator.files import EVERYBODY
from gateway.simulator.ledger import Declined, Ledger, printed
from gateway.simulator.registry import Turn, handles
from gateway.simulator.tables import Column, Tables

ROWS: Final = 12
"""Of the first edition."""
PUBLISHED_ROWS_MAX: Final = 20_000
_FIRST_DAY: Final = date(2026, 1, 5)
_BETWEEN: Final = timedelta(days=30)

Row = dict[str, str]


@dataclass(slots=True)
class Edition:
    """What is new in one edition: records by ``rid``, whole."""

    ver: str
    day: date
    rows: dict[str, Row]


@dataclass(slots=True)
class Book:
    """One catalog."""

    infno: str
    columns: tuple[Column, ...]
    editions: list[Edition] = field(default_factory=list)

    def since(self, ver: str) -> dict[str, Row]:
        """The newest form of every record that is newer than ``ver``. Raises ``Declined`` for an edition that never was."""
        known = [edition.ver for edition in self.editions]
        if ver in known:
            newer = self.editions[known.index(ver) + 1 :]
        elif _is_first(ver):
            newer = self.editions
        else:
            raise Declined(f"版本号不存在：{ver}")
        return {rid: row for edition in newer for rid, row in edition.rows.items()}

    def all(self) -> dict[str, Row]:
        """Every record in its newest form."""
        return {rid: row for edition in self.editions for rid, row in edition.rows.items()}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How records of a catalog look: columns of code and name, codes, names."""

    code: str
    name: str
    codes: Callable[[int], str]
    names: Sequence[str]
    more: Mapping[str, str] = field(default_factory=dict)


_DRUGS = (
    "阿莫西林胶囊",
    "布洛芬缓释胶囊",
    "二甲双胍片",
    "头孢呋辛酯片",
    "氨氯地平片",
    "阿托伐他汀钙片",
    "奥美拉唑肠溶胶囊",
    "氯沙坦钾片",
)
_PINYIN = {"阿莫西林胶囊": "AMXLJN", "布洛芬缓释胶囊": "BLFHSJN", "二甲双胍片": "EJSGP", "头孢呋辛酯片": "TBFXZP",
           "氨氯地平片": "ALDPP", "阿托伐他汀钙片": "ATFTTGP", "奥美拉唑肠溶胶囊": "AMLZCRJN", "氯沙坦钾片": "LSTJP"}  # fmt: skip
_HERBS = ("黄芪", "当归", "白术", "茯苓", "甘草", "丹参", "川芎", "陈皮")
_SUPPLIES = (
    "一次性使用无菌注射器",
    "静脉留置针",
    "人工髋关节假体",
    "可吸收性外科缝线",
    "血液透析器",
    "医用外科口罩",
    "冠状动脉支架",
    "导尿管",
)
_SERVICES = ("住院诊查费", "Ⅱ级护理", "血常规", "静脉输液", "心电图检查", "CT 平扫", "吸氧", "换药")
_ICD10 = (
    ("J18.900", "肺炎"), ("I10.x00", "原发性高血压"), ("E11.900", "2型糖尿病"), ("K35.900", "急性阑尾炎"),
    ("J44.100", "慢性阻塞性肺病伴有急性加重"), ("K80.100", "胆囊结石伴慢性胆囊炎"), ("I25.103", "冠状动脉粥样硬化性心脏病"),
    ("H25.900", "老年性白内障"),
)  # fmt: skip
_ICD9 = (
    ("47.0100", "腹腔镜下阑尾切除术"), ("51.2300", "腹腔镜下胆囊切除术"), ("36.0601", "经皮冠状动脉支架置入术"),
    ("13.4100x001", "白内障超声乳化抽吸术"),
)  # fmt: skip
"""As the hospitals of the samples code; the rest is made up."""
_DISEASES = ("原发性高血压", "2 型糖尿病", "肺炎", "急性阑尾炎", "脑梗死", "慢性阻塞性肺病", "腹股沟疝", "胆囊结石")


_DAY_DISEASES = ("急性阑尾炎", "胆囊结石伴慢性胆囊炎", "冠状动脉粥样硬化性心脏病", "老年性白内障")
"""Each with the operation of :data:`_ICD9` in the same place."""


def _code(known: Sequence[tuple[str, str]], n: int, invented: str) -> str:
    return known[n - 1][0] if n <= len(known) else invented


_KINDS: Final = {
    "1301": _Kind("med_list_codg", "drug_prodname", lambda n: f"XA01AB{n:04d}B001010100001", _DRUGS),
    "1302": _Kind("med_list_codg", "tcmherb_name", lambda n: f"T{n:05d}", _HERBS),
    "1303": _Kind("med_list_codg", "drug_prodname", lambda n: f"Z44080{n:06d}", ("院内止咳合剂", "院内清热颗粒")),
    "1304": _Kind("med_list_codg", "drug_genname", lambda n: f"M{n:06d}", ("藏药二十五味珍珠丸", "蒙药额日敦")),
    "1305": _Kind("med_list_codg", "servitem_name", lambda n: f"0011{n:08d}", _SERVICES),
    "1306": _Kind("med_list_codg", "mcs_name", lambda n: f"C0101{n:015d}", _SUPPLIES),
    "1306A": _Kind("med_list_codg", "mcs_name", lambda n: f"C0101{n:022d}", _SUPPLIES),
    "1307": _Kind("diag_code", "diag_name", lambda n: _code(_ICD10, n, f"X{n:02d}.x00"), [name for _, name in _ICD10]),
    "1308": _Kind(
        "oprn_oprt_code", "oprn_oprt_name", lambda n: _code(_ICD9, n, f"99.{n:04d}"), [name for _, name in _ICD9]
    ),
    "1309": _Kind("opsp_dise_code", "opsp_dise_name", lambda n: f"M{n:05d}", _DISEASES),
    "1310": _Kind("bydise_setl_list_code", "bydise_setl_dise_name", lambda n: f"D{n:05d}", _DISEASES),
    "1311": _Kind("daysrg_dise_list_code", "daysrg_dise_name", lambda n: f"R{n:05d}", _DAY_DISEASES),
    "1312": _Kind("hilist_code", "hilist_name", lambda n: f"XA01AB{n:04d}B001010100001", _DRUGS),
    "1316": _Kind("med_list_codg", "hilist_code", lambda n: f"XA01AB{n:04d}B001010100001", ("XA01AB",)),
    "1317": _Kind("medins_list_codg", "medins_list_name", lambda n: f"YP{n:06d}", _DRUGS),
    "1318": _Kind("hilist_code", "tabname", lambda n: f"XA01AB{n:04d}B001010100001", ("hilist_lmtpric",)),
    "1319": _Kind("hilist_code", "tabname", lambda n: f"XA01AB{n:04d}B001010100001", ("selfpay_prop",)),
    "1313": _Kind("mpy_type_code", "mpy_type", lambda n: f"M8{n:04d}/3", ("鳞状细胞癌", "腺癌", "移行细胞癌")),
    "1314": _Kind("dise_type_code", "dise_type_name", lambda n: f"A01.{n:02d}", ("感冒病", "咳嗽病", "哮病", "喘病")),
    "1315": _Kind("sds_type_code", "sds_type_name", lambda n: f"B02.{n:02d}", ("风寒束表证", "痰热壅肺证", "气虚证")),
    "1321": _Kind("med_list_codg", "servitem_name", lambda n: f"0012{n:08d}", _SERVICES),
}
_OTHER: Final = _Kind("", "", lambda n: f"K{n:08d}", ("样例",))
_QUERIES: Final = ("1304", "1312", "1316", "1317", "1318", "1319")
FILES: Final = ("1301", "1302", "1303", "1305", "1306", "1306A", "1307", "1308", "1309", "1310", "1311", "1313", "1314",
                "1315", "1320", "1321", "1322", "1323", "1324", "1325", "1326", "1327")  # fmt: skip


# ------------------------------------------------------------------ answers


@handles(*FILES)
def download(turn: Turn) -> Any:
    """A file with what is newer than the edition the institution has; refused when there is nothing."""
    book = _book(turn.ledger, turn.infno, turn.table.layout)
    rows = book.since(turn.message["data"]["ver"])
    if not rows:
        raise Declined("没有可下载的更新数据")
    content, count = _content(book, rows, turn.ledger.broken_catalogs.pop(turn.infno, ""))
    name = f"{turn.infno}_{book.editions[-1].ver}.txt"
    number = turn.ledger.keep_file(f"{name}.zip", content, EVERYBODY)
    return turn.shaped_root(
        {
            "file_qury_no": number,
            "filename": f"{name}.zip",
            "dld_end_time": printed(turn.now + timedelta(days=3))[:10],
            "data_cnt": count,
        }
    )


@handles(*_QUERIES)
def page(turn: Turn) -> Any:
    """One page of what has changed since a day, that day included."""
    (node,) = [node for node in turn.table.output if node.name == "data"]
    book = _book(turn.ledger, turn.infno, node.columns)
    asked = turn.message["data"]
    codes = _KINDS[turn.infno].code
    rows = [
        row
        for row in book.all().values()
        if row["updt_time"] >= asked["updt_time"] and asked.get(codes) in (None, "", row.get(codes))
    ]
    number, size = int(asked["page_num"]), int(asked["page_size"])
    pages = -(-len(rows) // size)
    some = rows[(number - 1) * size : number * size]
    return turn.shaped_root(
        {
            "firstPage": "true" if number == 1 else "false",
            "lastPage": "true" if number >= pages else "false",
            "size": len(some),
            "pageSize": size,
            "pageNum": number,
            "recordCounts": len(rows),
            "pages": pages,
            "data": some,
        }
    )


# ------------------------------------------------------------------ editions


def _book(ledger: Ledger, infno: str, columns: tuple[Column, ...]) -> Book:
    """The catalog, with its first edition when nobody has asked for it before."""
    book = ledger.catalogs.get(infno)
    if book is None:
        book = ledger.catalogs[infno] = Book(infno, columns)
        _publish(book, {_rid(infno, n): _row(book, n) for n in range(1, ROWS + 1)})
    return book


def _publish(book: Book, rows: dict[str, Row]) -> None:
    number = len(book.editions) + 1
    day = _FIRST_DAY + _BETWEEN * (number - 1)
    ver = f"F{number:03d}_{day:%Y%m%d}_A"
    stamps = {"ver": ver, "ver_name": f"第 {number} 版", "updt_time": day.isoformat(), "opt_time": day.isoformat()}
    names = {column.name for column in book.columns}
    for row in rows.values():
        row.update({name: value for name, value in stamps.items() if name in names})
    book.editions.append(Edition(ver, day, rows))


def _row(book: Book, n: int) -> Row:
    """Record number ``n`` of a catalog; its gaps are ``null``."""
    kind = _KINDS.get(book.infno) or _OTHER
    name = kind.names[(n - 1) % len(kind.names)]
    row: Row = {}
    for place, column in enumerate(book.columns):
        if column.name in ("rid", "vali_flag"):
            row[column.name] = {"rid": _rid(book.infno, n), "vali_flag": "1"}[column.name]
        elif column.name in ("begndate", "efft_time"):
            row[column.name] = "2025-01-01"
        elif column.name == "crte_time":
            row[column.name] = _FIRST_DAY.isoformat()
        elif column.name == "pinyin":
            row[column.name] = _PINYIN.get(name, "")
        elif column.required or (not kind.code and place < 4):
            row[column.name] = kind.codes(n) if column.type in ("string", "text") else _number(column)
    if kind.code:
        row[kind.code] = kind.codes(n)
        row[kind.name] = name if n <= len(kind.names) else f"{name} {n}"
    if book.infno == "1311":
        row["qua_oprn_oprt_code"], row["qua_oprn_oprt_name"] = _ICD9[(n - 1) % len(_ICD9)]
    return row


def _number(column: Column) -> str:
    return "2025-01-01" if column.type in ("date", "datetime") else "1"


def _rid(infno: str, n: int) -> str:
    return f"{infno}-{n:08d}"


def _is_first(ver: str) -> bool:
    """Whether this is what institutions ask with when they hold nothing: ``0``, ``v0000``, ``F001_0000_A``."""
    return ver.strip("vV0") == "" or "_0000_" in ver


# ------------------------------------------------------------------ control


def command(ledger: Ledger, tables: Tables, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Publish an edition, or break the next file. Raises :class:`FaultWrong`.

    ``{"infno", "act": "publish"}``: one record changed, one withdrawn, two new; ``"rows": n`` more new ones.
    ``{"infno", "act": "break", "how"}``: the next file of this catalog only.
    """
    infno, act = wish.get("infno"), wish.get("act")
    if infno not in (*FILES, *_QUERIES):
        raise FaultWrong(f"infno 应为目录的交易编号，收到 {infno!r}")
    if act == "publish":
        return _published(ledger, tables, infno, wish)
    if act == "break":
        return _broken(ledger, infno, wish)
    raise FaultWrong(f"act 应为 publish 或 break，收到 {act!r}")


def listed(ledger: Ledger) -> list[dict[str, Any]]:
    """Every catalog that was asked for: its editions with how many records are new in each."""
    return [
        {"infno": infno, "editions": [{"ver": one.ver, "rows": len(one.rows)} for one in book.editions],
         "rows": len(book.all())}
        for infno, book in ledger.catalogs.items()
    ]  # fmt: skip


def _published(ledger: Ledger, tables: Tables, infno: str, wish: Mapping[str, Any]) -> dict[str, Any]:
    more = wish.get("rows", 0)
    if wish.keys() - {"infno", "act", "rows"} or isinstance(more, bool) or not isinstance(more, int):
        raise FaultWrong('应为 {"infno", "act": "publish", "rows": 另加的条数}')
    if not 0 <= more <= PUBLISHED_ROWS_MAX:
        raise FaultWrong(f"rows 应为 0 到 {PUBLISHED_ROWS_MAX}")
    table = tables[infno]
    columns = table.layout or next(node.columns for node in table.output if node.name == "data")
    book = _book(ledger, infno, columns)
    held = book.all()
    valid = [rid for rid, row in held.items() if row["vali_flag"] == "1"]
    rows = {_rid(infno, n): _row(book, n) for n in range(len(held) + 1, len(held) + 3 + more)}
    changed, withdrawn = valid[0], valid[1]
    kind = _KINDS.get(infno) or _OTHER
    name = kind.name or next(column.name for column in columns if column.name not in ("rid", "vali_flag", "ver"))
    rows[changed] = {**held[changed], name: f"{held[changed][name]}（{len(book.editions) + 1}）"}
    rows[withdrawn] = {**held[withdrawn], "vali_flag": "0"}
    _publish(book, rows)
    return {"infno": infno, "ver": book.editions[-1].ver, "added": 2 + more, "changed": changed, "withdrawn": withdrawn}


def _broken(ledger: Ledger, infno: str, wish: Mapping[str, Any]) -> dict[str, Any]:
    how = wish.get("how")
    if wish.keys() != {"infno", "act", "how"} or how not in _BREAKS or infno in _QUERIES:
        raise FaultWrong(f"how 应为 {'、'.join(_BREAKS)} 之一，且只用于文件类目录，收到 {how!r}")
    ledger.broken_catalogs[infno] = str(how)
    return dict(wish)


# ------------------------------------------------------------------ files


def _content(book: Book, rows: Mapping[str, Row], how: str) -> tuple[bytes, int]:
    """The ZIP, and how many records it is said to have."""
    lines = [[row.get(column.name) or "null" for column in book.columns] for row in rows.values()]
    place = {column.name: at for at, column in enumerate(book.columns)}
    bend = _BREAKS.get(how)
    text = _joined(bend(lines, place) if bend else lines)
    packed = _packed(f"{book.infno}.txt", text.encode("gb18030" if how == "gbk" else "utf-8"))
    count = len(lines) + (5 if how == "fewer" else 0)
    return (packed[: len(packed) // 2] if how == "cut-zip" else packed), count


def _joined(lines: Iterable[Sequence[str]]) -> str:
    return "".join("\t".join(line) + "\n" for line in lines)


def _packed(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


_Bend = Callable[[list[list[str]], Mapping[str, int]], list[list[str]]]


def _as_they_are(lines: list[list[str]], _: Mapping[str, int]) -> list[list[str]]:
    return lines


def _one_with_a_tab(lines: list[list[str]], _: Mapping[str, int]) -> list[list[str]]:
    """The last record has a TAB inside a column."""
    return [*lines[:-1], [*lines[-1][:2], "中间有\t分隔符", *lines[-1][3:]]]


def _one_bad_flag(lines: list[list[str]], place: Mapping[str, int]) -> list[list[str]]:
    return [*lines[:-1], [*lines[-1][: place["vali_flag"]], "有效", *lines[-1][place["vali_flag"] + 1 :]]]


def _without_the_third(lines: list[list[str]], _: Mapping[str, int]) -> list[list[str]]:
    """Every record has lost its third column, and has one more at its end: as many as it should have."""
    return [[*line[:2], *line[3:], "null"] for line in lines]


_BREAKS: Final[Mapping[str, _Bend]] = {
    "bad-row": _one_with_a_tab,
    "bad-flag": _one_bad_flag,
    "shifted": _without_the_third,
    "columns": lambda lines, _: [line[: len(line) // 2] for line in lines],
    "extra": lambda lines, _: [[*line, "新列", "null"] for line in lines],
    "cut-zip": _as_they_are,
    "gbk": _as_they_are,
    "fewer": _as_they_are,
    "empty": lambda _, __: [],
}
