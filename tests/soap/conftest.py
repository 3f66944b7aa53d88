from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.exchange.fake_platform import FakePlatform
from tests.running import House, scripted_house


@pytest.fixture(scope="session")
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture(scope="session")
def gateway(platform: FakePlatform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway whose platform answers what the test tells it to."""
    with scripted_house(tmp_path_factory.mktemp("soap"), platform) as running:
        yield running
