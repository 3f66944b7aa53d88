"""Vouchers of stays carried through a whole gateway: one time everywhere, snapshots, reprints, what is refused."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from lxml import html
from pypdf import PdfReader

from gateway import clock
from gateway.configured import rules_policy
from gateway.rules.vouchers import KINDS
from gateway.stays.desk import StayDesk
from gateway.stays.ports import StayRef
from gateway.vouchers.desk import Asked, VoucherDesk
from gateway.vouchers.page import page
from gateway.vouchers.pdf import pdf
from gateway.vouchers.press import Press
from gateway.vouchers.sheet import ADMITTED, Print
from gateway.vouchers.typefaces import Typefaces
from gateway.vouchers.values import Institution
from tests.running import House, house
from tests.vouchers.story import Stay, asked, begin, settled

BY_HAND = Asked("收费员甲", "console", "pdf")
_numbers = count(1)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("vouchers")) as running:
        yield running


@pytest.fixture(scope="module")
def stay(gateway: House) -> Stay:
    return settled(gateway, new_number())


@pytest.fixture(scope="module")
def faces() -> Typefaces:
    return Typefaces()


def new_number() -> str:
    return f"Z{next(_numbers)}"


def desk(gateway: House, name: str = "", **policy: Any) -> VoucherDesk:
    """The desk of the gateway; with another policy, or of a hospital of another name, where one is given."""
    parts = gateway.gateway
    settings = parts.settings.model_copy(update={"rules": parts.settings.rules.model_copy(update=policy)})
    stays = StayDesk(parts.store.journal.stays, rules_policy(settings), clock.now)
    institution = Institution(settings.institution.code, name or settings.institution.name)
    interface = lambda: parts.mappings.interface  # noqa: E731
    return VoucherDesk(stays, parts.store.journal, parts.store.vouchers, interface, institution, Press())


def text_of(content: bytes) -> str:
    return "\n".join(one.extract_text() for one in PdfReader(io.BytesIO(content)).pages)


def admitted_on_page(shown: Print) -> str:
    found = html.fromstring(page(shown)).xpath("//div[dt='入院时间']/dd/text()")
    assert len(found) == 1
    return str(found[0])


def admitted_in_pdf(shown: Print, faces: Typefaces) -> str:
    found = re.search(r"入院时间\n([^\n]+)", text_of(pdf(shown, faces)))
    assert found, text_of(pdf(shown, faces))
    return found[1].strip()


@pytest.mark.parametrize(("precision", "form"), [("minute", "%Y-%m-%d %H:%M"), ("day", "%Y-%m-%d")])
def test_41_every_voucher_prints_the_same_time(gateway: House, faces: Typefaces, precision: str, form: str) -> None:
    stay = settled(gateway, new_number())
    printer = desk(gateway, paper_precision=precision)
    shown = [printer.print(kind, StayRef(stay.ipt_no), BY_HAND) for kind in KINDS]
    expected = stay.times.ward_in.strftime(form)
    assert [one.sheet.kind for one in shown] == list(KINDS)
    assert {one.sheet.value(ADMITTED) for one in shown} == {expected}
    assert {admitted_on_page(one) for one in shown} == {expected}
    assert {admitted_in_pdf(one, faces) for one in shown} == {expected}


def test_the_hospital_gets_the_values_that_paper_shows(stay: Stay) -> None:
    told = stay.voucher("receipt")
    assert (told["infcode"], told["kind"], told["title"]) == (0, "receipt", "出院结算收据")
    assert told["admitted"] == f"{stay.times.ward_in:%Y-%m-%d %H:%M}"
    values = {item["name"]: item["value"] for item in told["item"]}
    assert values["psn_name"] == stay.who.patient.name
    assert values["setl_id"] == stay.setl_id
    assert values["discharged"] == f"{stay.times.discharged:%Y-%m-%d %H:%M}"
    paid = [float(values[name].replace(",", "")) for name in ("fund_pay_sumamt", "acct_pay", "psn_cash_pay")]
    assert sum(paid) == pytest.approx(float(values["medfee_sumamt"].replace(",", "")))
    assert values["medfee_sumamt_cn"].startswith("人民币")
    assert {table["name"] for table in told["table"]} >= {"categories"}


def test_the_fee_list_has_every_row_and_their_sum(stay: Stay) -> None:
    told = stay.voucher("fee_list")
    values = {item["name"]: item["value"] for item in told["item"]}
    fees = next(table for table in told["table"] if table["name"] == "fees")
    rows = [{cell["name"]: cell["value"] for cell in row["cell"]} for row in fees["row"]]
    assert (len(rows), values["count"]) == (stay.rows, str(stay.rows))
    assert {row["med_list_codg"] for row in rows} == {row["med_list_codg"] for row in stay.fees}
    assert sum(float(row["det_item_fee_sumamt"].replace(",", "")) for row in rows) == pytest.approx(
        float(values["total"].replace(",", ""))
    )
    assert [row["fee_ocur_time"] for row in rows] == sorted(row["fee_ocur_time"] for row in rows)


def test_what_was_printed_once_is_printed_again_with_its_mark(gateway: House) -> None:
    stay = settled(gateway, new_number())
    first, second = stay.voucher("receipt"), stay.voucher("receipt")
    assert (first["prints"], first["mark"]) == ("1", [])
    assert (second["voucher_no"], second["prints"], second["mark"]) == (first["voucher_no"], "2", ["重打"])
    assert second["item"] == first["item"]
    by_number = asked(gateway, "Voucher", {"voucher_no": int(first["voucher_no"])})
    assert (by_number["prints"], by_number["item"]) == ("3", first["item"])
    prints = desk(gateway).prints(int(first["voucher_no"]))
    assert [(one.operator, one.client, one.channel) for one in prints[:2]] == [("收费员甲", "his", "hospital")] * 2


def test_28_each_settlement_keeps_its_own_voucher(gateway: House) -> None:
    stay = settled(gateway, new_number())
    old, old_setl = stay.voucher("receipt"), stay.setl_id
    later = stay.times.ward_in + timedelta(minutes=25)
    stay.revoke().unleave()
    stay.ward_in(later)
    stay.at(later).align().leave().settle()
    new = stay.voucher("receipt")
    assert new["voucher_no"] != old["voucher_no"]
    assert (new["admitted"], new["mark"]) == (f"{later:%Y-%m-%d %H:%M}", [])
    again = stay.voucher("receipt", setl_id=old_setl)
    assert (again["voucher_no"], again["admitted"]) == (old["voucher_no"], old["admitted"])
    assert again["mark"] == ["重打", "结算已撤销"]
    assert old_setl in again["remark"][1]


def test_42_the_eligibility_form_comes_before_the_change_and_is_void_after_a_correction(gateway: House) -> None:
    stay = begin(gateway, new_number()).register()
    refused = stay.voucher("eligibility")
    assert refused["code"] == "ET12-01"
    stay.ward_in()
    first = stay.voucher("eligibility")
    assert first["admitted"] == f"{stay.times.ward_in:%Y-%m-%d %H:%M}"
    assert {item["name"]: item["value"] for item in first["item"]}["psn_name"] == stay.who.patient.name
    corrected = stay.ward_in(stay.times.ward_in + timedelta(minutes=10))
    assert f"凭证号 {first['voucher_no']}）已作废" in corrected["warn_msg"]
    # back to the first time: the sheet stays void, a new one is due
    stay.ward_in()
    old = asked(gateway, "Voucher", {"voucher_no": int(first["voucher_no"])})
    assert old["mark"] == ["重打", "作废"]
    assert "入科时间已变更" in old["remark"][1]
    new = stay.voucher("eligibility")
    assert (new["voucher_no"] != first["voucher_no"], new["prints"], new["mark"]) == (True, "1", [])


def test_a_new_voucher_is_refused_while_the_times_differ_and_an_old_one_is_not(gateway: House) -> None:
    stay = settled(gateway, new_number())
    old = stay.voucher("receipt")
    stay.ward_in(stay.times.ward_in + timedelta(minutes=7))
    sent = gateway.sent()
    for kind in ("fee_list", "discharge_slip", "list_head"):
        refused = stay.voucher(kind)
        assert (refused["infcode"], refused["code"]) == (-1, "ET08-01")
    again = stay.voucher("receipt")
    assert (again["voucher_no"], again["admitted"], again["mark"]) == (old["voucher_no"], old["admitted"], ["重打"])
    assert gateway.sent() == sent


def test_a_receipt_needs_a_settlement_and_a_slip_does_not(gateway: House) -> None:
    stay = begin(gateway, new_number()).register()
    stay.ward_in()
    stay.align().charge(3).leave()
    assert stay.voucher("receipt")["code"] == "ET08-02"
    slip = stay.voucher("discharge_slip")
    assert (slip["infcode"], slip["note"]) == (0, ["本凭条打印时尚未医保结算。"])
    stay.settle()
    after = stay.voucher("discharge_slip")
    assert (after["voucher_no"] != slip["voucher_no"], after["note"]) == (True, [])


def test_a_fee_list_before_settlement_is_new_when_fees_have_changed(gateway: House) -> None:
    stay = begin(gateway, new_number()).register()
    stay.ward_in()
    stay.align().charge(3)
    first = stay.voucher("fee_list")
    assert stay.voucher("fee_list")["voucher_no"] == first["voucher_no"]
    row = {**stay.fees[0], "feedetl_sn": f"{stay.ipt_no}-more"}
    stay.call("2301", {"feedetail": [row]})
    more = stay.voucher("fee_list")
    assert (more["prints"], more["voucher_no"] != first["voucher_no"]) == ("1", True)
    old = asked(gateway, "Voucher", {"voucher_no": int(first["voucher_no"])})
    assert old["mark"] == ["重打", "作废"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"ipt_no": "Z1", "kind": "invoice"}, "GW-1012"),
        ({"kind": "receipt"}, "GW-1012"),
        ({"ipt_no": "NOBODY", "kind": "receipt"}, "GW-1405"),
        ({"voucher_no": 987654}, "ET08-04"),
        ({"setl_id": "NONE", "kind": "receipt"}, "GW-1405"),
    ],
)
def test_what_cannot_be_printed_is_told(gateway: House, stay: Stay, arguments: dict[str, Any], code: str) -> None:
    told = asked(gateway, "Voucher", arguments)
    assert (told["infcode"], told["code"]) == (-1, code)
    assert told["err_msg"]


def test_a_stay_that_left_before_go_live_prints_the_time_of_its_settlement(gateway: House) -> None:
    stay = settled(gateway, new_number())
    was = stay.times.ward_in
    stay.ward_in(was + timedelta(minutes=9))
    printer = desk(gateway, go_live=clock.now())
    shown = printer.print("receipt", StayRef(stay.ipt_no), BY_HAND)
    assert shown.sheet.value(ADMITTED) == f"{was:%Y-%m-%d %H:%M}"
    assert shown.sheet.notes == ("上线前出院，按结算时的入院时间打印",)


def test_a_revoked_settlement_that_was_never_printed_is_refused(gateway: House) -> None:
    stay = settled(gateway, new_number()).revoke()
    assert stay.voucher("receipt")["code"] == "ET08-02"
    assert stay.voucher("receipt", setl_id=stay.setl_id)["code"] == "ET08-02"


def test_a_character_that_no_font_has_is_told_before_and_with_every_print(gateway: House) -> None:
    vouchers, ref = desk(gateway, "𠮷田医院"), StayRef(settled(gateway, new_number()).ipt_no)
    assert ["〔U+20BB7〕" in text for text in vouchers.warnings(ref)] == [True]
    assert desk(gateway).warnings(ref) == ()
    told = {
        channel: vouchers.print("eligibility", ref, Asked("甲", "his", channel))
        for channel in ("pdf", "hospital", "html")
    }
    assert {channel: bool(shown.warnings) for channel, shown in told.items()} == {
        "pdf": True,
        "hospital": True,
        "html": False,  # the browser draws with fonts of its own
    }
    # what was printed is looked at as well, whatever the hospital is called now
    assert ["〔U+20BB7〕" in text for text in desk(gateway).warnings(ref)] == [True]
    reprint = vouchers.reprint(told["pdf"].number, Asked("甲", "his", "pdf"))
    assert "〔U+20BB7〕" in text_of(vouchers.press.pdf(reprint))
    assert reprint.warnings == told["pdf"].warnings
