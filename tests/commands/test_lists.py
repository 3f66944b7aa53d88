"""``yibao lists`` at a real gateway and simulator, and the job ``settlement_lists`` by its command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.exchange.ports import Query
from tests.commands.helpers import yibao
from tests.running import House, house
from tests.servers import free_ports, in_process
from tests.stays.listing import own_list, settled, tell
from tests.stays.ways import Stay


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("lists")) as found:
        yield found


@pytest.fixture
def config(running: House, tmp_path: Path) -> Iterator[Path]:
    with in_process(running.gateway.admin) as port:
        path = tmp_path / "command.toml"
        url = running.gateway.settings.store.url
        path.write_text(
            f'production = false\n[listen.exchange]\naddress = "127.0.0.1:{free_ports(1)[0]}"\n'
            f'[listen.admin]\naddress = "127.0.0.1:{port}"\n[store]\nurl = "{url}"\n[[clients]]\nname = "his"\nopen = true\n'
            '[settlement_list]\nlevels = { SL-049 = "off", SL-033 = "refuse" }\n',
            encoding="utf-8",
        )
        yield path


def told(out: str) -> object:
    """The JSON of a command; this process is the gateway too, and logs."""
    return json.loads(out[min(at for at in (out.find("{\n"), out.find("[\n")) if at >= 0) :])


def test_check_show_upload(running: House, config: Path, tmp_path: Path) -> None:
    stay = Stay(running, "json").admit()
    setl_id = settled(stay)
    before = yibao("lists", "check", stay.ipt_no, "--config", config)
    assert before.code == 1
    assert "SL-017" in before.out
    assert "不合接口" in before.out
    assert yibao("lists", "upload", setl_id, "--operator", "王医保", "--config", config).code == 1
    tell(stay, coner_name="张三丰")
    checked = yibao("lists", "check", setl_id, "--json", "--config", config)
    assert checked.code == 0, checked.err
    found = told(checked.out)
    assert isinstance(found, dict)
    assert (found["ready"], found["setl_id"]) == (True, setl_id)
    assert {one["result"] for one in found["findings"]} == {"passed", "problem", "unchecked", "not_applicable"}
    shown = yibao("lists", "show", stay.mdtrt_id, "--config", config)
    assert "2026-02-20 10:05:00" in shown.out
    assert "张三丰" not in shown.out
    assert "张三丰" in yibao("lists", "show", stay.mdtrt_id, "--unmasked", "--config", config).out
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"input": own_list(stay, setl_id, dscg_way="9")}), encoding="utf-8")
    refused = yibao("lists", "check", setl_id, "--file", own, "--config", config)
    assert (refused.code, "SL-033" in refused.out, "GW-1103" in refused.err) == (1, True, True), "set to refuse here"
    done = yibao("lists", "upload", setl_id, "--operator", "王医保", "--config", config)
    assert (done.code, "已提交" in done.err) == (0, True), done.err
    assert "已提交" in yibao("lists", "upload", setl_id, "--act", "ask", "--config", config).err


def test_wrong_use_is_told_in_words(config: Path, tmp_path: Path) -> None:
    assert yibao("lists", "check", "no-such", "--config", config).code == 1
    assert yibao("lists", "upload", "no-such", "--act", "burn", "--config", config).code == 2
    wrong = tmp_path / "wrong.json"
    for text in ("[]", "{", '{"setlinfo": []}'):
        wrong.write_text(text, encoding="utf-8")
        assert yibao("lists", "check", "no-such", "--file", wrong, "--config", config).code in (1, 2)
    listed = yibao("lists", "rules", "--config", config)
    assert "SL-033" in listed.out
    assert "拒绝（已改）" in listed.out
    config.write_text(config.read_text(encoding="utf-8").replace("SL-049", "SL-999"), encoding="utf-8")
    assert "SL-999" in yibao("lists", "rules", "--config", config).err


def test_the_job_uploads_what_can_go_and_leaves_the_rest_with_the_reason(running: House, config: Path) -> None:
    ready, waiting = (Stay(running, "json").admit() for _ in range(2))
    first, second = settled(ready), settled(waiting)
    tell(ready)
    running.gateway.episodes.catch_up()
    listed = told(yibao("lists", "list", "--json", "--config", config).out)
    assert isinstance(listed, list)
    assert {one["setl_id"]: one["ready"] for one in listed} == {first: True, second: False}
    ran = yibao("jobs", "run", "settlement_lists", "--operator", "王医保", "--json", "--config", config)
    assert ran.out, ran.err
    found = told(ran.out)
    assert isinstance(found, dict)
    assert (ran.code, found["outcome"], found["counts"]["已上传"]) == (1, "partial", 1)
    (left,) = found["detail"]["left"]
    assert (left["setl_id"], left["ipt_no"]) == (second, waiting.ipt_no)
    assert "院方尚未告知清单各项" in left["reason"]
    assert running.simulator is not None
    assert running.simulator.lists()[first]["stas_type"] == "1"
    journal = running.gateway.store.journal
    (sent,) = journal.search(Query(infno="4101A", keys=[("mdtrt_id", ready.mdtrt_id)]))
    assert (sent.client, sent.opter) == ("settlement_lists", "settle_list")
    assert journal.search(Query(infno="4101A", keys=[("mdtrt_id", waiting.mdtrt_id)])) == []
    tell(waiting)
    again = told(yibao("jobs", "run", "settlement_lists", "--json", "--config", config).out)
    assert isinstance(again, dict)
    assert (again["outcome"], again["counts"]["已上传"]) == ("done", 1)
    assert len(journal.search(Query(infno="4101A", keys=[("mdtrt_id", ready.mdtrt_id)]))) == 1, "nothing goes twice"


def test_settlements_of_before_go_live_are_reported(running: House, config: Path) -> None:
    stay = Stay(running, "json").admit()
    setl_id = settled(stay)
    stay.ward_in("2026-02-20 10:20:00")
    running.gateway.episodes.catch_up()
    assert "rules.go_live" in yibao("stays", "old", "--config", config).err
    text = config.read_text(encoding="utf-8")
    config.write_text(f'{text}[rules]\ngo_live = "2026-03-02T00:00:00+08:00"\n', encoding="utf-8")
    found = told(yibao("stays", "old", "--json", "--config", config).out)
    assert isinstance(found, list)
    (one,) = found
    assert (one["setl_id"], one["t_set"], one["t_ward"]) == (setl_id, "2026-02-20 10:05:00", "2026-02-20 10:20:00")
    config.write_text(f'{text}[rules]\ngo_live = "2026-03-01T00:00:00+08:00"\n', encoding="utf-8")
    assert "0 笔" in yibao("stays", "old", "--config", config).err
