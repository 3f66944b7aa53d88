"""A hospital of the exchange's kit with a store, a shelf and its reconciliation."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from gateway.files.shelf import Shelf
from gateway.reconcile.service import DayResult, Reconciliation, Scope
from gateway.store import open_store
from gateway.store.recon import Case
from tests.exchange.kit import CODE, START, Hospital
from tests.simulation import messages
from tests.sqlite import new_sqlite

DAY = START.date()
SCOPE = Scope(CODE, "440800", ("310", "390"), ("11", "21", "41"))


class Office:
    """The insurance office of one hospital."""

    def __init__(self, folder: Path) -> None:
        self.store = open_store(new_sqlite(folder / "journal.db"), node="n1")
        self.store.upgrade()
        shelf = Shelf(folder / "files")
        self.hospital = Hospital(self.store.journal, shelf=shelf)
        self.simulator = self.hospital.simulator
        self.reconciliation = Reconciliation(
            exchange=self.hospital.exchange,
            journal=self.store.journal,
            interface=lambda: self.hospital.interface,
            resolver=self.hospital.resolver,
            records=self.store.recon,
            shelf=shelf,
            scope=SCOPE,
            head={"opter": "reconcile", "opter_name": "网关", "opter_type": "2"},
            clock=self.hospital.clock,
        )
        self._numbers = 0

    def visited(self) -> tuple[str, str]:
        """An outpatient visit with its fees: ``mdtrt_id`` and the batch."""
        self._numbers += 1
        number, person = f"O{self._numbers}", self.hospital.psn_no
        mdtrt_id = str(self.hospital.done("2201", messages.registration(person, number))["data"]["mdtrt_id"])
        self.hospital.done("2203", messages.visit(person, mdtrt_id))
        row = messages.fee(person, mdtrt_id, f"{number}-1", 1000 + self._numbers, chrg_bchno=number, rx_circ_flag="0")
        self.hospital.done("2204", {"feedetail": [row]})
        return mdtrt_id, number

    def settlement(self, mdtrt_id: str, batch: str) -> messages.Message:
        """2207 of the visit that :meth:`visited` has just made."""
        wanted = messages.total([messages.fee("", "", "", 1000 + int(batch[1:]))])
        message = messages.visit_settlement(self.hospital.psn_no, mdtrt_id, batch, wanted)
        return messages.with_trial(message, self.hospital.done("2206", message)["setlinfo"])

    def settled(self) -> tuple[str, str]:
        """A settled visit: ``mdtrt_id`` and ``setl_id``."""
        mdtrt_id, batch = self.visited()
        return mdtrt_id, str(self.hospital.done("2207", self.settlement(mdtrt_id, batch))["setlinfo"]["setl_id"])

    def revoke(self, mdtrt_id: str, setl_id: str) -> None:
        self.hospital.done("2208", self.hospital.undo(mdtrt_id, setl_id=setl_id))

    def run(self, day: date = DAY) -> DayResult:
        return self.reconciliation.run_day(day)

    def open_kinds(self) -> dict[str, str]:
        """``setl_id`` or msgid of each open case -> its kind."""
        return {_about(case): case.kind for case in self.store.recon.cases("2000-01-01", "2999-12-31")}

    def close(self) -> None:
        self.store.close()


def _about(case: Case) -> str:
    return str(case.content["setl_id"] or case.msgid) + ("-" if case.content["refund"] else "")
