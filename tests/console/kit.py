"""The console over a real gateway, store and simulator of this process; only its two lines are short-circuited."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from lxml import html
from starlette.testclient import TestClient

from gateway import clock, mappings
from gateway.catalogs.day_surgery import day_surgery
from gateway.configured import sign_in_policy
from gateway.console.application import build_application
from gateway.console.areas import RIGHTS
from gateway.console.flashes import Flashes
from gateway.console.parts import Parts
from gateway.console.passwords import Passwords
from gateway.console.rights import read_rights
from gateway.console_process import stay_reader
from gateway.desks.console import ConsoleDesk
from gateway.desks.doubts import DoubtsDesk
from gateway.desks.fees import FeesDesk
from gateway.desks.jobs import JobsDesk
from gateway.desks.reviews import ReviewsDesk
from gateway.exchange.ports import Exchange, Intent, Outcome, Proof, ProofKind, State
from gateway.figures import FigureBook
from gateway.soap.reread import Reread
from gateway.store import Store
from gateway.store.accounts import User
from tests.running import House

PASSWORD = "Morning-Ward-Round-7"
ROLES = ("insurance", "cashier", "ward", "pharmacy", "operations", "it", "auditor", "vendor")
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_PASSWORDS = Passwords(CHEAP)
KEPT = _PASSWORDS.make(PASSWORD)


@dataclass
class Clock:
    """The real time, shifted as a test wants it."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return clock.now() + self.ahead


@dataclass
class Line:
    """What ``lines.ExchangeLine`` does over sockets, in this process."""

    house: House
    told: dict[str, Any] = field(
        default_factory=lambda: {"ready": True, "process": True, "store": True, "platform": True}
    )
    answers: dict[str, Any] = field(default_factory=dict)

    def ready(self) -> dict[str, Any]:
        return self.told

    def call(self, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        answer = self.house.http(path, body, content_type)
        return answer.status, answer.body

    def simulator(self, path: str, body: bytes | None = None, *, method: str | None = None) -> Any:
        if method == "DELETE" and path in self.answers:
            self.answers[path] = []
        return self.answers.get(path)


@dataclass
class Bench:
    """The console and what stands behind it."""

    house: House
    parts: Parts
    clock: Clock
    line: Line

    @property
    def journal(self) -> Any:
        return self.parts.store.journal

    def browser(self) -> Browser:
        """A browser that has not been here yet."""
        return Browser(TestClient(build_application(self.parts), "http://console", follow_redirects=False))

    def signed_in(self, role: str) -> Browser:
        """A browser of the person of this role."""
        browser = self.browser()
        assert browser.sign_in(role).status_code == 303
        return browser

    def log(self) -> list[tuple[str, str, str]]:
        """The operator log, oldest first."""
        found = self.parts.store.operator_log.entries(limit=1000)
        return [(row.operator, row.act, row.subject) for row in reversed(found)]

    def exchange(self, state: State = State.CONFIRMED, **changes: Any) -> Exchange:
        """One exchange that has come to ``state``."""
        return written(self.journal, state, **changes)


@dataclass
class Browser:
    """A client that fills in forms the way a browser does."""

    client: TestClient

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def page(self, path: str) -> str:
        """The text of a page that must be there."""
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return answer.text

    def mark(self, path: str = "/password") -> str:
        """The mark that our forms carry."""
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.client.get(path).text)
        assert found, path
        return found[1]

    def post(self, path: str, form: Mapping[str, str] | None = None, *, csrf: str | None = None, **more: Any) -> Any:
        mark = self.mark() if csrf is None else csrf
        return self.client.post(path, data={"csrf": mark, **(form or {})}, **more)

    def sign_in(self, name: str, password: str = PASSWORD, wanted: str = "") -> Any:
        form = {"name": name, "password": password, "next": wanted}
        return self.post("/sign-in", form, csrf=self.mark("/sign-in"))


