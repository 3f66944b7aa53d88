"""One catalog brought up to date: ask (13xx) with the version held, fetch (9102), look through, import, put in force.

Everything is asked through the exchange, so it is journaled and keeps the limits of every other call. What a killed run has
begun is gone on with from the file on the shelf; what cannot be gone on with is taken back first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.catalogs.reading import CatalogFile, Survey, Tolerance
from gateway.contract.catalogs import Catalog, day_of, version_order
from gateway.contract.errors import MappingError
from gateway.contract.jsontext import dumps
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.exchange import Exchange
from gateway.exchange.filed import DOWNLOAD, DOWNLOAD_NODE
from gateway.exchange.ports import Registration
from gateway.files.layout import NULL
from gateway.files.shelf import Shelf
from gateway.files.unpack import FileWrong
from gateway.store.catalogs import NewVersion, SqlCatalogs, Version

log = structlog.get_logger(__name__)

OURSELVES: Final = Client("catalogs", call_s_max=3600)
"""Stands in the journal for what is asked about catalogs."""
EVERYBODYS: Final = "plc"
"""``fixmedins_code`` of files that are made for all (transport facts, section 10)."""
INSTITUTION: Final = "$institution"
BATCH: Final = 500
"""Records of one transaction: some tens of milliseconds, for which a settlement on SQLite may have to wait."""
ROUNDS_MAX: Final = 50
"""A platform that gives one version at a time is asked again; no further than this in one run."""
PAGES_MAX: Final = 9999
FIRST_DAY: Final = "1900-01-01"
_BREAKING: Final = str.maketrans("\t\r\n", "   ")

Told = Callable[[str, int, int], None]
"""Is told what is being done, and how much of it: ``(text, done, total)``; total 0 where it is not known. May raise."""


class CannotUpdate(Exception):
    """A catalog stays as it is; the text (Chinese) says why."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How careful an update is.

    Args:
        tolerance: what a file may have that is not as it should be.
        missing_percent_max: a whole catalog that lacks more of what is held than this is not taken for whole.
        versions_kept: how many versions can be looked at.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    missing_percent_max: int = 20
    versions_kept: int = 3


