"""The day's part that needs no client: the hospital's own records, and the insurance office that looks after them.

Fees lie in the HIS of ``adapters/his/sample``; who is to be uploaded or compared is chosen on the console, over HTTP, as
the person of the insurance office would.
"""

from __future__ import annotations

import csv
import re
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import create_engine, insert

from adapters.his.sample import tables
from gateway import clock
from gateway.demo.books import Node, child, children

CHOSEN: Final = 3
"""Stays whose fees are in the HIS: of the last one they are only compared."""
ROWS: Final = 24
WRONG_SUM, TOO_EARLY = 5, 9
TIMEOUT_S: Final = 120
_MARK: Final = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@dataclass(frozen=True, slots=True)
class Lying:
    """A patient in a ward, as the client told it, with what was charged so far."""

    ipt_no: str
    mdtrt_id: str
    since: datetime
    charged: list[Node] = field(default_factory=list)


def lying(told: Sequence[Node]) -> list[Lying]:
    """Those whose times were aligned, who were charged something and have not left, oldest first."""
    found: dict[str, Lying] = {}
    for line in (line for line in told if line["infcode"] == "0"):
        info = child(line["sent"], "adminfo")
        if line["infno"] == "2403":
            since = datetime.fromisoformat(str(info["begntime"]))
            found[str(info["mdtrt_id"])] = Lying(str(info["ipt_otp_no"]), str(info["mdtrt_id"]), since)
        for row in children(line["sent"], "feedetail") if line["infno"] == "2301" else ():
            found[str(row["mdtrt_id"])].charged.append(row)
        if line["infno"] == "2402":
            found.pop(str(child(line["sent"], "dscginfo")["mdtrt_id"]), None)
    return [one for one in found.values() if one.charged][:CHOSEN]


# ------------------------------------------------------------------ the hospital's records


def make_his(url: str) -> None:
    """Its tables, empty: the gateway reads them from the start."""
    engine = create_engine(url)
    try:
        tables.metadata.create_all(engine)
    finally:
        engine.dispose()


def charge(url: str, patients: Sequence[Lying]) -> None:
    """The same items once more; of each patient two rows that cannot go: a wrong sum, a time before the ward-in."""
    now = clock.now().replace(tzinfo=None, microsecond=0)
    items = {str(row["medins_list_codg"]): row for one in patients for row in one.charged}
    known = [
        {"id": number, "xmbm": code, "xmmc": row["memo"], "gjbm": row["med_list_codg"], "dj": Decimal(row["pric"]),
         "xgsj": now} for number, (code, row) in enumerate(items.items(), 1)
    ]  # fmt: skip
    rows = [_row(one, number, row, now) for one in patients for number, row in enumerate(one.charged[:ROWS])]
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(insert(tables.ITEMS), known)
            connection.execute(insert(tables.FEES), [{"id": key, **row} for key, row in enumerate(rows, 1)])
    finally:
        engine.dispose()


def _row(patient: Lying, number: int, before: Node, now: datetime) -> dict[str, Any]:
    charged = patient.since + (now - patient.since) * (number + 1) / (ROWS + 2)
    amount = Decimal(before["det_item_fee_sumamt"])
    return {
        "zyh": patient.ipt_no,
        "xmbm": before["medins_list_codg"],
        "xmmc": before["memo"],
        "kdks": before["bilg_dept_codg"],
        "kdksmc": before["bilg_dept_name"],
        "kdys": before["bilg_dr_codg"],
        "kdysxm": before["bilg_dr_name"],
        "sl": Decimal(before["cnt"]),
        "dj": Decimal(before["pric"]),
        "je": amount + 100 if number == WRONG_SUM else amount,
        "fysj": patient.since - timedelta(minutes=20) if number == TOO_EARLY else charged.replace(microsecond=0),
        "xgsj": now,
    }


def write_cases(file: Path, events: Sequence[Node]) -> None:
    """The DIP system's export, made of what the feed told it; one time is wrong, and one revocation was not heard."""
    settled = {str(one["setl_id"]): one for one in events if one["kind"] in ("settle", "resettle")}
    revoked = [str(one["setl_id"]) for one in events if one["kind"] == "revoke"]
    for setl_id in revoked[1:]:
        settled.pop(setl_id, None)
    rows = [(setl_id, one["mdtrt_id"], one["ipt_no"], one["adm_time"], one["dscg_time"])
            for setl_id, one in settled.items() if one["mid_setl_flag"] == "0"]  # fmt: skip
    in_force = [number for number, row in enumerate(rows) if row[0] not in revoked]
    if in_force:
        *kept, _adm_time, left = rows[in_force[-1]]
        rows[in_force[-1]] = (*kept, rows[in_force[-1]][4][:10], left)
    with file.open("w", encoding="utf-8-sig", newline="") as out:
        csv.writer(out).writerows([("结算ID", "就诊ID", "住院号", "入院时间", "出院时间"), *rows])


# ------------------------------------------------------------------ the insurance office


class Office:
    """A person at the console.

    Args:
        url: of the console.

    Raises:
        OSError: the console does not answer, or not as it should.
    """

    def __init__(self, url: str, name: str, password: str) -> None:
        self._url = url
        self._open = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        ).open
        self._send("/sign-in", "/sign-in", {"name": name, "password": password})

    def choose(self, wish: str, patients: Sequence[Lying]) -> None:
        """Have their fees uploaded (``upload``) or only compared (``look``)."""
        boxes = {f"stay:{urlencode({'ipt_no': one.ipt_no, 'mdtrt_id': one.mdtrt_id})}": "1" for one in patients}
        self._send("/fees", "/fees", {"act": wish, **boxes})

    def run(self, job: str) -> None:
        """Have a job run now."""
        self._send("/jobs", f"/jobs/{job}/run", {})

    def compare(self, day: str) -> None:
        """Have a day (``yyyy-MM-dd``) compared with the platform's books."""
        self._send(f"/reconcile/{day}", f"/reconcile/{day}", {})

    def upload_list(self, settlement: Mapping[str, Any]) -> None:
        """Have the settlement list of one settlement uploaded (``setlinfo`` of its answer)."""
        self._send("/lists", "/lists/upload", {name: str(settlement[name]) for name in ("mdtrt_id", "setl_id")})

    def accept(self, client: str) -> None:
        """Begin an acceptance run of a caller."""
        self._send("/conformance", "/conformance", {"client": client})

    def _send(self, page: str, address: str, form: Mapping[str, str]) -> None:
        with self._open(f"{self._url}{page}", timeout=TIMEOUT_S) as answer:
            mark = _MARK.search(answer.read().decode("utf-8"))
        if mark is None:
            raise OSError(f"{page} 上没有表单")
        body = urlencode({"csrf": mark[1], **form}).encode()
        self._open(f"{self._url}{address}", body, timeout=TIMEOUT_S).close()
