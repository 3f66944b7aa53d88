"""The demo from start to end: processes up, the story told, the proof printed, processes down."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from gateway import clock
from gateway.demo.books import child
from gateway.demo.chores import Chores
from gateway.demo.compare import Check, Printed, Received, compare
from gateway.demo.evidence import fetch, read_journal, read_ledger, read_own
from gateway.demo.office import make_his
from gateway.demo.place import DemoError, Place, find_place
from gateway.demo.processes import LOOK_EVERY_S, Ended, Interrupts, Processes, Said
from gateway.demo.screen import DIFFERS, EQUAL, Screen
from gateway.demo.staff import hire
from gateway.exchange.ports import JournalUnavailable
from gateway.protect.keyring import KeyringError
from gateway.settings import SettingsError
from gateway.store import StoreError

START_S_MAX: Final = 60
STORY_S_MAX: Final = 120
DAY_S_MAX: Final = 120
QUIET_S_MAX: Final = 10
LOOK_FOR_READY_EVERY_S: Final = 0.05
INTERRUPTED: Final = 130
"""Exit code of a program that Ctrl-C ended, by custom."""
SIMULATOR, GATEWAY, CLIENT, DAY = "simulator", "gateway", "client", "day"
VOUCHER: Final = "Voucher"
_TITLES: Final = {SIMULATOR: "模拟平台", GATEWAY: "网关", CLIENT: "演示客户端", DAY: "演示客户端"}


def run_demo(*, keep: bool, config: Path | None, day: bool = True) -> int:
    """See :func:`gateway.demo.run`."""
    screen = Screen()
    try:
        with (
            Interrupts() as interrupts,
            find_place(config) as place,
            Processes(place.folder, interrupts) as processes,
        ):
            return _Demo(screen, place, processes).run(keep=keep, day=day)
    except (DemoError, SettingsError) as error:
        screen.complain(str(error))
        return 1
    except KeyboardInterrupt:
        screen.complain("已中断，模拟平台与网关均已停止。")
        return INTERRUPTED


class _Demo:
    def __init__(self, screen: Screen, place: Place, processes: Processes) -> None:
        self._screen = screen
        self._place = place
        self._processes = processes
        self._begun = time.monotonic()
        self._password = ""

    def run(self, *, keep: bool, day: bool) -> int:
        self._screen.say("医保接口网关演示：模拟平台、网关、客户端各为一个进程，经 SOAP 走完住院与门诊。", "bold")
        for note in self._place.notes:
            self._screen.say(f"注意：{note}", "yellow")
        self._start()
        told = self._tell_story()
        passed = self._prove(told)
        if keep and day:
            passed &= self._live()
        mdtrt_id = next(filter(None, map(_admitted, told)), "")
        self._screen.where_to_look(self._place, mdtrt_id, self._password, keep=keep)
        if keep:
            return self._serve(0 if passed else 1)
        return 0 if passed else 1

    # -------------------------------------------------------------- up

    def _start(self) -> None:
        place, platform = self._place, self._place.settings.platform
        host, _, port = place.simulator_url.removeprefix("http://").rpartition(":")
        arguments = ["--host", host.strip("[]"), "--port", port, "--mappings", str(place.mappings)]
        if place.console_url:
            self._password = self._hired()
        if platform.signing != "plain":
            account, secret = platform.account_and_secret
            arguments += ["--signing", platform.signing, "--account", account, "--secret", secret.get_secret_value()]
        if place.his_url:
            make_his(place.his_url)
        simulator = self._processes.start(SIMULATOR, ["gateway.simulator", *arguments])
        environment = {"YIBAO_CONFIG": str(place.config), **place.environment}
        gateway = self._processes.start(GATEWAY, ["gateway.cli", "serve"], environment)
        # the simulator first: the gateway remembers for some seconds that its platform was not there
        self._wait_for(SIMULATOR, lambda: bool(read_ledger(place.simulator_url)))
        self._wait_for(GATEWAY, lambda: json.loads(fetch(f"{place.admin_url}/readyz"))["ready"] is True)
        if place.console_url:
            self._wait_for(GATEWAY, lambda: json.loads(fetch(f"{place.console_url}/healthz"))["alive"] is True)
        self._screen.say(
            f"模拟平台 {place.simulator_url}（进程 {simulator}）、网关 {place.gateway_url}（进程 {gateway}）就绪，"
            f"用时 {time.monotonic() - self._begun:.1f} 秒。",
            "dim",
        )

    def _hired(self) -> str:
        try:
            return hire(self._place)
        except (StoreError, KeyringError) as error:
            raise DemoError(f"演示没有开始：{error}") from None

    def _wait_for(self, name: str, ready: Callable[[], bool]) -> None:
        """Until ``ready`` says so; raises DemoError when a process ends first or it takes too long."""
        deadline = time.monotonic() + START_S_MAX
        while True:
            try:
                if ready():
                    return
            except (OSError, ValueError, KeyError):
                pass  # not listening yet, or somebody else's answer
            if time.monotonic() > deadline:
                raise DemoError(f"{_TITLES[name]}在 {START_S_MAX} 秒内没有就绪：\n{self._processes.last_words(name)}")
            event = self._processes.wait(LOOK_FOR_READY_EVERY_S)
            if isinstance(event, Ended):
                raise self._died(event)

    def _died(self, ended: Ended) -> DemoError:
        last_words = self._processes.last_words(ended.name)
        return DemoError(f"{_TITLES[ended.name]}意外结束（退出码 {ended.code}），演示停止。\n{last_words}".rstrip())

    # -------------------------------------------------------------- story

    def _tell_story(self) -> list[dict[str, Any]]:
        """Every exchange as the client told it, printed as it happened."""
        self._screen.heading("交易过程")
        self._processes.start(CLIENT, ["gateway.demo.client", self._place.gateway_url], heard=True)
        told: list[dict[str, Any]] = []
        deadline = time.monotonic() + STORY_S_MAX
        while time.monotonic() < deadline:
            event = self._processes.wait(LOOK_EVERY_S)
            if isinstance(event, Said):
                told.append(json.loads(event.line))
                self._screen.exchange(clock.now(), told[-1])
            elif isinstance(event, Ended) and event.name == CLIENT:
                return self._complete(told, event.code)
            elif isinstance(event, Ended):
                raise self._died(event)
        raise DemoError(f"演示客户端在 {STORY_S_MAX} 秒内没有走完。")

    def _complete(self, told: list[dict[str, Any]], code: int) -> list[dict[str, Any]]:
        """The story, unless the client broke down for another reason than a step it has told of."""
        if code and all(line["ok"] for line in told):
            raise self._died(Ended(CLIENT, code))
        return told

    # -------------------------------------------------------------- proof

    def _prove(self, told: list[dict[str, Any]]) -> bool:
        """Print the comparison and the verdict; whether everything is as it should be."""
        self._screen.heading("逐项比对")
        try:
            checks = self._compare(told)
        except (OSError, StoreError, JournalUnavailable) as error:
            raise DemoError(f"无法比对：{error}") from None
        self._screen.comparison(checks)
        unexpected = sum(not line["ok"] for line in told)
        different = sum(not check.equal for check in checks)
        took = time.monotonic() - self._begun
        if not (unexpected or different):
            self._screen.say(
                f"{EQUAL} {len(told)} 次调用全部符合预期；比对 {len(checks)} 项全部一致。用时 {took:.1f} 秒。",
                "bold green",
            )
            return True
        self._screen.complain(
            f"{DIFFERS} {len(told)} 次调用中 {unexpected} 次不符合预期；比对 {len(checks)} 项中 {different} 项不一致。用时 {took:.1f} 秒。"
        )
        return False

    def _compare(self, told: list[dict[str, Any]]) -> list[Check]:
        place = self._place
        received = [Received.read(line) for line in told if line["request_id"]]
        ledger, own = self._all_is_quiet({one.msgid for one in received})
        recorded = read_journal(place.store_url, place.settings.node, place.keys, (one.request_id for one in received))
        printed = [Printed.read(line) for line in told if line["infno"] == VOUCHER]
        return compare(received, recorded, ledger, own, printed)

    def _all_is_quiet(self, told: Collection[str]) -> tuple[dict[str, Any], set[str]]:
        """The ledger, and which of its requests the gateway sent on its own (5201, 5202), once all of them are recorded."""
        place = self._place
        deadline = time.monotonic() + QUIET_S_MAX
        while True:
            ledger = read_ledger(place.simulator_url)
            own = read_own(place.store_url, place.settings.node, place.keys)
            if ledger["requests"].keys() <= {*told, *own} or time.monotonic() > deadline:
                return ledger, own
            self._processes.wait(LOOK_EVERY_S)

    # -------------------------------------------------------------- day

    def _live(self) -> bool:
        """The day that the console shows; whether every step went as expected."""
        self._screen.heading("这一天的业务")
        begun = time.monotonic()
        chores = Chores(self._place, self._password)
        chores.before()
        self._processes.start(DAY, ["gateway.demo.client", self._place.gateway_url, "day"], heard=True)
        told: list[dict[str, Any]] = []
        with self._screen.progress("正在补上这一天的住院与门诊……") as progress:
            while time.monotonic() - begun < DAY_S_MAX:
                event = self._processes.wait(LOOK_EVERY_S)
                if isinstance(event, Ended):
                    raise self._died(event)
                if event is None:
                    continue
                line = json.loads(event.line)
                if "day" in line:
                    chores.after(told)
                    return self._lived(len(told), time.monotonic() - begun, good=line["day"])
                told.append(line)
                progress(f"第 {len(told)} 次调用：{line['infno']} {line['name']} {line['patient']}")
                if not line["ok"]:
                    self._screen.exchange(clock.now(), line)
        raise DemoError(f"这一天的业务在 {DAY_S_MAX} 秒内没有走完。")

    def _lived(self, count: int, took_s: float, *, good: bool) -> bool:
        if good:
            self._screen.say(
                f"{EQUAL} 另有 {count} 次调用：十余名住院病人各在不同状态，门诊若干；结算、结算撤销、慢特病备案各有一笔的答复故意丢失。"
                f"用时 {took_s:.1f} 秒；此后几分钟每 15 秒再有一次门诊。",
                "green",
            )
        else:
            self._screen.complain(f"{DIFFERS} 这一天的 {count} 次调用中有不符合预期的。")
        return good

    # -------------------------------------------------------------- serve

    def _serve(self, code: int) -> int:
        """Until Ctrl-C; a process that ends by itself ends the rest."""
        try:
            while True:
                event = self._processes.wait(LOOK_EVERY_S)
                if isinstance(event, Ended) and event.name not in (CLIENT, DAY):
                    raise self._died(event)
        except KeyboardInterrupt:
            self._screen.say("正在停止……", "dim")
            return code


def _admitted(line: dict[str, Any]) -> str:
    """``mdtrt_id`` when the line tells of an admission."""
    return str(child(line["output"], "result").get("mdtrt_id", "")) if line["infno"] == "2401" else ""
