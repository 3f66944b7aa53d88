"""``GET /api/v1/vouchers/<kind>/<setl_id>.pdf`` (or ``.html``): a voucher to print; each answer counts as a print.

``/api/v1/vouchers/<kind>.pdf?ipt_no=...`` names the stay instead; ``operator`` says who prints. A PDF that lacks a
character says so in the header ``X-Yibao-Warning``.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, quote

import structlog

from gateway.contract.hospital import VOUCHER
from gateway.contract.jsontext import dumps
from gateway.exchange.call import Client
from gateway.exchange.ports import JournalUnavailable
from gateway.exchange.replies import refusal_reply
from gateway.faults import (
    ADDRESS_UNKNOWN,
    INTERNAL,
    METHOD_WRONG,
    STORE_UNAVAILABLE,
    TRANSACTION_FORBIDDEN,
    GatewayFault,
    Refused,
    Unreadable,
)
from gateway.http.reception import NOBODY, Environ, Reception, StartResponse, respond, unread_call
from gateway.soap.services import json_reply
from gateway.stays.ports import StayRef
from gateway.vouchers.desk import Asked, VoucherDesk
from gateway.vouchers.page import POLICY, page

log = structlog.get_logger(__name__)

PREFIX: Final = "/api/v1/vouchers/"
CHANNEL: Final = "papers"
WARNING: Final = "X-Yibao-Warning"
"""Characters that the PDF could not show, UTF-8 with percent signs: a header is ASCII."""
_NEVER_KEPT: Final = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]
_JSON: Final = "application/json; charset=utf-8"


class Papers:
    """A WSGI application for the addresses below :data:`PREFIX`; a refusal is JSON, as everywhere."""

    def __init__(self, reception: Reception, vouchers: VoucherDesk) -> None:
        self._reception = reception
        self._vouchers = vouchers

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        client = NOBODY
        try:
            if environ["REQUEST_METHOD"] != "GET":
                raise Unreadable(METHOD_WRONG)
            client = self._reception.client(environ)
            if not client.may_call(VOUCHER.name):
                raise Unreadable(TRANSACTION_FORBIDDEN, f"客户端 {client.name} 未获授权调用 {VOUCHER.name}")
            return self._printed(client, environ, start_response)
        except GatewayFault as fault:
            return self._turned_away(fault, client, environ, start_response)
        except JournalUnavailable:
            return _told(start_response, Refused(STORE_UNAVAILABLE))
        except Exception:
            log.exception("voucher_failed", path=environ.get("PATH_INFO"))
            return self._turned_away(Unreadable(INTERNAL), client, environ, start_response)

    def _printed(self, client: Client, environ: Environ, start_response: StartResponse) -> list[bytes]:
        named, _, form = str(environ["PATH_INFO"]).removeprefix(PREFIX).rpartition(".")
        if form not in ("pdf", "html"):
            raise Unreadable(ADDRESS_UNKNOWN)
        kind, _, setl_id = named.partition("/")
        query = parse_qs(str(environ.get("QUERY_STRING") or ""))
        ref = StayRef(ipt_no=query.get("ipt_no", [""])[0], setl_id=setl_id)
        shown = self._vouchers.print(kind, ref, Asked(query.get("operator", [""])[0], client.name, form))
        if form == "pdf":
            told = [(WARNING, quote("；".join(shown.warnings)))] if shown.warnings else []
            content = self._vouchers.press.pdf(shown)
            return respond(start_response, 200, "application/pdf", content, [*_NEVER_KEPT, *told])
        headers = [*_NEVER_KEPT, ("Content-Security-Policy", POLICY)]
        return respond(start_response, 200, "text/html; charset=utf-8", page(shown).encode(), headers)

    def _turned_away(
        self, fault: GatewayFault, client: Client, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        raw = f"GET {environ.get('PATH_INFO')}?{environ.get('QUERY_STRING') or ''}".encode()
        self._reception.turn_away(fault, unread_call(raw, CHANNEL, client=client, infno=VOUCHER.name))
        return _told(start_response, fault)


def _told(start_response: StartResponse, fault: GatewayFault) -> list[bytes]:
    status = 200 if isinstance(fault, Refused) else fault.fault.http_status
    return respond(start_response, status, _JSON, dumps(json_reply(refusal_reply(fault))))
