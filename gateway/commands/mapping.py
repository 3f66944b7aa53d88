"""``yibao mapping``: the interface tables and the hospital dialects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.terminal import (
    ConfigOption,
    Failed,
    JsonOption,
    Misused,
    complain,
    config_path,
    print_json,
    print_table,
    progress,
    say,
    settings,
)

if TYPE_CHECKING:
    from gateway.contract.errors import MappingError
    from gateway.contract.model import Contract
    from gateway.mappings.dialects import Difference, Trial

app = typer.Typer(help="接口表与院内方言：检查、试译、导入、重载。", no_args_is_help=True)

RootOption = Annotated[Path | None, typer.Option("--root", metavar="DIR", help="含 mappings/ 与 wsdl/ 的目录。")]
ProvinceOption = Annotated[
    str, typer.Option("--province", metavar="NAME", help="按哪个省份的接口；不给则取配置，再缺省为 national。")
]


@app.command()
def provinces(root: RootOption = None, as_json: JsonOption = False) -> None:
    """列出可用的省份，以及各自的交易数与版本。"""
    from gateway import mappings

    folder = root or mappings.data_root()
    rows = []
    with progress() as bar:
        for name in bar.track(mappings.provinces(folder), description="读取省份"):
            contract = mappings.load(name, folder)
            rows.append({"province": name, "transactions": len(contract.transactions), "version": contract.version})
    if as_json:
        print_json(rows)
    else:
        print_table(("省份", "交易数", "版本"), [list(row.values()) for row in rows])


# -------------------------------------------------------------------- check


@app.command()
def check(
    context: typer.Context,
    dialect: Annotated[str, typer.Option("--dialect", metavar="NAME", help="只检查这个方言。")] = "",
    province: ProvinceOption = "",
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """检查全部接口表、省份与方言（含方言的样例），逐条指出文件与行。"""
    from gateway import mappings

    folder = root or mappings.data_root()
    chosen = _province(context, config, province)
    found = list(_found(folder, dialect, chosen))
    if as_json:
        print_json({"ok": not found, "problems": found})
    else:
        for problem in found:
            complain(f"{problem['place']}：{problem['text']}")
    if found:
        raise Failed(f"共 {len(found)} 处错误。")
    if not as_json:
        say("映射文件没有错误。")


def _province(context: typer.Context, config: Path | None, given: str) -> str:
    if given or config_path(context, config) is None:
        return given or "national"
    return settings(context, config).platform.province


def _found(root: Path, dialect: str, province: str) -> Iterator[dict[str, str]]:
    """Every problem once: a table that is wrong is wrong in every province."""
    from gateway import mappings
    from gateway.contract.errors import MappingError
    from gateway.mappings.catalogs import load_catalogs

    seen: dict[str, dict[str, str]] = {}
    folders = _dialect_folders(root, dialect)
    names = [province] if dialect else sorted({*mappings.provinces(root), province})
    with progress() as bar:
        task = bar.add_task("检查", total=len(names) + len(folders))
        contract = None
        for name in names:
            try:
                loaded = mappings.load(name, root)
                load_catalogs(loaded, root)
                contract = loaded if name == province else contract
            except MappingError as error:
                seen |= {one.sentence: _row(one) for one in error.all}
            bar.advance(task)
        yield from seen.values()
        if contract is None:
            return
        for folder in folders:
            yield from _dialect_problems(folder, contract)
            bar.advance(task)


def _dialect_problems(folder: Path, contract: Contract) -> Iterator[dict[str, str]]:
    from gateway.contract.errors import MappingError
    from gateway.mappings.dialects import check_dialect

    try:
        for difference in check_dialect(folder, contract):
            yield {"place": difference.golden, "text": _difference(difference)}
    except MappingError as error:
        yield from (_row(one) for one in error.all)


def _row(error: MappingError) -> dict[str, str]:
    return {"place": f"{error.file}:{error.line}" if error.line else error.file, "text": error.text}


def _difference(found: Difference) -> str:
    expected, actual = ("（无）" if side is None else f"“{side}”" for side in (found.expected, found.actual))
    return f"{found.where} 应为 {expected}，实为 {actual}"


def _dialect_folders(root: Path, dialect: str) -> list[Path]:
    """The one folder asked for, by name or path, or all."""
    from gateway.mappings.dialect_files import dialect_folders

    folders = dialect_folders(root)
    if not dialect:
        return folders
    named = [folder for folder in folders if folder.name == dialect]
    if not named and (Path(dialect) / "dialect.yaml").is_file():
        return [Path(dialect).resolve()]
    if not named:
        raise Misused(f"没有方言 {dialect}；现有：{'、'.join(folder.name for folder in folders) or '无'}")
    return named


# ---------------------------------------------------------------------- try


@app.command("try")
def try_(
    context: typer.Context,
    dialect: Annotated[str, typer.Argument(metavar="DIALECT", help="方言名，或其目录。")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="院内发出的 SOAP 请求。")],
    province: ProvinceOption = "",
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """用一个方言试译一份院内请求，院内字段与国家字段并排显示；不发送任何东西。"""
    from gateway import mappings
    from gateway.contract.interface import Interface
    from gateway.mappings.dialects import try_dialect

    folder = root or mappings.data_root()
    (where,) = _dialect_folders(folder, dialect)
    contract = mappings.load(_province(context, config, province), folder)
    trial = try_dialect(where, file, contract)
    if trial.refused:
        raise Failed(f"方言读不懂这份请求：{trial.refused}")
    _, checked = Interface(contract).input(trial.infno).check(trial.message)
    problems = [*trial.problems, *checked.problems]
    if as_json:
        print_json(_trial(trial, problems))
    else:
        _show_trial(trial, contract.transactions[trial.infno].name)
    for problem in () if as_json else problems:
        complain(problem.text)
    if problems:
        raise Failed(f"共 {len(problems)} 处不符合接口规范。")


def _show_trial(trial: Trial, name: str) -> None:
    rows = [(row.his_path, row.his_value, row.national_path, row.national_value) for row in trial.rows]
    title = f"院内交易 {trial.his_transaction} → {trial.infno} {name}"
    print_table(("院内字段", "院内值", "国家字段", "国家值"), rows, title=title)
    if trial.head:
        print_table(("公共字段", "值"), list(trial.head.items()))
    for unknown in trial.unknown:
        complain(f"方言没有读取：{unknown}")


def _trial(trial: Trial, problems: list[Any]) -> dict[str, Any]:
    names = ("node", "row", "field", "label", "value", "rule", "text")
    return {
        "his_transaction": trial.his_transaction,
        "infno": trial.infno,
        "head": dict(trial.head),
        "rows": [
            {name: getattr(row, name) for name in ("his_path", "his_value", "national_path", "national_value")}
            for row in trial.rows
        ],
        "message": trial.message,
        "unknown": list(trial.unknown),
        "problems": [{name: getattr(problem, name) for name in names} for problem in problems],
    }


# ------------------------------------------------------------ import, reload


@app.command("import")
def import_(
    spec_dir: Annotated[Path, typer.Argument(metavar="SPEC_DIR", help="含 transactions/、envelope.yaml 等的目录。")],
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="写入的 mappings 目录。")] = None,
    as_json: JsonOption = False,
) -> None:
    """导入一套接口表；全部通过检查才写入，错误逐条指出文件与行。"""
    from gateway import mappings
    from gateway.mappings.importing import import_tables

    with progress() as bar:
        bar.add_task("导入接口表", total=None)
        report = import_tables(spec_dir, to or mappings.data_root() / "mappings")
    if as_json:
        print_json(
            {
                "transactions": report.transactions,
                "code_lists": report.code_lists,
                "written": report.written,
                "kept": report.kept,
            }
        )
        return
    for name in report.written:
        say(f"写入 {name}")
    for name in report.kept:
        complain(f"导入目录中没有 {name}，保留原样")
    say(f"交易 {report.transactions} 个，值域 {report.code_lists} 个，写入 {len(report.written)} 个文件。")


@app.command()
def reload(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """让正在运行的网关换用修改后的映射文件；有错误则全部保持原样。"""
    import json

    from gateway.commands.local import admin_of, ask, url_of

    listener = admin_of(settings(context, config))
    answer = ask(listener, "/-/reload", body=b"", timeout_s=60)
    if answer.status != 200:
        raise Failed(
            f"网关 {url_of(listener)} 不接受重载（HTTP {answer.status}）；重载走管理地址 listen.admin，且只限网关所在的机器"
        )
    result = json.loads(answer.body)
    if as_json:
        print_json(result)
    for error in () if as_json else result["errors"]:
        complain(error)
    if not result["reloaded"]:
        raise Failed("没有重载，网关继续使用原来的映射文件。")
    if not as_json:
        say("已换用新的映射文件。")
