"""``/api/v1/transactions/<infno>``: the same exchange as JSON, for newer systems."""

from __future__ import annotations

from typing import Any, Final

import structlog

from gateway.contract.charset import decode, header_charset
from gateway.contract.hospital import BY_NAME
from gateway.contract.jsontext import dumps, loads_strict
from gateway.exchange.call import Call, Client, Reply
from gateway.exchange.replies import refusal_reply
from gateway.faults import (
    CLIENT_LIMIT,
    INTERNAL,
    JSON_MALFORMED,
    METHOD_WRONG,
    REQUEST_EMPTY,
    TRANSACTION_UNKNOWN,
    GatewayFault,
    Unreadable,
)
from gateway.http.reception import NOBODY, Environ, Reception, StartResponse, respond, retry_after, unread_call
from gateway.soap.hospital import Hospital, HospitalCall, hospital_json
from gateway.soap.services import json_reply, read_json_request

log = structlog.get_logger(__name__)

CHANNEL: Final = "json"
PREFIX: Final = "/api/v1/transactions/"
HOSPITAL: Final = "/api/v1/hospital/"
_JSON: Final = "application/json; charset=utf-8"


class JsonApi:
    """A WSGI application for the addresses below :data:`PREFIX` and :data:`HOSPITAL`."""

    def __init__(self, reception: Reception, hospital: Hospital) -> None:
        self._reception = reception
        self._hospital = hospital

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        path = str(environ["PATH_INFO"])
        infno = path.removeprefix(PREFIX) if path.startswith(PREFIX) else ""
        raw, client = b"", NOBODY
        try:
            raw = self._reception.body(environ)
            if environ["REQUEST_METHOD"] != "POST":
                raise Unreadable(METHOD_WRONG)
            client = self._reception.client(environ)
            if path.startswith(HOSPITAL):
                return self._ask_hospital(path.removeprefix(HOSPITAL), raw, client, environ, start_response)
            reply = self._reception.handle(self._call(infno, raw, client, environ))
        except GatewayFault as fault:
            return self._turned_away(fault, infno, raw, client, start_response)
        except Exception:
            log.exception("json_failed", path=path)
            return self._turned_away(Unreadable(INTERNAL), infno, raw, client, start_response)
        if reply.code == CLIENT_LIMIT.code:
            return _answered(start_response, CLIENT_LIMIT.http_status, reply)
        return _answered(start_response, 200, reply)

    def _ask_hospital(
        self, operation: str, raw: bytes, client: Client, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        found = BY_NAME.get(operation)
        if found is None:
            raise Unreadable(TRANSACTION_UNKNOWN, f"没有操作 {operation[:60]!r}")
        document, charset = _document(raw, environ)
        if not isinstance(document, dict):
            raise Unreadable(JSON_MALFORMED, "应为对象")
        answer = self._hospital.call(HospitalCall(found, client, document, raw, CHANNEL, charset))
        return respond(start_response, 200, _JSON, dumps(hospital_json(found, answer)))

    def _call(self, infno: str, raw: bytes, client: Client, environ: Environ) -> Call:
        document, charset = _document(raw, environ)
        head, message = read_json_request(document)
        return Call(
            client=client, infno=infno, message=message, raw=raw, channel=CHANNEL, head=head, raw_charset=charset
        )

    def _turned_away(
        self, fault: GatewayFault, infno: str, raw: bytes, client: Client, start_response: StartResponse
    ) -> list[bytes]:
        if not fault.journaled:
            unread = unread_call(raw or fault.received, CHANNEL, client=client, infno=infno)
            self._reception.turn_away(fault, unread)
        return _answered(start_response, fault.fault.http_status, refusal_reply(fault))


def _document(raw: bytes, environ: Environ) -> tuple[Any, str]:
    """The JSON of a request and the codec it came in."""
    if not raw.strip():
        raise Unreadable(REQUEST_EMPTY)
    text, charset = decode(raw, in_header=header_charset(environ.get("CONTENT_TYPE") or ""))
    return loads_strict(text), charset


def _answered(start_response: StartResponse, status: int, reply: Reply) -> list[bytes]:
    headers = retry_after(reply)
    headers += [("WWW-Authenticate", 'Basic realm="yibao", charset="UTF-8"')] if status == 401 else []
    headers += [("Allow", "POST")] if status == 405 else []
    return respond(start_response, status, _JSON, dumps(json_reply(reply)), headers)
