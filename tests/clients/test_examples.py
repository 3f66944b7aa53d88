"""The examples that a HIS developer copies work as they stand: docs/using/examples."""

from __future__ import annotations

import subprocess
import sys

import pytest
from lxml import etree

from tests.clients.running import REPOSITORY, Running
from tests.clients.story import DAY, Patient
from tests.clients.test_raw import post

EXAMPLES = REPOSITORY / "docs" / "using" / "examples"
SERVICES = {"typed": "inpatient", "string": "exchange"}
INVENTED = ("inf_refmsgid", "msgid", "mdtrt_id")
"""What the platform or the gateway makes up anew each time."""


def example(name: str, patient: Patient) -> bytes:
    """A request of the examples for somebody whom this simulator knows."""
    text = (EXAMPLES / "xml" / f"{name}.xml").read_text(encoding="utf-8")
    own = {
        "44080300000000000001": patient.psn_no,
        "440803195102110014": patient.certno,
        "ZY26000001": patient.ipt_no,
        "HIS-20261120-000017": f"HIS-{patient.ipt_no}",
    }
    for printed, real in own.items():
        assert printed in text
        text = text.replace(printed, real)
    return text.replace("&lt;insutype&gt;310", f"&lt;insutype&gt;{patient.insutype}").encode()


def shape(root: etree._Element) -> list[tuple[str, str]]:
    """Element names and texts in order; made-up numbers only as there or not, a string argument as its own shape."""
    told: list[tuple[str, str]] = []
    for element in root.iter("{*}*"):
        name, text = etree.QName(element).localname, (element.text or "").strip()
        told.append((name, "" if name == "CallResult" else str(bool(text)) if name in INVENTED else text))
        if name == "CallResult":
            told += shape(etree.fromstring(text))
    return told


@pytest.mark.parametrize("kind", SERVICES)
def test_xml(both: Running, patient: Patient, kind: str) -> None:
    request = example(f"2401-{kind}-request", patient)
    status, _, answer = post(
        both.gateway_url, f"/soap/{SERVICES[kind]}", request, Content_Type="text/xml; charset=utf-8"
    )
    assert status == 200, answer.decode()
    printed = etree.parse(EXAMPLES / "xml" / f"2401-{kind}-reply.xml").getroot()
    assert shape(etree.fromstring(answer)) == shape(printed)


def admit(base: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(EXAMPLES / "python" / "admit.py")
    return subprocess.run(
        [sys.executable, "-X", "utf8", program, base, *arguments, f"{DAY} 09:30:00"],
        capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip


def test_python(both: Running, patient: Patient) -> None:
    done = admit(both.gateway_url, *patient.arguments)
    assert done.returncode == 0, done.stderr
    assert both.stay(done.stdout.strip())["ipt_no"] == patient.ipt_no
    # as its first lines promise: the same once more is not done once more
    assert admit(both.gateway_url, *patient.arguments).stdout == done.stdout


def test_python_refused(both: Running, patient: Patient) -> None:
    done = admit(both.gateway_url, "", *patient.arguments[1:])
    assert (done.returncode, done.stdout) == (2, "")
    assert "GW-1101" in done.stderr
    assert "人员编号" in done.stderr