def bench(found: House, store: Store | None = None) -> Bench:
    """A console with one person of each role; the user name is the role.

    Args:
        found: its gateway; built once, since that takes seconds.
        store: another one than the gateway's: a fresh one takes no time, but nothing resolves doubts in it.
    """
    gateway, told = found.gateway, Clock()
    doubts = DoubtsDesk(gateway.resolver, gateway.store.operator_log) if store is None else None
    store = store or gateway.store
    jobs = JobsDesk(gateway.runner, gateway.store.jobs, gateway.store.operator_log)
    ours = {**gateway.acts.operations, **gateway.printing.operations, **gateway.reconcile_desk.operations}
    ours |= {**gateway.lists_desk.operations, **gateway.resend_desk.operations}
    ours |= FeesDesk(gateway.store.fees, jobs, gateway.store.operator_log, told).operations
    ours |= ReviewsDesk(gateway.store.remarks, gateway.stays, jobs, gateway.store.operator_log, told).operations
    acts = {**ours, "run_job": jobs.run_for_console} if doubts is not None else {}
    desk = ConsoleDesk(store, told, sign_in_policy(gateway.settings), doubts, acts)
    line = Line(found)
    parts = Parts(
        settings=gateway.settings,
        config=None,
        store=store,
        stays=stay_reader(gateway.settings, store, told),
        day_surgery=day_surgery(gateway.settings.rules.day_surgery, store.catalogs, told),
        desk=desk,
        line=line,
        interface=gateway.mappings.interface,
        reread=Reread(lambda: gateway.mappings.interface, lambda: gateway.mappings.dialects.current.dialects),
        roles=read_rights(mappings.data_root() / "conf" / "rights.yaml", RIGHTS),
        figures=FigureBook(store.figures, told),
        passwords=_PASSWORDS,
        clock=told,
        flashes=Flashes(),
    )
    for role in ROLES:
        store.accounts.add(User(role, f"某{role}", role, KEPT, told()))
    return Bench(found, parts, told, line)


def written(journal: Any, state: State = State.CONFIRMED, **changes: Any) -> Exchange:
    """An exchange in the journal, brought to ``state`` along legal edges."""
    infno = changes.pop("infno", "2401")
    answer = changes.pop("answer", b'{"infcode":0,"output":{"result":{"mdtrt_id":"M1"}}}')
    err_msg = changes.pop("err_msg", "")
    finished_at = changes.pop("finished_at", None) or clock.now()
    outcome = Outcome(state, finished_at, platform_answer=answer, infcode="0", err_msg=err_msg, elapsed_ms=12)
    given: dict[str, Any] = {
        "infno": infno,
        "safety": "money" if infno == "2304" else "state",
        "client": "his",
        "channel": "typed",
        "institution": "H44080000001",
        "received_at": clock.now(),
        "mapping_version": "abc",
        "caller_request": "<request>张三丰</request>".encode(),
        "caller_charset": "utf-8",
        "msgid": f"H44080000001202611210830{next(_numbers):06d}",
        "platform_request": b'{"infno":"2401","input":{"mdtrtinfo":{"psn_no":"P1"}}}',
        "keys": (("psn_no", "P1"), ("mdtrt_id", "M1")),
    }
    intent = Intent(**(given | changes))
    if state is State.REFUSED:
        return journal.record(
            replace(intent, msgid=None, platform_request=None), replace(outcome, platform_answer=None)
        )
    row = journal.intend(intent)
    if state in (State.ESCALATED, State.NOT_DONE, State.REVERSED):
        journal.finish(row.id, replace(outcome, state=State.IN_DOUBT, platform_answer=None))
        evidence = Proof(ProofKind.QUERY, clock.now(), "查询 5201：没有可用的答复", "5201")
        return journal.resolve(row.id, replace(outcome, platform_answer=None), [evidence])
    return row if state is State.INTENDED else journal.finish(row.id, outcome)


def _count() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


_numbers = _count()


def tree(text: str) -> Any:
    """A page as elements."""
    return html.document_fromstring(text)
