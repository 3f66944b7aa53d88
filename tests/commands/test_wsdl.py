from __future__ import annotations

import json
import shutil
from pathlib import Path

from gateway.mappings import data_root
from tests.commands.helpers import yibao


def test_drift_is_named_and_build_repairs_it_but_takes_nothing_away(tmp_path: Path) -> None:
    for folder in ("mappings", "wsdl"):
        shutil.copytree(data_root() / folder, tmp_path / folder)
    (tmp_path / "wsdl" / "xsd" / "2401.xsd").unlink()
    checked = yibao("wsdl", "check", "--root", tmp_path)
    assert (checked.code, checked.out) == (1, "")
    assert checked.err.splitlines()[0] == "wsdl/xsd/2401.xsd 与 mappings/ 不一致"
    built = yibao("wsdl", "build", "--root", tmp_path, "--json")
    assert (built.code, json.loads(built.out)) == (0, {"changed": ["xsd/2401.xsd"]})
    (tmp_path / "mappings" / "transactions" / "2405.yaml").unlink()
    shrunk = yibao("wsdl", "build", "--root", tmp_path)
    assert shrunk.code == 1
    assert "2405" in shrunk.err
    assert (tmp_path / "wsdl" / "xsd" / "2405.xsd").is_file()


def test_the_tree_has_not_drifted() -> None:
    ran = yibao("wsdl", "check")
    assert (ran.code, ran.out, ran.err) == (0, "wsdl/ 与 mappings/ 一致。\n", "")
