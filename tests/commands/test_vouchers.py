"""``yibao vouchers print``: through the gateway that runs, each print kept, in the name of whoever asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.helpers import write_config, yibao
from tests.running import House, house
from tests.servers import in_process
from tests.stays.ways import Stay


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Path]]:
    folder = tmp_path_factory.mktemp("vouchers-command")
    with house(folder) as found, in_process(found.gateway.admin) as port:
        admin = f'[listen.admin]\naddress = "127.0.0.1:{port}"'
        yield found, write_config(folder, listen_more=admin)


def test_a_voucher_is_written_and_counted(place: tuple[House, Path], tmp_path: Path) -> None:
    found, config = place
    stay = Stay(found, "json").admit()
    stay.ward_in()
    file = tmp_path / "form.pdf"
    asked = ("vouchers", "print", "eligibility", stay.ipt_no, "-o", file, "--operator", "李主任", "--config", config)
    first = yibao(*asked)
    assert (first.code, "第 1 次打印" in first.out) == (0, True), first
    assert file.read_bytes().startswith(b"%PDF-")
    again = yibao(*asked, "--json")
    told = json.loads(again.out[again.out.index("{") :])  # the gateway of this process logs to the same place
    assert (told["count"], told["marks"], told["title"]) == (2, ["重打"], "住院资格确认单")
    log = found.gateway.store.operator_log.entries(limit=1)[0]
    assert (log.operator, log.act, log.subject) == ("李主任", "voucher.print", f"stay {stay.ipt_no}")


def test_by_the_number_of_the_settlement(place: tuple[House, Path], tmp_path: Path) -> None:
    found, config = place
    stay = Stay(found, "json").admit().aligned()
    stay.done("2301", stay.fees())
    stay.done("2402", stay.discharge())
    setl_id = str(stay.done("2304", stay.settlement()).output["setlinfo"]["setl_id"])
    ran = yibao("vouchers", "print", "出院结算收据", setl_id, "-o", tmp_path / "r.pdf", "--config", config)
    assert (ran.code, "出院结算收据" in ran.out) == (0, True), ran


def test_what_cannot_be_printed_is_told_and_nothing_is_written(place: tuple[House, Path], tmp_path: Path) -> None:
    found, config = place
    stay = Stay(found, "json").admit()
    file = tmp_path / "none.pdf"
    for kind, number, said in (
        ("eligibility", stay.ipt_no, "ET12-01"),
        ("receipt", "nobody", "GW-"),
        ("bill", "1", "receipt"),
    ):
        ran = yibao("vouchers", "print", kind, number, "-o", file, "--config", config)
        assert ran.code != 0
        assert said in ran.err, ran
    assert yibao("vouchers", "print", "receipt", "1", "-o", tmp_path / "no" / "x.pdf", "--config", config).code == 2
    assert not file.exists()
