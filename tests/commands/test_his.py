"""`yibao his`: a sample HIS is made, its statements are good, and what is wrong with others is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.stays.hospital import SUBJECTS
from tests.commands.helpers import write_config, yibao


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = f"sqlite:///{tmp_path_factory.mktemp('his')}/his.db"
    ran = yibao("his", "sample", found, "--stays", 2, "--seed", 3, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["zy_brry"] == 2
    return found


def test_the_sample_passes_the_check(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YIBAO_HIS__URL", url)
    config = write_config(tmp_path)
    ran = yibao("his", "check", "--config", config)
    assert (ran.code, ran.err) == (0, "")
    assert all(f"✓ {subject.file}" in ran.out for subject in SUBJECTS.values())
    found = json.loads(yibao("his", "check", "--json", "--config", config).out)
    assert {one["what"]: one["ok"] for one in found} == {"HIS": True} | {one.file: True for one in SUBJECTS.values()}
    assert yibao("config", "check", "--config", config).code == 0


@pytest.mark.parametrize(
    ("sql", "said", "static"),
    [
        ("DELETE FROM zy_fymx", "SELECT", True),
        ("SELECT 'a", "引号", True),
        ("SELECT a FROM nowhere", "nowhere", False),
        ("SELECT 1 AS row_id, 2 AS changed_at", "缺少列", False),
    ],
)
def test_what_is_wrong_is_said_and_is_no_success(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, said: str, static: bool
) -> None:
    (tmp_path / "fees.sql").write_text(sql, encoding="utf-8")
    monkeypatch.setenv("YIBAO_HIS__URL", url)
    monkeypatch.setenv("YIBAO_HIS__STATEMENTS", str(tmp_path))
    config = write_config(tmp_path)
    ran = yibao("his", "check", "--config", config)
    assert (ran.code, "✗ fees.sql" in ran.out, said in ran.out) == (1, True, True), ran.out
    assert "有问题：fees.sql" in ran.err
    ran = yibao("config", "check", "--config", config)
    assert (ran.code, "his：" in ran.err and said in ran.err) == (int(static), static), ran.err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"URL": "sqlite:////nowhere/his.db"}, "不存在"),
        ({"URL": "informix://a/b"}, "informix"),
        ({"URL": "sqlite:///a.db", "STATEMENTS": "/nowhere"}, "语句目录不存在"),
        ({"SERVICE": "http://127.0.0.1:9/his"}, "his.wsdl"),
        ({"SERVICE": "http://127.0.0.1:9/his", "WSDL": "/nowhere.wsdl", "STATEMENTS": "/nowhere"}, "说明目录不存在"),
    ],
)
def test_a_way_that_cannot_be_is_said_by_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"YIBAO_HIS__{name}", value)
    config = write_config(tmp_path)
    ran = yibao("his", "check", "--config", config)
    assert (ran.code, said in ran.out, "有问题：HIS" in ran.err) == (1, True, True), ran.out
    ran = yibao("config", "check", "--config", config)
    assert (ran.code, f"his：{said}" in ran.err or said in ran.err) == (1, True), ran.err


def test_without_a_his_the_check_says_what_to_set(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    ran = yibao("his", "check", "--config", config)
    assert (ran.code, "his.url" in ran.out) == (1, True)
    assert yibao("config", "check", "--config", config).code == 0, "most gateways read no HIS"


@pytest.mark.parametrize(("url", "code"), [("no url", 2), ("sqlite:////nowhere/his.db", 2), ("informix://a/b", 1)])
def test_where_no_sample_can_be_made(url: str, code: int) -> None:
    ran = yibao("his", "sample", url, "--stays", 1)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err


def test_a_database_in_use_is_left_alone(url: str) -> None:
    ran = yibao("his", "sample", url, "--stays", 1)
    assert (ran.code, "没有生成" in ran.err) == (1, True)
