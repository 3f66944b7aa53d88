"""A lively day at a gateway of the tests, and every page and form of the console as somebody would use it that day.

The day is made of what a HIS, a ward and the platform tell, through the ways they have; only what nobody can have
happen at will (a doubt that nothing settles, a catalog, a case) is written into the store.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final
from urllib.parse import urlencode

from gateway import clock
from gateway.contract.catalogs import Record as CatalogRecord
from gateway.contract.model import Field, Node, Side
from gateway.desks.stay_acts import fee_undo_mark
from gateway.exchange.ports import Proof, ProofKind, State
from gateway.stays.facts import ALL_FEES
from gateway.stays.fee_undo import fee_undo
from gateway.stays.history import Adopted, Record, WardEvent
from gateway.stays.hospital_fake import MemoryHospital
from gateway.stays.ports import StayRef
from gateway.store.accounts import User
from gateway.store.alerts import Found
from gateway.store.catalogs import NewVersion
from gateway.store.recon import Compared, NewCase, Part
from gateway.store.stay_feed import WorkEntry
from jobs.dip_differences import NAME as DIP
from jobs.job import Job, Result, Run
from jobs.runner import Runner
from tests.console.kit import KEPT, PASSWORD, Bench
from tests.console.test_catalogs import kept as catalog_kept
from tests.console.test_catalogs import record as catalog_record
from tests.jobs.test_fee_upload import WITHIN_S, Ward
from tests.stays.listing import settled, tell
from tests.stays.ways import WARD_IN, Stay, Told

_numbers = count(1)
PERSON: Final = b'{"infno":"1101","input":{"data":{"mdtrt_cert_type":"02","mdtrt_cert_no":"440899198507241019"}}}'
OPERATIONS: Final = (
    {"oprn_oprt_code": "47.0100", "oprn_oprt_name": "腹腔镜阑尾切除术", "oprn_oprt_type": "2"},
    {"oprn_oprt_code": "51.2300", "oprn_oprt_name": "腹腔镜胆囊切除术", "oprn_oprt_type": "1",
     "oprn_oprt_begntime": "2026-02-21 09:30:00", "oper_dr_code": "D440800000126"},
)  # fmt: skip
LEAVING: Final = {
    "endtime": "2026-03-01 15:30", "dscg_way": "1", "insutype": "310", "dscg_dept_codg": "A03", "dscg_dept_name": "内科",
}  # fmt: skip
CASE_DAY, EMPTY_DAY = "2026-01-05", "2026-01-06"
FREE: Final = ("name", "dscr", "memo", "addr", "coner", "bed", "tel", "emp", "dise", "sugg", "main_cond", "exp_content")
"""In the names of fields that hold whatever people write."""


# ------------------------------------------------------------------ things to look at


def lively(made: Bench) -> None:
    """Sixty exchanges of the last hours, two doubts, a hundred patients."""
    many_stays(made)
    for number in range(60):
        state = State.DECLINED if number % 13 == 5 else State.CONFIRMED
        infno = ("1101", "2401", "2301", "2303", "2304", "5201")[number % 6]
        keys = (
            ("mdtrt_id", f"44080011419830905{number:04d}"),
            ("ipt_no", f"ZY26112{number:04d}"),
            ("certno", "440899198507241019"),
        )
        received = made.clock() - timedelta(minutes=7 * (60 - number) % 170)
        made.exchange(
            state, infno=infno, keys=keys, received_at=received, platform_request=PERSON,
            finished_at=received + timedelta(milliseconds=60 + 23 * (number % 11)), request_id=f"HIS-{number}",
            err_msg="该人员待遇冻结，不能办理" if state is State.DECLINED else "", busy_keys=(f"k{number}",),
        )  # fmt: skip
    escalated(made)
    made.exchange(
        State.IN_DOUBT, infno="2304", keys=(("mdtrt_id", "ZY-9"),), busy_keys=("d",), err_msg="没有收到平台答复"
    )
    made.clock.ahead += timedelta(seconds=60)
    made.parts.figures.catch_up()


def escalated(made: Bench, text: str = "核实 12 次没有结果，请人工核对") -> int:
    """A doubt for a person; its number."""
    row = made.exchange(
        State.ESCALATED, infno="2207", keys=(("mdtrt_id", "MZ-778"), ("psn_no", "P1")), err_msg=text,
        busy_keys=(f"escalated {next(_numbers)}",), caller_request=text.encode(),
    )  # fmt: skip
    made.journal.add_proof(row.id, Proof(ProofKind.REVERSE, made.clock(), f"冲正 2601：没有可用的答复 {text}", "2601"))
    return row.id


def many_stays(made: Bench) -> Stay:
    """Sixty patients more, and one with a course and long names."""
    first, records = Stay(made.house, "json").admit(), made.house.gateway.store.journal.stays
    first.refused("2402", first.discharge(), "ET02-02")
    long = "心血管内科重症监护与介入治疗联合病区（东院区三号楼）"
    first.ward_in(ward_name=long, recorded_time="2026-02-20 10:09:31")
    first.ask("WardTransfer", event_id="E2", ward_code="N05", ward_name="康复医学科", event_time="2026-02-23 09:00:00")
    records.keep(first.ipt_no, Record("operations", 1, made.clock(), OPERATIONS), "his")
    for number in range(60):
        other = StayRef(f"ZY26{number:06d}", f"4408001100000{number:013d}")
        facts = {
            "mdtrt_id": other.mdtrt_id,
            "psn_no": f"44080000{number:06d}",
            "ipt_no": other.ipt_no,
            "in_hospital": "1",
        }
        facts["begntime"] = f"2026-11-{number % 20 + 1:02d} 08:12:00"
        records.adopt(other, facts["psn_no"], Adopted("import", made.clock(), facts=facts))
        if number % 5:
            event = WardEvent("E1", "ward_in", made.clock(), f"2026-11-{number % 20 + 1:02d} 10:{number:02d}:00",
                              ward_code=f"N{number % 9:02d}", ward_name="内科", operator="护士")  # fmt: skip
            records.tell(other.ipt_no, other.mdtrt_id, event, "his")
    made.house.gateway.episodes.catch_up()
    return first


def with_his(made: Bench) -> Bench:
    """The same console where the HIS's own records can be read."""
    his = made.parts.settings.his.model_copy(update={"url": "oracle://his"})
    made.parts = replace(made.parts, settings=made.parts.settings.model_copy(update={"his": his}))
    return made


