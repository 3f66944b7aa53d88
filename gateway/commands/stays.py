"""``yibao stays``: the whole history of one stay and what follows from it; stays that began elsewhere are taken over."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

from gateway.commands.journal import Unmasked, reading
from gateway.commands.noted import Operator, note, who
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
    system_reason,
)

if TYPE_CHECKING:
    from gateway.settings import Settings
    from gateway.stays.history import History

app = typer.Typer(help="住院：显示一次住院的全部经过，接入网关启用前的在院病人。", no_args_is_help=True)

REPORT_ROWS_MAX: Final = 50


@app.command()
def show(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="IPT_NO|MDTRT_ID", help="住院号，或就诊 ID。")],
    operator: Operator = "",
    unmasked: Unmasked = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """显示一次住院：各时间与来源、经过、出院办理还缺什么。"""
    from gateway import clock, mappings
    from gateway.configured import rules_policy
    from gateway.stays.derive import derive
    from gateway.stays.desk import is_known
    from gateway.stays.ports import StayRef
    from gateway.stays.story import story
    from gateway.stays.view import status

    given = settings(context, config)
    note(given, operator, "stays.show", number, f"unmasked={unmasked}")
    with reading(given) as store:
        history: History | None = None
        for ref in (StayRef(ipt_no=number), StayRef(mdtrt_id=number)):
            found = store.journal.stays.known(ref).history
            history = found if is_known(found) else history
    if history is None:
        raise Failed(f"网关没有住院号或就诊 ID 为 {number} 的住院的任何记录")
    policy, contract = rules_policy(given), mappings.load(given.platform.province)
    told = status(derive(history, policy), contract.rules, policy, clock.now())
    told["psn_no"] = history.psn_no
    told["story"] = list(story(history))
    if not unmasked:
        told = _masked(told)
    if as_json:
        print_json(told)
        return
    _print(told)


def _masked(told: dict[str, Any]) -> dict[str, Any]:
    from gateway.masking import mask_text, mask_value

    told["psn_no"] = mask_value("psn_no", told["psn_no"])
    for step in told["story"]:
        step["detail"] = mask_text(step["detail"])
    return told


def _print(told: dict[str, Any]) -> None:
    state, upload = told["state"], told["upload"]
    print_pairs(
        {
            "住院号": told["ipt_no"],
            "就诊 ID": told["mdtrt_id"],
            "人员编号": told["psn_no"],
            "在院状态": state["presence"],
            "入院时间": state["alignment"],
            "结算": state["settlement"],
            "结果未明": "、".join(state["unknown"]) or "无",
            "诊断上传": f"{upload['result']}（院内 {upload['told'] or '—'}，上传 {upload['sent'] or '—'}，"
            f"平台 {upload['shown'] or '—'}）",
        }
    )
    print_table(
        ("时间", "值", "原值", "来源", "操作人", "依据"),
        [[one["label"], one["value"], one["raw"], one["origin"], one["by"], one["ref"]] for one in told["time"]],
    )
    print_table(
        ("得知", "经过", "说明", "操作人"),
        [[one["at"], one["what"], one["detail"], one["by"]] for one in told["story"]],
    )
    for problem in (*upload["problem"], *(f"平台多余诊断：{one}" for one in upload["surplus"])):
        say(f"诊断核对：{problem}")
    missing = told["missing"]
    say("\n".join(f"出院办理还缺：{one['code']} {one['text']}" for one in missing) or "可以办理出院。")


@app.command()
def adopt(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="CSV（首行为列名）或 .jsonl：mdtrt_id、psn_no、ipt_no、begntime、med_type、入科的 ward_in_time 与 ward_code。",
        ),
    ] = None,
    query: Annotated[
        bool, typer.Option("--query", help="各时间与状态以平台查询（5201、5202）为准，文件只给编号。")
    ] = False,
    his: Annotated[
        bool, typer.Option("--his", help="不用文件：在院病人的编号取自 HIS 数据库（[his]）；须与 --query 一起用。")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", help="逐行记下结果（.jsonl）；中断后以同一文件再运行，已接入的不再问，没有接入的重试。"
        ),
    ] = None,
    operator: Operator = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """接入网关没有登记过的在院病人，一行一人；经正在运行的网关办理，最后给出报告。"""
    given = settings(context, config)
    rows = list(_listed(given, file, his=his, query=query))
    if not rows:
        raise Failed(f"{file or 'HIS'} 中没有可以接入的住院记录")
    kept = Kept(report)
    try:
        with kept, progress() as bar:
            task = bar.add_task("接入", total=len(rows))
            for line, row in rows:
                if not kept.done(row):
                    answer = _ask(given, {"stay": row, "operator": who(operator), "query": query})
                    kept.add(
                        {"line": line, "mdtrt_id": row.get("mdtrt_id", ""), "ipt_no": row.get("ipt_no", ""), **answer}
                    )
                bar.advance(task)
    except KeyboardInterrupt:
        complain("已中断。")
    told = kept.of(rows)
    failed = [one for one in told if "error" in one]
    if as_json:
        print_json(told)
    else:
        _print_report(told, failed)
    if missing := len(rows) - len(told):
        raise Failed(f"还有 {missing} 行没有办理" + (f"；以 --report {report} 再运行一次即接着办理" if report else ""))
    if failed:
        raise Failed(f"{len(failed)} 行没有接入，改正后可以只导入这些行；已接入的再导入一次也无妨")


class Kept:
    """What became of every row; in a file too, line by line, where one is given.

    Args:
        path: of the file; what an earlier run kept there counts.

    Raises:
        Failed: the file cannot be read or written, or holds something else.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._found: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Kept:
        if self._path is not None:
            try:
                self._read(self._path)
                self._file = self._path.open("a", encoding="utf-8")
            except OSError as error:
                raise Failed(f"{self._path} 无法读写：{system_reason(error)}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def done(self, row: Mapping[str, str]) -> bool:
        """Whether this stay has been taken over."""
        found = self._found.get(_key(row))
        return found is not None and "error" not in found

    def add(self, result: dict[str, Any]) -> None:
        """Keep a result, durable before the next row is asked for."""
        self._found[_key(result)] = result
        if self._file is not None:
            self._file.write(json.dumps(result, ensure_ascii=False) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def of(self, rows: Iterable[tuple[int, Mapping[str, str]]]) -> list[dict[str, Any]]:
        """The results of these rows, in their order; those not asked for yet are left out."""
        return [{**found, "line": line} for line, row in rows if (found := self._found.get(_key(row)))]

    def _read(self, path: Path) -> None:
        """A line that was cut off in writing is as good as none."""
        if not path.exists():
            return
        whole = path.read_bytes()
        lines = whole.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            path.write_bytes(whole[: -len(lines.pop())])
        for number, line in enumerate(lines, 1):
            try:
                found = json.loads(line)
                self._found[_key(found)] = found
            except (ValueError, TypeError, AttributeError):
                raise Failed(f"{path} 第 {number} 行不是接入报告，请另给一个文件名") from None


def _key(row: Mapping[str, Any]) -> str:
    return str(row.get("mdtrt_id") or "") or f"ipt:{row.get('ipt_no') or ''}"


def _listed(given: Settings, file: Path | None, *, his: bool, query: bool) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and stay, from a file or from the HIS. Raises ``Misused``."""
    if his == (file is not None):
        raise Misused("请给出 FILE，或 --his（取自 HIS 数据库），二者选一")
    if file is not None:
        yield from _rows(file)
        return
    if not query:
        raise Misused("--his 只给编号，须与 --query 一起用")
    yield from enumerate(_in_hospital(given), 1)


def _in_hospital(given: Settings) -> Iterator[dict[str, str]]:
    """Patients whom the HIS has in a ward with a ``mdtrt_id``. Raises ``Failed``."""
    from adapters.his.ways import open_records
    from gateway.stays.hospital import VOID, HisError

    if not given.his.there:
        raise Failed("没有设置到 HIS 的途径：请在 [his] 中写明 url 或 service")
    try:
        records, _ = open_records(given.his)
        try:
            page, unregistered = records.changed("inpatients"), 0
            while True:
                for wrong in page.wrong:
                    complain(f"HIS 中的一行不能使用：{wrong}")
                inside = [row for row in page.rows if not row.get("endtime") and row.get(VOID) != "1"]
                numbered = [row for row in inside if row.get("mdtrt_id")]
                unregistered += len(inside) - len(numbered)
                for row in numbered:
                    yield {name: str(row[name]) for name in ("mdtrt_id", "psn_no", "ipt_no") if row.get(name)}
                if page.last or page.mark is None:
                    break
                page = records.changed("inpatients", after=page.mark)
            if unregistered:
                complain(
                    f"HIS 中 {unregistered} 位在院病人没有就诊 ID，没有接入；其中医保病人须由 inpatients 语句给出 mdtrt_id，或改用文件接入。"
                )
        finally:
            records.close()
    except HisError as error:
        raise Failed(f"HIS 无法读取：{error}") from error


OUTCOMES: Final = {"adopted": "接入", "known": "已有且一致", "differing": "已有但不一致"}
"""What a row came to, in a word for staff."""


def _print_report(report: list[dict[str, Any]], failed: list[dict[str, Any]]) -> None:
    done = [one for one in report if "error" not in one]
    outcomes = Counter(one["outcome"] for one in done)
    counted = [[text, outcomes[name]] for name, text in OUTCOMES.items()]
    print_table(("结果", "人数"), [*counted, ["没有接入", len(failed)]])
    alignments = Counter(one["state"]["alignment"] for one in done)
    say("入院时间：" + "，".join(f"{name} {count}" for name, count in sorted(alignments.items())))
    blocked = Counter(one["missing"][0]["code"] if one["missing"] else "可以出院" for one in done)
    print_table(("出院办理", "人数"), sorted(blocked.items()))
    differing = [[one["mdtrt_id"], *(text[name] for name in ("what", "before", "after"))]
                 for one in done for text in one["differences"]]  # fmt: skip
    _print_some(("就诊 ID", "不一致", "网关此前", "现在"), differing)
    _print_some(("行", "就诊 ID", "原因"), [[one["line"], one["mdtrt_id"], one["error"]] for one in failed])


def _print_some(head: tuple[str, ...], rows: list[list[Any]]) -> None:
    if rows:
        print_table(head, rows[:REPORT_ROWS_MAX])
    if len(rows) > REPORT_ROWS_MAX:
        complain(f"另有 {len(rows) - REPORT_ROWS_MAX} 行，见 --json 或 --report 的文件。")


def _ask(given: Settings, wish: dict[str, Any]) -> dict[str, Any]:
    from gateway.commands.local import admin_of, ask, url_of

    listener = admin_of(given)
    answer = ask(listener, "/-/stays/adopt", body=json.dumps(wish, ensure_ascii=False).encode(), timeout_s=120)
    if answer.status != 200:
        raise Failed(
            f"网关 {url_of(listener)} 不接受（HTTP {answer.status}）；接入走管理地址 listen.admin，且只限网关所在的机器"
        )
    found: dict[str, Any] = json.loads(answer.body)
    return found


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and stay. Raises ``Misused`` when the file is neither form, or holds something else."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = file.read_text(encoding="gb18030")
    if file.suffix == ".csv":
        yield from (
            (number, {k: v for k, v in row.items() if k})
            for number, row in enumerate(csv.DictReader(text.splitlines()), 2)
        )
    elif file.suffix == ".jsonl":
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield number, _object(file, number, line)
    else:
        raise Misused(f"文件名应以 .csv 或 .jsonl 结尾，现为 {file.name}")


def _object(file: Path, number: int, line: str) -> dict[str, str]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise Misused(f"{file.name} 第 {number} 行不是 JSON：{error.msg}") from None
    if not isinstance(found, dict):
        raise Misused(f"{file.name} 第 {number} 行应为 JSON 对象")
    return {str(name): str(value) for name, value in found.items() if value is not None}
