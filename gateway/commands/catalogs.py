"""``yibao catalogs``: catalogs (13xx) brought up to date, what is held, what a version changed, looking things up."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.commands.jobs import asked, awaited
from gateway.commands.journal import reading
from gateway.commands.noted import Operator, who
from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    complain,
    print_json,
    print_pairs,
    print_table,
    settings,
)

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.store import Store
    from gateway.store.catalogs import Entry, Version

app = typer.Typer(help="目录（13xx）：更新、版本、每版的新增变更撤销、按编码名称拼音查询。", no_args_is_help=True)

JOB: Final = "catalogs"
KINDS: Final = {"added": "新增", "changed": "变更", "withdrawn": "撤销"}
LISTED: Final = ("编号", "目录", "版本", "条目", "新增", "变更", "撤销", "启用", "最近询问", "结果")
PAST: Final = ("版号", "版本", "由版本", "条目", "新增", "变更", "撤销", "启用", "说明")
SHOWN: Final = ("编码", "名称", "拼音", "开始", "结束", "有效", "版号", "键")
Infno = Annotated[str, typer.Argument(metavar="INFNO", help="目录的交易编号，如 1301。", show_default=False)]


@app.command()
def update(
    context: typer.Context,
    infnos: Annotated[
        list[str] | None,
        typer.Argument(metavar="[INFNO]...", help="目录编号；不给则为配置的全部。", show_default=False),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="从首版起全部重下：文件中没有的条目即撤销（不像全量的不导入）。")
    ] = False,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """询问平台有无更新，有则下载、检查、入库；由运行中的网关办理，等到结束。没有办成的目录保持原来的版本。"""
    given = settings(context, config)
    wish = {"catalogs": infnos or [], "whole": whole}
    number = asked(given, "run", {"operator": who(operator), "job": JOB, "given": wish})["run"]
    ended = awaited(given, JOB, number)
    if as_json:
        print_json(ended)
    elif ended["outcome"] == "done":
        _tell_run(ended)
    if ended["outcome"] != "done":
        raise Failed(str(ended["error"] or ended["outcome"]))


def _tell_run(ended: dict[str, Any]) -> None:
    rows = [
        [one["infno"], one["ver"], one["added"], one["changed"], one["withdrawn"], "；".join(one["notes"])]
        for one in ended["detail"]["catalogs"]
    ]
    if rows:
        print_table(("编号", "版本", "新增", "变更", "撤销", "说明"), rows)
    counts = ended["counts"]
    complain(f"询问了 {counts['目录']} 个目录，{counts['有更新']} 个有更新。")


@app.command("list")
def list_(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """各目录在用的版本、条目数、最近一次更新的新增变更撤销，以及正在进行的导入。"""
    with reading(settings(context, config)) as store:
        held, unfinished = store.catalogs.held(), store.catalogs.unfinished()
    if as_json:
        print_json(
            {
                "catalogs": [
                    {"infno": one.infno, "name": one.name, "version": _version(one.version) if one.version else None,
                     "checked_at": one.checked_at, "told": one.told, "failed": one.failed}
                    for one in held
                ],
                "importing": [_version(one) for one in unfinished],
            }
        )  # fmt: skip
        return
    print_table(LISTED, [[one.infno, one.name, *_row(one.version), _short(one.checked_at), one.told] for one in held])
    for one in unfinished:
        complain(f"{one.infno} 正在导入 {one.ver}：{one.lines_done}/{one.lines_total} 行。")


@app.command()
def show(
    context: typer.Context,
    infno: Infno,
    version: Annotated[int, typer.Option("--version", metavar="ID", help="版号；不给则为在用的。")] = 0,
    kind: Annotated[
        str, typer.Option("--changes", metavar="KIND", help="列出 added、changed、withdrawn 或 all。")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="最多多少条。")] = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """一个目录的各版本；--changes 列出某版新增、变更、撤销了哪些条目，变更的写明前后。"""
    if kind not in ("", "all", *KINDS):
        raise Misused(f"--changes 应为 {'、'.join(KINDS)} 或 all，现为 {kind}")
    with reading(settings(context, config)) as store:
        versions = _versions(store, infno)
        if not kind:
            _tell_versions(versions, as_json=as_json)
            return
        chosen = _chosen(versions, version)
        found = store.catalogs.changes(chosen, list(KINDS) if kind == "all" else [kind], limit=limit)
    if chosen.pruned:
        complain(f"版号 {chosen.id} 的明细已按 catalogs.versions_kept 清理，以下不全。")
    if as_json:
        print_json([{**_entry(now), "before": _entry(before) if before else None} for now, before in found])
        return
    headings = ("变化", "编码", "名称", "内容")
    print_table(headings, [[KINDS[now.change], now.code, now.name, _difference(now, before)] for now, before in found])
    complain(f"{len(found)} 条；本版新增 {chosen.added}，变更 {chosen.changed}，撤销 {chosen.withdrawn}。")


@app.command()
def search(
    context: typer.Context,
    infno: Infno,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="编码、名称或拼音的开头。", show_default=False)],
    on: Annotated[str, typer.Option("--on", metavar="DAY", help="只列这一天可用的，yyyy-MM-dd。")] = "",
    version: Annotated[int, typer.Option("--version", metavar="ID", help="按这个版号；不给则为在用的。")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="最多多少条。")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """按编码、名称、拼音的开头查一个目录；只有一条时列出它的全部列。"""
    day = _day(on)
    with reading(settings(context, config)) as store:
        versions = _versions(store, infno)
        chosen = _chosen(versions, version) if version else None
        found = store.catalogs.search(infno, text, day, limit=limit, version=chosen)
    if as_json:
        print_json([_entry(one) for one in found])
        return
    rows = [
        [one.code, one.name, one.pinyin, one.begins, one.ends, "是" if one.valid else "否", one.version_id, one.key]
        for one in found
    ]
    print_table(SHOWN, rows)
    if len(found) == 1:
        labels = dict(next(one.columns for one in versions if one.id == found[0].version_id))
        print_pairs({labels[name]: value for name, value in found[0].values.items()})
    complain(f"{len(found)} 条。")


def _versions(store: Store, infno: str) -> list[Version]:
    found = store.catalogs.versions(infno, limit=1000)
    if not found:
        held = "、".join(one.infno for one in store.catalogs.held() if one.version) or "无"
        raise Failed(f"没有目录 {infno} 的数据；已有：{held}。先运行 yibao catalogs update {infno}。")
    return found


def _chosen(versions: list[Version], number: int) -> Version:
    if not number:
        return versions[0]
    for one in versions:
        if one.id == number:
            return one
    raise Misused(f"没有版号 {number}；可用：{'、'.join(str(one.id) for one in versions)}")


def _tell_versions(versions: list[Version], *, as_json: bool) -> None:
    if as_json:
        print_json([_version(one) for one in versions])
        return
    rows = [
        [one.id, one.ver, one.based_on, one.total, one.added, one.changed, one.withdrawn, _short(one.finished_at),
         "；".join((*(("明细已清理",) if one.pruned else ()), *one.notes))]
        for one in versions
    ]  # fmt: skip
    print_table(PAST, rows)


def _row(version: Version | None) -> list[object]:
    if version is None:
        return [""] * 6
    counts = (version.total, version.added, version.changed, version.withdrawn)
    return [version.ver, *counts, _short(version.finished_at)]


def _version(one: Version) -> dict[str, Any]:
    return {
        "id": one.id,
        "infno": one.infno,
        "ver": one.ver,
        "based_on": one.based_on,
        "state": one.state,
        "whole": one.whole,
        "rows": one.total,
        "added": one.added,
        "changed": one.changed,
        "withdrawn": one.withdrawn,
        "same": one.same,
        "lines_done": one.lines_done,
        "lines_total": one.lines_total,
        "started_at": one.started_at,
        "finished_at": one.finished_at,
        "exchange_id": one.exchange_id,
        "sha256": one.sha256,
        "notes": list(one.notes),
    }


def _entry(one: Entry) -> dict[str, Any]:
    names = ("code", "name", "pinyin", "begins", "ends", "valid", "key", "version_id", "change")
    return {**{name: getattr(one, name) for name in names}, "values": dict(one.values)}


def _difference(now: Entry, before: Entry | None) -> str:
    """Column by column what a record was and is."""
    if before is None:
        return ""
    names = [name for name in {**before.values, **now.values} if before.values.get(name) != now.values.get(name)]
    return "；".join(f"{name} {before.values.get(name, '空')} → {now.values.get(name, '空')}" for name in names)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Misused(f"--on 应为 yyyy-MM-dd，现为 {text}") from None


def _short(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""
