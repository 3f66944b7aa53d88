"""What people do on the console around the day of the demo, so that every page has something to show.

All of it comes after the story was compared with the books: what is sent here is not in the client's story.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.demo.books import Node, child
from gateway.demo.evidence import fetch, post
from gateway.demo.office import Office, charge, lying, write_cases
from gateway.demo.place import DemoError, Place
from gateway.demo.staff import INFORMATION, INSURANCE

BAD_MOMENTS: Final = tuple({"infno": infno, "kind": "lose-reply"} for infno in ("2304", "2208", "2503"))
"""What the platform does to the day: it settles once, cancels once and files once, and all three answers are lost."""
PUBLISHED: Final = "1305"
"""The catalog of which a newer edition comes during the day."""
CLIENT: Final = "demo"
"""The caller of ``conf/demo.toml``, whose acceptance run begins with the day."""
CATALOGS_JOB, DIP_JOB, REPORT_JOB = "catalogs", "dip_differences", "daily_report"


class Chores:
    """Done by the insurance office and by IT.

    Args:
        password: of the demo's people; without one, or without a console, only the platform's part is done.
    """

    def __init__(self, place: Place, password: str) -> None:
        self._place = place
        self._password = password if place.console_url else ""

    def before(self) -> None:
        """The platform has its bad moments ready; the catalogs are downloaded, a vendor's acceptance begins.

        Raises:
            DemoError: simulator or console did not answer as they should.
        """
        with _told("这一天没有开始"):
            for moment in BAD_MOMENTS:
                post(f"{self._place.simulator_url}/_sim/faults", moment)
            if self._password:
                self._signed_in(INFORMATION).accept(CLIENT)
                office = self._signed_in(INSURANCE)
                office.run(CATALOGS_JOB)
                office.run(REPORT_JOB)

    def after(self, told: Sequence[Node]) -> None:
        """Fees go up, the DIP system and the platform's books are compared, a list is uploaded, a catalog is renewed.

        Args:
            told: what the client told of the day.

        Raises:
            DemoError: as ``before``.
        """
        if not self._password:
            return
        office = self._signed_in(INSURANCE)
        self._have_fees_uploaded(office, told)
        self._compare_with_dip(office)
        self._compare_with_the_platform(office, told)
        with _told("结算清单没有上传"):
            for one in settled(told, "2304")[-1:]:
                office.upload_list(one)
        with _told("目录没有更新"):
            post(f"{self._place.simulator_url}/_sim/catalogs", {"infno": PUBLISHED, "act": "publish"})
            office.run(CATALOGS_JOB)

    def _signed_in(self, name: str) -> Office:
        return Office(self._place.console_url, name, self._password)

    def _have_fees_uploaded(self, office: Office, told: Sequence[Node]) -> None:
        """The hospital has charged more."""
        if not self._place.his_url:
            return
        patients = lying(told)
        with _told("这一天的费用没有办成"):
            charge(self._place.his_url, patients)
            office.choose("upload", patients[:-1])
            office.choose("look", patients[-1:])

    def _compare_with_dip(self, office: Office) -> None:
        """The DIP system has written its cases."""
        if self._place.dip_file is None:
            return
        with _told("与 DIP 系统的核对没有办成"):
            events = json.loads(fetch(f"{self._place.gateway_url}/api/v1/dip/events?limit=1000"))["events"]
            write_cases(self._place.dip_file, events)
            office.run(DIP_JOB)

    def _compare_with_the_platform(self, office: Office, told: Sequence[Node]) -> None:
        """The platform's books of the day have one settlement too many, and one with another amount."""
        with _told("与平台的对账没有办成"):
            for visit in settled(told, "2207")[-1:]:
                for wish in differences(visit):
                    post(f"{self._place.simulator_url}/_sim/differences", wish)
                office.compare(day_of(visit))


@contextmanager
def _told(text: str) -> Iterator[None]:
    """What does not come about ends the demo with a sentence."""
    try:
        yield
    except (OSError, SQLAlchemyError) as error:
        raise DemoError(f"{text}：{error}") from None


def settled(told: Sequence[Node], infno: str) -> list[Mapping[str, Any]]:
    """``setlinfo`` of every settlement by this transaction that succeeded, in their order."""
    return [child(line["output"], "setlinfo") for line in told if (line["infno"], line["infcode"]) == (infno, "0")]


def day_of(visit: Mapping[str, Any]) -> str:
    """The day that a settlement counts for: the platform's, whatever the clock has come to since."""
    return str(visit["setl_time"])[:10]


def differences(visit: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to plant in the platform's books: this settlement dearer by 1.20, and one more of the same person and day."""
    person, day = str(visit["psn_no"]), day_of(visit)
    return [
        {"kind": "amount", "setl_id": str(visit["setl_id"]), "amount": "1.20"},
        {"kind": "extra", "psn_no": person, "amount": "86.50", "insutype": "310", "clr_type": "11", "day": day},
    ]
