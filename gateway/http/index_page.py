"""The page at ``/``: every service with its address, for the HIS vendor who opens it in a browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

_STYLE: Final = (
    "body{font:15px/1.6 'Microsoft YaHei','Noto Sans CJK SC',sans-serif;margin:2rem auto;max-width:76rem;"
    "padding:0 1.5rem;color:#1f2933}h1{font-size:1.6rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}"
    "table{border-collapse:collapse;width:100%}td{border-top:1px solid #e1e5ea;padding:.35rem .8rem .35rem 0;"
    "vertical-align:top}td:first-child{white-space:nowrap;width:1%}a{color:#0b5cad;text-decoration:none}"
    "a:hover{text-decoration:underline}p{margin:.3rem 0;color:#52606d}"
)


def index_page(base: str, services: Iterable[str], titles: Mapping[str, str], openapi: str) -> str:
    """HTML of the page.

    Args:
        base: public address, without trailing slash.
        services: names below ``/soap/``.
        titles: what each service does, by name.
        openapi: path of the JSON description.
    """
    names = sorted(services)
    legacy = [name for name in names if name.startswith("legacy/")]
    typed = [name for name in names if name not in legacy and name != "exchange"]
    return (
        f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>医保接口网关</title><style>{_STYLE}</style>'
        "<h1>医保接口网关</h1><p>每个地址同时接受 SOAP 1.1 与 1.2；应答使用请求的字符集。</p>"
        f"<h2>字符串服务</h2><table>{_rows(base, ['exchange'], titles)}</table>"
        f"<h2>类型化服务，每个交易一个操作 Txn&lt;交易编号&gt;</h2><table>{_rows(base, typed, titles)}</table>"
        f"<h2>接管的旧 WSDL</h2><table>{_rows(base, legacy, titles)}</table>"
        f"<h2>JSON</h2><table><tr><td>{_link(base + openapi)}<td>同样的交易，OpenAPI 3.1</table>"
    )


def _rows(base: str, names: Iterable[str], titles: Mapping[str, str]) -> str:
    return "".join(f"<tr><td>{_link(f'{base}/soap/{name}?wsdl')}<td>{escape(titles.get(name, ''))}" for name in names)


def _link(address: str) -> str:
    shown = escape(address)
    return f'<a href="{shown}">{shown}</a>'
