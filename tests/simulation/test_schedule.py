"""Virtual time and turns."""

from __future__ import annotations

import pytest

from tests.simulation.schedule import Box, Killed, Owner, Schedule


def test_tasks_take_turns_in_the_order_of_time() -> None:
    schedule, said = Schedule(), []

    def speak(name: str, pause_s: float) -> None:
        for _ in range(3):
            schedule.sleep(pause_s)
            said.append((round(schedule.now_s, 3), name))

    schedule.spawn("a", lambda: speak("a", 1.0))
    schedule.spawn("b", lambda: speak("b", 0.7))
    schedule.run()
    schedule.close()
    assert said == [(0.7, "b"), (1.0, "a"), (1.4, "b"), (2.0, "a"), (2.1, "b"), (3.0, "a")]


def test_a_box_wakes_who_waits_and_a_timeout_ends_the_wait() -> None:
    schedule, seen = Schedule(), []
    early, never = Box(schedule), Box(schedule)

    def wait() -> None:
        seen.append((early.wait(10.0), early.value, schedule.now_s))
        seen.append((never.wait(5.0), never.value, schedule.now_s))

    schedule.spawn("waiting", wait)
    schedule.at(2.0, lambda: early.put("first"))
    schedule.at(2.0, lambda: early.put("second"))
    schedule.run()
    schedule.close()
    assert seen == [(True, "first", 2.0), (False, None, 7.0)]


def test_nothing_of_a_dead_process_happens_any_more() -> None:
    schedule, owner, done, unwound = Schedule(), Owner("n1"), [], []

    def work() -> None:
        try:
            schedule.sleep(1.0)
            done.append("alive")
            schedule.sleep(1.0)
            done.append("never")
        except Exception:
            done.append("survived")
        finally:
            unwound.append(schedule.now_s)

    schedule.spawn("work", work, owner)
    schedule.spawn("not begun", lambda: done.append("never"), owner, delay_s=5.0)
    schedule.at(1.5, lambda: schedule.kill(owner))
    schedule.run()
    schedule.close()
    assert (done, unwound) == (["alive"], [1.5])
    assert schedule.waiting == []


def test_a_process_that_kills_itself_does_not_go_on() -> None:
    schedule, owner, done = Schedule(), Owner("n1"), []

    def work() -> None:
        schedule.kill(owner)
        schedule.sleep(1.0)
        done.append("never")

    schedule.spawn("work", work, owner)
    schedule.run()
    schedule.close()
    assert done == []


def test_what_a_task_raises_comes_out() -> None:
    schedule = Schedule()

    def fail() -> None:
        schedule.sleep(1.0)
        raise ValueError("broken")

    schedule.spawn("fail", fail)
    schedule.spawn("left behind", lambda: schedule.sleep(9.0))
    with pytest.raises(ValueError, match="broken"):
        schedule.run()
    schedule.close()
    assert schedule.waiting == []


def test_killed_passes_every_handler_of_ordinary_errors() -> None:
    assert not issubclass(Killed, Exception)
