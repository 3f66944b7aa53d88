"""``yibao users`` and the console beside ``yibao serve``, as real processes."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from gateway.settings import read_settings
from gateway.store import open_store
from tests.commands.helpers import running, write_config, yibao, yibao_process
from tests.servers import free_ports

PASSWORD = "Morning-Ward-Round-7"
S_MAX = 40


def config_with_console(folder: Path, gateway: int, console: int) -> Path:
    path = write_config(folder, port=gateway)
    text = path.read_text(encoding="utf-8")
    path.write_text(f'{text}\n[console.listen]\naddress = "127.0.0.1:{console}"\n', encoding="utf-8")
    return path


def test_users_of_a_store_that_nobody_serves(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    added = yibao("users", "add", "wang", "--full-name", "王工", "--role", "it", "--json", "--config", config)
    assert added.code == 0, added.err
    told = json.loads(added.out)
    assert (told["name"], told["role"]) == ("wang", "it")
    assert len(told["password"]) == 17
    listed = json.loads(yibao("users", "list", "--json", "--config", config).out)
    assert [(one["name"], one["full_name"], one["role"], one["must_change"]) for one in listed] == [
        ("wang", "王工", "it", True)
    ]
    assert "password" not in json.dumps(listed)
    for arguments in (["role", "wang", "auditor"], ["lock", "wang"], ["lock", "wang", "--undo"], ["passwd", "wang"]):
        assert yibao("users", *arguments, "--config", config).code == 0
    assert "审计" in yibao("users", "list", "--config", config).out
    assert "exchange.body" in yibao("users", "roles", "--config", config).out
    store = open_store(read_settings(config).store.url, node="n", read_only=True)
    acts = [entry.act for entry in store.operator_log.entries(limit=10)]
    store.close()
    assert acts == ["users.password", "users.unlock", "users.lock", "users.role", "users.add"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["add", "Wang", "--full-name", "王工", "--role", "it"], 2, "用户名"),
        (["add", "wang", "--full-name", "王工", "--role", "boss"], 2, "没有角色 boss"),
        (["role", "wang", "boss"], 2, "没有角色 boss"),
        (["role", "nobody", "it"], 1, "没有用户 nobody"),
        (["lock", "nobody"], 1, "没有用户 nobody"),
        (["passwd", "nobody"], 1, "没有用户 nobody"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    ran = yibao("users", *arguments, "--config", write_config(tmp_path))
    assert (ran.code, told in ran.err) == (code, True), ran.err


def test_a_bad_password_from_standard_input_is_refused(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    base = ["users", "add", "wang", "--full-name", "王工", "--role", "it", "--password-stdin", "--config", str(config)]
    assert "至少" in yibao_process(*base, stdin=b"short\n").err
    assert yibao_process(*base, stdin=f"{PASSWORD}\n".encode()).code == 0


class Browser:
    """Cookies and forms over real HTTP."""

    def __init__(self, base: str) -> None:
        self.base = base
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def get(self, path: str) -> str:
        with self._opener.open(self.base + path, timeout=20) as answer:
            text: str = answer.read().decode()
        return text

    def post(self, path: str, form: dict[str, str], page: str) -> str:
        mark = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get(page))
        assert mark
        body = urllib.parse.urlencode({"csrf": mark[1], **form}).encode()
        with self._opener.open(self.base + path, body, timeout=20) as answer:
            text: str = answer.read().decode()
        return text


def wait_for(base: str) -> None:
    deadline = time.monotonic() + S_MAX
    while time.monotonic() < deadline:
        try:
            Browser(base).get("/healthz")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nobody answers at {base}")


def child_of(pid: int) -> int:
    found = subprocess.run(
        ["pgrep", "-P", str(pid), "-f", "gateway.cli console"], capture_output=True, text=True, check=False
    )
    return int(found.stdout.split()[0]) if found.stdout.split() else 0


def test_serve_brings_the_console_keeps_it_and_takes_it_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway, console = free_ports(2)
    config = config_with_console(tmp_path, gateway, console)
    monkeypatch.setattr("tests.commands.helpers.WITHOUT", {})
    base = f"http://127.0.0.1:{console}"
    with running(tmp_path / "err", "serve", "--config", config) as serving:
        assert f"控制台 {base}/" in serving.ready
        wait_for(base)
        assert "yibao users add" in Browser(base).get("/sign-in")
        # SQLite: the file belongs to the serving process, which does it for the command
        made = yibao("users", "add", "wang", "--full-name", "王工", "--role", "it", "--json", "--config", config)
        assert made.code == 0, made.err
        password = json.loads(made.out)["password"]
        browser = Browser(base)
        assert "改密码" in browser.post("/sign-in", {"name": "wang", "password": password, "next": ""}, "/sign-in")
        changed = browser.post("/password", {"old": password, "new": PASSWORD, "again": PASSWORD}, "/password")
        assert "今天要处理的" in changed
        assert "连不上省平台" in changed
        os.kill(child_of(serving.process.pid), signal.SIGKILL)
        wait_for(base)
        assert "今天要处理的" in browser.get("/"), "a session outlives the console's process"
        assert "操作日志完整" in browser.post("/audit/verify", {}, "/audit")
        child = child_of(serving.process.pid)
        assert serving.stop() == 0
        assert not Path(f"/proc/{child}").exists()
    assert "Traceback" not in (tmp_path / "err").read_text(encoding="utf-8")
