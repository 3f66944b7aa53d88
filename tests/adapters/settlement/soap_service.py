"""A province's SOAP service, as its WSDL and its messages look; told apart from the simulator's on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from adapters.settlement.soap import SoapCall

WSDL = Path(__file__).parent / "wsdl" / "front.wsdl"
CALL = SoapCall(WSDL, "process", {"arg.user": "{account}", "arg.code": "{infno}", "arg.xml": "{payload}"})
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


def envelope(inner: str, *, charset: str = "utf-8", declared: bool = True) -> bytes:
    declaration = f'<?xml version="1.0" encoding="{charset}"?>' if declared else ""
    text = f'{declaration}<s:Envelope xmlns:s="{ENVELOPE}"><s:Body>{inner}</s:Body></s:Envelope>'
    return text.encode(charset)


def answer(payload: bytes | str, **form: Any) -> bytes:
    text = payload if isinstance(payload, str) else payload.decode()
    inner = f'<r:processResponse xmlns:r="http://services.agent.example/"><return>{escape(text)}</return></r:processResponse>'
    return envelope(inner, **form)


def fault(code: str, text: str, namespaces: str = "", **form: Any) -> bytes:
    parts = f"<faultcode>{code}</faultcode><faultstring>{text}</faultstring>"
    return envelope(f"<s:Fault {namespaces}>{parts}</s:Fault>", **form)


def payload(request: bytes) -> bytes:
    """What stood in the argument of a request."""
    return (etree.fromstring(request).findtext(".//{http://services.agent.example/}xml") or "").encode()
