"""Where a run lives: folders, ports and configurations that are not as one would wish."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.demo.place import DemoError, Place, find_place
from gateway.store import open_store
from tests.demo.running import REPOSITORY
from tests.servers import free_ports

DEMO = REPOSITORY / "conf" / "demo.toml"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for name in [name for name in os.environ if name.startswith("YIBAO_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The demo's configuration on ports that are free."""
    gateway, simulator, console = free_ports(3)
    path = tmp_path / "demo.toml"
    text = DEMO.read_text(encoding="utf-8").replace(":8080", f":{gateway}").replace(":8090", f":{simulator}")
    path.write_text(f'{text}\n[console.listen]\naddress = "127.0.0.1:{console}"\n', encoding="utf-8")
    return path


def found(config: Path) -> Place:
    with find_place(config) as place:
        return place


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_checkout_needs_nothing_beside_the_configuration(config: Path, tmp_path: Path) -> None:
    place = found(config)
    assert (place.folder, place.environment, place.notes) == (tmp_path / "var" / "demo", {}, ())
    assert place.store_url == "sqlite:///var/demo/yibao.db"
    assert place.log_file == Path("var/demo/yibao.log")


def test_a_taken_port_is_replaced_and_said(config: Path, taken: int) -> None:
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(_port(text, "http://127.0.0.1:"), str(taken)), encoding="utf-8")
    place = found(config)
    (note,) = place.notes
    assert f"模拟平台的端口 {taken} 已被占用" in note
    assert "YIBAO_PLATFORM__URL" in note
    assert place.environment == {"YIBAO_PLATFORM__URL": place.simulator_url}
    assert place.simulator_url != f"http://127.0.0.1:{taken}"


def _port(text: str, before: str) -> str:
    return text.partition(before)[2].partition('"')[0]


def test_both_on_one_port_are_parted(config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace(_port(text, "http://127.0.0.1:"), _port(text, 'address = "127.0.0.1:')), encoding="utf-8"
    )
    place = found(config)
    assert place.gateway_url != place.simulator_url


@pytest.mark.parametrize(
    ("variable", "value"),
    [("YIBAO_LISTEN__EXCHANGE__ADDRESS", "127.0.0.1:{}"), ("YIBAO_PLATFORM__URL", "http://127.0.0.1:{}")],
)
def test_a_taken_port_that_the_environment_asks_for_is_refused(
    config: Path, taken: int, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value.format(taken))
    with pytest.raises(DemoError, match=f"{taken} 已被占用.*{variable}"):
        found(config)


def test_the_environment_decides(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("YIBAO_LISTEN__EXCHANGE__ADDRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("YIBAO_STORE__URL", f"sqlite:///{tmp_path}/mine.db")
    place = found(config)
    assert place.gateway_url == f"http://127.0.0.1:{port}"
    assert place.store_url == f"sqlite:///{tmp_path}/mine.db"
    assert place.environment == {}


def test_what_a_run_before_left_is_moved_aside_and_said(config: Path, tmp_path: Path) -> None:
    first = found(config).folder
    with closing(open_store(f"sqlite:///{first}/yibao.db", node="n")) as store:
        store.upgrade()
    (first / "yibao.log").write_text("one")
    second = found(config)
    assert not (second.folder / "yibao.db").exists()
    assert (second.folder / "previous" / "yibao.log").read_text() == "one"
    assert second.notes == ("上次演示的数据已移到 var/demo/previous",)
    (second.folder / "yibao.log").write_text("two")
    third = found(config)
    assert (third.folder / "previous" / "yibao.log").read_text() == "two"
    assert "更早的一份已删除" in third.notes[0]


def test_a_store_in_use_is_left_alone(config: Path, tmp_path: Path) -> None:
    folder = found(config).folder
    with closing(open_store(f"sqlite:///{folder}/yibao.db", node="n")):
        place = found(config)
    assert place.folder != folder
    assert (folder / "yibao.db").exists()
    assert "正被另一个进程使用" in place.notes[0]
    assert place.environment["YIBAO_STORE__URL"].endswith(f"{place.folder.name}/yibao.db")


def test_two_at_once_have_a_folder_each(config: Path) -> None:
    with find_place(config) as first, find_place(config) as second:
        assert first.folder != second.folder
        assert "另一个演示正在使用" in second.notes[0]


def test_a_folder_that_cannot_be_made_is_replaced(config: Path, tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    place = found(config)
    assert place.folder.is_dir()
    assert not place.folder.is_relative_to(tmp_path / "var")
    assert "var/demo 不可用" in place.notes[0]


def test_a_folder_with_awkward_characters_in_its_name(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    awkward = tmp_path / "演示 100%?#"
    awkward.mkdir()
    monkeypatch.chdir(awkward)
    config.write_text(config.read_text(encoding="utf-8").replace("var/demo/yibao.db", "elsewhere.db"), encoding="utf-8")
    place = found(config)
    with closing(open_store(place.store_url, node="n")):
        assert (awkward / "var" / "demo" / "yibao.db").exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("production = false", "production = true", "生产"),
        ("open = true", "open = false", "open = true"),
        ("http://127.0.0.1", "http://10.1.2.3", "只与本机的模拟平台交易"),
        ("http://127.0.0.1", "https://127.0.0.1", "演示不用 TLS"),
    ],
)
def test_what_is_no_demo_is_refused(config: Path, old: str, new: str, told: str) -> None:
    config.write_text(config.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(Exception, match=told):
        found(config)


def test_the_hospitals_own_records_lie_in_its_folder(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with find_place(config) as first, find_place(config) as second:
        assert first.his_url == "sqlite:///var/demo/his.db"
        assert second.his_url.endswith(f"{second.folder.name}/his.db")
        assert second.environment["YIBAO_HIS__URL"] == second.his_url
        assert (str(first.dip_file), second.dip_file) == ("var/demo/dip.csv", second.folder / "dip.csv")
    monkeypatch.setenv("YIBAO_HIS__URL", "sqlite:////data/his.db")
    monkeypatch.setenv("YIBAO_JOBS__DIP_DIFFERENCES__FILE", "/data/dip.csv")
    theirs = found(config)
    assert (theirs.his_url, theirs.dip_file) == ("", None), "a HIS that somebody names is not the demo's to write"
