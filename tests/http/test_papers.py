"""Vouchers over HTTP: drawn for whoever may, told in JSON to whoever may not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.running import house
from tests.vouchers.story import Stay, settled


@pytest.fixture(scope="module")
def stay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stay]:
    with house(tmp_path_factory.mktemp("papers")) as running:
        yield settled(running, "Z77")


def get(stay: Stay, path: str, **environ: str) -> tuple[int, str, bytes]:
    answer = stay.house.http(f"/api/v1/vouchers/{path}", **{"REQUEST_METHOD": "GET", **environ})
    return answer.status, answer.content_type, answer.body


def test_a_voucher_as_pdf_and_as_page_is_one_voucher(stay: Stay) -> None:
    status, kind, body = get(stay, f"receipt/{stay.setl_id}.pdf?operator=A1")
    assert (status, kind, body[:5]) == (200, "application/pdf", b"%PDF-")
    status, kind, body = get(stay, f"receipt.html?ipt_no={stay.ipt_no}")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "重打" in body.decode()
    assert f"{stay.times.ward_in:%Y-%m-%d %H:%M}" in body.decode()


@pytest.mark.parametrize(
    ("path", "environ", "status", "code"),
    [
        ("receipt/NONE.pdf", {}, 200, "GW-1405"),
        ("invoice/NONE.pdf", {}, 200, "GW-1012"),
        ("receipt/NONE.exe", {}, 404, "GW-1017"),
        ("receipt/NONE.pdf", {"REQUEST_METHOD": "POST"}, 405, "GW-1009"),
        ("receipt/NONE.pdf", {"HTTP_X_API_KEY": "only-queries"}, 403, "GW-2003"),
    ],
)
def test_what_cannot_be_had_is_told(stay: Stay, path: str, environ: dict[str, str], status: int, code: str) -> None:
    found, _, body = get(stay, path, **environ)
    told = json.loads(body)
    assert (found, told["code"]) == (status, code)
    assert told["err_msg"]
