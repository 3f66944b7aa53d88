"""What an operator looks at or takes away is kept in mind before it is granted."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.local import admin_of, ask, url_of
from gateway.commands.terminal import Failed

if TYPE_CHECKING:
    from gateway.settings import Settings

Operator = Annotated[
    str, typer.Option("--operator", envvar="YIBAO_OPERATOR", help="本人姓名，记入操作日志；不写则为系统用户名。")
]


def who(operator: str) -> str:
    """The name that goes into the operator log."""
    return operator.strip() or f"系统用户 {getpass.getuser()}"


def note(given: Settings, operator: str, act: str, subject: str, detail: str = "") -> None:
    """Write into the operator log: through the gateway that serves, else by opening the store.

    Raises:
        Failed: it could not be written; what was to be done must not be done then.
    """
    entry = {"operator": who(operator), "act": act, "subject": subject, "detail": detail}
    answer = tell_gateway(given, "log", entry)
    if answer is None:
        _write(given, entry)


def tell_gateway(given: Settings, act: str, wish: dict[str, Any]) -> dict[str, Any] | None:
    """What the gateway that serves answers to ``act``; None when none is running. Raises ``Failed`` when it refuses."""
    listener = admin_of(given)
    try:
        answer = ask(listener, f"/-/store/{act}", body=json.dumps(wish, ensure_ascii=False).encode(), timeout_s=60)
    except Failed:
        return None
    if answer.status != 200:
        raise Failed(
            f"网关 {url_of(listener)} 不接受（HTTP {answer.status}）；走管理地址 listen.admin，且只限网关所在的机器"
        )
    told: dict[str, Any] = json.loads(answer.body)
    if "error" in told:
        raise Failed(str(told["error"]))
    return told


def _write(given: Settings, entry: dict[str, str]) -> None:
    from gateway.exchange.ports import JournalUnavailable
    from gateway.store import StoreError, open_configured

    try:
        store = open_configured(given)
    except StoreError as error:
        raise Failed(f"操作日志无法写入，因此不予办理：{error}") from error
    try:
        store.operator_log.append(**entry)
    except JournalUnavailable as error:
        raise Failed(f"操作日志无法写入，因此不予办理：{error}") from error
    finally:
        store.close()
