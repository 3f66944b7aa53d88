"""``yibao stays list`` and ``align``: the stays with their times, and 2403 for those that differ."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from gateway.commands.journal import reading
from gateway.commands.local import admin_of, ask
from gateway.commands.noted import Operator, who
from gateway.commands.terminal import ConfigOption, Failed, JsonOption, complain, print_json, print_table, settings

ALIGN_S_MAX = 3600
LEFT = ("住院号", "就诊ID", "医保入院时间", "入科时间", "代码", "原因", "次数")


def list_stays(
    context: typer.Context,
    differs: Annotated[bool, typer.Option("--differs", help="只列医保入院时间与入科时间不一致的。")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="最多多少条。")] = 200,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出各次住院的入科时间等，后入科的在前；由运行中的网关每数秒更新。"""
    from gateway.store.stay_feed import EpisodeQuery

    query = EpisodeQuery(alignment=("differs",) if differs else (), limit=limit)
    with reading(settings(context, config)) as store:
        found = store.stay_feed.episodes(query)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        [one.ipt_no, one.mdtrt_id, one.t_ward or "未入科", one.t_ins, "≠" if one.alignment == "differs" else "", one.t_dsc]
        for one in found
    ]  # fmt: skip
    print_table(("住院号", "就诊ID", "入科时间", "医保入院时间", "不一致", "出院时间"), rows)


def align(
    context: typer.Context,
    operator: Operator = "",
    only_list: Annotated[bool, typer.Option("--list", help="只列出待人工处理的，不发送。")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """对已入科而医保入院时间不一致的住院办理入院信息变更（2403）；办不了的列出原因。由运行中的网关发送。"""
    import json

    given = settings(context, config)
    act = "list" if only_list else "run"
    body = json.dumps({"operator": who(operator)}, ensure_ascii=False).encode()
    answer = ask(admin_of(given), f"/-/alignment/{act}", body=body, timeout_s=ALIGN_S_MAX)
    told: dict[str, Any] = json.loads(answer.body)
    if answer.status != 200 or "error" in told:
        raise Failed(str(told.get("error") or told))
    if as_json:
        print_json(told)
        return
    names = ("ipt_no", "mdtrt_id", "t_ins", "t_ward", "code", "reason", "tries")
    print_table(LEFT, [[one[name] for name in names] for one in told["left"]])
    done = f"已办理 {len(told['aligned'])} 例，" if "aligned" in told else ""
    complain(f"{done}待人工处理 {len(told['left'])} 例。")


def old_stays(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="最多查看多少次住院。")] = 100_000,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """上线报告：网关启用（rules.go_live）之前已出院、结算时的入院时间不是入科时间的结算；其凭证按结算时间打印。"""
    from gateway import clock
    from gateway.console_process import stay_reader
    from gateway.rules.vouchers import differs_from_ward
    from gateway.stays.ports import StayRef
    from gateway.store.stay_feed import EpisodeQuery

    given = settings(context, config)
    if given.rules.go_live is None:
        raise Failed("没有设置网关启用时间（rules.go_live）")
    query = EpisodeQuery(settlement=("interim", "settled", "listed"), order="mdtrt_id", descending=False, limit=limit)
    told = []
    with reading(given) as store:
        desk = stay_reader(given, store, clock.now)
        for one in store.stay_feed.episodes(query):
            stay = desk.judged(StayRef(one.ipt_no, one.mdtrt_id)).stay
            told += [
                {"ipt_no": one.ipt_no, "mdtrt_id": one.mdtrt_id, "setl_id": settled.setl_id, "t_dsc": one.t_dsc,
                 "t_set": settled.t_set.text if settled.t_set else "", "t_ward": one.t_ward}
                for settled in differs_from_ward(stay, desk.policy)
            ]  # fmt: skip
    if as_json:
        print_json(told)
        return
    rows = [[*list(one.values())[:5], one["t_ward"] or "无入科记录"] for one in told]
    print_table(("住院号", "就诊ID", "结算ID", "出院时间", "结算入院时间", "入科时间"), rows)
    complain(f"启用之前出院、时间不一致的结算 {len(told)} 笔。")
