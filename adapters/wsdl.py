"""One operation of somebody else's SOAP service, told from a WSDL file: its envelope written, its answer read.

zeep writes the envelope, since the WSDL says how it looks; the answer is read here, since real servers do not keep to
their WSDL in namespaces, declarations and charsets. Nothing is fetched: what a WSDL imports must lie beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import zeep
from lxml import etree
from zeep.exceptions import Error as ZeepError
from zeep.wsse.username import UsernameToken

from gateway.contract.charset import codec_of, declared_in_xml, header_charset, label_of
from gateway.contract.xml import local, parse
from gateway.faults import Unreadable

SOAP_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"
_CHARSET: Final = re.compile(r"charset=[^;\s]+", re.IGNORECASE)
_SETTINGS: Final = {"forbid_external": True, "forbid_dtd": True, "forbid_entities": True, "force_https": False}


class WsdlWrong(ValueError):
    """The WSDL cannot be used, or its operation not with these arguments; the text (Chinese) says why."""


class _FilesOnly(zeep.Transport):  # type: ignore[misc]  # zeep has no types
    """Loads from the disk alone; sends nothing."""

    def load(self, url: str) -> bytes:
        if "://" in str(url):
            raise WsdlWrong(f"WSDL 引用了网络地址 {url}：请把该文件下载到 WSDL 旁边，并把引用改为相对路径")
        return Path(url).read_bytes()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A request as it goes out: its HTTP headers, and its bytes."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class SoapFault:
    """A fault that was answered: its code as ``{namespace}name`` where the prefix was declared, subcodes included."""

    codes: tuple[str, ...]
    text: str


class Operation:
    """One operation of a service. Shared by threads.

    Args:
        wsdl: the file.
        name: of the operation.
        service, port: may be empty: the first of the file.
        charset: of the request, and of an answer that does not say in which it is.
        user, password: of a WS-Security UsernameToken; without user there is none.
        digest: the password as a digest with nonce and time, not as text.

    Raises:
        WsdlWrong: the file cannot be read, or there is no such service, port or operation.
    """

    def __init__(
        self,
        wsdl: Path,
        name: str,
        *,
        service: str = "",
        port: str = "",
        charset: str = "utf-8",
        user: str = "",
        password: str = "",
        digest: bool = True,
    ) -> None:
        self._charset = codec_of(charset)
        token = UsernameToken(user, password, use_digest=digest, zulu_timestamp=True) if user else None
        try:
            transport = _FilesOnly()
            self._client = zeep.Client(str(wsdl), wsse=token, transport=transport, settings=zeep.Settings(**_SETTINGS))
            self._binding = _binding(self._client.wsdl.services, service, port)
            names = sorted(self._binding.all())
        except (OSError, ValueError, LookupError, etree.LxmlError, ZeepError) as error:
            raise WsdlWrong(f"WSDL {wsdl} 不能使用：{_told(error)}") from error
        if name not in names:
            raise WsdlWrong(f"WSDL {wsdl} 中没有操作 {name}；有：{'、'.join(names)}")
        self._name = name

    def write(self, arguments: Mapping[str, Any]) -> Envelope:
        """The request. Raises :class:`WsdlWrong` when the operation does not take these arguments."""
        try:
            document, headers = self._binding._create(self._name, (), dict(arguments), client=self._client)
            label = label_of(self._charset)
            body = etree.tostring(document, encoding=label, xml_declaration=True)
            assert isinstance(body, bytes)
        except (TypeError, ValueError, LookupError, AttributeError, ZeepError) as error:
            raise WsdlWrong(f"操作 {self._name} 不能这样调用：{_told(error)}") from error
        said = f"charset={label.lower()}"
        headers = {name: _CHARSET.sub(said, value) for name, value in headers.items()}
        return Envelope(headers, body)

    def read(self, body: bytes, content_type: str = "") -> etree._Element | SoapFault:
        """What stands in the body of an answer: the element that answers the operation, or a fault.

        Raises:
            ValueError: no XML, a DOCTYPE, a wrong charset, or no SOAP envelope (Chinese).
        """
        said = header_charset(content_type) or ("" if declared_in_xml(body) else self._charset)
        try:
            root, _ = parse(body, said)
        except Unreadable as error:
            raise ValueError(error.text) from None
        namespace = root.tag.rpartition("}")[0].removeprefix("{")
        found = root.find(f"{{{namespace}}}Body") if namespace in (SOAP_11, SOAP_12) else None
        first = next(iter(found), None) if found is not None and local(root.tag) == "Envelope" else None
        if first is None:
            raise ValueError("答复不是 SOAP 信封，或其中没有内容")
        return _fault(first) if first.tag == f"{{{namespace}}}Fault" else first


def _binding(services: Mapping[str, Any], service: str, port: str) -> Any:
    """The binding of a port. Raises LookupError (Chinese) when there is none of this name."""
    ports = _named(services, service, "service").ports
    return _named(ports, port, "port").binding


def _named(found: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in found and (name or not found):
        raise LookupError(f"没有 {what} {name}；有：{'、'.join(found)}")
    return found[name or next(iter(found))]


def result_of(answer: etree._Element, name: str = "") -> etree._Element:
    """The element that holds the result.

    Args:
        name: local name of the element; empty: as deep as there is only one child.

    Raises:
        ValueError: there is none of this name, or more than one (Chinese).
    """
    if not name:
        while len(answer) == 1:
            answer = answer[0]
        return answer
    found = [element for element in answer.iter() if isinstance(element.tag, str) and local(element.tag) == name]
    if len(found) != 1:
        raise ValueError(f"答复中的元素 {name} 有 {len(found)} 个，应为 1 个")
    return found[0]


def _fault(fault: etree._Element) -> SoapFault:
    codes, texts = [], []
    for element in fault.iter():
        name = local(element.tag) if isinstance(element.tag, str) else ""
        if name in ("faultcode", "Value"):
            codes.append(_qualified(element))
        elif name in ("faultstring", "Text"):
            texts.append((element.text or "").strip())
        elif name in ("detail", "Detail"):
            break
    return SoapFault(tuple(codes), "；".join(filter(None, texts))[:200])


def _qualified(element: etree._Element) -> str:
    prefix, colon, name = (element.text or "").strip().rpartition(":")
    namespace = element.nsmap.get(prefix if colon else None)
    return f"{{{namespace}}}{name}" if namespace else name


def _told(error: Exception) -> str:
    """The first line of what a library says; a reference to the network is told by its address."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300] or type(error).__name__
