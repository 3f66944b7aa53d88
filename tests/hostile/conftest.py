from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import House, house


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One gateway for all of them: what one hostile caller does must not be felt by the next."""
    with house(tmp_path_factory.mktemp("hostile")) as running:
        yield running
