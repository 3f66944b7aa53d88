"""The page at ``/``: what this is, what it holds, how to make it misbehave."""

from __future__ import annotations

from html import escape
from typing import Any

from gateway.simulator.faults import KINDS

_PAGE = """<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><title>医保平台模拟器</title>
<style>body{{font:16px/1.6 sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}td,th{{border:1px solid #ccc;padding:.2rem .6rem;text-align:left}}
pre{{background:#f4f4f4;padding:.8rem;overflow:auto}}</style></head><body>
<h1>医保平台模拟器</h1>
<p>供 HIS 厂商联调：它保存人员、就诊、费用与结算，检查报文、签名、办理顺序与金额，并可按要求出故障。数据均为虚构。</p>
<p>交易地址：<code>POST {url}/&lt;infno&gt;</code> 或 <code>POST {url}/fsi/api/rsfComIfsService/callService</code></p>
<h2>台账</h2><table>{counts}</table>
<p><a href="/_sim/ledger">查看台账（JSON）</a>；清空：</p>
<pre>curl -X POST {url}/_sim/reset -d '{{"seed": 1}}'</pre>
<h2>待发生的故障</h2>{pending}
<p>打开一个故障（<code>infno</code> 可写 <code>*</code>，<code>times</code> 为次数，<code>seconds</code> 为秒数）：</p>
<pre>curl -X POST {url}/_sim/faults -d '{{"infno": "2207", "kind": "lose-reply", "times": 1}}'
curl {url}/_sim/faults
curl -X DELETE {url}/_sim/faults</pre>
<table><tr><th>kind</th><th>含义</th></tr>{kinds}</table>
</body></html>
"""


def render(url: str, ledger: dict[str, Any], faults: list[dict[str, Any]]) -> bytes:
    """The page in UTF-8.

    Args:
        url: how this simulator is reached.
        ledger: as :meth:`Simulator.ledger` shows it.
        faults: those pending.
    """
    numbers = {
        "人员": len(ledger["persons"]),
        "住院": len(ledger["stays"]),
        "门诊与购药": len(ledger["visits"]),
        "费用明细": ledger["fees"]["count"],
        "费用合计（元）": ledger["fees"]["sumamt"],
        "结算": len(ledger["settlements"]),
        "收到的请求": sum(ledger["requests"].values()),
    }
    rows = [f"{one['infno']}：{one['kind']}，还有 {one['times']} 次，{one['seconds']:g} 秒" for one in faults]
    page = _PAGE.format(
        url=escape(url),
        counts="".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in numbers.items()),
        pending="<ul>" + "".join(f"<li>{escape(row)}</li>" for row in rows) + "</ul>" if rows else "<p>无</p>",
        kinds="".join(f"<tr><td>{name}</td><td>{escape(kind.text)}</td></tr>" for name, kind in KINDS.items()),
    )
    return page.encode()