@dataclass(frozen=True, slots=True)
class Updated:
    """How an update went: the versions it brought, none when there was nothing newer."""

    infno: str
    versions: tuple[Version, ...]

    @property
    def added(self) -> int:
        return sum(version.added for version in self.versions)

    @property
    def changed(self) -> int:
        return sum(version.changed for version in self.versions)

    @property
    def withdrawn(self) -> int:
        return sum(version.withdrawn for version in self.versions)


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A file on the shelf, and the exchange that brought it."""

    path: Path
    sha256: str
    exchange_id: int | None
    announced: int | None
    """Records that the platform says it has."""


class CatalogUpdates:
    """Brings catalogs up to date.

    Args:
        exchange: carries 13xx and 9102.
        catalogs: those of the interface in force; raises ``MappingError``.
        store: where they are kept.
        shelf: where files lie after 9102.
        institution: ``fixmedins_code``.
        head: who stands in the head of what is asked.
        clock: aware, Asia/Shanghai.
    """

    def __init__(
        self,
        *,
        exchange: Exchange,
        catalogs: Callable[[], Mapping[str, Catalog]],
        store: SqlCatalogs,
        shelf: Shelf,
        institution: str,
        head: Mapping[str, str],
        policy: Policy,
        clock: Callable[[], datetime],
    ) -> None:
        self._exchange = exchange
        self._catalogs = catalogs
        self._store = store
        self._shelf = shelf
        self._institution = institution
        self._head = dict(head)
        self._policy = policy
        self._clock = clock

    def update(
        self,
        infno: str,
        told: Told = lambda _, __, ___: None,
        *,
        whole: bool = False,
        under: Registration | None = None,
    ) -> Updated:
        """Bring one catalog up to date.

        Args:
            told: is told how far it is; what it raises ends the update, to be gone on with by the next.
            whole: ask as if nothing were held, and withdraw what the answer does not name.
            under: registration of the run: once it is no longer in force nothing more is sent.

        Raises:
            CannotUpdate: the old version stays in force.
            JournalUnavailable: the store cannot be read or written.
            ImportTaken: another process goes on with it.
        """
        catalog = self._catalog(infno)
        try:
            versions = tuple(_Update(self, catalog, told, under).run(whole=whole))
        except (CannotUpdate, FileWrong) as error:
            self._store.tell(infno, catalog.name, str(error), self._clock(), failed=True)
            log.warning("catalog_not_updated", infno=infno, reason=str(error))
            raise CannotUpdate(str(error)) from error
        done = Updated(infno, versions)
        self._store.tell(infno, catalog.name, _in_words(done), self._clock(), failed=False)
        if versions:
            self._store.prune(infno, self._policy.versions_kept)
        log.info("catalog_updated", infno=infno, versions=len(versions), added=done.added, changed=done.changed,
                 withdrawn=done.withdrawn)  # fmt: skip
        return done

    def _catalog(self, infno: str) -> Catalog:
        try:
            known = self._catalogs()
        except MappingError as error:
            raise CannotUpdate(f"映射文件有误：{error}") from error
        if infno not in known:
            raise CannotUpdate(f"没有目录 {infno}；可用：{'、'.join(known)}")
        return known[infno]


class _Update:
    """One run over one catalog."""

    def __init__(self, parts: CatalogUpdates, catalog: Catalog, told: Told, under: Registration | None) -> None:
        self._parts = parts
        self._catalog = catalog
        self._told = told
        self._under = under
        self._store = parts._store

    def run(self, *, whole: bool) -> Iterator[Version]:
        """Every version that is brought, in their order."""
        if begun := self._gone_on():
            yield begun
        for number in range(ROUNDS_MAX):
            self._tell("询问平台", 0, 0)
            held = self._store.one(self._catalog.infno)
            version = held.version if held else None
            entire = version is None or (whole and number == 0)
            based_on = self._catalog.first_version if entire or version is None else version.ver
            fetched = self._fetched(based_on, entire=entire)
            if fetched is None or self._known_already(version, fetched, based_on):
                return
            brought = self._imported(fetched, based_on, version, entire=entire)
            if brought is not None:
                yield brought
            higher = brought is not None and (entire or version_order(brought.ver) > version_order(based_on))
            if not higher or self._catalog.kind == "query":
                return

    # ------------------------------------------------------------------ bringing a version in

    def _gone_on(self) -> Version | None:
        """What a run that was killed has begun: to its end, or taken back."""
        for begun in self._store.unfinished():
            if begun.infno != self._catalog.infno:
                continue
            path = self._parts._shelf.find(begun.sha256)
            same = tuple((column.name, column.label) for column in self._catalog.columns) == begun.columns
            if path is not None and same:
                survey = self._surveyed(path)
                if survey.lines == begun.lines_total:
                    return self._written(begun, path, survey)
            self._tell("撤回上次未完成的导入", 0, 0)
            self._store.take_back(begun)
        return None

    def _known_already(self, version: Version | None, fetched: _Fetched, based_on: str) -> bool:
        """Whether this very file, asked for in the same way, is what is in force."""
        return version is not None and version.sha256 == fetched.sha256 and based_on in (version.ver, version.based_on)

    def _imported(self, fetched: _Fetched, based_on: str, version: Version | None, *, entire: bool) -> Version | None:
        """The version that a file makes; None when it holds nothing new."""
        survey = self._surveyed(fetched.path)
        got = survey.lines + survey.left_out
        if self._catalog.count_told and got < (fetched.announced or 0):
            raise CannotUpdate(f"文件有 {got} 行，平台说有 {fetched.announced} 行：不完整，没有导入")
        if not got:
            return None
        newest = max(survey.version, version.ver if version and not entire else "", key=version_order)
        begun = self._store.begin(
            NewVersion(
                infno=self._catalog.infno,
                based_on=based_on,
                ver=newest or based_on,
                whole=entire,
                sha256=fetched.sha256,
                exchange_id=fetched.exchange_id,
                lines_total=survey.lines,
                columns=tuple((column.name, column.label) for column in self._catalog.columns),
            ),
            self._catalog.name,
            self._parts._clock(),
        )
        return self._written(begun, fetched.path, survey)

    def _written(self, begun: Version, path: Path, survey: Survey) -> Version | None:
        if begun.whole:
            self._must_be_whole(begun, survey)
        at = begun.lines_done
        records = self._file(path).records(after=at)
        while batch := list(islice(records, BATCH)):
            self._tell("导入", at, begun.lines_total)
            self._store.add(begun, batch, lines_before=at, lines_after=at + len(batch))
            at += len(batch)
        if begun.whole:
            self._store.withdraw_missing(begun, survey.names, lambda seen: self._tell("核对撤销", seen, 0))
        self._tell("启用", begun.lines_total, begun.lines_total)
        return self._put_in_force(begun, survey)

    def _put_in_force(self, begun: Version, survey: Survey) -> Version | None:
        """None, and nothing is left of it, when the file only repeats what is held under the version that is held."""
        held = self._store.one(self._catalog.infno)
        (now,) = [one for one in self._store.unfinished() if one.id == begun.id]
        if held and held.version and not (now.added or now.changed or now.withdrawn) and held.version.ver == begun.ver:
            self._store.take_back(begun)
            return None
        return self._store.put_in_force(begun, survey.notes, self._parts._clock())

    def _must_be_whole(self, begun: Version, survey: Survey) -> None:
        gone, held = self._store.missing(begun, survey.names)
        most = self._parts._policy.missing_percent_max
        if gone * 100 > held * most:
            self._store.take_back(begun)
            raise CannotUpdate(
                f"全量文件中没有的有 {gone} 条，占现有 {held} 条的 {gone * 100 // held}%，超过 {most}%："
                "不像全量，没有导入；确属全量时调高 catalogs.missing_percent_max"
            )

    def _surveyed(self, path: Path) -> Survey:
        self._tell("检查文件", 0, 0)
        return self._file(path).survey(lambda lines: self._tell("检查文件", lines, 0))

    def _file(self, path: Path) -> CatalogFile:
        return CatalogFile(path, self._catalog, self._parts._policy.tolerance)

    # ------------------------------------------------------------------ fetching

    def _fetched(self, based_on: str, *, entire: bool) -> _Fetched | None:
        """What is newer, on the shelf; None when nothing is."""
        if self._catalog.kind == "query":
            return self._paged(FIRST_DAY if entire else day_of(based_on) or FIRST_DAY)
        reply = self._ask(self._catalog.infno, {"data": {"ver": based_on}})
        if reply.code and self._catalog.nothing_newer(reply.err_msg):
            return None
        if reply.code:
            raise CannotUpdate(f"{self._catalog.infno} 没有办成：{reply.err_msg}")
        info = _file_info(reply.output)
        number, name = str(info.get("file_qury_no") or ""), str(info.get("filename") or "")
        announced = _whole_number(info.get("data_cnt"))
        if not announced and not (number and announced is None):
            return None
        if not number or not name:
            raise CannotUpdate(f"{self._catalog.infno} 的答复没有文件查询号或文件名")
        self._tell("下载", 0, 0)
        return self._downloaded(number, name, announced)

    def _downloaded(self, number: str, name: str, announced: int | None) -> _Fetched:
        node = {"file_qury_no": number, "filename": name, "fixmedins_code": EVERYBODYS}
        reply = self._ask(DOWNLOAD, {"fsDownloadIn": node})
        told = reply.output.get(DOWNLOAD_NODE) if isinstance(reply.output, dict) else None
        sha256 = str(told.get("sha256") or "") if isinstance(told, dict) else ""
        path = self._parts._shelf.find(sha256)
        if reply.code or path is None:
            raise CannotUpdate(f"目录文件没有取回（9102）：{reply.err_msg or '没有文件'}")
        return _Fetched(path, sha256, reply.exchange_id, announced)

    def _paged(self, since: str) -> _Fetched | None:
        """Every page of a query, as one file in the national layout on the shelf."""
        pages = _Pages(self, since)
        first = next(pages.rows, None)
        if first is None:
            return None
        try:
            kept = self._parts._shelf.receive(f"{self._catalog.infno}.txt", pages.lines(first))
        except OSError as error:
            raise CannotUpdate(f"查询结果无法存盘：{error.strerror or type(error).__name__}") from error
        return _Fetched(kept.path, kept.sha256, pages.exchange_id, None)

    def _ask(self, infno: str, message: Mapping[str, Any]) -> Reply:
        head, name = self._parts._head, OURSELVES.name
        return self._parts._exchange.handle(
            Call(OURSELVES, infno, message, dumps(message), name, head, under=self._under)
        )

    def _tell(self, text: str, done: int, total: int) -> None:
        self._told(f"{self._catalog.infno} {self._catalog.name}：{text}", done, total)


class _Pages:
    """The records of a query, page after page.

    Args:
        since: ``updt_time`` that is asked with; what changed on that day comes again, since a day may not have been over.
    """

    def __init__(self, update: _Update, since: str) -> None:
        self._update = update
        self._catalog = update._catalog
        self._since = since
        self._names = [column.name for column in self._catalog.columns]
        self.exchange_id: int | None = None
        self.rows: Iterator[Mapping[str, Any]] = self._all()

    def lines(self, first: Mapping[str, Any]) -> Iterator[bytes]:
        """As lines of a file."""
        yield self._line(first)
        for row in self.rows:
            yield self._line(row)

    def _line(self, row: Mapping[str, Any]) -> bytes:
        return "\t".join(_printed(row.get(name)) for name in self._names).encode() + b"\n"

    def _all(self) -> Iterator[Mapping[str, Any]]:
        told = got = 0
        for page in range(1, PAGES_MAX + 1):
            self._update._tell("查询", got, told)
            output = self._page(page)
            rows = output.get("data") or []
            rows = rows if isinstance(rows, list) else [rows]
            said = _whole_number(output.get("recordCounts")) or told
            got += len(rows)
            last = self._last(output, page, len(rows))
            if (page > 1 and said != told) or (last and got < said):
                raise CannotUpdate(
                    f"查到 {got} 条，平台先后说有 {told or said}、{said} 条：翻页期间平台的数据变了，没有导入"
                )
            told = said
            yield from rows
            if last:
                return
        raise CannotUpdate(f"超过 {PAGES_MAX} 页，请在 mappings 中调大 {self._catalog.infno} 的 page_size")

    def _page(self, page: int) -> Mapping[str, Any]:
        ask = {
            name: self._update._parts._institution if value == INSTITUTION else value
            for name, value in self._catalog.ask.items()
        }
        data = {**ask, "updt_time": self._since, "page_num": page, "page_size": self._catalog.page_size}
        reply = self._update._ask(self._catalog.infno, {"data": data})
        if reply.code and self._catalog.nothing_newer(reply.err_msg):
            return {}
        if reply.code:
            raise CannotUpdate(f"{self._catalog.infno} 第 {page} 页没有办成：{reply.err_msg}")
        self.exchange_id = reply.exchange_id
        return reply.output if isinstance(reply.output, dict) else {"data": reply.output}

    def _last(self, output: Mapping[str, Any], page: int, rows: int) -> bool:
        if not rows:
            return True
        said = str(output.get("lastPage") or "").lower()
        if said in ("true", "false"):
            return said == "true"
        pages = _whole_number(output.get("pages"))
        return page >= pages if pages else rows < self._catalog.page_size


def _file_info(output: Any) -> Mapping[str, Any]:
    """The fields stand directly under output; one province wraps them in ``fileinfo`` (1301.yaml, doubts)."""
    if not isinstance(output, dict):
        return {}
    wrapped = output.get("fileinfo")
    wrapped = wrapped[0] if isinstance(wrapped, list) and wrapped else wrapped
    return wrapped if isinstance(wrapped, dict) else output


def _whole_number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _printed(value: Any) -> str:
    return NULL if value is None or value == "" else str(value).translate(_BREAKING)


def _in_words(done: Updated) -> str:
    if not done.versions:
        return "没有更新"
    return f"已更新到 {done.versions[-1].ver}：新增 {done.added}，变更 {done.changed}，撤销 {done.withdrawn}"


def infnos_of(chosen: Iterable[str], catalogs: Mapping[str, Catalog], province: object) -> list[str]:
    """Which catalogs are kept: those chosen, else those the province's file names, else the files two sources agree on."""
    if found := list(chosen):
        return found
    if isinstance(province, list | tuple) and province:
        return [str(infno) for infno in province]
    return [infno for infno, one in catalogs.items() if one.kind == "file" and one.confidence == "high"]
