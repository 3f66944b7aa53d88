"""What the settings mean to each part: policies, limits, identities, and the line to the province."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, SecretStr

from adapters.settlement.build import OAuth, SmKeys, build_callbacks, build_platform
from adapters.settlement.files import NO_FILES, Files, UploadForm
from gateway.catalogs.reading import Tolerance
from gateway.catalogs.service import Policy as CatalogPolicy
from gateway.contract.envelope import Sender
from gateway.contract.interface import Interface
from gateway.desks.console import SignInPolicy
from gateway.exchange.callbacks import CallbackLine
from gateway.exchange.limits import Shares
from gateway.exchange.patience import Times
from gateway.exchange.ports import SettlementPlatform
from gateway.exchange.resolver import Policy
from gateway.reconcile.service import Scope
from gateway.rules import policy as rules
from gateway.settings import ClientSettings, Settings, Workstation
from gateway.stays.lists import ListForm

NOTHING_SAID: Mapping[str, Any] = MappingProxyType({})
CONSOLE_CLIENT = "console"
OWN_CONNECTIONS = 2
"""Kept for the resolver and the probe, so that full lines never keep a doubt open."""


def file_upload(settings: Settings, interface: Interface) -> UploadForm:
    """How 9101 carries a file: as the settings say, else as the province does."""
    chosen = settings.platform.file_upload or interface.contract.settings.get("file_upload")
    return "base64" if chosen == "base64" else "multipart"


def service_paths(settings: Settings, province: Mapping[str, Any]) -> Mapping[str, str]:
    """The paths of the province's services; none for another way than that of its file, whose address is another too."""
    platform = settings.platform
    if not platform.province_paths or platform.signing != province.get("transport"):
        return {}
    known: Mapping[str, str] = province.get("paths") or {}
    return known


def build_line(
    settings: Settings,
    files: Files = NO_FILES,
    province: Mapping[str, Any] = NOTHING_SAID,
    certificate_shown: Callable[[datetime], None] = lambda _: None,
) -> SettlementPlatform:
    """The way to the province, and how files go on it.

    Args:
        province: settings of the province's file; the configuration goes before them.
        certificate_shown: told when the platform's certificate ends.
    """
    platform = settings.platform
    services = service_paths(settings, province)
    account, secret = platform.account_and_secret
    return build_platform(
        platform.url,
        platform.signing,
        account=account,
        secret=secret.get_secret_value(),
        version=platform.api_version,
        header=platform.apikey_header,
        upper_case=platform.tif_upper_case,
        oauth=OAuth(**_revealed(platform.oauth)),
        sm=SmKeys(**_revealed(platform.sm)),
        soap=_revealed(platform.soap),
        url_per_infno=platform.one_url_per_infno,
        paths={**services, **platform.paths},
        only_paths=bool(services) and platform.infno_in_url is None,
        connect_timeout_s=platform.connect_timeout_s,
        read_timeout_s=platform.read_timeout_s,
        answer_bytes_max=platform.answer_bytes_max,
        pool_size=platform.pool_size + OWN_CONNECTIONS,
        idle_s_max=platform.idle_s_max,
        ca_file=platform.ca_file,
        client_cert=platform.client_certificate,
        client_key=platform.client_key,
        files=files,
        certificate_shown=certificate_shown,
    )


def _revealed(part: BaseModel) -> dict[str, Any]:
    """A part of the settings with its secrets readable, for whoever signs with them."""
    given = part.model_dump()
    return {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in given.items()}


def with_console(settings: Settings, console_token: str) -> Settings:
    """The configured callers, and the console with an identity of its own where transactions may be tried from it."""
    if not console_token or settings.production:
        return settings
    return settings.model_copy(update={"clients": (*settings.clients, console_client(console_token))})


def console_client(token: str) -> ClientSettings:
    """The console as a caller (design, "Processes"): known by the token, signed with a workstation of its own."""
    station = Workstation(opter="console", opter_name="控制台", mac="00-00-00-00-00-00", ip="127.0.0.1")
    return ClientSettings(name=CONSOLE_CLIENT, api_key=SecretStr(token), workstation=station)


def sign_in_policy(settings: Settings) -> SignInPolicy:
    """How patient the console's sign-in is."""
    console = settings.console
    return SignInPolicy(
        console.attempts_max, timedelta(seconds=console.refused_s), timedelta(seconds=console.session_s_max)
    )


