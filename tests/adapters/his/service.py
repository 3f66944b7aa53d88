"""A HIS that exposes SOAP services: an ordinary spyne application, with spyne's own WSDL, behind the standard library's server."""

from __future__ import annotations

import gateway.soap.lane  # noqa: F401  # isort: skip  # brings the shim that spyne needs before anything of spyne

import gc
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from spyne import Application, Array, ComplexModel, DateTime, Fault, Integer, Service, Unicode, rpc
from spyne.interface.wsdl import Wsdl11
from spyne.model.complex import TypeInfo
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication
from spyne.util.appreg import unregister_application

NAMESPACE = "urn:some.his:query"
_NAMES = {"ipt_no": "zyh", "kind": "ydlx", "event_id": "id"}
"""What this HIS calls columns; the others it calls as they are documented."""


@dataclass
class His:
    """What the service has, and how it behaves.

    Args:
        rows: by subject, as a driver would give them.
        at_once: rows of one answer at most; 0: all.
    """

    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    at_once: int = 0
    fault: str = ""
    hangs: threading.Event | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def since(self, subject: str, since: datetime | None) -> list[Mapping[str, Any]]:
        rows = [row for row in self.rows[subject] if since is None or (row["changed_at"] or datetime.max) >= since]  # noqa: DTZ901
        rows.sort(key=lambda row: (str(row["changed_at"] or ""), str(row["row_id"])))
        return rows[: self.at_once] if self.at_once else rows


def application(his: His) -> WsgiApplication:
    """The service as spyne's manual has it."""
    event = _model("Event", his.rows["ward_events"])
    fee = _model("Fee", his.rows["fees"])

    def query_events(_: Any, since: datetime, user: str, password: str) -> list[Any]:
        his.asked.append({"since": since, "user": user, "password": password})
        if his.hangs is not None:
            his.hangs.wait(30)
        if his.fault:
            raise Fault(his.fault, "查询失败")
        return _all(event, his.since("ward_events", since))

    def events_of_stay(_: Any, zyh: str) -> list[Any]:
        return _all(event, (row for row in his.rows["ward_events"] if row.get("ipt_no") == zyh))

    def query_fees(_: Any, since: datetime) -> list[Any]:
        return _all(fee, his.since("fees", since))

    def fees_of_stay(_: Any, zyh: str) -> list[Any]:
        return _all(fee, (row for row in his.rows["fees"] if row["ipt_no"] == zyh))

    def events_as_text(_: Any, since: datetime, form: str) -> str:
        rows = [
            {name: str(value) for name, value in row.items() if value is not None}
            for row in his.since("ward_events", since)
        ]
        if form == "json":
            return json.dumps({"code": "0", "data": {"rows": rows}}, ensure_ascii=False)
        inner = "".join("<Row>" + "".join(f"<{k}>{v}</{k}>" for k, v in row.items()) + "</Row>" for row in rows)
        head = '<!DOCTYPE a [<!ENTITY b "b">]>' if form == "dtd" else '<?xml version="1.0" encoding="GBK"?>'
        code, text = ("-1", "无权限") if form == "failed" else ("0", "")
        return f"{head}<Response><Code>{code}</Code><Msg>{text}</Msg><List>{inner}</List></Response>"

    query = (DateTime, Unicode, Unicode)
    methods = {
        "QueryEvents": rpc(*query, _returns=Array(event), _args=("since", "user", "password"))(_named(query_events, "QueryEvents")),
        "EventsOfStay": rpc(Unicode, _returns=Array(event), _args=("zyh",))(_named(events_of_stay, "EventsOfStay")),
        "QueryFees": rpc(DateTime, _returns=Array(fee), _args=("since",))(_named(query_fees, "QueryFees")),
        "FeesOfStay": rpc(Unicode, _returns=Array(fee), _args=("zyh",))(_named(fees_of_stay, "FeesOfStay")),
        "EventsAsText": rpc(DateTime, Unicode, _returns=Unicode, _args=("since", "form"))(_named(events_as_text, "EventsAsText")),
    }  # fmt: skip
    made = Application([type(Service)("Query", (Service,), methods)], NAMESPACE, "Query", Soap11(), Soap11())
    unregister_application(made)
    return WsgiApplication(made)


def _named(work: Any, name: str) -> Any:
    work.__name__ = name
    return work


def _model(name: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    types = {"changed_at": DateTime, "event_time": DateTime, "fee_ocur_time": DateTime, "row_id": Integer}
    columns = {column: types.get(column, Unicode) for row in rows for column in row}
    members = TypeInfo([(_NAMES.get(column, column), kind) for column, kind in columns.items()])
    return type(ComplexModel)(name, (ComplexModel,), {"__namespace__": NAMESPACE, "_type_info": members})


def _all(model: Any, rows: Any) -> list[Any]:
    made = []
    for row in rows:
        values = {
            _NAMES.get(name, name): value if isinstance(value, datetime | int) or value is None else str(value)
            for name, value in row.items()
        }
        made.append(model(**values))
    return made


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Silent."""


@contextmanager
def served(his: His, folder: Path, wrap: Any = lambda app: app) -> Iterator[Path]:
    """Serve; yields the WSDL as spyne wrote it. ``his.url`` is the address."""
    app = application(his)
    gc.freeze()  # spyne collects after every call, and the process of a whole test run has gathered much by now
    wsdl = Wsdl11(app.app.interface)
    with make_server("127.0.0.1", 0, wrap(app), handler_class=_Quiet) as server:
        his.url = f"http://127.0.0.1:{server.server_port}/his"
        wsdl.build_interface_document(his.url)
        file = folder / "query.wsdl"
        file.write_bytes(wsdl.get_interface_document())
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield file
        finally:
            if his.hangs is not None:
                his.hangs.set()
            server.shutdown()
            thread.join()
            gc.unfreeze()


EVENTS = """
rows = "Event"
[changed]
operation = "QueryEvents"
arguments = { since = "{changed_since}", user = "{user}", password = "{password}" }
[of_stay]
operation = "EventsOfStay"
arguments = { zyh = "{ipt_no}" }
[columns]
row_id = "row_id"
changed_at = "changed_at"
event_id = "id"
kind = { from = "ydlx", codes = { "1" = "ward_in", "2" = "transfer" } }
ipt_no = "zyh"
ward_code = "ward_code"
ward_name = "ward_name"
event_time = "event_time"
operator = "operator"
"""
FEES = """
rows = "Fee"
[changed]
operation = "QueryFees"
arguments = { since = "{changed_since}" }
[of_stay]
operation = "FeesOfStay"
arguments = { zyh = "{ipt_no}" }
[columns]
ipt_no = "zyh"
""" + "\n".join(
    f'{name} = "{name}"'
    for name in (
        "row_id", "changed_at", "feedetl_sn", "medins_list_codg", "bilg_dept_codg", "bilg_dept_name", "bilg_dr_codg",
        "bilg_dr_name", "fee_ocur_time", "det_item_fee_sumamt", "cnt", "pric", "void_flag",
    )
)  # fmt: skip


def files(folder: Path, **subjects: str) -> Path:
    """A folder with the files of these subjects."""
    folder.mkdir(exist_ok=True)
    for name, text in ({"ward_events": EVENTS, "fees": FEES} | subjects).items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder
