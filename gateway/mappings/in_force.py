"""The mapping files in force: interface and dialects, replaced together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.contract.errors import MappingError
from gateway.contract.interface import Interface
from gateway.contract.model import Contract
from gateway.mappings import load_all
from gateway.mappings.dialects import DialectLibrary

log = structlog.get_logger(__name__)


class Mappings:
    """The mapping files in force: interface and dialects, replaced together or not at all.

    Args:
        root: folder that holds ``mappings/``.
        province: whose interface is spoken.
        code_lists: what is done with a code outside its list (``contract.code_lists`` of the settings).

    Raises:
        MappingError: a file is wrong, or there is no such province.
    """

    def __init__(self, root: Path, province: str, code_lists: str) -> None:
        self._root = root
        self._province = province
        self._code_lists = code_lists
        self.contracts, self.interface = self._load()
        self.dialects = DialectLibrary(root, self.interface.contract)
        self.reloaded: list[Callable[[], None]] = []

    def _load(self) -> tuple[list[Contract], Interface]:
        """Every province, since the WSDL is one for all of them; and the interface of ours."""
        contracts = load_all(self._root)
        if self._province not in contracts:
            raise MappingError("mappings/provinces", 0, f"没有省份 {self._province}；可用：{'、'.join(contracts)}。")
        return list(contracts.values()), Interface(contracts[self._province], code_lists=self._code_lists)

    def reload(self) -> list[str]:
        """Take up changed files. Returns what is wrong with them; then everything stays as it was."""
        try:
            contracts, interface = self._load()
        except MappingError as error:
            return [str(found) for found in error.all]
        errors = self.dialects.reload(interface.contract)
        if errors:
            return [str(error) for error in errors]
        self.contracts, self.interface = contracts, interface
        for listener in self.reloaded:
            listener()
        log.info("mappings_reloaded", version=interface.contract.version)
        return []