def uploaded(made: Bench, text: str = "", rows: int = 24) -> tuple[StayRef, int]:
    """Fees that were chosen and uploaded, three of them bad: whose, and the run's number.

    Args:
        text: stands where the HIS may write freely.
    """
    gateway = made.house.gateway
    ward = Ward(made.house, Stay(made.house, "json").admit().aligned(), his=MemoryHospital({"fees": []}))
    wrong: dict[int, dict[str, Any]] = {
        3: {"pric": Decimal(9999)}, 5: {"bilg_dr_codg": f"DR-2026-{text}" * 5}, 6: {"fee_ocur_time": "2026-02-20 01:00:00"},
    }  # fmt: skip
    free = {"medins_list_name": text[:100], "memo": text, "bilg_dr_name": text[:50], "bilg_dept_name": text[:100]}
    for number in range(rows):
        ward.charge(number, **wrong.get(number, {}), **(free if text else {}))
    me = StayRef(ward.stay.ipt_no, ward.stay.mdtrt_id)
    gateway.store.fees.choose([me], "upload", clock.now())
    gateway.__dict__["his"] = (ward.his, {})
    try:
        number = gateway.runner.start("fee_upload", "陈静（chen）", {"chosen": True})
        assert gateway.runner.idle(WITHIN_S)
    finally:
        del gateway.__dict__["his"]
    assert number is not None
    return me, number


# ------------------------------------------------------------------ every page and form


