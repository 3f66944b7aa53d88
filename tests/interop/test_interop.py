"""SOAP stacks in other languages against the running gateway (``make interop``; README.md tells the story)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.clients.running import Running
from tests.clients.story import DAY, ROWS, Patient, check_ledger, expected_sum, new_patient
from tests.interop.wire import Post, recorded

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

CLIENTS = Path(__file__).parent / "clients"
CLIENT_S_MAX = 90
MEDIA = {"1.1": "text/xml", "1.2": "application/soap+xml"}
ENVELOPES = {"1.1": b"http://schemas.xmlsoap.org/soap/envelope/", "1.2": b"http://www.w3.org/2003/05/soap-envelope"}
FAULTS = {"password": ("GW-2002", "凭据错误"), "operation": ("GW-1005", "未知交易或操作")}


@dataclass(frozen=True)
class Stack:
    """A client program and what must be seen on the wire.

    ``{client}`` is its folder; ``{built}`` the folder where its build.sh made stubs of the served WSDL and compiled it.
    """

    name: str
    command: tuple[str, ...]
    version: str
    charset: str = "utf-8"


def _stacks() -> dict[str, Stack]:
    php, perl = ("php", "{client}/client.php"), ("perl", "{client}/client.pl")
    both_versions = {
        "php": php,
        "perl": perl,
        "node": ("node", "{client}/client.mjs"),
        "gsoap": ("{built}/client",),
        "mono": ("mono", "{built}/Client.exe"),
    }
    plain = [Stack(name, command, version) for name, command in both_versions.items() for version in MEDIA]
    # a GBK program: ext-soap itself writes UTF-8, SOAP::Lite puts GBK on the line
    gbk = [Stack("php", (*php, "--charset=GBK"), "1.1")]
    gbk += [Stack("perl", (*perl, "--gbk"), version, "gbk") for version in MEDIA]
    return {f"{one.name}-{one.version}": one for one in plain} | {f"{one.name}-{one.version}-gbk": one for one in gbk}


STACKS = _stacks()


@pytest.fixture(scope="session")
def built(both: Running, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes the program of a stack from the WSDL that the gateway serves, once."""

    @cache
    def build(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        _run([str(CLIENTS / name / "build.sh"), both.gateway_url, str(folder)])
        return folder

    return build


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, timeout=CLIENT_S_MAX, check=False)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}\n{said[-3000:]}"
    return done.stdout.decode()


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_nobody_here_wrote(name: str, both: Running, built: Callable[[str], Path]) -> None:
    stack = STACKS[name]
    folders = {"client": str(CLIENTS / stack.name)}
    if any("{built}" in word for word in stack.command):
        folders["built"] = str(built(stack.name))
    first, second = new_patient(both), new_patient(both)
    with recorded(both.gateway_url) as wire:
        command = [word.format_map(folders) for word in stack.command]
        told = json.loads(_run([*command, wire.url, stack.version, DAY, *first.arguments, *second.arguments]))
    _check_stay(both, first, told["typed"])
    _check_stay(both, second, told["string"])
    _check_refusal(told["refusal"])
    _check_faults(told["faults"])
    _check_wire(wire.posts, stack)


def _check_stay(both: Running, patient: Patient, told: dict[str, Any]) -> None:
    assert (told["rows"], told["sum"]) == (ROWS, str(expected_sum()))
    check_ledger(both, patient, told["mdtrt_id"])


def _check_refusal(told: dict[str, Any]) -> None:
    assert (told["infcode"], told["code"], told["retry"]) == ("-1", "GW-1101", "no")
    assert told["fields"] == ["atddr_no"]
    assert "主治医生编码" in told["text"]


def _check_faults(told: dict[str, dict[str, str]]) -> None:
    assert "password" in told
    for kind, fault in told.items():
        code, title = FAULTS[kind]
        assert code in fault["text"]
        assert title in fault["text"]
        assert code in fault["detail"]
        assert fault["faultcode"].rpartition(":")[2] in ("Client", "Sender")


def _check_wire(posts: list[Post], stack: Stack) -> None:
    """The version and charset that the client was told to speak really went over the line, both ways."""
    assert len(posts) >= 6
    for post in posts:
        assert post.content_type.startswith(MEDIA[stack.version])
        assert ENVELOPES[stack.version] in post.body[:2000]
        assert post.answer_type.lower().startswith(MEDIA[stack.version])
        assert ENVELOPES[stack.version] in post.answer[:500]
        assert f"charset={stack.charset}" in post.answer_type.lower()
    assert any("急性阑尾炎".encode(stack.charset) in post.body for post in posts)
    assert any("主治医生编码".encode(stack.charset) in post.answer for post in posts)
