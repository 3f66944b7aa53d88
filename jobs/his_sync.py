"""What the HIS has recorded of inpatients is told to the gateway, as ``/soap/hospital`` would be told it.

Each subject is read in the order of change from where reading ended last, less an overlap. Telling the same again changes
nothing, and a mark moves only after what it stands for has been kept: a run may end anywhere. A row that cannot be used is left
with its reason until the HIS has changed it; the others go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from gateway.contract.codec import as_text
from gateway.contract.jsontext import dumps_sorted
from gateway.rules.times import TimeUnreadable, read_instant
from gateway.stays.desk import StayDesk
from gateway.stays.hospital import (
    IPT_NO,
    SUBJECTS,
    VOID,
    HisMisconfigured,
    HospitalRecords,
    Mark,
    Page,
    Point,
    Row,
    SubjectName,
)
from gateway.stays.hospital_rows import is_void
from gateway.stays.ports import StayRef
from gateway.store.his_marks import SqlHisMarks
from jobs import watermark
from jobs.job import JobFailed, Result, Run

log = structlog.get_logger(__name__)

CLIENT: Final = "his_sync"
OPERATOR: Final = "HIS"
"""Where the HIS does not say who recorded an event."""
ROWS_PER_PAGE: Final = 500
LEFT_MAX: Final = 500
"""Rows of a subject that are kept for a person; where there are more, the statement is wrong."""
SEEN_MAX: Final = 20_000
"""Rows of the overlap that are known by their content; what is beyond is told again, which changes nothing."""
LOOKED_AT_AGAIN_MAX: Final = 100
"""Left ones per run whose stay is read again: they may be good by now, or gone."""
OPERATIONS: Final = {
    "ward_in": "WardIn", "ward_in_void": "WardInVoid", "transfer": "WardTransfer", "ward_out": "WardOut",
}  # fmt: skip
RECORDS: Final[Mapping[SubjectName, str]] = {"diagnoses": "Diagnoses", "operations": "Operations"}
READ: Final[tuple[SubjectName, ...]] = ("inpatients", "ward_events", "diagnoses", "operations")
_TOLD_OF_VOID: Final = (IPT_NO, "event_id", "operator", "reason")
_TRY_LATER: Final = ("GW-40", "GW-5")

Answer = Mapping[str, Any]
Tell = Callable[[str, Mapping[str, Any]], Answer]
"""Operation and arguments -> its answer (``infcode``, ``code``, ``err_msg``)."""
Adopt = Callable[[StayRef, str], str]
"""Stay and ``psn_no`` -> why it could not be taken over from the platform, empty when it was."""


@dataclass(frozen=True, slots=True)
class Left:
    """A row, or the record of a stay, that could not be told; ``digest`` is that of the content that was refused."""

    row_id: str
    ipt_no: str
    code: str
    reason: str
    digest: str = ""


@dataclass(slots=True)
class Place:
    """How far a subject was read.

    Args:
        seen: what was told of the overlap, page by page: its last change, and the digests of its rows.
        left: by ``row_id``; the record of a stay by ``ipt_no``.
    """

    mark: Mark | None = None
    seen: list[tuple[Point, list[str]]] = field(default_factory=list)
    left: dict[str, Left] = field(default_factory=dict)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Place:
        """As it was kept; empty at first."""
        if not kept:
            return cls()
        mark = Mark(*map(watermark.read, kept["mark"])) if kept["mark"] else None
        seen = [(watermark.read(at), digests) for at, digests in kept["seen"]]
        return cls(mark, seen, {key: Left(*values) for key, values in kept["left"].items()})

    def written(self) -> dict[str, Any]:
        """JSON values of it."""
        mark = self.mark and [watermark.written(self.mark.changed_at), watermark.written(self.mark.row_id)]
        seen = [[watermark.written(at), digests] for at, digests in self.seen]
        left = {key: [getattr(one, name) for name in Left.__slots__] for key, one in self.left.items()}
        return {"mark": mark, "seen": seen, "left": left}

    def saw(self, page: Page) -> None:
        """Note the rows of a page that has been told; the oldest pages go above :data:`SEEN_MAX` rows."""
        assert page.mark is not None
        self.seen.append((page.mark.changed_at, [*map(_digest, page.row_ids, page.rows)]))
        while len(self.seen) > 1 and sum(len(digests) for _, digests in self.seen) > SEEN_MAX:
            del self.seen[0]

    def leave(self, key: str, one: Left) -> None:
        """Keep for a person what could not be told; above :data:`LEFT_MAX` the oldest goes."""
        self.left.pop(key, None)
        self.left[key] = one
        if len(self.left) > LEFT_MAX:
            del self.left[next(iter(self.left))]


class HisSync:
    """Tells what is new.

    Args:
        records: the HIS's own records; None where there is no way to them.
        wrong: subjects whose statement or operation cannot be used, and why.
        tell: the hospital's operations.
        adopt: takes over a stay that the platform knows and the gateway does not.
        clock: aware, Asia/Shanghai.
        overlap_s: seconds that reading begins before where it ended.
        first_days: days that the first run begins before now.
        row_fields: what a row of the record of an operation may hold; a column beyond that is not told, since it would not be
            kept and the record would look like another one for ever.
        reached: told durable boundaries with the operation or the subject, as ``Exchange``.
    """

    def __init__(
        self,
        records: Callable[[], HospitalRecords | None],
        wrong: Callable[[], Mapping[SubjectName, str]],
        tell: Tell,
        adopt: Adopt,
        desk: StayDesk,
        marks: SqlHisMarks,
        clock: Callable[[], datetime],
        *,
        overlap_s: float,
        first_days: int,
        row_fields: Callable[[str], frozenset[str]],
        reached: Callable[[str, str], None] = lambda _, __: None,
    ) -> None:
        self._records = records
        self._wrong = wrong
        self._tell = tell
        self._adopt = adopt
        self._desk = desk
        self._marks = marks
        self._clock = clock
        self._overlap_s = overlap_s
        self._first = timedelta(days=first_days)
        self._row_fields = row_fields
        self._reached = reached

    def work(self, run: Run) -> Result:
        """The job ``his_sync``; ``{"since": time or number}`` reads all from there on once more.

        Raises:
            JobFailed: there is no way to the HIS, a subject cannot be read, or the gateway cannot keep what it is told.
            HisUnavailable: the HIS does not answer.
        """
        records = self._records()
        if records is None:
            raise JobFailed("没有设置到 HIS 的途径：请设置 his.url 或 his.service")
        since = _given_since(run.given)
        subjects = [name for name in READ if name in records.subjects()]
        counts = dict.fromkeys(("读取行", "上报入出转", "上报记录", "接管住院"), 0)
        left: list[dict[str, str]] = []
        broken = [text for name, text in self._wrong().items() if name in READ]
        for place, subject in enumerate(subjects):
            run.advance(place, len(subjects))
            one = _Subject(self, records, subject, counts)
            try:
                one.read(run, since, (place, len(subjects)))
            except HisMisconfigured as error:
                broken.append(str(error))
            left += [_shown(subject, each) for each in one.place.left.values()]
        run.advance(len(subjects), len(subjects))
        log.info("his_read", rows=counts["读取行"], left=len(left), broken=len(broken))
        if broken:
            raise JobFailed("；".join(broken))
        return Result(counts, len(left), {"left": left[:LEFT_MAX]})


class _Subject:
    """One subject in one run."""

    def __init__(self, sync: HisSync, records: HospitalRecords, subject: SubjectName, counts: dict[str, int]) -> None:
        self._sync = sync
        self._records = records
        self._subject = subject
        self._counts = counts
        self.place = Place.of(sync._marks.find(subject))
        self._told_before: set[str] = set()

    def read(self, run: Run, since: str | int | None, progress: tuple[int, int]) -> None:
        """Everything changed since, page by page; each is kept before the next is read."""
        begin = self._begin(since)
        self._told_before = {digest for _, digests in self.place.seen for digest in digests}
        self.place.seen = []  # all of it is read again
        for key in [*self.place.left][:LOOKED_AT_AGAIN_MAX]:
            run.go_on()
            self._look_again(key)
        after: Mark | None = None
        while True:
            page = self._records.changed(self._subject, since=begin, after=after, rows_max=ROWS_PER_PAGE)
            self._page(run, page)
            run.advance(*progress)
            self._keep(page)
            if page.last or page.mark is None:
                return
            after = page.mark

    # ------------------------------------------------------------- where to begin

    def _begin(self, given: str | int | None) -> Point | None:
        """Where this run begins; None reads everything there is."""
        if self.place.mark is not None and given is None:
            return watermark.back(self._reached(self.place.mark), self._sync._overlap_s)
        self.place.seen = []
        self.place.left = {key: replace(one, digest="") for key, one in self.place.left.items()}
        # asked, not taken from the mark: whoever gives a point may do so because the statement has changed
        sample = self._records.changed(self._subject, rows_max=1).mark
        if sample is None:
            return None
        if given is not None:
            return _like(sample.changed_at, given)
        return watermark.moment_like(sample.changed_at, self._sync._clock() - self._sync._first)

    def _reached(self, mark: Mark) -> Point:
        """The mark, or now: a change that the HIS has dated in the future must not hide those that come before it."""
        now = watermark.moment_like(mark.changed_at, self._sync._clock())
        return mark.changed_at if now is None else watermark.earlier(mark.changed_at, now)

    # ------------------------------------------------------------------- a page

    def _page(self, run: Run, page: Page) -> None:
        rows = zip(page.row_ids, page.rows, strict=True)
        new = [(number, row) for number, row in rows if _digest(number, row) not in self._told_before]
        self._counts["读取行"] += len(new) + len(page.wrong)
        for number in (*(number for number, _ in new), *(one.row_id for one in page.wrong)):
            self.place.left.pop(number, None)
        if self._subject in RECORDS:
            stays = [str(row[IPT_NO]) for _, row in new] + [one.ipt_no for one in page.wrong if one.ipt_no]
            for ipt_no in dict.fromkeys(stays):
                run.go_on()
                self._record(ipt_no)
        else:
            for number, row in new:
                run.go_on()
                self._row(number, row)
        for one in page.wrong:
            if self._subject not in RECORDS or not one.ipt_no:
                self.place.leave(one.row_id, Left(one.row_id, one.ipt_no, "", "；".join(one.problems)[:500]))

    def _keep(self, page: Page) -> None:
        """What the page told is durable by now, so the mark may move; never back."""
        place = self.place
        if page.mark is not None:
            place.saw(page)
            before = place.mark
            if before is not None and not watermark.alike(before.changed_at, page.mark.changed_at):
                log.warning("his_mark_of_another_form", subject=self._subject)
                before = None
            if before is None or watermark.not_before(page.mark.changed_at, before.changed_at):
                place.mark = page.mark
            assert place.mark is not None
            horizon = watermark.back(self._reached(place.mark), self._sync._overlap_s)
            place.seen = [one for one in place.seen if watermark.not_before(one[0], horizon)]
        self._sync._reached("before_mark", self._subject)
        self._sync._marks.keep(self._subject, place.written(), self._sync._clock())
        self._sync._reached("after_mark", self._subject)

    # ------------------------------------------------------------- one row, one stay

    def _row(self, number: str, row: Row) -> None:
        if self._subject == "inpatients":
            self._inpatient(number, row)
            return
        operation = OPERATIONS[row["kind"]]
        told = {"operator": OPERATOR, **{name: value for name, value in row.items() if name != "kind"}}
        if operation == "WardInVoid":
            told = {name: value for name, value in told.items() if name in _TOLD_OF_VOID}
        refused = self._told(operation, told)
        if refused is None:
            self._counts["上报入出转"] += 1
        else:
            self.place.leave(number, Left(number, str(row[IPT_NO]), *refused, _digest(number, row)))

    def _inpatient(self, number: str, row: Row) -> None:
        """A stay that the platform has and the gateway does not know is taken over; what has ended is left as it is."""
        ref, psn_no = StayRef(str(row[IPT_NO]), str(row.get("mdtrt_id", ""))), str(row.get("psn_no", ""))
        if is_void(row) or row.get("endtime") or not ref.mdtrt_id or not psn_no:
            return
        judged = self._sync._desk.judged(ref)
        if judged.history.exchanges or judged.stay.times.t_ins:
            return
        if problem := self._sync._adopt(ref, psn_no):
            self.place.leave(number, Left(number, ref.ipt_no, "", problem))
        else:
            self._counts["接管住院"] += 1

    def _record(self, ipt_no: str, refused_before: str = "") -> None:
        """The record of a stay, whole: it is told when it differs from what was told last, under the next version."""
        key = f"ipt_no {ipt_no}"
        whole = self._records.of_stay(self._subject, ipt_no)
        if whole.wrong:
            reasons = "；".join(map(str, whole.wrong))
            self.place.leave(key, Left("", ipt_no, "", f"整份未报：{reasons}"[:500]))
            return
        known = self._sync._row_fields(RECORDS[self._subject])
        rows = sorted((_national(row, known) for row in whole.rows), key=_order)
        digest = _digest(ipt_no, rows)
        if digest == refused_before:
            return
        self.place.left.pop(key, None)
        stay = self._sync._desk.judged(StayRef(ipt_no)).stay
        before = stay.diagnoses if self._subject == "diagnoses" else stay.operations
        if sorted((_national(row, known) for row in (before.rows if before else ())), key=_order) == rows:
            return
        told = {IPT_NO: ipt_no, "version": (before.version if before else 0) + 1, "operator": OPERATOR, "rows": rows}
        refused = self._told(RECORDS[self._subject], told)
        if refused is None:
            self._counts["上报记录"] += 1
        else:
            self.place.leave(key, Left("", ipt_no, *refused, digest))

    def _look_again(self, key: str) -> None:
        """What was left may be good by now without a change of its own: the platform answers, another row was removed."""
        one = self.place.left[key]
        if not one.ipt_no:
            return
        if self._subject in RECORDS:
            self._record(one.ipt_no, one.digest)
            return
        page = self._records.of_stay(self._subject, one.ipt_no)
        row = dict(zip(page.row_ids, page.rows, strict=True)).get(one.row_id)
        if row is None and all(wrong.row_id != one.row_id for wrong in page.wrong):
            del self.place.left[key]
        elif row is not None and one.digest != _digest(one.row_id, row):
            del self.place.left[key]
            self._row(one.row_id, row)

    def _told(self, operation: str, told: Mapping[str, Any]) -> tuple[str, str] | None:
        """Code and reason of a refusal. Raises ``JobFailed`` when nothing can be kept now."""
        answer = self._sync._tell(operation, told)
        self._sync._reached("after_told", operation)
        if str(answer["infcode"]) == "0":
            return None
        code, text = str(answer.get("code") or answer["infcode"]), str(answer.get("err_msg", ""))
        if code.startswith(_TRY_LATER):
            raise JobFailed(f"网关现在不能记录，余下的由下一次继续：{text}")
        return code, text[:500]


# ------------------------------------------------------------------------ rows


def _national(row: Row, known: frozenset[str]) -> dict[str, str]:
    """A row of a record in the form it is told in, so that it can be compared with what was told."""
    names = (name for name in row if name in known and name not in (IPT_NO, VOID))
    return {name: text for name in names if (text := as_text(row[name]))}


def _order(row: Mapping[str, str]) -> tuple[str, int, str]:
    number = row.get("diag_srt_no", "0")
    kind = row.get("diag_type") or row.get("oprn_oprt_type") or ""
    return kind, int(number) if number.isdigit() else 0, repr(sorted(row.items()))


def _digest(number: str, row: Row | Sequence[Row]) -> str:
    return hashlib.sha256(dumps_sorted([number, row])).hexdigest()[:20]


def _shown(subject: SubjectName, one: Left) -> dict[str, str]:
    values = {name: getattr(one, name) for name in ("row_id", "ipt_no", "code", "reason")}
    return {"subject": SUBJECTS[subject].label, **{name: value for name, value in values.items() if value}}


# ----------------------------------------------------------------- from a person


def _given_since(given: Mapping[str, Any]) -> str | int | None:
    if "since" not in given:
        return None
    since = given["since"]
    if isinstance(since, int) and not isinstance(since, bool):
        return since
    try:
        return read_instant(str(since)).strftime("%Y-%m-%d %H:%M:%S")
    except TimeUnreadable as error:
        raise JobFailed(f"since 应为时间 yyyy-MM-dd HH:mm:ss，或 changed_at 那样的数：{error}") from None


def _like(sample: Point, since: str | int) -> Point | None:
    """What a person gave, in the form that this subject has; one of another form reads everything."""
    if isinstance(since, int):
        return since if not isinstance(sample, str | datetime) else None
    return watermark.moment_like(sample, read_instant(since))
