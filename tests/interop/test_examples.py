"""The C# example of docs/using/examples, built as its first lines say and run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.running import REPOSITORY, Running
from tests.clients.story import DAY, new_patient

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def program(both: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("csharp")
    shutil.copy(REPOSITORY / "docs" / "using" / "examples" / "csharp" / "Admit.cs", folder)
    wsdl = f"{both.gateway_url}/soap/inpatient?wsdl"
    for command in (
        ["wsdl", wsdl, "-namespace:Yibao", "-out:Inpatient.cs"],
        ["mcs", "Admit.cs", "Inpatient.cs", "-r:System.Web.Services.dll"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return folder / "Admit.exe"


def admit(program: Path, base: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["mono", str(program), base, *arguments, f"{DAY} 09:30:00"]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)


def test_mono_example(both: Running, program: Path) -> None:
    patient = new_patient(both)
    done = admit(program, both.gateway_url, *patient.arguments)
    assert done.returncode == 0, done.stderr
    assert both.stay(done.stdout.strip())["ipt_no"] == patient.ipt_no
    assert admit(program, both.gateway_url, *patient.arguments).stdout == done.stdout


def test_mono_example_refused(both: Running, program: Path) -> None:
    patient = new_patient(both)
    done = admit(program, both.gateway_url, "", *patient.arguments[1:])
    assert (done.returncode, done.stdout) == (2, "")
    assert "GW-1101" in done.stderr