def named(stay: Stay | StayRef) -> dict[str, str]:
    """How pages and forms name a stay."""
    return {"ipt_no": stay.ipt_no, "mdtrt_id": stay.mdtrt_id}


@dataclass(frozen=True)
class Day:
    """What a day leaves to be looked at and done.

    Args:
        pages: addresses for each GET route of the console.
        forms: for each POST route an address and the form of somebody who means it.
        stays: 住院号 of those of this day.
    """

    pages: Mapping[str, tuple[str, ...]]
    forms: Mapping[str, tuple[str, Mapping[str, str]]]
    stays: tuple[str, ...]


def day(made: Bench, text: str = "", title: str | None = None) -> Day:
    """A day with one thing of each kind.

    Args:
        text: a stranger's, put into everything that people write; empty for ordinary words.
        title: stands where a ward, a client or a catalog's record is named, which is about nobody; ``text`` without it.
    """
    title = text if title is None else title
    stays = _Stays(made, text, title)
    doubt, exchange = escalated(made, text or "核实 12 次没有结果，请人工核对"), _exchange(made, text, title)
    fees, run = uploaded(with_his(made), text, rows=8)
    _compared_with_dip(made, stays, text)
    version = catalog_kept(
        made, "V1", [catalog_record(1, title or "一次性使用无菌注射器"), catalog_record(2, "导尿管")]
    )
    day_surgery_kept(made, title or "胆囊结石伴慢性胆囊炎")
    _told_by_others(made, text, exchange)
    backup = _left_by_jobs(made, stays.waits, text)
    _reviewed(made, stays.differs, text)
    made.parts.store.accounts.add(User("visitor", (text or "实习生")[:60], "ward", KEPT, made.clock()))
    made.house.gateway.episodes.catch_up()
    made.parts.figures.catch_up()
    at, list_at = stays.address, {**named(stays.settled), "setl_id": stays.setl_id}
    pages = {
        "/stays/one": tuple(at("/stays/one", one) for one in stays.all),
        "/stays/alignment": (at("/stays/alignment", stays.differs), at("/stays/alignment", stays.aligned)),
        "/stays/discharge": (at("/stays/discharge", stays.differs), at("/stays/discharge", stays.aligned)),
        "/stays/revoke": (at("/stays/revoke", stays.left), at("/stays/revoke", stays.aligned)),
        "/stays/category": (
            at("/stays/category", stays.aligned),
            f"{at('/stays/category', stays.aligned)}&dise_codg=RJ0001&q=RJ",
            f"{at('/stays/category', stays.aligned)}&dise_codg=RJ0002",
            at("/stays/category", stays.left),
        ),
        "/stays/category/diseases": (f"{at('/stays/category/diseases', stays.aligned)}&q=RJ",),
        "/review/one": (at("/review/one", stays.differs), f"{at('/review/one', stays.settled)}&back=q%3D1"),
        "/review/month": (
            "/review/month",
            "/review/month?month=2026-02&by=t_ward",
            "/review/month?month=2026-02&by=t_ward&code=ET02-01",
        ),
        "/stays/emergency": (at("/stays/emergency", stays.emergency), at("/stays/emergency", stays.aligned)),
        "/stays/vouchers": (at("/stays/vouchers", stays.settled),),
        "/stays/vouchers/look": tuple(
            f"{at('/stays/vouchers/look', stays.settled)}&kind={kind}"
            for kind in ("eligibility", "receipt", "fee_list")
        ),
        "/lists": ("/lists", "/lists?tab=listed"),
        "/lists/dip": ("/lists/dip", "/lists/dip?kind=多余"),
        "/lists/one": (f"{at('/lists/one', stays.settled)}&setl_id={stays.setl_id}",),
        "/fees": ("/fees", "/fees?fees=bad"),
        "/fees/one": (f"/fees/one?ipt_no={fees.ipt_no}&mdtrt_id={fees.mdtrt_id}",),
        "/fees/undo": (at("/fees/undo", stays.aligned), f"/fees/undo?ipt_no={fees.ipt_no}&mdtrt_id={fees.mdtrt_id}"),
        "/exchanges/{exchange_id}": (f"/exchanges/{exchange}", f"/exchanges/{doubt}", f"/exchanges/{stays.refused}"),
        "/exchanges/{exchange_id}/body": (f"/exchanges/{exchange}/body",),
        "/exchanges/{exchange_id}/body/{part}": (
            f"/exchanges/{exchange}/body/caller_request",
            f"/exchanges/{exchange}/body/platform_request",
        ),
        "/doubts": ("/doubts", "/doubts?untold=1"),
        "/doubts/{exchange_id}": (f"/doubts/{doubt}",),
        "/reconcile": (f"/reconcile?month={CASE_DAY[:7]}",),
        "/reconcile/cases": ("/reconcile/cases", "/reconcile/cases?state=all"),
        "/reconcile/{day}": (f"/reconcile/{CASE_DAY}", f"/reconcile/{EMPTY_DAY}"),
        "/catalogs/{infno}": ("/catalogs/1306", "/catalogs/1306?q=C"),
        "/catalogs/{infno}/record": ("/catalogs/1306/record?code=C1",),
        "/catalogs/{infno}/versions/{version}": (f"/catalogs/1306/versions/{version}",),
        "/jobs/runs/{number}": (f"/jobs/runs/{run}", f"/jobs/runs/{backup}"),
        "/debug/{infno}": ("/debug/2401",),
        "/conformance": ("/conformance", "/conformance?client=his&since=2026-01-01"),
        "/conformance/items": ("/conformance/items?client=his&since=2026-01-01",),
        "/conformance/report": ("/conformance/report?client=his&since=2026-01-01",),
    }
    plain = (
        *("/", "/todo", "/stays", "/stays/export.csv", "/alignment", "/alignment/progress", "/review", "/emergency"),
        *("/reconcile/cases.csv", "/reconcile/progress"),
        *(
            "/review/export.csv",
            "/review/month/progress",
            "/review/month.csv",
            "/lists/dip.csv",
            "/fees/progress",
            "/fees/export.csv",
            "/audit/export.csv",
            "/exchanges",
            "/exchanges/export.csv",
        ),
        *("/catalogs", "/catalogs/list", "/running", "/running/status", "/running/figures", "/running/alerts"),
        *("/jobs", "/jobs/list", "/config", "/debug", "/audit", "/users", "/sign-in", "/password"),
    )
    forms: dict[str, tuple[str, Mapping[str, str]]] = {
        "/stays/alignment": ("/stays/alignment", named(stays.differs)),
        "/alignment": ("/alignment", {_box(stays.waits): "1"}),
        "/stays/category": ("/stays/category", named(stays.aligned) | {"med_type": "28", "dise_codg": "RJ0001", "dise_name": "胆囊结石"}),
        "/review/one": ("/review/one", named(stays.differs) | {"text": text[:500] or "已与病案核对，主手术更正后重传"}),
        "/review/month": ("/review/month", {"month": "2026-02", "by": "t_ward"}),
        "/stays/discharge": ("/stays/discharge", named(stays.leaves) | LEAVING),
        "/stays/revoke": ("/stays/revoke", named(stays.left) | {"reason": "漏记一次手术，需补收"}),
        "/stays/emergency": ("/stays/emergency", named(stays.emergency) | {"cut_time": WARD_IN}),
        "/stays/vouchers/print": ("/stays/vouchers/print", named(stays.settled) | {"kind": "eligibility"}),
        "/stays/vouchers/reprint": ("/stays/vouchers/reprint", named(stays.settled) | {"number": stays.voucher}),
        "/lists/{act}": ("/lists/upload", list_at),
        "/fees": ("/fees", {_box(fees): "1", "act": "look"}),
        "/fees/undo": ("/fees/undo", _whole_undo(made, fees)),
        "/doubts/{exchange_id}": (
            f"/doubts/{doubt}", {"as": "not-done", "reason": "经办端 10:20 查询，没有这笔结算", "sure": "yes"},
        ),
        "/exchanges/{exchange_id}/resend": (
            f"/exchanges/{stays.refused}/resend", {"reason": "窗口王芳 10:20 电话确认仍须办理", "sure": "yes"},
        ),
        "/reconcile/{day}": (f"/reconcile/{EMPTY_DAY}", {}),
        "/jobs/{name}/run": ("/jobs/daily_report/run", {}),
        "/debug/faults": ("/debug/faults", {"infno": "2304", "kind": "refuse", "times": "1"}),
        "/debug/faults/clear": ("/debug/faults/clear", {}),
        "/debug/{infno}": ("/debug/9001", {"way": "xml", "send": "1", "signIn.0.opter_no": "0001", "signIn.0.mac": "00",
                                           "signIn.0.ip": "127.0.0.1"}),
        "/conformance": ("/conformance", {"client": "his"}),
        "/audit/verify": ("/audit/verify", {}),
        "/users": ("/users", {"name": "newcomer", "full_name": "新人", "role": "ward"}),
        "/users/{name}/role": ("/users/visitor/role", {"role": "pharmacy"}),
        "/users/{name}/lock": ("/users/visitor/lock", {"locked": "yes"}),
        "/users/{name}/password": ("/users/visitor/password", {}),
        "/password": ("/password", {"old": PASSWORD, "new": "Evening-Round-88", "again": "Evening-Round-88"}),
        "/sign-out": ("/sign-out", {}),
        "/sign-in": ("/sign-in", {"name": "ward", "password": PASSWORD}),
    }  # fmt: skip
    return Day({path: (path,) for path in plain} | pages, forms, tuple(one.ipt_no for one in stays.all))


