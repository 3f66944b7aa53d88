"""Every area, in the order of the menu. A new area is a folder and a line here (docs/inside/console.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.console.account.views import AREA as ACCOUNT
from gateway.console.area import Area
from gateway.console.audit.views import AREA as AUDIT
from gateway.console.catalogs.views import AREA as CATALOGS
from gateway.console.conformance.views import AREA as CONFORMANCE
from gateway.console.debug.views import AREA as DEBUG
from gateway.console.doubts.views import AREA as DOUBTS
from gateway.console.exchanges.views import AREA as EXCHANGES
from gateway.console.fees.views import AREA as FEES
from gateway.console.home.views import AREA as HOME
from gateway.console.jobs.views import AREA as JOBS
from gateway.console.lists.views import AREA as LISTS
from gateway.console.reconcile.views import AREA as RECONCILE
from gateway.console.running.views import AREA as RUNNING
from gateway.console.stays.views import AREA as STAYS
from gateway.console.users.views import AREA as USERS

AREAS: Final[tuple[Area, ...]] = (
    HOME, STAYS, FEES, LISTS, EXCHANGES, DOUBTS, RECONCILE, CATALOGS, RUNNING, JOBS, DEBUG, CONFORMANCE, AUDIT, USERS,
    ACCOUNT,
)  # fmt: skip
RIGHTS: Final[Mapping[str, str]] = {name: title for area in AREAS for name, title in area.rights.items()}
"""Every right, with its title."""
