"""``yibao doubts``: what is not known yet, the evidence, and a person's word on what nothing else can prove."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.commands.journal import reading
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
    say,
    settings,
)

if TYPE_CHECKING:
    from gateway.exchange.ports import Exchange, Proof

app = typer.Typer(help="结果未知的交易：列出、看证据、人工了结。", no_args_is_help=True)

LISTED_MAX: Final = 1000
HEADINGS: Final = ("编号", "时间", "交易", "状态", "msgid", "已核实", "下次核实", "说明")
_KINDS: Final = {
    "query": "查询",
    "reverse": "冲正",
    "repeat": "再发",
    "late_answer": "迟到的答复",
    "operator": "人工",
    "rules": "规则",
    "decision": "结论",
    "unsent": "没有发出",
}


@app.command("list")
def list_(
    context: typer.Context,
    untold: Annotated[
        bool, typer.Option("--untold", help="改列：已成交的结算，答复没有送到院内，也没有再来问的。")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出结果未知（IN_DOUBT）与待人工核对（ESCALATED）的交易，后者在前。"""
    from gateway import clock
    from gateway.exchange.ports import Query, State
    from gateway.exchange.resolver_turn import WorkList

    with reading(settings(context, config)) as store:
        if untold:
            found = WorkList(store.journal, clock.now).entries()
        else:
            found = [
                row
                for state in (State.ESCALATED, State.IN_DOUBT)
                for row in store.journal.search(Query(states=(state,), limit=LISTED_MAX))
            ]
    if as_json:
        print_json([_shown(row) for row in found])
        return
    print_table(HEADINGS, [_row(row) for row in found])
    complain(f"共 {len(found)} 笔。")


def _shown(row: Exchange) -> dict[str, Any]:
    names = ("id", "received_at", "infno", "state", "msgid", "tries", "next_try_at", "reply", "err_msg", "code")
    return {name: getattr(row, name) for name in names}


def _row(row: Exchange) -> list[object]:
    later = f"{row.next_try_at:%m-%d %H:%M:%S}" if row.next_try_at else ""
    return [row.id, f"{row.received_at:%m-%d %H:%M:%S}", row.infno, row.state, row.msgid, row.tries, later, row.err_msg]


@app.command()
def show(
    context: typer.Context,
    exchange_id: Annotated[int, typer.Argument(metavar="ID", help="交易在日志中的编号。")],
    unmasked: Annotated[bool, typer.Option("--unmasked", help="显示原文，不遮盖个人信息。")] = False,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """显示一笔交易、它的全部证据，以及可以怎样了结；看报文或原文记入操作日志。"""
    from gateway.commands.journal_rows import shown

    given = settings(context, config)
    if unmasked or as_json:
        # as JSON the evidence comes with its messages
        note(given, operator, "doubts.show", f"exchange {exchange_id}", "unmasked" if unmasked else "masked")
    with reading(given) as store:
        row = store.journal.get(exchange_id)
        if row is None:
            raise Failed(f"日志中没有编号为 {exchange_id} 的交易")
        proofs = store.journal.proofs(exchange_id)
    told = shown(row, unmasked=unmasked)
    evidence = [_proof(proof, unmasked=unmasked) for proof in proofs]
    moves = _moves(row)
    if as_json:
        print_json(told | {"proofs": evidence, "moves": moves})
        return
    plain = {name: value for name, value in told.items() if name != "keys" and value not in ("", None)}
    print_pairs(
        {name: f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value for name, value in plain.items()}
    )
    say("── 证据")
    print_table(
        ("时间", "种类", "交易", "msgid", "所见"),
        [
            [f"{one['at']:%m-%d %H:%M:%S}", _KINDS[one["kind"]], one["infno"], one["msgid"], one["detail"]]
            for one in evidence
        ],
    )
    say(_advice(row, moves))


def _proof(proof: Proof, *, unmasked: bool) -> dict[str, Any]:
    from gateway.masking import mask_text

    shown: dict[str, Any] = {
        "at": proof.at,
        "kind": proof.kind.value,
        "infno": proof.infno,
        "msgid": proof.msgid,
        "detail": proof.detail,
    }
    for name, body in (("request", proof.request), ("answer", proof.answer)):
        if body is not None:
            text = body.decode("utf-8", "backslashreplace")
            shown[name] = text if unmasked else mask_text(text)
    return shown


def _moves(row: Exchange) -> list[str]:
    from gateway.desks.doubts import MOVES
    from gateway.exchange.ports import State

    return list(MOVES) if row.state is State.ESCALATED else []


def _advice(row: Exchange, moves: list[str]) -> str:
    if moves:
        return f"可人工了结：yibao doubts resolve {row.id} --as {'|'.join(moves)} --operator 姓名 --reason 依据"
    if row.state.value == "IN_DOUBT":
        return "网关正在核实，不需要人工处理。"
    return "已有定论，不能改动。"


@app.command()
def resolve(
    context: typer.Context,
    exchange_id: Annotated[int, typer.Argument(metavar="ID", help="交易在日志中的编号。")],
    as_: Annotated[str, typer.Option("--as", help="confirmed 已办理；not-done 没有办理；reversed 已冲正或撤销。")],
    operator: Annotated[str, typer.Option(help="核对人姓名。")],
    reason: Annotated[str, typer.Option(help="依据：在哪里、看到了什么。")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="confirmed 时给院内的输出（JSON，国家字段名），如结算单各项。")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """按核对人的结论了结一笔待人工核对的交易；经正在运行的网关办理，留下姓名与依据。"""
    import json

    from gateway.commands.local import admin_of, ask, url_of
    from gateway.desks.doubts import MOVES

    if as_ not in MOVES:
        raise Misused(f"--as 应为 {'、'.join(MOVES)} 之一，现为 {as_}")
    if not operator.strip() or not reason.strip():
        raise Misused("--operator 与 --reason 不能为空")
    wish: dict[str, Any] = {"as": as_, "operator": operator, "reason": reason}
    if output is not None:
        wish["output"] = _read_output(output)
    listener = admin_of(settings(context, config))
    body = json.dumps(wish, ensure_ascii=False).encode()
    answer = ask(listener, f"/-/doubts/{exchange_id}", body=body, timeout_s=60)
    if answer.status != 200:
        raise Failed(
            f"网关 {url_of(listener)} 不接受（HTTP {answer.status}）；了结走管理地址 listen.admin，且只限网关所在的机器"
        )
    result = json.loads(answer.body)
    if not result["resolved"]:
        raise Failed(str(result["error"]))
    if as_json:
        print_json(result)
    else:
        say(f"编号 {exchange_id} 已定为 {result['state']}。")


def _read_output(file: Path) -> Any:
    import json

    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise Misused(f"{file} 不是 JSON：{error}") from None