def day_surgery_kept(made: Bench, name: str = "胆囊结石伴慢性胆囊炎") -> None:
    """The 日间手术病种目录 (1311) with one disease for each of :data:`OPERATIONS`, and one for both."""
    contract, now = made.parts.interface.contract, made.clock()
    columns = tuple((one.name, one.label) for one in contract.transactions["1311"].file_layout)
    entries = (
        ("RJ0001", name, "51.2300", "腹腔镜胆囊切除术"),
        ("RJ0002", "急性阑尾炎", "47.0100", "腹腔镜阑尾切除术"),
        ("RJ0003", "胆囊息肉", "51.2300、47.0100", "腹腔镜胆囊切除术；腹腔镜阑尾切除术"),
    )
    held = made.parts.store.catalogs
    version = held.begin(NewVersion("1311", "0", "D1", True, "sha", None, 3, columns), "日间手术治疗病种", now)
    held.add(version, [_day_disease(*one) for one in entries], lines_before=0, lines_after=3)
    held.put_in_force(version, (), now)


def _day_disease(code: str, name: str, operation: str, operation_name: str) -> CatalogRecord:
    values = ["L", code, name, "1", f"R{code}", "", "", "D1", *[""] * 5, operation_name, operation]
    return CatalogRecord(f"R{code}", code, name, "", "", "", True, "D1", tuple(values))


