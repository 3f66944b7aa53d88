"""What the configuration and the province's file make of the way to a province."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import pytest

from adapters.settlement.http_json import HttpJsonPlatform
from gateway.configured import build_line
from gateway.exchange.ports import NoPath
from gateway.settings import Platform, Settings

HEBEI: Mapping[str, Any] = {"transport": "tif", "paths": {"2304": "fsi/hosp/settV2", "2601": "fsi/revs"}}
BASE = "/ebus/rio_fsi"


@contextmanager
def line(**platform: Any) -> Iterator[HttpJsonPlatform]:
    given = {"url": f"http://127.0.0.1:1{BASE}", "signing": "tif", "tif_paasid": "A", "tif_secret": "S", **platform}
    built = build_line(Settings.model_construct(platform=Platform(**given)), province=HEBEI)
    assert isinstance(built, HttpJsonPlatform)
    with closing(built):
        yield built


def test_the_paths_of_the_province_are_taken_and_those_of_the_configuration_go_before_them() -> None:
    with line(paths={"2601": "own/revs", "5201": "own/stay"}) as built:
        assert [built.path_of(infno) for infno in ("2304", "2601", "5201")] == [
            f"{BASE}/fsi/hosp/settV2",
            f"{BASE}/own/revs",
            f"{BASE}/own/stay",
        ]
        with pytest.raises(NoPath):
            built.path_of("5202")


@pytest.mark.parametrize(("infno_in_url", "path"), [(True, f"{BASE}/5202"), (False, BASE)])
def test_where_the_rest_goes_when_the_configuration_says_so(infno_in_url: bool, path: str) -> None:
    with line(infno_in_url=infno_in_url) as built:
        assert (built.path_of("2304"), built.path_of("5202")) == (f"{BASE}/fsi/hosp/settV2", path)


@pytest.mark.parametrize("given", [{"province_paths": False}, {"signing": "plain", "infno_in_url": True}])
def test_the_paths_can_be_left_out_and_are_those_of_the_provinces_own_way_alone(given: dict[str, Any]) -> None:
    with line(**given) as built:
        assert built.path_of("2304") == f"{BASE}/2304"


@pytest.mark.parametrize("upper_case", [False, True])
def test_the_signature_of_tif_in_capitals(upper_case: bool) -> None:
    with line(tif_upper_case=upper_case) as built:
        signature = built._signer.headers("2304", b"")["x-tif-signature"]
    assert signature == (signature.upper() if upper_case else signature.lower())
    assert len(signature) == 64
