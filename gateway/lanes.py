"""What stands behind each SOAP address: built on first use, from the mappings in force."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.contract import hospital
from gateway.contract.published import NAMESPACE, operations
from gateway.http.reception import Reception
from gateway.http.router import Lazily, WsgiApp
from gateway.mappings.in_force import Mappings
from gateway.published import wsdl_files
from gateway.soap.hospital import Hospital, HospitalService
from gateway.soap.lane import Lane
from gateway.soap.operations import (
    build_application,
    build_legacy_application,
    build_service,
    build_string_application,
)
from gateway.soap.services import LegacyService, StringService, TypedService


def build_services(reception: Reception, at_the_hospital: Hospital, files: Mappings, root: Path) -> Lazily:
    """``exchange``, one typed service per group, ``legacy/<dialect>``."""
    published = {path.stem for path in (root / "wsdl").glob("*.wsdl")}

    def names() -> set[str]:
        return published | {f"legacy/{name}" for name in files.dialects.current.dialects}

    def build_lane(name: str) -> WsgiApp:
        if name == "exchange":
            return _string_lane(reception, root)
        if name == hospital.GROUP:
            return _hospital_lane(reception, at_the_hospital, files, root)
        if name.startswith("legacy/"):
            return _legacy_lane(name.removeprefix("legacy/"), reception, files, root)
        return _typed_lane(name, reception, files, root)

    return Lazily(names, build_lane)


def _string_lane(reception: Reception, root: Path) -> Lane:
    wsdl = wsdl_files.published(root, "exchange.wsdl")
    return Lane(build_string_application, StringService(reception), reception, lambda: wsdl, "/soap/exchange")


def _hospital_lane(reception: Reception, at_the_hospital: Hospital, files: Mappings, root: Path) -> Lane:
    wsdl = wsdl_files.published(root, f"{hospital.GROUP}.wsdl")
    build_app = partial(build_service, hospital.GROUP, NAMESPACE, hospital.service_operations(files.contracts))
    service = HospitalService(at_the_hospital, reception)
    return Lane(build_app, service, reception, lambda: wsdl, f"/soap/{hospital.GROUP}")


def _typed_lane(group: str, reception: Reception, files: Mappings, root: Path) -> Lane:
    found = operations(files.contracts, group)
    wsdl = wsdl_files.published(root, f"{group}.wsdl")
    service = TypedService({operation.infno: operation for operation in found}, reception)
    return Lane(partial(build_application, group, found), service, reception, lambda: wsdl, f"/soap/{group}")


def _legacy_lane(name: str, reception: Reception, files: Mappings, root: Path) -> Lane:
    dialect = files.dialects.current.dialects[name]
    wsdl = wsdl_files.published(root, f"legacy/{dialect.wsdl}")
    called = [
        (operation.name, list(operation.request.parameters), list(operation.answer.parts))
        for operation in dialect.operations
    ]
    build_app = partial(build_legacy_application, name, dialect.namespace, called)
    return Lane(build_app, LegacyService(dialect, reception), reception, lambda: wsdl, f"/soap/legacy/{name}")


def published_file(root: Path) -> Callable[[str], bytes | None]:
    """Reads a file of ``wsdl/`` by name; None for what is not published."""

    def read(name: str) -> bytes | None:
        try:
            return wsdl_files.published(root, name)
        except KeyError:
            return None

    return read


def titles(files: Mappings) -> dict[str, str]:
    """What the index page says beside each address."""
    titles = {
        "exchange": "字符串服务 Call(infno, request)",
        hospital.GROUP: "院内服务：WardIn 入科、StayStatus 住院状态、Outcome 交易结果等",
    }
    for group, found in files.interface.groups.items():
        shown = "、".join(f"{transaction.infno} {transaction.name}" for transaction in found[:4])
        titles[group] = shown + (" 等" if len(found) > 4 else "")
    titles |= {f"legacy/{name}": dialect.title for name, dialect in files.dialects.current.dialects.items()}
    return titles