def _compared_with_dip(made: Bench, stays: _Stays, text: str) -> None:
    """The DIP system's file has one case otherwise, one too many, and lacks none."""
    gateway = made.house.gateway
    settled_at = next(one for one in gateway.dip_comparison.settled() if one.setl_id == stays.setl_id)
    with NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as file:
        rows = [(stays.setl_id, settled_at.ipt_no, "2020-01-01 08:00"), (text or "S-ELSE", text or "ZY-ELSE", text)]
        csv.writer(file).writerows([("结算ID", "住院号", "入院时间"), *rows])
        file.flush()
        comparison = replace(gateway.dip_comparison, file=Path(file.name.replace("%", "%%")))
        runner = Runner([Job(DIP, comparison.work)], gateway.store.jobs, gateway.membership.current, clock.now)
        runner.run_scheduled(DIP)


def _box(stay: Stay | StayRef) -> str:
    """The check box of a stay in a list."""
    return f"stay:{urlencode(named(stay))}"


@dataclass
class _Written(Stay):
    """A stay whose HIS sends ``text`` in every field that people fill with words."""

    text: str = ""
    title: str = ""

    def done(self, infno: str, message: Mapping[str, Any]) -> Told:
        side = self.house.gateway.mappings.interface.contract.transactions[infno].input
        return super().done(infno, marked(side, message, self.text, self.title) if self.text else message)


