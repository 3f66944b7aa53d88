"""Constant load: stays carried from admission to settlement, by JSON and by SOAP, over whatever gateways there are."""

from __future__ import annotations

import http.client
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lxml import etree

from gateway.exchange.ports import Exchange, Query, State
from gateway.store import Store
from tests.kills.house import CALL_S_MAX, Gateway, Gone
from tests.kills.test_kills import WAYS, Stay
from tests.nodes.two import until
from tests.simulation import messages

ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<Call xmlns="urn:yibao:gateway:v1"><infno>{infno}</infno><request>{request}</request></Call>'
    "</s:Body></s:Envelope>"
)
_numbers = itertools.count(1)


def soap_call(gateway: Gateway, infno: str, message: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """One request through the string service. Raises Gone when there is no answer."""
    inner = messages.as_xml({"request_id": request_id}, message)
    text = inner.replace("&", "&amp;").replace("<", "&lt;")
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=CALL_S_MAX)
    try:
        body = ENVELOPE.format(infno=infno, request=text).encode()
        connection.request("POST", "/soap/exchange", body, {"Content-Type": "text/xml; charset=utf-8"})
        answer = etree.fromstring(connection.getresponse().read())
    except (OSError, http.client.HTTPException, etree.XMLSyntaxError) as error:
        raise Gone(str(error)) from error
    finally:
        connection.close()
    result = etree.fromstring("".join(answer.itertext()).strip().encode())
    return _plain(result)


def _plain(node: Any) -> Any:
    children = list(node)
    return {child.tag: _plain(child) for child in children} if children else node.text or ""


class Load:
    """Workers that never pause.

    Args:
        gateways: called by turns; where one does not answer, the same request goes to the next.
        passing: whether an answer that is no success may be asked for again; by default none may be.
    """

    def __init__(
        self, gateways: Sequence[Gateway], passing: Callable[[dict[str, Any]], bool] = lambda _: False
    ) -> None:
        self.gateways = list(gateways)
        self.refused: list[dict[str, Any]] = []
        self.stays: list[Stay] = []
        self._passing = passing
        self._turn = itertools.count()
        self._stop = threading.Event()
        self._errors: list[BaseException] = []

    @contextmanager
    def running(self, workers: int = 2) -> Iterator[None]:
        """Carry stays until the end of the block; each worker finishes the stay it is at."""
        threads = [threading.Thread(target=self._work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
        assert not self._errors, self._errors

    def until_more(self, stays: int) -> None:
        """Until so many more stays are settled."""
        wanted = len(self.stays) + stays
        until(lambda: len(self.stays) >= wanted or bool(self._errors), f"no {stays} more stays", 90)

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                stay = Stay(next(_numbers))
                for infno in WAYS["2304"]:
                    stay.learn(infno, self._final(infno, stay)["output"])
                self.stays.append(stay)
        except BaseException as error:
            self._errors.append(error)

    def _final(self, infno: str, stay: Stay) -> dict[str, Any]:
        message, request_id = stay.message(infno), f"{stay.ipt_no}-{infno}"
        found: list[dict[str, Any]] = []

        def answered() -> bool:
            answer = self._once(infno, message, request_id)
            if answer is None:
                return False
            if str(answer["infcode"]) != "0":
                self.refused.append(answer)
                assert self._passing(answer), answer
                return False
            found.append(answer)
            return True

        until(answered, f"no outcome of {infno}", 90)
        return found[0]

    def _once(self, infno: str, message: Mapping[str, Any], request_id: str) -> dict[str, Any] | None:
        """None: nobody answered."""
        turn = next(self._turn)
        gateway = self.gateways[turn % len(self.gateways)]
        try:
            by = soap_call if infno == "2304" else Gateway.call
            return by(gateway, infno, message, request_id)
        except Gone:
            return None


def check_books(store: Store, ledger: Mapping[str, Any], stays: Sequence[Stay]) -> None:
    """Journal and ledger, message by message; every stay is settled once."""
    rows: list[Exchange] = []
    while page := store.journal.search(Query(limit=1000, before_id=rows[-1].id if rows else None)):
        rows += page
    sent = {row.msgid: row for row in rows if row.msgid and row.safety != "read"}
    for row in sent.values():
        assert row.state not in (State.INTENDED, State.IN_DOUBT, State.ESCALATED), row
    done = {State.CONFIRMED, State.REVERSED}
    executed = {msgid for msgid, infno in ledger["executed"].items() if infno in ("2401", "2301", "2304")}
    assert executed == {row.msgid for row in sent.values() if row.state in done and row.infno != "2601"}
    per_stay = Counter(one["mdtrt_id"] for one in ledger["settlements"] if one["state"] == "settled")
    assert per_stay == {stay.mdtrt_id: 1 for stay in stays}
