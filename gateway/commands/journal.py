"""``yibao journal``: look into the journal while the gateway serves; only ``resend`` has the gateway do something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.commands.noted import Operator, note
from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    complain,
    print_json,
    print_pairs,
    print_table,
    progress,
    say,
    settings,
)

if TYPE_CHECKING:
    from gateway.exchange.ports import Bodies
    from gateway.settings import Settings
    from gateway.store import Store

app = typer.Typer(help="交易日志：查询、显示、导出（只读，网关运行时也可用），再次发送。", no_args_is_help=True)

MASKED_NOTE: Final = "个人信息已遮盖；需要原文时加 --unmasked。"
FOUND: Final = ("id", "received_at", "infno", "state", "client", "msgid", "infcode", "code", "err_msg", "keys")
HEADINGS: Final = ("编号", "时间", "交易", "状态", "客户端", "msgid", "infcode", "代码", "错误信息", "业务键")

PsnNo = Annotated[str, typer.Option(help="人员编号。")]
MdtrtId = Annotated[str, typer.Option(help="就诊 ID。")]
SetlId = Annotated[str, typer.Option(help="结算 ID。")]
IptNo = Annotated[str, typer.Option(help="住院号。")]
IptOtpNo = Annotated[str, typer.Option(help="住院/门诊号。")]
Certno = Annotated[str, typer.Option(help="证件号码。")]
Card = Annotated[str, typer.Option(help="就诊凭证号或卡号（mdtrt_cert_no、card_sn）。")]
PsnName = Annotated[str, typer.Option("--name", help="姓名，须完全一致。")]
Msgid = Annotated[str, typer.Option(help="发送方报文 ID。")]
RequestId = Annotated[str, typer.Option(help="院内请求号。")]
Infno = Annotated[str, typer.Option(help="交易编号。")]
ClientName = Annotated[str, typer.Option(help="客户端名。")]
States = Annotated[list[str] | None, typer.Option(metavar="STATE", help="状态，如 IN_DOUBT；可重复。")]
Code = Annotated[str, typer.Option(help="故障代码，如 GW-4101。")]
Since = Annotated[str, typer.Option(metavar="TIME", help="从何时起（含），如 2026-11-21 或 2026-11-21T08:30。")]
Until = Annotated[str, typer.Option(metavar="TIME", help="到何时止（不含）；只写日期则含当天。")]
Unmasked = Annotated[bool, typer.Option("--unmasked", help="显示原文，不遮盖个人信息。")]


@app.command()
def search(
    context: typer.Context,
    psn_no: PsnNo = "",
    mdtrt_id: MdtrtId = "",
    setl_id: SetlId = "",
    ipt_no: IptNo = "",
    ipt_otp_no: IptOtpNo = "",
    certno: Certno = "",
    card: Card = "",
    name: PsnName = "",
    msgid: Msgid = "",
    request_id: RequestId = "",
    infno: Infno = "",
    client: ClientName = "",
    state: States = None,
    code: Code = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(min=1, help="最多显示多少笔，新的在前。")] = 50,
    unmasked: Unmasked = False,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """按患者、就诊、结算、报文、交易、状态、时间查找交易。"""
    from gateway.commands.journal_rows import described, pages, shown, wanted

    query = wanted(
        keys={
            "psn_no": psn_no, "mdtrt_id": mdtrt_id, "setl_id": setl_id, "ipt_no": ipt_no, "ipt_otp_no": ipt_otp_no,
            "certno": certno, "card": card, "psn_name": name,
        },
        msgid=msgid, request_id=request_id, infno=infno, client=client, states=state or [], code=code, since=since,
        until=until,
    )  # fmt: skip
    given = settings(context, config)
    if unmasked:
        note(given, operator, "journal.search", "unmasked", described(query))
    with reading(given) as store:
        found = [shown(row, unmasked=unmasked) for page in pages(store.journal, query, most=limit) for row in page]
    if as_json:
        print_json(found)
        return
    print_table(HEADINGS, [[_cell(name, row[name]) for name in FOUND] for row in found])
    _note(len(found), limit)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%m-%d %H:%M:%S}"
    if name == "keys":
        return " ".join(f"{key['kind']}={key['value']}" for key in value)
    return "" if value is None else str(value)


def _note(count: int, limit: int) -> None:
    more = f"；只显示前 {limit} 笔，用 --limit 放宽" if count == limit else ""
    complain(f"共 {count} 笔{more}。")


@app.command()
def show(
    context: typer.Context,
    exchange_id: Annotated[int, typer.Argument(metavar="ID", help="交易在日志中的编号。")],
    bodies: Annotated[bool, typer.Option("--bodies", help="同时显示请求与答复的报文。")] = False,
    unmasked: Unmasked = False,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """显示一笔交易的全部记录；看报文或原文记入操作日志。"""
    from gateway.commands.journal_rows import shown, shown_bodies
    from gateway.exchange.ports import ProofKind
    from gateway.masking import mask_text

    given = settings(context, config)
    if bodies or unmasked:
        looked = " ".join(name for name, asked in (("bodies", bodies), ("unmasked", unmasked)) if asked)
        note(given, operator, "journal.show", f"exchange {exchange_id}", looked)
    with reading(given) as store:
        row = store.journal.get(exchange_id)
        if row is None:
            raise Failed(f"日志中没有编号为 {exchange_id} 的交易")
        kept = _bodies(store, exchange_id) if bodies else None
        proofs = store.journal.proofs(exchange_id)
    told = shown(row, unmasked=unmasked)
    ruled = [one.detail if unmasked else mask_text(one.detail) for one in proofs if one.kind is ProofKind.RULES]
    texts = shown_bodies(kept, unmasked=unmasked) if kept is not None else {}
    if as_json:
        print_json(told | ({"bodies": texts} if bodies else {}) | ({"rules": ruled} if ruled else {}))
        return
    print_pairs({name: _cell(name, value) for name, value in told.items() if value not in ("", None)})
    for text in ruled:
        say(f"── 规则所比较与修改\n{text}\n")
    for title, text in texts.items():
        say(f"── {title}\n{text}\n")
    if kept is not None and kept.gone:
        complain(f"{kept.gone}。")
    if not unmasked:
        complain(MASKED_NOTE)


def _bodies(store: Store, exchange_id: int) -> Bodies | None:
    from gateway.exchange.ports import BodiesAway

    try:
        return store.journal.bodies(exchange_id)
    except BodiesAway as error:
        raise Failed(str(error)) from error


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="写入的文件：.jsonl 或 .csv。")],
    psn_no: PsnNo = "",
    mdtrt_id: MdtrtId = "",
    setl_id: SetlId = "",
    ipt_no: IptNo = "",
    ipt_otp_no: IptOtpNo = "",
    certno: Certno = "",
    card: Card = "",
    name: PsnName = "",
    msgid: Msgid = "",
    request_id: RequestId = "",
    infno: Infno = "",
    client: ClientName = "",
    state: States = None,
    code: Code = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int | None, typer.Option(min=1, help="最多导出多少笔；不给则全部。")] = None,
    bodies: Annotated[bool, typer.Option("--bodies", help="连同报文（仅 .jsonl）。")] = False,
    unmasked: Unmasked = False,
    operator: Operator = "",
    config: ConfigOption = None,
) -> None:
    """把查到的交易导出为 JSON Lines 或 CSV；文件只有本人可读。"""
    from gateway.commands.journal_rows import described, exported, wanted

    if file.suffix not in (".jsonl", ".csv"):
        raise Misused(f"文件名应以 .jsonl 或 .csv 结尾，现为 {file.name}")
    if bodies and file.suffix == ".csv":
        raise Misused("CSV 放不下报文，--bodies 请导出为 .jsonl")
    query = wanted(
        keys={
            "psn_no": psn_no, "mdtrt_id": mdtrt_id, "setl_id": setl_id, "ipt_no": ipt_no, "ipt_otp_no": ipt_otp_no,
            "certno": certno, "card": card, "psn_name": name,
        },
        msgid=msgid, request_id=request_id, infno=infno, client=client, states=state or [], code=code, since=since,
        until=until,
    )  # fmt: skip
    given = settings(context, config)
    looked = f"bodies={bodies} unmasked={unmasked} {described(query)}"
    note(given, operator, "journal.export", file.name, looked)
    with reading(given) as store, progress() as bar:
        task = bar.add_task("导出", total=None)

        def advance(count: int, share: float) -> None:
            bar.update(task, completed=count, total=max(count, round(count / share)) if share else None)

        count = exported(store.journal, query, file, most=limit, bodies=bodies, unmasked=unmasked, tell=advance)
    say(f"已导出 {count} 笔到 {file}。")
    if not unmasked:
        complain(MASKED_NOTE)


@app.command()
def resend(
    context: typer.Context,
    exchange_id: Annotated[int, typer.Argument(metavar="ID", help="交易在日志中的编号。")],
    operator: Annotated[str, typer.Option(help="要求再次发送的人。")],
    reason: Annotated[str, typer.Option(help="原因：为什么由网关代发，与院内谁核对过。")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """把没有办成的一笔（被拒绝或没有发出，结算类除外）照原内容再次发送；经正在运行的网关办理，留下姓名与原因。"""
    import json

    from gateway.commands.local import admin_of, ask, url_of

    given = settings(context, config)
    listener = admin_of(given)
    wish = json.dumps({"operator": operator, "reason": reason}, ensure_ascii=False).encode()
    answer = ask(listener, f"/-/resend/{exchange_id}", body=wish, timeout_s=2 * given.call_s_max + 30)
    if answer.status != 200:
        raise Failed(f"网关 {url_of(listener)} 不接受（HTTP {answer.status}）；再次发送只限网关所在的机器")
    result = json.loads(answer.body)
    if as_json:
        print_json(result)
    if not result["ok"]:
        where = f"（编号 {result['exchange_id']}）" if result.get("sent") else ""
        raise Failed(f"{'再次发送没有办成' if result.get('sent') else '没有再次发送'}{where}：{result['error']}")
    if not as_json:
        done = "已再次发送并成功" if result["sent"] else "没有再次发送：同样的内容此前已经办成"
        say(f"{done}，编号 {result['exchange_id']}。院内以原请求再问，才会得知。")


@contextmanager
def reading(given: Settings) -> Iterator[Store]:
    """The store of the configuration, opened beside the gateway that writes it."""
    from gateway.store import open_configured

    store = open_configured(given, read_only=True)
    try:
        yield store
    finally:
        store.close()
