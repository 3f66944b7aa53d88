"""A thread that takes turns: nothing ends it but its end."""

from __future__ import annotations

import threading

from gateway.background import Background


def test_whatever_breaks_in_a_turn_the_next_comes() -> None:
    left, enough = [RuntimeError("a bug"), OSError("gone")], threading.Event()

    def turn() -> None:
        if left:
            raise left.pop(0)
        enough.set()

    thread = Background("t", turn, 0.001)
    thread.start()
    assert enough.wait(20)
    thread.close()


def test_the_first_turn_waits_where_it_is_told_to_and_is_woken() -> None:
    taken = threading.Event()
    thread = Background("t", taken.set, 3600, at_once=False)
    thread.start()
    assert not taken.wait(0.05)
    thread.wake()
    assert taken.wait(20)
    thread.close()


def test_a_turn_says_when_the_next_is_due() -> None:
    dues, enough = [0.0, 0.0, 0.0], threading.Event()

    def turn() -> float | None:
        if dues:
            return dues.pop()
        enough.set()
        return None

    thread = Background("t", turn, 3600)
    thread.start()
    assert enough.wait(20), "an hour was not waited for"
    thread.close()


def test_nothing_runs_after_its_end() -> None:
    turns: list[int] = []
    thread = Background("t", lambda: turns.append(1), 0.001)
    thread.start()
    thread.close()
    count = len(turns)
    thread.wake()
    assert len(turns) == count
    never_begun = Background("t", lambda: turns.append(2), 1)
    never_begun.close()