def shares_of_calls(settings: Settings) -> Shares:
    """How many calls may be in hand at once, and whose they are."""
    at_most = {client.name: client.concurrent_max for client in settings.clients if client.concurrent_max}
    names = [client.name for client in settings.clients]
    return Shares(settings.limits.calls_max, names, settings.limits.sure_share, at_most)


def patience(settings: Settings) -> Times:
    """How long a call may take, and its parts."""
    platform = settings.platform
    return Times(settings.call_s_max, settings.limits.turn_wait_s, platform.connect_timeout_s, platform.read_timeout_s)


def resolve_policy(settings: Settings) -> Policy:
    """How often and when a doubt is looked into."""
    resolve = settings.resolve
    return Policy(
        resolve.tries_max, resolve.pause_s, resolve.factor, resolve.pause_s_max, settings.platform.settle_time_s
    )


def own_workstation(settings: Settings) -> dict[str, str]:
    """Who stands in the head of what the gateway asks for an operator: the first workstation that is configured."""
    stations = [client.workstation.model_dump() for client in settings.clients]
    return next((found for found in stations if found["opter"] and found["mac"]), stations[0])


def operators_to_sign_in(settings: Settings) -> list[dict[str, str]]:
    """Workstations whose operators the gateway signs in."""
    stations = [client.workstation for client in settings.clients if client.name != CONSOLE_CLIENT]
    return [one.model_dump() for one in (*stations, *settings.jobs.sign_in.operators)]


def station_of(settings: Settings, opter: str) -> Mapping[str, str]:
    """Where an operator is signed in whose own workstation is not known: as configured for this operator, else our own."""
    known = [one for one in operators_to_sign_in(settings) if one["opter"] == opter and one["mac"] and one["ip"]]
    return known[0] if known else own_workstation(settings)


def catalog_policy(settings: Settings) -> CatalogPolicy:
    """How careful an update of a catalog is."""
    given = settings.catalogs
    tolerance = Tolerance(given.wrong_rows_max, given.other_columns)
    return CatalogPolicy(tolerance, given.missing_percent_max, given.versions_kept)


def reconciled(settings: Settings) -> Scope:
    """What is compared with the platform."""
    given = settings.reconcile
    optins = given.setl_optins or settings.institution.area
    return Scope(settings.institution.code, optins, given.insutypes, given.clr_types)


def rules_policy(settings: Settings) -> rules.Policy:
    """The switches of the entry-time rules as configured."""
    given = settings.rules.model_dump(exclude={"verify_unanswered", "day_surgery"})
    given["category_changes"] = frozenset((before, after) for before, after in settings.rules.category_changes)
    given["list_levels"] = dict(settings.settlement_list.levels)
    return rules.Policy(**{**given, "not_wards": frozenset(settings.wards.not_wards)})


def list_form(settings: Settings) -> ListForm:
    """Who uploads settlement lists, and as which transaction."""
    return ListForm(settings.institution.code, settings.institution.name, settings.settlement_list.transaction)


def sender_of(settings: Settings, interface: Interface) -> Sender:
    """Who we are in the envelope of the province."""
    province = interface.contract.settings
    return Sender(
        fixmedins_code=settings.institution.code,
        fixmedins_name=settings.institution.name,
        mdtrtarea_admvs=settings.institution.area,
        insuplc_admdvs=settings.institution.patient_area,
        recer_sys_code=settings.platform.receiver_system or str(province.get("recer_sys_code", "")),
        infver=settings.platform.interface_version or str(province.get("infver", "")),
    )


def callback_line(settings: Settings) -> CallbackLine | None:
    """How the province proves its callbacks; None where none are taken.

    Raises:
        ValueError: keys that cannot work (Chinese).
    """
    platform, given = settings.platform, settings.callbacks
    if not given.addresses:
        return None
    family = {"plain": "address", "soap": "address"}.get(platform.signing, platform.signing)
    return build_callbacks(
        given.proof or family,
        given.window_s,
        tif=(platform.tif_paasid, platform.tif_secret.get_secret_value()),
        api=(platform.api_access_key, platform.api_secret_key.get_secret_value()),
        key=(platform.apikey_header, platform.apikey.get_secret_value()),
        client_id=platform.oauth.client_id,
        sm=SmKeys(**_revealed(platform.sm)),
    )