class _Stays:
    """One stay in each state that a page is about."""

    def __init__(self, made: Bench, text: str, title: str) -> None:
        self._made, self._text, self._title = made, text, title
        self.differs, self.waits = self._in_ward(), self._in_ward()
        self.aligned, self.leaves, self.left = (self._aligned() for _ in range(3))
        self.left.done("2402", self.left.discharge())
        self.refused = self._refused()
        self.emergency = self._with_emergency_fees()
        self.settled, self.setl_id = self._settled()
        self.voucher = self._voucher()
        self.all = (self.differs, self.aligned, self.leaves, self.left, self.emergency, self.settled)

    @staticmethod
    def address(path: str, stay: Stay) -> str:
        return f"{path}?mdtrt_id={stay.mdtrt_id}"

    def _admitted(self) -> Stay:
        return _Written(self._made.house, "json", text=self._text, title=self._title).admit()

    def _in_ward(self) -> Stay:
        stay, text = self._admitted(), self._text
        more = (
            {"ward_name": self._title[:100], "reason": text[:100], "operator": text[:50]}
            if text
            else {"ward_name": "心内科"}
        )
        stay.ward_in(**more)
        rows = [
            dict(row) | (dict.fromkeys(("oprn_oprt_name", "oper_dr_name"), text) if text else {}) for row in OPERATIONS
        ]
        self._made.house.gateway.store.journal.stays.keep(
            stay.ipt_no, Record("operations", 1, clock.now(), tuple(rows)), text[:20] or "his"
        )
        return stay

    def _aligned(self) -> Stay:
        stay = self._in_ward()
        stay.done("2403", stay.change(WARD_IN))
        return stay

    def _refused(self) -> int:
        """A discharge that came too early; since then the patient was received and the times were aligned."""
        stay = self._admitted()
        stay.refused("2402", stay.discharge(), "ET02-02")
        row = stay.newest("2402").id
        stay.aligned()
        return row

    def _with_emergency_fees(self) -> Stay:
        stay = self._in_ward()
        rows = stay.fees("2026-02-20 07:50:00", "2026-02-20 10:04:00", "2026-02-20 10:05:00", sn="ER")["feedetail"]
        if self._text:
            rows = [row | {"memo": self._text, "bilg_dr_name": self._text[:50]} for row in rows]
        visit = {"ipt_otp_no": f"ER{stay.ipt_no}", "begntime": "2026-02-20 07:30:00"}
        told = stay.ask("EmergencyFees", version=1, emergency_visit=visit, rows=rows)
        assert told["infcode"] == 0, told
        stay.ask("EmergencyFeesExtract")
        return stay

    def _settled(self) -> tuple[Stay, str]:
        stay = self._admitted()
        setl_id = settled(stay)
        more = dict.fromkeys(("curr_addr", "coner_addr", "otp_wm_dise"), self._text) if self._text else {}
        tell(stay, **more)
        return stay, setl_id

    def _voucher(self) -> str:
        told = self._made.parts.desk.do(
            "voucher_print", {"operator": "李敏（li）", "kind": "receipt", "form": "html", **named(self.settled)}
        )
        assert told["ok"], told
        return str(told["number"])


def marked(side: Side, message: Mapping[str, Any], text: str, title: str) -> dict[str, Any]:
    """A message with ``text`` in every field that people fill with words, cut to what the field takes.

    Args:
        title: stands in those that name a ward or a bed.
    """
    nodes = {node.name: node for node in side.nodes}
    return {name: _marked(nodes[name], part, text, title) if name in nodes else part for name, part in message.items()}


