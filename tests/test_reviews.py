"""医保审核 (ET-05): operations by row, the three times and the difference, for thousands in a few statements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from gateway.reviews import Reviews
from gateway.rules.policy import Policy
from gateway.rules.times import SHANGHAI
from gateway.stays.history import Record
from gateway.store import Store, open_store
from gateway.store.stay_feed import Episode, EpisodeQuery
from tests.sqlite import new_sqlite

NOW = datetime(2026, 6, 16, 12, 0, tzinfo=SHANGHAI)
MAIN = {"oprn_oprt_code": "51.2300", "oprn_oprt_name": "胆囊切除", "oprn_oprt_type": "1"}
OTHER = {"oprn_oprt_code": "47.0100", "oprn_oprt_name": "阑尾切除", "oprn_oprt_type": "2"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path: Path = tmp_path_factory.mktemp("reviews") / "r.db"
    opened = open_store(new_sqlite(path), node="n1")
    opened.upgrade()
    yield opened
    opened.close()


def shown(store: Store, *episodes: Episode, **query: Any) -> list[Any]:
    store.stay_feed.begin("episode_time", 0, "m", episodes)
    reviews = Reviews(store.stay_feed, store.journal.stays, Policy(), lambda: NOW)
    hours = {name: Decimal(query.pop(name)) for name in ("hours_from", "hours_to") if name in query}
    return reviews.page(EpisodeQuery(order="mdtrt_id", descending=False, **query), **hours)


def stay(number: int = 1, ward: str = "2026-06-12 09:30:00", out: str = "", dsc: str = "") -> Episode:
    return Episode(
        f"ZY{number}", f"M{number:05d}", "P", "in_ward", "aligned", "none", t_ward=ward, t_wout=out, t_dsc=dsc
    )


@pytest.mark.parametrize(
    ("episode", "difference", "hours", "days"),
    [
        (stay(out="2026-06-18 13:42:00"), "6天4小时12分", Decimal("148.20"), 6),
        (stay(out="2026-06-12 09:31:00"), "1分", Decimal("0.02"), 1),
        (stay(), "4天2小时30分（在科）", Decimal("98.50"), None),
        (stay(dsc="2026-06-15 08:00:00"), "—", None, 3),
        (stay(ward=""), "—", None, None),
        (stay(ward="", out="2026-06-18 13:42:00"), "—", None, None),
        (stay(out="2026-06-15 08:00:00", dsc="2026-06-15 08:00:00"), "2天22小时30分", Decimal("70.50"), 3),
    ],
)
def test_the_difference(
    store: Store, episode: Episode, difference: str, hours: Decimal | None, days: int | None
) -> None:
    (found,) = shown(store, episode)
    assert (found.difference, found.hours, found.days) == (difference, hours, days)
    told = found.as_json()
    assert (told["ward_in_time"], told["ward_out_time"], told["difference"]) == (
        episode.t_ward,
        episode.t_wout,
        difference,
    )


def test_operations_are_the_newest_record_main_apart(store: Store) -> None:
    store.journal.stays.keep("ZY77", Record("operations", 2, NOW, (OTHER, MAIN)), "his")
    store.journal.stays.keep("ZY77", Record("operations", 1, NOW, (OTHER,)), "his")
    store.journal.stays.keep("ZY77", Record("diagnoses", 9, NOW, (OTHER,)), "his")
    found = shown(store, stay(77), stay(78))
    assert [one.code for one in found[0].mains] == ["51.2300"]
    assert [one.code for one in found[0].others] == ["47.0100"]
    assert found[0].as_json()["main_operation"] == [{"code": "51.2300", "name": "胆囊切除"}]
    assert found[1].operations == ()


def test_hours_narrow_and_pages_follow(store: Store) -> None:
    crowd = [stay(n, out=f"2026-06-12 {10 + n % 10}:30:00") for n in range(100)]
    found = shown(store, *crowd, hours_from="2", hours_to="3", limit=7, skip=7)
    assert len(found) == 7
    assert all(Decimal(2) <= one.hours <= Decimal(3) for one in found)
    everyone = shown(store, *crowd, hours_from="2", hours_to="3")
    assert [one.episode.mdtrt_id for one in everyone][7:14] == [one.episode.mdtrt_id for one in found]
    assert not shown(store, stay(ward=""), hours_from="0")


def test_thousands_take_a_few_statements(store: Store) -> None:
    crowd = [stay(n) for n in range(3000)]
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    shown(store, *crowd)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        reviews = Reviews(store.stay_feed, store.journal.stays, Policy(), lambda: NOW)
        assert len(reviews.page(EpisodeQuery())) == 3000
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len([one for one in seen if "hospital_record.kind =" in one]) == 6
