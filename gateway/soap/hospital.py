"""``/soap/hospital`` and ``/api/v1/hospital/<operation>``: what the hospital asks the gateway itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.contract.codec import as_text
from gateway.contract.hospital import OPERATIONS, OUTCOME
from gateway.contract.published import NAMESPACE
from gateway.contract.xml import escape, local
from gateway.exchange.call import Client, Reply
from gateway.exchange.exchange import refusal_reply
from gateway.exchange.ports import JournalUnavailable
from gateway.faults import EXCHANGE_UNKNOWN, PARAMETERS_WRONG, STORE_UNAVAILABLE, GatewayFault, Refused
from gateway.reception import Reception
from gateway.soap.lane import SoapRequest
from gateway.soap.services import json_reply

Arguments = Mapping[str, str]
Answer = tuple[Reply, str]
"""The reply and the transaction it is about."""


class Hospital:
    """The operations themselves, the same for SOAP and JSON."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._operations: dict[str, Callable[[Client, Arguments], Answer]] = {OUTCOME.name: self._outcome}

    def names(self) -> tuple[str, ...]:
        return tuple(self._operations)

    def call(self, operation: str, client: Client, arguments: Arguments) -> Answer:
        """Answer one operation; a refusal is a reply like any other.

        Raises:
            Unreadable: GW-2003, the client may not ask about this transaction.
        """
        try:
            self._check_names(operation, arguments)
            return self._operations[operation](client, arguments)
        except Refused as refusal:
            return refusal_reply(refusal), ""
        except JournalUnavailable:
            return refusal_reply(Refused(STORE_UNAVAILABLE)), ""

    def _check_names(self, operation: str, arguments: Arguments) -> None:
        known = next(found for found in OPERATIONS if found.name == operation)
        strange = set(arguments) - {element.name for element in known.request}
        if strange:
            raise Refused(PARAMETERS_WRONG, f"{operation} 没有参数 {'、'.join(sorted(strange))[:100]}")

    def _outcome(self, client: Client, arguments: Arguments) -> Answer:
        request_id, mdtrt_id, infno = (arguments.get(name, "") for name in ("request_id", "mdtrt_id", "infno"))
        if not request_id and not (mdtrt_id and infno):
            raise Refused(PARAMETERS_WRONG, "须给出 request_id，或 mdtrt_id 与 infno")
        reply = self._reception.outcome(client, request_id=request_id, mdtrt_id=mdtrt_id, infno=infno)
        if reply is None:
            raise Refused(EXCHANGE_UNKNOWN, request_id or f"{mdtrt_id} {infno}")
        return reply, reply.infno


class HospitalService:
    """The SOAP form: flat parameters, flat answer, ``output`` as XML text."""

    channel = "hospital"

    def __init__(self, hospital: Hospital, reception: Reception) -> None:
        self._hospital = hospital
        self._reception = reception

    def answer(self, request: SoapRequest, operation: str) -> str:
        arguments = {local(child.tag): (child.text or "").strip() for child in request.operation}
        reply, infno = self._hospital.call(operation, request.client, {k: v for k, v in arguments.items() if v})
        output = ""
        if reply.output and infno:
            output = f"<output>{self._reception.exchange.interface.output(infno).write_xml(reply.output)}</output>"
        values = {**{name: as_text(getattr(reply, name)) for name in _STATUS}, "infno": infno, "output": output}
        known = next(found for found in OPERATIONS if found.name == operation)
        parts = "".join(f"<{item.name}>{escape(values[item.name])}</{item.name}>" for item in known.response)
        return f'<{operation}Response xmlns="{NAMESPACE}">{parts}</{operation}Response>'

    def failure(self, request: SoapRequest, fault: GatewayFault) -> str | None:
        del request, fault
        return None


_STATUS: Final = ("state", "infcode", "inf_refmsgid", "err_msg", "warn_msg", "msgid", "code", "retry")


def hospital_json(reply: Reply, infno: str) -> dict[str, Any]:
    """The JSON form: as a transaction's answer, with ``state`` and ``infno``."""
    return {"state": reply.state, "infno": infno, **json_reply(reply)}