def _marked(node: Node, part: Any, text: str, title: str) -> Any:
    if isinstance(part, list):
        return [_marked(node, one, text, title) for one in part]
    words = {spec.name: title if "dept" in spec.name or "bed" in spec.name else text for spec in node.fields}
    return {**part, **{spec.name: words[spec.name][: spec.length] for spec in node.fields if _is_free(spec)}}


def _is_free(spec: Field) -> bool:
    if spec.codes or spec.type not in ("string", "text") or not spec.length:
        return False
    return any(part in spec.name for part in FREE) and not spec.name.endswith(
        ("no", "codg", "code", "type", "cont_type")
    )


def _exchange(made: Bench, text: str, title: str) -> int:
    stay = Stay(made.house, "json").admit()
    row = stay.newest("2401")
    if not text:
        return row.id
    other = made.exchange(
        State.DECLINED, infno="2304", err_msg=text, request_id=text[:60], opter=text[:30], client=title[:60],
        keys=(("ipt_no", text), ("setl_id", text)), caller_request=text.encode(), busy_keys=("evil",),
    )  # fmt: skip
    return other.id


def _told_by_others(made: Bench, text: str, exchange: int) -> None:
    """What the platform and the gateway's own watch say."""
    content = {"cause": text or "平台多一笔", "setl_id": text[:30] or "440802000123", "psn_no": text[:30], "mdtrt_id": text[:30],
               "refund": False, "ours": {"medfee_sumamt": "1.00", "fund_pay_sumamt": "0.50", "acct_pay": "0.10"},
               "theirs": None}  # fmt: skip
    case = NewCase("only_here", "440800", "11", text[:30], exchange, "K", content)
    part = Part(CASE_DAY, "total", "440800", "310", "11", "failed", 1, 100, 50, 10, 40, text, None, made.clock())
    made.parts.store.recon.keep(Compared(CASE_DAY, [part], [case], lambda _: False), made.clock())
    found = [Found("certificate", "warn", f"平台签名证书 还有 21 天到期 {text}", subject="signing", node="none")]
    made.parts.store.alerts.settle(found, {"certificate"}, "none", made.clock())


def _whole_undo(made: Bench, ref: StayRef) -> dict[str, str]:
    """The form that takes back everything of a stay, as the page that names it has it."""
    stay = made.parts.stays.judged(ref).stay
    seen = fee_undo_mark(stay, fee_undo(stay, [ALL_FEES]))
    return named(ref) | {"whole": "1", "act": "undo", "reason": "发生时间录错，更正后重传", "seen": seen}


def _reviewed(made: Bench, stay: Stay, text: str) -> None:
    """Two remarks about a stay, and February looked through."""
    gateway = made.house.gateway
    for remark in (text[:500] or "主手术待病案核对", text[:400] + "（第二条）"):
        gateway.store.remarks.add(StayRef(stay.ipt_no, stay.mdtrt_id), remark, "李敏（li）", made.clock())
    gateway.episodes.catch_up()
    gateway.runner.start("review_month", "李敏（li）", {"month": "2026-02", "by": "t_ward"})
    assert gateway.runner.idle(WITHIN_S)


def _left_by_jobs(made: Bench, waits: Stay, text: str) -> int:
    """A stay that could not be aligned by itself, and a run that tells a value: its number."""
    gateway = made.house.gateway
    entry = WorkEntry(waits.mdtrt_id, waits.ipt_no, "", "", "", "ET01-02", text or "平台没有答复", "", 1, made.clock())
    gateway.store.stay_feed.set_work(entry)

    def work(_: Run) -> Result:
        return Result({"份": 1}, detail={"file": text or "yibao.backup"})

    Runner([Job("backup", work)], gateway.store.jobs, gateway.membership.current, clock.now).run_scheduled("backup")
    return gateway.store.jobs.history("backup", limit=1)[0].id
