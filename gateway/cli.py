"""``yibao``, the operator's command. Exit code 0 only when done, 1 on failure, 2 on wrong usage."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands import (
    alerts,
    audit,
    call,
    catalogs,
    config,
    console,
    db,
    demo,
    dip,
    doubts,
    faults,
    his,
    jobs,
    journal,
    keys,
    lists,
    mapping,
    nodes,
    probe,
    reconcile,
    reports,
    serve,
    simulate,
    stay_times,
    stays,
    transactions,
    users,
    vouchers,
    wsdl,
)
from gateway.commands.terminal import Misused, complain, explain, write_whatever_the_charset
from gateway.commands.usage import usage_sentence

COLLECTED_EVERY = 50_000
"""New objects before the cyclic collector looks: nearly all that a start makes stays, and looking took a third of its time."""

# help as plain text: rich would double the time of --help
app = typer.Typer(
    name="yibao",
    help="医保接口网关的运维命令。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
)


@app.callback()
def _every_command(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", envvar="YIBAO_CONFIG", metavar="FILE", help="配置文件（TOML）。"),
    ] = None,
) -> None:
    """医保接口网关的运维命令。"""
    context.obj = config


app.command("serve")(serve.serve)
app.command("console", hidden=True)(console.console)
app.command("reports", hidden=True)(reports.reports)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("call")(call.call)
app.add_typer(journal.app, name="journal")
app.add_typer(doubts.app, name="doubts")
stays.app.command("list")(stay_times.list_stays)
stays.app.command("align")(stay_times.align)
stays.app.command("old")(stay_times.old_stays)
app.add_typer(stays.app, name="stays")
app.add_typer(lists.app, name="lists")
app.add_typer(vouchers.app, name="vouchers")
app.add_typer(wsdl.app, name="wsdl")
app.add_typer(mapping.app, name="mapping")
app.command("probe")(probe.probe)
app.command("nodes")(nodes.nodes)
app.add_typer(jobs.app, name="jobs")
app.add_typer(alerts.app, name="alerts")
app.add_typer(db.app, name="db")
app.add_typer(his.app, name="his")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.add_typer(reconcile.app, name="reconcile")
app.add_typer(catalogs.app, name="catalogs")
app.add_typer(config.app, name="config")
app.add_typer(dip.app, name="dip")
app.add_typer(users.app, name="users")
app.command("faults")(faults.faults)
app.command("transactions")(transactions.transactions)


@cache
def _command() -> Callable[..., Any]:
    return typer.main.get_command(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: of the command line; None takes the process's own.

    Returns:
        the exit code.
    """
    write_whatever_the_charset()
    gc.set_threshold(COLLECTED_EVERY, *gc.get_threshold()[1:])
    try:
        code = _command()(args=arguments, prog_name="yibao", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        complain(usage_sentence(error))
        return 2
    except Misused as error:
        complain(f"用法错误：{error}")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        complain("已中断。")
        return 1
    except BrokenPipeError:
        # whoever read us (head, less) has enough; Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # the last line of defence: staff never see a stack trace
        complain(explain(error))
        return 1
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
