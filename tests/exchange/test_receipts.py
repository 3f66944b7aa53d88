"""What servers say of replies is kept in few writes, in order, and waits while the journal is away."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.exchange.call import Reply
from gateway.exchange.fakes import MemoryJournal
from gateway.exchange.ports import Exchange
from gateway.exchange.receipts import Receipts
from tests.store.samples import LATER, NOW, intent, outcome


class Counting(MemoryJournal):
    """Counts what is written of replies."""

    writes = 0

    def mark_replies(self, replies: object) -> None:
        super().mark_replies(replies)  # type: ignore[arg-type]
        self.writes += 1


@pytest.fixture
def journal() -> Counting:
    return Counting()


def confirmed(journal: MemoryJournal, number: int) -> Exchange:
    return journal.finish(journal.intend(intent(business_key=f"k{number}", content_hash=str(number))).id, outcome())


def untold(journal: MemoryJournal) -> list[tuple[int, str]]:
    return [(row.id, row.reply) for row in journal.untold(NOW, LATER + timedelta(seconds=1))]


def test_many_replies_are_kept_in_one_write(journal: Counting) -> None:
    receipts = Receipts(journal, lambda: LATER)
    rows = [confirmed(journal, number) for number in range(3)]
    receipts.told(Reply("0", receipt=rows[0].id), written=True)
    receipts.told(Reply("0", receipt=rows[1].id), written=False)
    receipts.told(Reply("0"), written=True)
    assert len(untold(journal)) == 3, "nobody waits for it"
    receipts.keep()
    assert untold(journal) == [(rows[1].id, "broken"), (rows[2].id, "")]
    assert [one.reply_at for number in (0, 1, 2) if (one := journal.get(rows[number].id))] == [LATER, LATER, None]
    receipts.keep()
    assert journal.writes == 1


def test_a_repeat_that_was_heard_counts_after_one_that_was_not(journal: Counting) -> None:
    receipts, row = Receipts(journal, lambda: LATER), confirmed(journal, 1)
    for written in (False, True, False):
        receipts.told(Reply("0", receipt=row.id), written=written)
    receipts.keep()
    assert untold(journal) == []


def test_what_the_journal_refuses_waits(journal: Counting) -> None:
    receipts, rows = Receipts(journal, lambda: LATER), [confirmed(journal, number) for number in range(2)]
    receipts.told(Reply("0", receipt=rows[0].id), written=True)
    journal.available = False
    receipts.keep()
    receipts.told(Reply("0", receipt=rows[1].id), written=True)
    receipts.keep()
    journal.available = True
    receipts.keep()
    assert untold(journal) == []
    assert journal.writes == 1
