"""The story of an operator's day with real processes: simulator, gateway, and commands beside them."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.commands.helpers import Running, running, write_config, yibao, yibao_process
from tests.servers import free_ports

QUERY = (
    '{"input": {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": "440102198001010013", "psn_cert_type": "01",'
    ' "certno": "440102198001010013", "psn_name": "陈玥"}}}'
)
SIGN_IN = (
    "<request><input><signIn><opter_no>0001</opter_no><mac>00-00-00-00-00-00</mac>"
    "<ip>127.0.0.1</ip></signIn></input></request>"
)
QUERY_XML = (
    '<?xml version="1.0" encoding="GBK"?><request><input><data><mdtrt_cert_type>02</mdtrt_cert_type>'
    "<mdtrt_cert_no>440102198001010013</mdtrt_cert_no><psn_cert_type>01</psn_cert_type>"
    "<certno>440102198001010013</certno><psn_name>陈玥</psn_name></data></input></request>"
)


@dataclass(frozen=True)
class Day:
    config: Path
    port: int
    platform: str
    simulator: Running
    gateway: Running


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    folder = tmp_path_factory.mktemp("day")
    platform_port, port, admin_port = free_ports(3)
    config = write_config(
        folder,
        platform=f"http://127.0.0.1:{platform_port}",
        port=port,
        platform_more='signing = "tif"\ntif_paasid = "day"\ntif_secret = "day-only"',
        listen_more=f'[listen.admin]\naddress = "127.0.0.1:{admin_port}"',
    )
    simulated = ("simulate", "--port", platform_port, "--signing", "tif", "--seed", 7, "--config", config)
    with (
        running(folder / "simulator.err", *simulated) as simulator,
        running(folder / "serve.err", "serve", "--config", config) as gateway,
    ):
        yield Day(config, port, f"http://127.0.0.1:{platform_port}", simulator, gateway)


def test_both_say_where_they_are(day: Day) -> None:
    assert day.simulator.ready.startswith("模拟器就绪：http://127.0.0.1:")
    assert day.gateway.ready.startswith(f"网关就绪：HIS http://127.0.0.1:{day.port}/  管理 http://127.0.0.1:")


def test_sign_in_query_and_what_the_journal_keeps(day: Day, tmp_path: Path) -> None:
    signed = yibao_process("call", "9001", "-", "--config", day.config, stdin=SIGN_IN.encode())
    assert signed.code == 0, signed.err
    assert "<sign_no>" in signed.out
    file = tmp_path / "query.json"
    file.write_text(QUERY, encoding="utf-8")
    asked = yibao("call", "1101", file, "--config", day.config)
    assert (asked.code, asked.err) == (0, "")
    reply = json.loads(asked.out)
    assert reply["output"]["baseinfo"]["psn_name"] == "陈玥"
    found = yibao("journal", "search", "--msgid", reply["msgid"], "--config", day.config, "--json")
    (row,) = json.loads(found.out)
    assert (row["infno"], row["state"], row["client"]) == ("1101", "CONFIRMED", "his")
    assert {"kind": "certno", "value": "440102********0013"} in row["keys"]
    assert "9001" in day.simulator.out.readline()
    assert "成功" in day.simulator.out.readline()


def test_the_form_of_the_reply_is_that_of_the_file(day: Day, tmp_path: Path) -> None:
    file = tmp_path / "query.xml"
    file.write_bytes(QUERY_XML.encode("gbk"))
    ran = yibao("call", "1101", file, "--config", day.config)
    assert ran.code == 0, ran.err
    assert "<psn_name>陈玥</psn_name>" in ran.out


def test_a_refusal_is_printed_and_is_no_success(day: Day) -> None:
    ran = yibao_process("call", "1101", "-", "--config", day.config, stdin=b'{"input": {}}')
    assert (ran.code, json.loads(ran.out)["code"]) == (1, "GW-1101")
    assert "未成功" in ran.err


def test_a_day_is_compared_and_a_planted_difference_is_a_case_until_it_is_repaired(day: Day) -> None:
    done = yibao("reconcile", "day", "2026-03-01", "--json", "--config", day.config)
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert (result["whole"], result["cases"]) == (True, [])
    assert {part["insutype"] for part in result["parts"]} == {"310", "390"}
    asked = json.dumps({"kind": "extra", "psn_no": "P1", "amount": "12.34", "insutype": "310", "clr_type": "11",
                        "day": "2026-03-01"})  # fmt: skip
    with urllib.request.urlopen(f"{day.platform}/_sim/differences", asked.encode(), timeout=10) as answer:
        assert json.load(answer)["kind"] == "extra"
    done = yibao("reconcile", "day", "2026-03-01", "--config", day.config)
    assert (done.code, "平台多" in done.out) == (1, True), done.err
    (case,) = json.loads(yibao("reconcile", "cases", "--json", "--config", day.config).out)
    assert (case["kind"], case["theirs"]["medfee_sumamt"]) == ("only_there", "12.34")
    clear = urllib.request.Request(f"{day.platform}/_sim/differences", method="DELETE")
    with urllib.request.urlopen(clear, timeout=10) as answer:
        assert json.load(answer) == []
    done = yibao("reconcile", "recheck", "--config", day.config)
    assert (done.code, "全部相符" in done.err) == (0, True), done.err
    assert json.loads(yibao("reconcile", "cases", "--json", "--config", day.config).out) == []
    assert yibao("reconcile", "day", "gestern", "--config", day.config).code == 2


def sim(day: Day, **wish: object) -> None:
    with urllib.request.urlopen(f"{day.platform}/_sim/catalogs", json.dumps(wish).encode(), timeout=10) as answer:
        assert answer.status == 200


def test_catalogs_are_updated_shown_and_searched(day: Day) -> None:
    done = yibao("catalogs", "update", "1301", "1306", "--config", day.config)
    assert (done.code, "询问了 2 个目录，2 个有更新。" in done.err) == (0, True), done.err
    sim(day, infno="1301", act="publish")
    sim(day, infno="1306", act="publish")
    sim(day, infno="1306", act="break", how="bad-row")
    done = yibao("catalogs", "update", "1301", "1306", "--config", day.config)
    assert done.code == 1
    assert "2 个目录中有 1 个没有更新。1306：" in done.err
    assert "第 4 行有 72 列，而文件首行有 71 列" in done.err
    listed = json.loads(yibao("catalogs", "list", "--json", "--config", day.config).out)
    assert [(one["infno"], one["version"]["ver"], one["failed"]) for one in listed["catalogs"]] == [
        ("1301", "F002_20260204_A", False),
        ("1306", "F001_20260105_A", True),
    ]
    shown = yibao("catalogs", "show", "1301", "--changes", "all", "--config", day.config)
    assert (shown.code, "4 条；本版新增 2，变更 1，撤销 1。" in shown.err) == (0, True), shown.err
    assert "drug_prodname 阿莫西林胶囊 → 阿莫西林胶囊（2）" in shown.out
    versions = json.loads(yibao("catalogs", "show", "1301", "--json", "--config", day.config).out)
    assert [one["rows"] for one in versions] == [14, 12]
    found = yibao("catalogs", "search", "1301", "ejsg", "--on", "2026-11-22", "--config", day.config)
    assert "二甲双胍片" in found.out
    then = yibao("catalogs", "search", "1301", "阿莫", "--version", versions[1]["id"], "--json", "--config", day.config)
    assert {one["name"] for one in json.loads(then.out)} == {"阿莫西林胶囊", "阿莫西林胶囊 9"}
    for wrong, code in ((("show", "1399"), 1), (("show", "1301", "--changes", "x"), 2), (("search", "1301", "a", "--on", "x"), 2),
                        (("search", "1301", "a", "--version", "999"), 2), (("update", "9999"), 1)):  # fmt: skip
        assert yibao("catalogs", *wrong, "--config", day.config).code == code, wrong


def test_the_probe_sees_the_sign_in(day: Day) -> None:
    signed = yibao_process("call", "9001", "-", "--config", day.config, stdin=SIGN_IN.encode())
    assert signed.code == 0
    found = {step["step"]: step for step in json.loads(yibao("probe", "--config", day.config, "--json").out)}
    assert all(step["ok"] is not False for step in found.values())
    assert found["签到"]["signed_in"] is True


def test_the_mapping_is_reloaded(day: Day) -> None:
    ran = yibao("mapping", "reload", "--config", day.config)
    assert (ran.code, ran.out, ran.err) == (0, "已换用新的映射文件。\n", "")


def test_the_store_is_looked_at_but_not_taken_from_a_running_gateway(day: Day) -> None:
    assert yibao("db", "check", "--config", day.config).out == "数据库完好。\n"
    taken = yibao("db", "upgrade", "--config", day.config)
    assert taken.code == 1
    assert "正被另一个进程使用" in taken.err


def test_a_second_gateway_says_why_it_cannot_start(day: Day) -> None:
    same_port = yibao_process("serve", "--config", day.config)
    assert (same_port.code, same_port.out) == (1, "")
    assert same_port.err.startswith("无法监听 127.0.0.1:")
    port, admin = free_ports(2)
    text = day.config.read_text(encoding="utf-8").replace(f":{day.port}", f":{port}")
    lines = text.splitlines()
    lines[lines.index("[listen.admin]") + 1] = f'address = "127.0.0.1:{admin}"'
    other = day.config.with_name("other.toml")
    other.write_text("\n".join(lines), encoding="utf-8")
    same_store = yibao_process("serve", "--config", other)
    assert (same_store.code, same_store.out) == (1, "")
    assert "正被另一个进程使用" in same_store.err
    assert "Traceback" not in same_store.err


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/api/v1/transactions/1101", b"{", 400, "GW-1008"),
        ("/api/v1/transactions/1101", b"", 400, "GW-1010"),
        ("/api/v1/transactions/9999", b"{}", 200, "GW-1005"),
        ("/api/v1/transactions/1101", b'{"input": {}}', 200, "GW-1101"),
        ("/nowhere", b"{}", 404, "GW-1017"),
        ("/soap/exchange", b"<a", 500, "GW-1001"),
        ("/soap/exchange", b"<a/>", 500, "GW-1004"),
    ],
)
def test_faults_are_answered_as_the_table_says(day: Day, path: str, body: bytes, status: int, code: str) -> None:
    from gateway.commands.call import credential
    from gateway.commands.local import ask
    from gateway.published.fault_table import rows
    from gateway.settings import read_settings

    settings = read_settings(day.config)
    answer = ask(settings.listen.exchange, path, body=body, headers=credential(settings.clients[0]))
    assert (answer.status, code in answer.body.decode()) == (status, True)
    (row,) = [row for row in rows() if row["code"] == code]
    if path.startswith("/soap"):
        assert row["soap"] == "Fault"
    else:
        assert row["json"] == f"HTTP {status}"


def test_a_wrong_province_is_one_line(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    config = write_config(tmp_path, port=port, platform_more='province = "nowhere"')
    ran = yibao_process("serve", "--config", config)
    assert (ran.code, ran.out) == (1, "")
    assert "没有省份 nowhere" in ran.err
    assert "Traceback" not in ran.err


def test_over_tls_the_commands_trust_the_gateway_s_own_certificate_and_sigterm_ends_well(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("yibao.hospital")
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    certificate.write_bytes(issued.cert_chain_pems[0].bytes())
    key.write_bytes(issued.private_key_pem.bytes())
    (port,) = free_ports(1)
    config = write_config(tmp_path, port=port, listen_more=f'tls = {{ certificate = "{certificate}", key = "{key}" }}')
    with running(tmp_path / "serve.err", "serve", "--config", config) as gateway:
        assert gateway.ready.startswith(f"网关就绪：HIS https://127.0.0.1:{port}/")
        ran = yibao_process("call", "1101", "-", "--config", config, stdin=QUERY.encode())
        assert (ran.code, json.loads(ran.out)["code"]) == (1, "GW-4001")
        with pytest.raises(urllib.error.URLError) as refused:
            urllib.request.urlopen(f"https://127.0.0.1:{port}/healthz", timeout=5)
        assert isinstance(refused.value.reason, ssl.SSLCertVerificationError)
        assert gateway.stop() == 0
    assert (tmp_path / "serve.err").read_text(encoding="utf-8") == ""


def test_sigterm_ends_the_gateway_well(day: Day) -> None:
    """The last test of the module: it stops what the others use."""
    assert day.gateway.stop() == 0
    assert day.gateway.errors.read_text(encoding="utf-8") == ""
    gone = yibao("call", "1101", day.config, "--config", day.config)
    assert (gone.code, "请先用 yibao serve 启动" in gone.err) == (1, True)
    assert yibao("journal", "search", "--config", day.config).code == 0
    assert day.simulator.stop() == 0
