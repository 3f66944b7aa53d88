from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.running import Running, running
from tests.clients.story import Patient, new_patient


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Simulator and gateway as processes, once for all client tests."""
    with running(tmp_path_factory.mktemp("clients")) as found:
        yield found


@pytest.fixture
def gateway_url(both: Running) -> str:
    return both.gateway_url


@pytest.fixture
def patient(both: Running) -> Patient:
    return new_patient(both)
