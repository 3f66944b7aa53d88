"""``yibao wsdl``: the published contract under ``wsdl/``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.terminal import Failed, JsonOption, complain, print_json, progress, say

app = typer.Typer(help="发布的接口文件（wsdl/）：生成、检查。", no_args_is_help=True)
RootOption = Annotated[Path | None, typer.Option("--root", metavar="DIR", help="含 mappings/ 与 wsdl/ 的目录。")]


@app.command()
def build(root: RootOption = None, as_json: JsonOption = False) -> None:
    """由 mappings/ 重新生成 WSDL、XSD 与 OpenAPI；已发布的内容只增不减。"""
    from gateway import mappings
    from gateway.published import wsdl_files

    folder = root or mappings.data_root()
    with progress() as bar:
        bar.add_task("生成 WSDL", total=None)
        changed = wsdl_files.build(folder)
    if as_json:
        print_json({"changed": changed})
        return
    for name in changed:
        say(f"wsdl/{name}")
    say(f"已写入 {len(changed)} 个文件。" if changed else "没有变化。")


@app.command()
def check(root: RootOption = None, as_json: JsonOption = False) -> None:
    """检查 wsdl/ 是否与 mappings/ 一致；不一致时退出码为 1。"""
    from gateway import mappings
    from gateway.published import wsdl_files

    with progress() as bar:
        bar.add_task("比对 WSDL", total=None)
        wrong = wsdl_files.check(root or mappings.data_root())
    if as_json:
        print_json({"differing": wrong})
    elif not wrong:
        say("wsdl/ 与 mappings/ 一致。")
    for name in wrong if not as_json else ():
        complain(f"wsdl/{name} 与 mappings/ 不一致")
    if wrong:
        raise Failed("请运行 yibao wsdl build 并提交结果")
