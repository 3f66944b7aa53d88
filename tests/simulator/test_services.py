"""Two tables of the same paths, kept apart: what one has and the other has not is a slip in one of them."""

from __future__ import annotations

import pytest
import yaml

from gateway.simulator import Simulator
from gateway.simulator.services import SERVICES, infno_of

from .conftest import MAPPINGS


def test_the_gateways_table_of_hebei_and_the_simulators_agree() -> None:
    text = (MAPPINGS / "provinces" / "hebei" / "province.yaml").read_text(encoding="utf-8")
    paths = yaml.safe_load(text)["settings"]["paths"]
    assert {path: infno for infno, path in paths.items()} == SERVICES
    assert len(paths) == len(SERVICES) > 70


@pytest.mark.parametrize(
    ("path", "infno"),
    [
        ("/ebus/rio_fsi/fsi/api/hospSettService/settV2", "2304"),
        ("/fsi/api/outpatientSettleService/saveSettletmentV2", "2207"),
        ("/fsi/api/outpatientSettleService/saveSettletment", "2207A"),
        ("/ebus/rio_fsi/api/fsiextend/medinsmonsettlement/qMedinsDaySetlResult", "3212"),
        ("/fsi/api/hospSettService/settV3", None),
        ("/fsi/hospSettService/settV2", None),
        ("/settV2", None),
        ("/2304", None),
        ("", None),
    ],
)
def test_an_address_names_its_service_by_its_last_four_parts(path: str, infno: str | None) -> None:
    assert infno_of(path) == infno


@pytest.mark.parametrize(
    ("path", "anywhere", "services_only"),
    [
        ("/fsi/api/dscgService/dischargeUndo", "2405", "2405"),
        ("/2405", "2405", None),
        ("/fsi/api/rsfComIfsService/callService", "", None),
        ("/fsi/api/dscgService/nothing", None, None),
    ],
)
def test_where_transactions_are_posted(path: str, anywhere: str | None, services_only: str | None) -> None:
    assert Simulator(MAPPINGS).named_by(path) == anywhere
    assert Simulator(MAPPINGS, path_per_service=True).named_by(path) == services_only
