"""From a ward-in to the list, the automatic 2403, and what the DIP system is told, at a real gateway and simulator."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from gateway.app import Gateway
from gateway.dip.differences import differences, read_rows, settled_stays
from gateway.exchange.ports import Query
from gateway.stays.ports import StayFact, StayRef
from gateway.store.stay_feed import Episode, EpisodeQuery
from jobs.alignment import waiting
from tests.running import House, house
from tests.stays.ways import WARD_IN, Stay
from tests.store.samples import intent


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("lists")) as found:
        yield found


@pytest.fixture
def gateway(running: House) -> Gateway:
    return running.gateway


def row(gateway: Gateway, stay: Stay) -> Episode:
    found = gateway.episodes.stays(EpisodeQuery(ipt_no=stay.ipt_no))
    assert len(found) == 1
    return found[0]


def events(running: House, after: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = running.http(f"/api/v1/dip/events?after={after}&limit=3", REQUEST_METHOD="GET")
        assert answer.status == 200, answer.body
        page = json.loads(answer.body)
        found += page["events"]
        after = page["next"]
        if not page["more"]:
            return found


def of(stay: Stay, told: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["kind"], one["adm_time"]) for one in told if one["mdtrt_id"] == stay.mdtrt_id]


def test_a_stay_is_aligned_by_itself(running: House, gateway: Gateway) -> None:
    stay = Stay(running, "json").admit()
    assert (row(gateway, stay).alignment, row(gateway, stay).t_ward) == ("not_in_ward", "")
    stay.ward_in()
    assert (row(gateway, stay).alignment, row(gateway, stay).t_ward) == ("differs", WARD_IN)
    done = gateway.alignment.run()
    assert stay.mdtrt_id in done.aligned
    assert row(gateway, stay).alignment == "aligned"
    assert stay.ledger()["begntime"] == WARD_IN
    sent = stay.newest("2403")
    assert (sent.client, sent.channel, sent.opter) == ("alignment", "alignment", "alignment")
    again = gateway.alignment.run()
    assert stay.mdtrt_id not in again.aligned
    assert stay.newest("2403").id == sent.id
    stay.done("2402", stay.discharge())


def test_who_pays_by_himself_is_in_no_list_of_what_to_change(running: House, gateway: Gateway) -> None:
    """A HIS tells the wards of all its patients; without a registration (2401) there is no 入院时间 to change."""
    stay = Stay(running, "json")
    stay.ward_in()
    assert (row(gateway, stay).mdtrt_id, row(gateway, stay).alignment) == ("", "differs")
    asked = EpisodeQuery(ipt_no=stay.ipt_no, registered=True)
    assert gateway.episodes.stays(asked) == []
    assert gateway.store.stay_feed.count(asked) == 0
    differing, _ = waiting(gateway.store.stay_feed, gateway.episodes)
    assert stay.ipt_no not in [one.ipt_no for one in differing]
    stay.admit()
    assert [one.mdtrt_id for one in gateway.episodes.stays(asked)] == [stay.mdtrt_id]


def test_what_cannot_be_aligned_is_on_the_work_list(running: House, gateway: Gateway) -> None:
    stay = Stay(running, "json").admit()
    stay.ward_in("2026-02-20 08:00:00")  # before the registration, and nobody gave a reason
    left = {one.mdtrt_id: one for one in gateway.alignment.run().left}
    assert left[stay.mdtrt_id].code == "ET01-07"
    assert (left[stay.mdtrt_id].t_ward, left[stay.mdtrt_id].tries) == ("2026-02-20 08:00:00", 1)
    gateway.alignment.run()
    assert {one.mdtrt_id: one.tries for one in gateway.store.stay_feed.work()}[stay.mdtrt_id] == 2
    stay.ward_in("2026-02-20 08:00:00", reason="绿色通道")
    assert gateway.alignment.one(StayRef(stay.ipt_no, stay.mdtrt_id)) is None
    assert stay.mdtrt_id not in [one.mdtrt_id for one in gateway.store.stay_feed.work()]
    assert stay.ledger()["begntime"] == "2026-02-20 08:00:00"


def test_the_dip_system_hears_of_everything_once_and_in_order(running: House, gateway: Gateway) -> None:
    stay = Stay(running, "json").admit().aligned()
    total = stay.done("2301", stay.fees())
    assert total.done
    stay.done("2402", stay.discharge())
    settled = stay.done("2304", stay.settlement())
    setl_id = settled.output["setlinfo"]["setl_id"]
    told = events(running)
    assert of(stay, told)[0] == ("alignment", "2026-02-20 09:12:00")
    assert of(stay, told)[-2:] == [("alignment", WARD_IN), ("settle", WARD_IN)]
    assert (row(gateway, stay).setl_id, row(gateway, stay).t_set) == (setl_id, WARD_IN)
    stay.done("2305", stay.undo(setl_id=setl_id))
    stay.done("2304", stay.settlement())
    told = events(running)
    assert [kind for kind, _ in of(stay, told)][-3:] == ["settle", "revoke", "resettle"]
    assert len({one["event_id"] for one in told}) == len(told)
    assert [one["seq_no"] for one in told] == sorted(one["seq_no"] for one in told)
    assert events(running) == told
    assert events(running, told[-1]["seq_no"]) == []


def test_the_difference_list(running: House, gateway: Gateway) -> None:
    stays = [Stay(running, "json").admit().aligned() for _ in range(3)]
    for stay in stays:
        stay.done("2301", stay.fees())
        stay.done("2402", stay.discharge())
        stay.done("2304", stay.settlement())
    same, off, _ = (row(gateway, stay) for stay in stays)
    file = (
        "结算ID,住院号,入院日期\n"
        f"{same.setl_id},{same.ipt_no},2026-02-20\n"
        f"{off.setl_id},{off.ipt_no},2026-02-21\n"
        "S-none,Z-none,2026-02-20\n"
    )
    for raw in (file.encode("gb18030"), b"\xef\xbb\xbf" + file.encode()):
        found = differences(settled_stays(gateway.store.stay_feed), read_rows(raw))
        mine = {stay.ipt_no for stay in stays} | {"Z-none"}
        assert sorted((one.kind, one.ipt_no) for one in found if one.ipt_no in mine) == sorted(
            [("不一致", off.ipt_no), ("多余", "Z-none"), ("缺失", stays[2].ipt_no)]
        )


def test_the_rows_made_anew_are_the_rows_kept(running: House, gateway: Gateway) -> None:
    gateway.episodes.stays()
    corrected = Stay(running, "json").admit().aligned()
    corrected.ward_in("2026-02-20 10:30:00")
    early = Stay(running, "json")
    early.ward_in(WARD_IN, reason="绿色通道")  # before there is an mdtrt_id
    gateway.episodes.stays()
    early.admit()
    again = Stay(running, "json").admit()
    again.done("2404", again.undo())
    again.admit()  # the same 住院号, registered anew
    again.ward_in()
    kept = gateway.episodes.stays(EpisodeQuery(order="ipt_no"))
    mine = {one.mdtrt_id: one for one in kept if one.ipt_no in (corrected.ipt_no, early.ipt_no, again.ipt_no)}
    assert sorted(one.presence for one in mine.values()) == ["cancelled", "in_ward", "in_ward", "in_ward"]
    gateway.episodes.rebuild()
    assert gateway.episodes.stays(EpisodeQuery(order="ipt_no")) == kept


@pytest.mark.parametrize(
    ("query", "status"),
    [("after=x", 400), ("after=-1", 400), ("limit=0", 400), ("limit=1001", 400), ("seit=1", 400), ("after=1&after=2", 400)],
)  # fmt: skip
def test_a_wrong_question_to_the_feed_is_answered(running: House, query: str, status: int) -> None:
    answer = running.http(f"/api/v1/dip/events?{query}", REQUEST_METHOD="GET")
    assert answer.status == status
    assert json.loads(answer.body)["code"] == "GW-1012"


def test_who_may_not_read_the_feed(running: House) -> None:
    asked = {"REQUEST_METHOD": "GET", "HTTP_X_API_KEY": "only-queries"}
    assert running.http("/api/v1/dip/events", **asked).status == 403
    assert running.http("/api/v1/dip/events").status == 405
    assert running.http("/api/v1/dip/other", REQUEST_METHOD="GET").status == 404


def test_no_2403_of_a_stay_whose_end_nobody_knows(running: House, gateway: Gateway) -> None:
    stay = Stay(running, "json").admit()
    stay.ward_in()
    open_one = StayFact(stay.mdtrt_id, stay.ipt_no, stay.psn_no)
    gateway.store.journal.intend(intent(infno="2403", keys=(("mdtrt_id", stay.mdtrt_id),), stay=[open_one]))
    left = gateway.alignment.one(StayRef(stay.ipt_no, stay.mdtrt_id))
    assert left is not None
    assert (left.code, left.tries) == ("ET02-03", 0)
    assert gateway.store.journal.search(Query(client="alignment", keys=[("mdtrt_id", stay.mdtrt_id)])) == []


def test_a_list_of_many_takes_as_many_statements_as_one_of_few(gateway: Gateway) -> None:
    feed = gateway.store.stay_feed
    gateway.episodes.stays()
    reader = feed.reader("episode_time")
    assert reader is not None
    many = [Episode(f"L{n:05d}", f"ML{n:05d}", "P", "in_ward", "aligned", "none", ward_code="L", t_ward=f"2026-01-{n % 28 + 1:02d} 08:00:00") for n in range(5000)]  # fmt: skip
    feed.refresh("episode_time", reader[0], reader[0], many)
    counted: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():  # background turns of the gateway read beside us
            counted.append(statement)

    gateway.lists.close()  # it would take up changes beside us
    event.listen(Engine, "before_cursor_execute", count)
    try:
        found = gateway.episodes.stays(EpisodeQuery(ward_code="L"))
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(found) == 5000
    assert [one.t_ward for one in found] == sorted((one.t_ward for one in many), reverse=True)
    assert len(counted) <= 4, counted
    gateway.episodes.rebuild()
    assert gateway.episodes.stays(EpisodeQuery(ward_code="L")) == []
