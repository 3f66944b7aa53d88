"""``yibao call``: one transaction from a file, through the running gateway's string service."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from xml.sax.saxutils import escape

import typer

from gateway.commands.terminal import ConfigOption, Failed, Misused, complain, say, settings

if TYPE_CHECKING:
    from gateway.commands.local import HttpAnswer
    from gateway.settings import ClientSettings, Settings

ADDRESS: Final = "/soap/exchange"
NAMESPACE: Final = "urn:yibao:gateway:v1"
MARGIN_S: Final = 15


def call(
    context: typer.Context,
    infno: Annotated[str, typer.Argument(metavar="INFNO", help="交易编号，例如 1101。")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="XML 或 JSON 请求文件；- 为标准输入。")],
    client: Annotated[str, typer.Option(metavar="NAME", help="以哪个已配置的客户端调用。")] = "",
    config: ConfigOption = None,
) -> None:
    """经正在运行的网关办理一笔交易，按请求文件的格式（XML 或 JSON）打印答复。"""
    from gateway.commands.local import ask

    given = settings(context, config)
    caller = choose_client(given.clients, client)
    text = read_request(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    answer = ask(
        given.listen.exchange,
        ADDRESS,
        body=envelope(infno, text),
        headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""', **credential(caller)},
        timeout_s=patience_s(given),
    )
    reply = reply_text(answer)
    say(pretty(reply))
    if infcode(reply) != "0":
        complain("未成功：见 infcode、code 与 err_msg；retry 说明能否重试。")
        raise typer.Exit(1)


def patience_s(given: Settings) -> float:
    """Longer than the gateway itself waits: a query is asked twice."""
    return 2 * (given.platform.connect_timeout_s + given.platform.read_timeout_s) + MARGIN_S


def choose_client(clients: tuple[ClientSettings, ...], name: str) -> ClientSettings:
    """The client to call as.

    Args:
        name: as given; empty takes the only one, else one that needs neither password nor key.

    Raises:
        Misused: there is no such client, or several and none named.
    """
    if name:
        found = [client for client in clients if client.name == name]
    else:
        bare = [client for client in clients if client.password is None and client.api_key is None]
        found = list(clients) if len(clients) == 1 else bare[:1]
    if found:
        return found[0]
    names = "、".join(client.name for client in clients)
    raise Misused(f"没有客户端 {name}；已配置：{names}" if name else f"请用 --client 指明以谁的名义调用：{names}")


def credential(client: ClientSettings) -> dict[str, str]:
    """HTTP headers that prove who calls; none for a client known by its address."""
    if client.password is not None:
        pair = f"{client.name}:{client.password.get_secret_value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
    if client.api_key is not None:
        return {"X-Api-Key": client.api_key.get_secret_value()}
    return {}


def read_request(raw: bytes) -> str:
    """The text of a request file in the charset it declares; UTF-8 without a declaration.

    Raises:
        Failed: empty, or not in that charset.
    """
    from gateway.contract.charset import declared_in_xml, decode
    from gateway.faults import GatewayFault

    try:
        text, _ = decode(raw, in_xml=declared_in_xml(raw))
    except GatewayFault as fault:
        raise Failed(f"请求文件：{fault.text}") from None
    if not text.strip():
        raise Failed("请求文件是空的")
    return text


def envelope(infno: str, text: str) -> bytes:
    """SOAP 1.1 envelope of ``Call(infno, request)`` (contract, "The string service")."""
    return (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f'<Call xmlns="{NAMESPACE}"><infno>{escape(infno)}</infno><request>{escape(text)}</request></Call>'
        "</soap:Body></soap:Envelope>"
    ).encode("utf-8", "surrogatepass")


def reply_text(answer: HttpAnswer) -> str:
    """``CallResult``. Raises ``Failed`` with the reason of a SOAP Fault."""
    from lxml import etree

    try:
        root = etree.fromstring(answer.body, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError:
        raise Failed(f"答复（HTTP {answer.status}）不是 SOAP 报文：{answer.body[:200]!r}") from None
    result = root.findtext(f".//{{{NAMESPACE}}}CallResult")
    if result is not None:
        return result
    reason, action = root.findtext(".//faultstring"), root.findtext(f".//{{{NAMESPACE}}}action")
    raise Failed(f"{reason or f'HTTP {answer.status}'}{f'（{action}）' if action else ''}")


def pretty(reply: str) -> str:
    """The reply indented; numbers keep the digits they have."""
    import msgspec
    from lxml import etree

    if reply.startswith("{"):
        return msgspec.json.format(reply, indent=2)
    root = etree.fromstring(reply)
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")


def infcode(reply: str) -> str:
    """``infcode`` of a reply in either form."""
    import msgspec
    from lxml import etree

    if reply.startswith("{"):
        return str(msgspec.json.decode(reply).get("infcode"))
    return etree.fromstring(reply).findtext("infcode") or ""
