"""The composition root: settings in, running parts out. Nothing else builds objects."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, SecretStr

from adapters.settlement.build import OAuth, SmKeys, build_platform
from adapters.settlement.files import NO_FILES, Files
from gateway import clock, mappings
from gateway.certificates import CertificateWatch
from gateway.contract import hospital
from gateway.contract.envelope import Sender
from gateway.contract.errors import MappingError
from gateway.contract.interface import Interface
from gateway.contract.model import Contract
from gateway.contract.published import NAMESPACE, operations
from gateway.desks import token_file
from gateway.desks.alignment import AlignmentDesk
from gateway.desks.console import ConsoleDesk, SignInPolicy
from gateway.desks.doubts import DoubtsDesk
from gateway.desks.stays import StaysDesk
from gateway.desks.store import StoreDesk
from gateway.dip.api import DipApi
from gateway.dip.feed import DipFeed
from gateway.episodes import EpisodeLoop, Episodes
from gateway.exchange.backfill import fill_facts
from gateway.exchange.breaker import Breaker, BreakerPolicy
from gateway.exchange.exchange import Exchange
from gateway.exchange.gate import CallsInHand, PlatformGate, WatchedPlatform
from gateway.exchange.limits import FairQueue, Shares
from gateway.exchange.msgid import MsgidSequence
from gateway.exchange.nodes import Heartbeat, Membership, facts_of_this_process
from gateway.exchange.outpatient import OutpatientSettlements
from gateway.exchange.patience import Times
from gateway.exchange.ports import Query, SettlementPlatform, State
from gateway.exchange.prober import Prober
from gateway.exchange.resolver import Policy, Resolver
from gateway.exchange.resolver_loop import ResolverLoop, WorkList
from gateway.exchange.sign_in import SignIns
from gateway.exchange.stay_rules import StayRules
from gateway.files.shelf import Shelf
from gateway.hours import read_closing
from gateway.http.admin import Admin
from gateway.http.identity import Clients
from gateway.http.json_api import JsonApi
from gateway.http.listeners import Apps
from gateway.http.papers import Papers
from gateway.http.reception import Reception
from gateway.http.router import Lazily, Router, WsgiApp
from gateway.mappings.dialects import DialectLibrary
from gateway.metrics import Metrics
from gateway.published import wsdl_files
from gateway.resealing_loop import ResealingLoop
from gateway.rules import policy as rules
from gateway.settings import ClientSettings, Settings, Workstation
from gateway.soap.hospital import Hospital, HospitalService
from gateway.soap.lane import Lane
from gateway.soap.operations import (
    build_application,
    build_legacy_application,
    build_service,
    build_string_application,
)
from gateway.soap.services import LegacyService, StringService, TypedService
from gateway.stays.desk import StayDesk
from gateway.store import Store, open_configured
from gateway.vouchers.desk import VoucherDesk
from gateway.vouchers.values import Institution
from jobs.alignment import Alignment

log = structlog.get_logger(__name__)

MSGIDS_PER_BLOCK = 200
CONSOLE_CLIENT = "console"
OWN_CONNECTIONS = 2
"""Kept for the resolver and the probe, so that full lines never keep a doubt open."""


class Mappings:
    """The mapping files in force: interface and dialects, replaced together or not at all.

    Args:
        settings: province and strictness.
        root: folder that holds ``mappings/``.
    """

    def __init__(self, settings: Settings, root: Path) -> None:
        self._settings = settings
        self._root = root
        self.contracts, self.interface = self._load()
        self.dialects = DialectLibrary(root, self.interface.contract)
        self.reloaded: list[Callable[[], None]] = []

    def _load(self) -> tuple[list[Contract], Interface]:
        """Every province, since the WSDL is one for all of them; and the interface of ours."""
        contracts = mappings.load_all(self._root)
        province = self._settings.platform.province
        if province not in contracts:
            raise MappingError("mappings/provinces", 0, f"没有省份 {province}；可用：{'、'.join(contracts)}。")
        return list(contracts.values()), Interface(contracts[province], code_lists=self._settings.contract.code_lists)

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


@dataclass(frozen=True, slots=True)
class Gateway:
    """The running parts of one exchange process."""

    settings: Settings
    store: Store
    platform: SettlementPlatform
    exchange: Exchange
    resolver: Resolver
    loop: ResolverLoop
    resealing: ResealingLoop
    lists: EpisodeLoop
    heartbeat: Heartbeat
    mappings: Mappings
    metrics: Metrics
    router: Router
    admin: Admin
    episodes: Episodes
    alignment: Alignment
    background: ThreadPoolExecutor
    """Asks what nobody waits for."""

    def close(self) -> None:
        """After the last call: the resolver, the line, the registration, then the store, which finishes its writes."""
        self.resealing.close()
        self.lists.close()
        self.loop.close()
        self.background.shutdown(cancel_futures=True)
        self.platform.close()
        self.heartbeat.close()
        self.store.close()


def build_shelf(settings: Settings) -> Shelf:
    """Where files of the platform are kept; what is older than ``files.keep_days`` goes now."""
    shelf = Shelf(settings.files_folder, settings.files.bytes_max, settings.files.inline_bytes_max)
    shelf.sweep(clock.now() - timedelta(days=settings.files.keep_days))
    return shelf


def build_line(settings: Settings, files: Files = NO_FILES) -> SettlementPlatform:
    """The way to the province, and how files go on it."""
    platform = settings.platform
    account, secret = platform.account_and_secret
    return build_platform(
        platform.url,
        platform.signing,
        account=account,
        secret=secret.get_secret_value(),
        version=platform.api_version,
        header=platform.apikey_header,
        oauth=OAuth(**_revealed(platform.oauth)),
        sm=SmKeys(**_revealed(platform.sm)),
        soap=_revealed(platform.soap),
        url_per_infno=platform.one_url_per_infno,
        paths=platform.paths,
        connect_timeout_s=platform.connect_timeout_s,
        read_timeout_s=platform.read_timeout_s,
        answer_bytes_max=platform.answer_bytes_max,
        pool_size=platform.pool_size + OWN_CONNECTIONS,
        idle_s_max=platform.idle_s_max,
        ca_file=platform.ca_file,
        client_cert=platform.client_certificate,
        client_key=platform.client_key,
        files=files,
    )


def _revealed(part: BaseModel) -> dict[str, Any]:
    """A part of the settings with its secrets readable, for whoever signs with them."""
    given = part.model_dump()
    return {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in given.items()}


def build(settings: Settings, console_token: str = "") -> Gateway:
    """Everything one exchange process needs, ready to be called.

    Args:
        console_token: what the console proves itself with at the desk, and as a client of the exchange; empty: no console.

    Raises:
        MappingError: a mapping file is wrong.
        StoreError: the store cannot be opened or upgraded.
    """
    settings = _with_console(settings, console_token)
    root = mappings.data_root()
    files = Mappings(settings, root)
    store = open_configured(settings)
    store.upgrade()
    store.operator_log.anchor(lambda seq, digest: log.info("operator_log", seq=seq, digest=digest))
    store.escalate_lost(clock.now())
    metrics = Metrics(files.interface.contract.transactions, [client.name for client in settings.clients], State)
    membership = _membership(settings, store)
    msgids = MsgidSequence(store.journal, settings.institution.code, clock.now, block=MSGIDS_PER_BLOCK)
    sign_ins = SignIns(store.journal)
    gate = _gate(settings, metrics)
    shelf = build_shelf(settings)
    multipart = (settings.platform.file_upload or files.interface.contract.settings.get("file_upload")) != "base64"
    line = build_line(settings, Files("multipart" if multipart else "base64", shelf))
    platform = WatchedPlatform(line, gate, lambda infno: files.interface.wire_safety.get(infno, "read"))
    sender = _sender(settings, files.interface)
    reached = _ending_at(settings.test_die_at, settings.test_stop_at)
    desk = StayDesk(store.journal.stays, rules_policy(settings), clock.now, OutpatientSettlements(store.journal).of)
    background = ThreadPoolExecutor(1, "read_back")
    stay_rules = StayRules(
        desk,
        store.journal,
        clock.now,
        verify_unanswered=settings.rules.verify_unanswered,
        later=background.submit,
    )
    _fill_facts(store, files.interface)
    exchange = Exchange(
        interface=lambda: files.interface,
        journal=store.journal,
        platform=platform,
        msgids=msgids,
        sender=sender,
        clock=clock.now,
        sign_ins=sign_ins,
        observer=metrics,
        node=membership.current,
        unknown_fields=settings.contract.unknown_fields,
        twin_wait_s=settings.limits.twin_wait_s,
        after_restore=store.after_restore,
        gate=gate,
        times=_times(settings),
        still_mine=membership.still_mine,
        reached=reached,
        rules=stay_rules,
        shelf=shelf,
    )
    resolver = Resolver(
        interface=lambda: files.interface,
        journal=store.journal,
        platform=platform,
        msgids=msgids,
        sender=sender,
        clock=clock.now,
        monotonic=time.monotonic,
        sign_ins=sign_ins,
        policy=_policy(settings),
        node=membership.current,
        still_mine=membership.still_mine,
        reached=reached,
    )
    work_list = WorkList(store.journal, clock.now)
    reception = Reception(
        exchange,
        Clients(settings.clients, clock.now),
        _calls_in_hand(settings, metrics),
        settings.limits,
        settings.listen,
        metrics,
    )
    vouchers = voucher_desk(settings, desk, store, lambda: files.interface)
    at_the_hospital = Hospital(reception, desk, vouchers)
    services = _services(reception, at_the_hospital, files, root)
    files.reloaded.append(services.forget)
    resealing = ResealingLoop(store.resealing)
    doubts = DoubtsDesk(resolver, store.operator_log)
    episodes = Episodes(store.stay_feed, store.journal.stays, desk.policy)
    station = {name: value for name, value in settings.alignment.workstation.model_dump().items() if value}
    alignment = Alignment(episodes, desk, exchange, store.stay_feed, station, clock.now)
    certificates = CertificateWatch(settings.certificates, clock.now)
    admin = Admin(
        metrics,
        checks={
            "store": store.journal.ready,
            "platform": partial(platform.reachable, 2.0),
            # whom the others take for dead gets no calls from the balancer
            "node": membership.well,
        },
        told={
            "sign_in": lambda: bool(sign_ins.number("", clock.now())),
            "registered_as": lambda: membership.current().name,
            "msgid_ahead_s": lambda: msgids.ahead_s,
            "breaker": lambda: gate.status().conditions,
            "certificate_days": certificates.days_left,
        },
        reload=files.reload,
        measure=partial(_measure, metrics, store, msgids, work_list, gate, certificates),
        doubts=doubts,
        stays=StaysDesk(desk, stay_rules, exchange, clock.now, head=_own_workstation(settings), log=store.operator_log),
        store=StoreDesk(store, resealing.wake),
        console=(ConsoleDesk(store, clock.now, sign_in_policy(settings), doubts), console_token),
        alignment=AlignmentDesk(alignment, store.stay_feed, store.operator_log),
    )
    router = Router(
        services,
        JsonApi(reception, at_the_hospital),
        Papers(reception, vouchers),
        DipApi(reception, DipFeed(store.stay_feed, store.journal.stays, desk.policy)),
        _published_file(root),
        settings.listen,
        _titles(files),
        exchange.told,
    )
    heartbeat = Heartbeat(membership, settings.nodes.heartbeat_s)
    heartbeat.start()
    prober = Prober(exchange, gate, settings.platform.connect_timeout_s + settings.platform.breaker.slow_s)
    loop = ResolverLoop(exchange, resolver, work_list, prober.turn)
    loop.start()
    resealing.start()
    lists = EpisodeLoop(episodes)
    lists.start()
    return Gateway(
        settings=settings,
        store=store,
        platform=platform,
        exchange=exchange,
        resolver=resolver,
        loop=loop,
        resealing=resealing,
        lists=lists,
        heartbeat=heartbeat,
        mappings=files,
        metrics=metrics,
        router=router,
        admin=admin,
        episodes=episodes,
        alignment=alignment,
        background=background,
    )


def _membership(settings: Settings, store: Store) -> Membership:
    """This process among the nodes, registered: from here on it may send."""
    facts = facts_of_this_process(
        settings.listen.exchange.address, version("yibao-gateway"), settings.nodes.dead_after_s
    )
    membership = Membership(
        store.nodes,
        settings.node,
        facts,
        clock=clock.now,
        monotonic=time.monotonic,
        heartbeat_s=settings.nodes.heartbeat_s,
    )
    membership.start()
    return membership


def _with_console(settings: Settings, console_token: str) -> Settings:
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


def _gate(settings: Settings, metrics: Metrics) -> PlatformGate:
    platform, limits = settings.platform, settings.limits
    places = min(settings.listen.threads, platform.pool_size)
    shares = Shares(places, [client.name for client in settings.clients], limits.sure_share)
    return PlatformGate(
        platform.url,
        Breaker(BreakerPolicy(**platform.breaker.model_dump())),
        FairQueue(shares),
        [read_closing(text) for text in platform.closed],
        clock=clock.now,
        monotonic=time.monotonic,
        limited=metrics.count_limited,
    )


def _calls_in_hand(settings: Settings, metrics: Metrics) -> CallsInHand:
    at_most = {client.name: client.concurrent_max for client in settings.clients if client.concurrent_max}
    names = [client.name for client in settings.clients]
    return CallsInHand(
        Shares(settings.limits.calls_max, names, settings.limits.sure_share, at_most), metrics.count_limited
    )


def _times(settings: Settings) -> Times:
    platform = settings.platform
    return Times(settings.call_s_max, settings.limits.turn_wait_s, platform.connect_timeout_s, platform.read_timeout_s)


def _policy(settings: Settings) -> Policy:
    resolve = settings.resolve
    return Policy(
        resolve.tries_max, resolve.pause_s, resolve.factor, resolve.pause_s_max, settings.platform.settle_time_s
    )


def _own_workstation(settings: Settings) -> dict[str, str]:
    """Who stands in the head of what the gateway asks for an operator: the first workstation that is configured."""
    stations = [client.workstation.model_dump() for client in settings.clients]
    return next((found for found in stations if found["opter"] and found["mac"]), stations[0])


def _fill_facts(store: Store, interface: Interface) -> None:
    transactions = interface.contract.transactions
    fill_facts(store.journal, store.journal.stays, transactions, interface.success_infcodes)


def rules_policy(settings: Settings) -> rules.Policy:
    """The switches of the entry-time rules as configured."""
    given = settings.rules.model_dump(exclude={"verify_unanswered"})
    given["category_changes"] = frozenset((before, after) for before, after in settings.rules.category_changes)
    return rules.Policy(**{**given, "not_wards": frozenset(settings.wards.not_wards)})


def voucher_desk(settings: Settings, stays: StayDesk, store: Store, interface: Callable[[], Interface]) -> VoucherDesk:
    """Where vouchers are printed."""
    institution = Institution(settings.institution.code, settings.institution.name)
    return VoucherDesk(stays, store.journal, store.vouchers, interface, institution)


def _ending_at(die_at: str, stop_at: str) -> Callable[[str, str], None]:
    """For tests with real processes: end this one at a boundary, as a power cut would, or stop it as a long pause would."""
    stops = [stop_at] if stop_at else []

    def is_at(place: str, name: str, infno: str) -> bool:
        boundary, _, only = place.partition(":")
        return boundary == name and only in ("", infno)

    def reached(name: str, infno: str) -> None:
        if is_at(die_at, name, infno):
            # SIGKILL where there is one: no handler runs, nothing is flushed
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        if stops and is_at(stops[0], name, infno):
            stops.clear()  # once: whoever lets it go on wants to see what it does then
            os.kill(os.getpid(), signal.SIGSTOP)

    return reached


def make_wsgi(settings: Settings, console_token: str = "") -> Apps:
    """What the listeners serve."""
    gateway = build(settings, console_token)
    token_file.keep(settings.store.url, console_token)
    return Apps(exchange=gateway.router, admin=gateway.admin, close=gateway.close)


IN_DOUBT_COUNTED_MAX = 1000


def _measure(
    metrics: Metrics,
    store: Store,
    msgids: MsgidSequence,
    work_list: WorkList,
    gate: PlatformGate,
    certificates: CertificateWatch,
) -> None:
    """Gauges that are read from where the truth is, when somebody asks."""
    in_doubt = store.journal.search(Query(states=(State.IN_DOUBT,), limit=IN_DOUBT_COUNTED_MAX))
    metrics.set_in_doubt(len(in_doubt))
    escalated = store.journal.search(Query(states=(State.ESCALATED,), limit=IN_DOUBT_COUNTED_MAX))
    metrics.set_escalated(len(escalated))
    metrics.set_gate(gate.status())
    metrics.set_untold(len(work_list.entries()))
    metrics.set_msgid_ahead(msgids.ahead_s)
    metrics.set_certificates(certificates.days_left())


def _sender(settings: Settings, interface: Interface) -> Sender:
    province = interface.contract.settings
    return Sender(
        fixmedins_code=settings.institution.code,
        fixmedins_name=settings.institution.name,
        mdtrtarea_admvs=settings.institution.area,
        insuplc_admdvs=settings.institution.patient_area,
        recer_sys_code=settings.platform.receiver_system or str(province.get("recer_sys_code", "")),
        infver=settings.platform.interface_version or str(province.get("infver", "")),
    )


# ------------------------------------------------------------------ services


def _services(reception: Reception, at_the_hospital: Hospital, files: Mappings, root: Path) -> Lazily:
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


def _published_file(root: Path) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        try:
            return wsdl_files.published(root, name)
        except KeyError:
            return None

    return read


def _titles(files: Mappings) -> dict[str, str]:
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
