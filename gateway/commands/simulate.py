"""``yibao simulate``: the platform simulator, with a line for each request that reaches it."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.commands.terminal import ConfigOption, Failed, Misused, config_path, explain, say

if TYPE_CHECKING:
    from gateway.simulator import Signing, Simulator

WAIT_S: Final = 0.5
"""A wait without a limit would keep signals from being handled on Windows."""


def simulate(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="监听地址。")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="监听端口，0 为任一空闲端口。", min=0, max=65535)] = 8090,
    seed: Annotated[int | None, typer.Option(help="固定它所虚构的一切，包括编号。")] = None,
    signing: Annotated[
        str,
        typer.Option(help="与网关的 platform.signing 相同。", metavar="plain|tif|api-headers|api-key|oauth-sm|gm|soap"),
    ] = "plain",
    path_per_service: Annotated[
        bool, typer.Option("--path-per-service", help="按服务分路径（河北），其他地址不受理。")
    ] = False,
    account: Annotated[str, typer.Option("--account", "--tif-paasid", help="账号；不给则取配置文件。")] = "",
    secret: Annotated[str, typer.Option("--secret", "--tif-secret", help="密钥；不给则取配置文件。")] = "",
    keys_dir: Annotated[
        Path | None,
        typer.Option(help="oauth-sm、gm、soap 的测试密钥与网关配置写在此目录，再次启动时沿用；不给则每次新造并显示。"),
    ] = None,
    institution: Annotated[list[str] | None, typer.Option(metavar="CODE=NAME", help="只接受这些机构；可重复。")] = None,
    require_sign_in: Annotated[bool, typer.Option("--require-sign-in", help="拒绝没有有效签到的请求。")] = False,
    one_sign_in: Annotated[bool, typer.Option("--one-sign-in", help="再次签到使该操作员先前的签到失效。")] = False,
    discharge_first: Annotated[bool, typer.Option("--discharge-first", help="出院登记前拒绝出院结算。")] = False,
    config: ConfigOption = None,
) -> None:
    """启动省平台模拟器，供联调；逐笔显示收到的交易。"""
    from gateway.commands import simulate_keys
    from gateway.commands.simulate_lines import TalkingSimulator
    from gateway.mappings import data_root
    from gateway.simulator import serve
    from gateway.simulator.signature import KINDS

    if signing not in (*KINDS, *simulate_keys.KINDS):
        raise Misused(f"--signing 只能是 {'、'.join((*KINDS, *simulate_keys.KINDS))}，现为 {signing}")
    keys = simulate_keys.keys_of(keys_dir) if signing in simulate_keys.KINDS else {}
    line = (
        simulate_keys.simulated(signing, keys)
        if keys
        else {"signing": _signing(signing, account, secret, config_path(context, config))}
    )
    platform = TalkingSimulator(
        data_root() / "mappings",
        institutions=_institutions(institution or []),
        **line,
        path_per_service=path_per_service,
        seed=seed,
        require_sign_in=require_sign_in,
        one_sign_in=one_sign_in,
        discharge_first=discharge_first,
    )
    try:
        server = serve(platform, host, port)
    except OSError as error:
        raise Failed(f"无法监听 {host}:{port}：{explain(error)}") from error
    say(f"模拟器就绪：{server.url}/  （账簿 /_sim/ledger，故障 POST /_sim/faults，清空 POST /_sim/reset；Ctrl-C 结束）")
    if keys:
        _tell_settings(simulate_keys.settings_text(signing, keys, server.url, keys_dir), platform, server.url, keys_dir)
    _wait_for_the_end()
    server.close()


def _tell_settings(text: str, platform: Simulator, url: str, folder: Path | None) -> None:
    """What the gateway must be told to speak to this simulator: in the folder, or on the screen."""
    from gateway.commands.simulate_keys import SETTINGS, keep
    from gateway.simulator.soap import PATH

    if folder is not None:
        keep(folder, text, platform.soap.wsdl(url).body if platform.soap else None)
        say(f"网关的配置见 {folder / SETTINGS}")
        return
    say(text)
    if platform.soap:
        say(f"WSDL：{url}{PATH}?wsdl")


def _signing(kind: str, account: str, secret: str, config: Path | None) -> Signing | None:
    """Account and secret as given, else those the gateway is configured with."""
    from gateway.settings import read_settings
    from gateway.simulator.signature import signing_of

    if kind != "plain" and not secret and config is not None:
        configured = read_settings(config).platform.account_and_secret
        account, secret = account or configured[0], configured[1].get_secret_value()
    try:
        return signing_of(kind, account, secret)
    except ValueError as error:
        raise Misused(f"--signing {error}：--account 与 --secret，或含有它们的 --config") from None


def _institutions(given: list[str]) -> dict[str, str]:
    found = dict(item.partition("=")[::2] for item in given)
    if not all(code and name for code, name in found.items()):
        raise Misused("--institution 应写作 CODE=NAME")
    return found


def _wait_for_the_end() -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(WAIT_S):
        pass
