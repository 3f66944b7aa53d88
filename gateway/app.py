"""The composition root: settings in, running parts out. Nothing else builds objects."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cached_property, partial
from importlib.metadata import version

import structlog

from adapters.his.report import StartReport
from adapters.his.ways import HisRecords, open_records
from adapters.settlement.files import Files
from gateway import clock, configured, lanes, mappings
from gateway.alerts.watch import EVERY_S as ALERTS_EVERY_S
from gateway.alerts.watch import AlertWatch, Facts
from gateway.background import Background
from gateway.catalogs.day_surgery import day_surgery
from gateway.catalogs.service import CatalogUpdates, infnos_of
from gateway.catalogs.terms import CatalogTerms
from gateway.certificates import PLATFORM as CERTIFICATE
from gateway.certificates import CertificateWatch
from gateway.contract.catalogs import Catalog
from gateway.contract.dialect import Dialect
from gateway.desks import token_file
from gateway.desks.alignment import AlignmentDesk
from gateway.desks.console import ConsoleDesk
from gateway.desks.doubts import DoubtsDesk
from gateway.desks.fees import FeesDesk
from gateway.desks.jobs import JobsDesk
from gateway.desks.lists import ListsDesk
from gateway.desks.reconcile import ReconcileDesk
from gateway.desks.resend import ResendDesk
from gateway.desks.reviews import ReviewsDesk
from gateway.desks.stay_acts import StayActs
from gateway.desks.stays import StaysDesk
from gateway.desks.store import StoreDesk
from gateway.desks.vouchers import VouchersDesk
from gateway.dip.api import dip_api
from gateway.dip.differences import settled_stays
from gateway.dip.feed import DipFeed
from gateway.episodes import TURN_S, Episodes
from gateway.exchange.again import Resends
from gateway.exchange.breaker import Breaker, BreakerPolicy
from gateway.exchange.callbacks import CallbackDesk
from gateway.exchange.exchange import Exchange
from gateway.exchange.gate import CallsInHand, PlatformGate, WatchedPlatform
from gateway.exchange.limits import FairQueue, Shares
from gateway.exchange.msgid import MsgidSequence
from gateway.exchange.nodes import Membership
from gateway.exchange.outpatient import OutpatientSettlements
from gateway.exchange.ports import Query, State
from gateway.exchange.prober import Prober
from gateway.exchange.receipts import EVERY_S as RECEIPTS_EVERY_S
from gateway.exchange.receipts import Receipts
from gateway.exchange.resolver import Resolver
from gateway.exchange.resolver_turn import EVERY_S, ResolverTurn, WorkList
from gateway.exchange.sign_in import SignIns
from gateway.exchange.stay_rules import StayRules
from gateway.figures import FigureBook
from gateway.files.keeping import EVERY_S as FILES_EVERY_S
from gateway.files.keeping import Keeping
from gateway.files.shelf import Shelf
from gateway.hours import read_closing
from gateway.http.admin import Admin
from gateway.http.callbacks import CallbackApi
from gateway.http.his_side import Apps
from gateway.http.identity import Clients
from gateway.http.json_api import JsonApi
from gateway.http.papers import Papers
from gateway.http.reception import Reception
from gateway.http.router import Lazily, Router
from gateway.http.stays_api import StayPages, StaysApi
from gateway.mappings.catalogs import load_catalogs
from gateway.mappings.in_force import Mappings
from gateway.metrics import Metrics
from gateway.reconcile.service import Reconciliation
from gateway.reports import Reports
from gateway.retention_run import RetentionRun, limits_of
from gateway.reviews import Reviews
from gateway.settings import Settings
from gateway.soap.hospital import Hospital
from gateway.soap.reread import Reread
from gateway.stays.desk import StayDesk
from gateway.stays.hospital import SubjectName
from gateway.store import Store, open_configured
from gateway.store.backfill import fill_facts
from gateway.store.resealing import IDLE_S
from gateway.store.stay_feed import Episode
from gateway.this_process import ending_at, facts_of_this_process, process_lives
from gateway.vouchers.desk import VoucherDesk
from gateway.vouchers.press import Press
from gateway.vouchers.values import Institution
from jobs.alignment import Alignment, align
from jobs.backup import Backups
from jobs.catalogs import Catalogs
from jobs.daily_report import DailyReport
from jobs.dip_differences import DipComparison, count, newest
from jobs.doubts import Doubts
from jobs.fee_upload import CHOSEN, FeeUpload
from jobs.his_sync import CLIENT as HIS_SYNC
from jobs.his_sync import HisSync
from jobs.job import Job
from jobs.reconcile import Reconciling
from jobs.retention import Retaining
from jobs.review_month import MonthReview
from jobs.runner import Runner
from jobs.settlement_lists import SettlementLists
from jobs.sign_in import SignInDesk
from jobs.standing import standings
from jobs.timetable import Timetable

log = structlog.get_logger(__name__)

MSGIDS_PER_BLOCK = 200
IN_DOUBT_COUNTED_MAX = 1000


def make_wsgi(settings: Settings, console_token: str = "", reports: Sequence[str] = ()) -> Apps:
    """What the listeners serve.

    Args:
        reports: command line of the process that calculates what takes long; empty: it is calculated here.
    """
    gateway = build(settings, console_token, reports)
    token_file.keep(settings.store.url, console_token)
    return Apps(exchange=gateway.router, admin=gateway.admin, close=gateway.close)


def build(settings: Settings, console_token: str = "", reports: Sequence[str] = ()) -> Gateway:
    """Everything one exchange process needs, ready to be called.

    Args:
        console_token: what the console proves itself with at the desk, and as a client of the exchange; empty: no console.
        reports: see :func:`make_wsgi`.

    Raises:
        MappingError: a mapping file is wrong.
        StoreError: the store cannot be opened or upgraded.
    """
    gateway = Gateway(settings, console_token, reports)
    gateway.start()
    return gateway


class Gateway:
    """The running parts of one exchange process; each is built when it is first asked for, from those it needs."""

    def __init__(self, settings: Settings, console_token: str, reports: Sequence[str] = ()) -> None:
        self.settings = configured.with_console(settings, console_token)
        self._console_token = console_token
        self.reports = Reports(reports) if reports else None
        self._root = mappings.data_root()
        self._reached = ending_at(settings.test_die_at, settings.test_stop_at)
        self.background = ThreadPoolExecutor(1, "read_back")
        """Asks what nobody waits for."""

    def start(self) -> None:
        """Bring the store up to date, register among the nodes, begin what runs by itself."""
        self.known_catalogs()  # a wrong mapping file stops the start before anything is written
        self.store.upgrade()
        self.store.operator_log.anchor(lambda seq, digest: log.info("operator_log", seq=seq, digest=digest))
        self.store.escalate_lost(clock.now())
        self.membership.start()
        self.fill_facts()
        self.mappings.reloaded.append(self.services.forget)
        for thread in self.threads:
            thread.start()
        self.his_report.start()
        if self.settings.jobs.enabled:
            self.timetable.start()

    def close(self) -> None:
        """After the last call: jobs, threads, the line, the registration, then the store, which finishes its writes."""
        self.timetable.close()
        self.acts.close()
        self.his_report.close()
        self.reconcile_desk.close()
        self.retention.close()
        for thread in reversed(self.threads):
            if thread is not self.heartbeat:
                thread.close()
        self.background.shutdown(cancel_futures=True)
        if self.reports is not None:
            self.reports.close()
        self.receipts.keep()
        self.platform.close()
        self.heartbeat.close()
        self.membership.leave()
        records, _ = self.__dict__.get("his", (None, {}))
        if records is not None:
            records.close()
        self.store.close()

    def fill_facts(self) -> None:
        """Make the stay facts of exchanges of before there were any."""
        interface = self.mappings.interface
        fill_facts(
            self.store.journal, self.store.journal.stays, interface.contract.transactions, interface.success_infcodes
        )

    # -------------------------------------------------------------- the ground

    @cached_property
    def mappings(self) -> Mappings:
        return Mappings(self._root, self.settings.platform.province, self.settings.contract.code_lists)

    @cached_property
    def store(self) -> Store:
        return open_configured(self.settings)

    @cached_property
    def metrics(self) -> Metrics:
        clients = [client.name for client in self.settings.clients]
        return Metrics(self.mappings.interface.contract.transactions, clients, State)

    @cached_property
    def membership(self) -> Membership:
        """This process among the nodes; once it has started, it may send."""
        nodes = self.settings.nodes
        return Membership(
            self.store.nodes,
            self.settings.node,
            facts_of_this_process(self.settings.listen.exchange.address, version("yibao-gateway"), nodes.dead_after_s),
            clock=clock.now,
            monotonic=time.monotonic,
            heartbeat_s=nodes.heartbeat_s,
            lives=process_lives,
        )

    # ---------------------------------------------------- the way of one call

    @cached_property
    def gate(self) -> PlatformGate:
        platform, limits = self.settings.platform, self.settings.limits
        places = min(self.settings.listen.threads, platform.pool_size)
        shares = Shares(places, [client.name for client in self.settings.clients], limits.sure_share)
        return PlatformGate(
            platform.url,
            Breaker(BreakerPolicy(**platform.breaker.model_dump())),
            FairQueue(shares),
            [read_closing(text) for text in platform.closed],
            clock=clock.now,
            monotonic=time.monotonic,
            limited=self.metrics.count_limited,
        )

    @cached_property
    def shelf(self) -> Shelf:
        """Where files of the platform are kept."""
        files = self.settings.files
        return Shelf(self.settings.files_folder, files.bytes_max, files.inline_bytes_max)

    @cached_property
    def keeping(self) -> Keeping:
        return Keeping(self.shelf, self.settings.files.keep_days, clock.now)

    @cached_property
    def platform(self) -> WatchedPlatform:
        upload = configured.file_upload(self.settings, self.mappings.interface)
        said, shown = self.mappings.interface.contract.settings, partial(self.certificates.show, CERTIFICATE)
        line = configured.build_line(self.settings, Files(upload, self.shelf), said, shown)
        return WatchedPlatform(line, self.gate, lambda infno: self.mappings.interface.wire_safety.get(infno, "read"))

    @cached_property
    def msgids(self) -> MsgidSequence:
        return MsgidSequence(self.store.journal, self.settings.institution.code, clock.now, block=MSGIDS_PER_BLOCK)

    @cached_property
    def sign_ins(self) -> SignIns:
        return SignIns(self.store.journal)

    @cached_property
    def stays(self) -> StayDesk:
        settled = OutpatientSettlements(self.store.journal).of
        terms = CatalogTerms(self.store.catalogs, clock.now)
        return StayDesk(
            self.store.journal.stays, configured.rules_policy(self.settings), clock.now, settled, terms=terms
        )

    @cached_property
    def stay_rules(self) -> StayRules:
        return StayRules(
            self.stays,
            self.store.journal,
            clock.now,
            verify_unanswered=self.settings.rules.verify_unanswered,
            later=self.background.submit,
            day_surgery=day_surgery(self.settings.rules.day_surgery, self.store.catalogs, clock.now),
        )

    @cached_property
    def exchange(self) -> Exchange:
        return Exchange(
            interface=lambda: self.mappings.interface,
            journal=self.store.journal,
            platform=self.platform,
            msgids=self.msgids,
            sender=configured.sender_of(self.settings, self.mappings.interface),
            clock=clock.now,
            sign_ins=self.sign_ins,
            observer=self.metrics,
            node=self.membership.current,
            unknown_fields=self.settings.contract.unknown_fields,
            twin_wait_s=self.settings.limits.twin_wait_s,
            after_restore=self.store.after_restore,
            gate=self.gate,
            times=configured.patience(self.settings),
            still_mine=self.membership.still_mine,
            reached=self._reached,
            rules=self.stay_rules,
            shelf=self.shelf,
            station_of=partial(configured.station_of, self.settings),
        )

    @cached_property
    def resolver(self) -> Resolver:
        return Resolver(
            interface=lambda: self.mappings.interface,
            journal=self.store.journal,
            platform=self.platform,
            msgids=self.msgids,
            sender=configured.sender_of(self.settings, self.mappings.interface),
            clock=clock.now,
            monotonic=time.monotonic,
            sign_ins=self.sign_ins,
            policy=configured.resolve_policy(self.settings),
            node=self.membership.current,
            still_mine=self.membership.still_mine,
            reached=self._reached,
            renew=self._renew,
        )

    def _renew(self, client: str, head: Mapping[str, str], refused: str) -> None:
        """Sign in the operator of a doubtful exchange anew, at the workstation of the client that sent it."""
        stations = {one.name: one.workstation.model_dump() for one in self.settings.clients}
        station = stations.get(client) or configured.own_workstation(self.settings)
        self.exchange.sign_in_anew({name: text for name, text in station.items() if text}, head, refused)

    # ------------------------------------------------------- made of the stays

    @cached_property
    def episodes(self) -> Episodes:
        return Episodes(self.store.stay_feed, self.store.journal.stays, self.stays.policy)

    @cached_property
    def reviews(self) -> Reviews:
        return Reviews(self.store.stay_feed, self.store.journal.stays, self.stays.policy, clock.now)

    @cached_property
    def vouchers(self) -> VoucherDesk:
        institution = Institution(self.settings.institution.code, self.settings.institution.name)
        return VoucherDesk(
            self.stays,
            self.store.journal,
            self.store.vouchers,
            lambda: self.mappings.interface,
            institution,
            Press(self.settings.vouchers.fonts),
        )

    @cached_property
    def his(self) -> tuple[HisRecords | None, Mapping[SubjectName, str]]:
        """The HIS's own records, None where the configuration names no HIS; and what of it cannot be used.

        Raises:
            HisMisconfigured: there is no way to it as it is configured.
        """
        return open_records(self.settings.his) if self.settings.his.there else (None, {})

    @cached_property
    def his_report(self) -> StartReport:
        return StartReport(self.settings.his, clock.now)

    @cached_property
    def alignment(self) -> Alignment:
        given = self.settings.alignment.workstation.model_dump()
        station = {name: value for name, value in given.items() if value}
        return Alignment(self.episodes, self.stays, self.exchange, self.store.stay_feed, station, clock.now)

    @cached_property
    def settlement_lists(self) -> SettlementLists:
        given = self.settings.jobs.settlement_lists.workstation.model_dump()
        return SettlementLists(
            self.exchange,
            self.stays,
            self.episodes,
            configured.list_form(self.settings),
            {name: value for name, value in given.items() if value},
            clock.now,
            submit=self.settings.settlement_list.submit,
            follow=timedelta(days=self.settings.settlement_list.follow_days),
        )

    @cached_property
    def lists_desk(self) -> ListsDesk:
        head = configured.own_workstation(self.settings)
        return ListsDesk(self.settlement_lists, self.episodes, self.store.operator_log, head)

    @cached_property
    def reconciliation(self) -> Reconciliation:
        station = self.settings.reconcile.workstation.model_dump()
        return Reconciliation(
            exchange=self.exchange,
            journal=self.store.journal,
            interface=lambda: self.mappings.interface,
            resolver=self.resolver,
            records=self.store.recon,
            shelf=self.shelf,
            scope=configured.reconciled(self.settings),
            head={name: value for name, value in station.items() if value},
            clock=clock.now,
        )

    def known_catalogs(self) -> Mapping[str, Catalog]:
        """The catalogs of the interface in force, read anew: few ask, and files may have changed. Raises ``MappingError``."""
        return load_catalogs(self.mappings.interface.contract, self._root)

    @cached_property
    def catalog_updates(self) -> CatalogUpdates:
        station = self.settings.catalogs.workstation.model_dump()
        return CatalogUpdates(
            exchange=self.exchange,
            catalogs=self.known_catalogs,
            store=self.store.catalogs,
            shelf=self.shelf,
            institution=self.settings.institution.code,
            head={name: value for name, value in station.items() if value},
            policy=configured.catalog_policy(self.settings),
            clock=clock.now,
        )

    def chosen_catalogs(self) -> list[str]:
        """Which catalogs the job keeps. Raises ``MappingError``."""
        said = self.mappings.interface.contract.settings.get("catalogs")
        return infnos_of(self.settings.catalogs.infnos, self.known_catalogs(), said)

    @cached_property
    def reconcile_desk(self) -> ReconcileDesk:
        return ReconcileDesk(self.reconciliation, self.store.recon.unsettled_days, self.store.operator_log)

    @cached_property
    def acts(self) -> StayActs:
        """What people do about stays from the console."""
        return StayActs(
            self.stays,
            self.exchange,
            self.alignment,
            self.episodes,
            self.store.operator_log,
            configured.own_workstation(self.settings),
        )

    @cached_property
    def printing(self) -> VouchersDesk:
        return VouchersDesk(self.vouchers, self.stays, self.store.operator_log)

    @cached_property
    def console(self) -> ConsoleDesk:
        """Everything the console has done by this process."""
        policy = configured.sign_in_policy(self.settings)
        acts = {**self.acts.operations, **self.printing.operations, **self.reconcile_desk.operations}
        acts |= {**self.lists_desk.operations, **self.fees_desk.operations, **self.resend_desk.operations}
        acts |= self.reviews_desk.operations
        acts["run_job"] = self.jobs.run_for_console
        acts["his_report"] = self.his_report.told
        return ConsoleDesk(self.store, clock.now, policy, self.doubts, acts)

    @cached_property
    def takeovers(self) -> StaysDesk:
        return StaysDesk(
            self.stays,
            self.stay_rules,
            self.exchange,
            clock.now,
            head=configured.own_workstation(self.settings),
            log=self.store.operator_log,
        )

    @cached_property
    def fees_desk(self) -> FeesDesk:
        return FeesDesk(self.store.fees, self.jobs, self.store.operator_log, clock.now)

    @cached_property
    def reviews_desk(self) -> ReviewsDesk:
        return ReviewsDesk(self.store.remarks, self.stays, self.jobs, self.store.operator_log, clock.now)

    @cached_property
    def resend_desk(self) -> ResendDesk:
        journal, reread = self.store.journal, Reread(lambda: self.mappings.interface, self._dialects)
        resends = Resends(journal, self.reception.clients.by_name)
        return ResendDesk(self.exchange, journal, resends, reread.call, self.store.operator_log)

    def _dialects(self) -> Mapping[str, Dialect]:
        return self.mappings.dialects.current.dialects

    @cached_property
    def jobs(self) -> JobsDesk:
        return JobsDesk(self.runner, self.store.jobs, self.store.operator_log)

    @cached_property
    def doubts(self) -> DoubtsDesk:
        return DoubtsDesk(self.resolver, self.store.operator_log)

    # ------------------------------------------------------------- the ways in

    @cached_property
    def reception(self) -> Reception:
        in_hand = CallsInHand(configured.shares_of_calls(self.settings), self.metrics.count_limited)
        self.metrics.watch_in_flight(lambda: in_hand.running)
        return Reception(
            self.exchange,
            Clients(self.settings.clients, clock.now),
            in_hand,
            self.settings.limits,
            self.settings.listen,
            self.metrics,
        )

    @cached_property
    def hospital(self) -> Hospital:
        return Hospital(self.reception, self.stays, self.vouchers, self.callbacks)

    @cached_property
    def callbacks(self) -> CallbackDesk:
        """What the platform called, until the HIS has it."""
        settings = self.settings
        return CallbackDesk(
            lambda: self.mappings.interface,
            self.store.journal,
            self.store.callbacks,
            clock.now,
            settings.institution.code,
            settings.platform.province,
        )

    @cached_property
    def callback_api(self) -> CallbackApi | None:
        line = configured.callback_line(self.settings)
        return CallbackApi(self.reception, self.callbacks, line, self.settings.callbacks) if line else None

    @cached_property
    def receipts(self) -> Receipts:
        return Receipts(self.store.journal, clock.now)

    @cached_property
    def services(self) -> Lazily:
        return lanes.build_services(self.reception, self.hospital, self.mappings, self._root)

    @cached_property
    def router(self) -> Router:
        return Router(
            self.services,
            JsonApi(self.reception, self.hospital),
            Papers(self.reception, self.vouchers),
            dip_api(self.reception, DipFeed(self.store.stay_feed, self.store.journal.stays, self.stays.policy)),
            self._stays_api().served(self.reception),
            lanes.published_file(self._root),
            self.settings.listen,
            lanes.titles(self.mappings),
            self.receipts.told,
            self.callback_api,
        )

    def _stays_api(self) -> StaysApi:
        long = self.reports.answer if self.reports is not None else None
        return StaysApi(
            self.stays, StayPages(self.store.stay_feed, self.reviews), lambda: self.mappings.interface, long
        )

    # ------------------------------------------------------ the operator's side

    @cached_property
    def certificates(self) -> CertificateWatch:
        return CertificateWatch(self.settings.certificates, clock.now)

    @cached_property
    def work_list(self) -> WorkList:
        return WorkList(self.store.journal, clock.now)

    @cached_property
    def admin(self) -> Admin:
        return Admin(
            self.metrics,
            checks={
                "store": self.store.journal.ready,
                "platform": partial(self.platform.reachable, 2.0),
                # whom the others take for dead gets no calls from the balancer
                "node": self.membership.well,
            },
            told={
                "sign_in": lambda: bool(self.sign_ins.number("", clock.now())),
                "registered_as": lambda: self.membership.current().name,
                "msgid_ahead_s": lambda: self.msgids.ahead_s,
                "breaker": lambda: self.gate.status().conditions,
                "certificate_days": self.certificates.days_left,
            },
            reload=self.mappings.reload,
            measure=self._measure,
            doubts=self.doubts,
            stays=self.takeovers,
            store=StoreDesk(self.store, self.resealing.wake, self.retention),
            console=(self.console, self._console_token),
            vouchers=self.printing,
            resend=self.resend_desk,
            alignment=AlignmentDesk(self.alignment, self.store.stay_feed, self.store.operator_log),
            reconcile=self.reconcile_desk,
            lists=self.lists_desk,
            jobs=self.jobs,
        )

    def _measure(self) -> None:
        """Gauges that are read from where the truth is, when somebody asks."""
        metrics = self.metrics
        metrics.set_in_doubt(self._count(State.IN_DOUBT))
        metrics.set_escalated(self._count(State.ESCALATED))
        metrics.set_gate(self.gate.status())
        metrics.set_untold(len(self.work_list.entries()))
        metrics.set_msgid_ahead(self.msgids.ahead_s)
        metrics.set_certificates(self.certificates.days_left())
        for job in standings(self.settings.jobs.times, self.store.jobs, clock.now()):
            good_s = job.last_good_at.timestamp() if job.last_good_at else 0.0
            metrics.set_job(job.name, alert=bool(job.alert), last_good_s=good_s)

    def _count(self, state: State) -> int:
        return len(self.store.journal.search(Query(states=(state,), limit=IN_DOUBT_COUNTED_MAX)))

    # ---------------------------------------------------- what runs by itself

    @cached_property
    def runner(self) -> Runner:
        sign_ins = SignInDesk(self.exchange, self.sign_ins, configured.operators_to_sign_in(self.settings), clock.now)
        charging = self.settings.jobs.fee_upload
        station = charging.workstation.model_dump()
        operator = {name: value for name, value in station.items() if value}
        times = self.settings.jobs.his_sync
        sync = HisSync(
            lambda: self.his[0],
            lambda: self.his[1],
            self.hospital.teller(HIS_SYNC),
            lambda ref, psn_no: self.takeovers.from_platform(ref, psn_no, HIS_SYNC),
            self.stays,
            self.store.his_marks,
            clock.now,
            overlap_s=times.overlap_s,
            first_days=times.first_days,
            row_fields=self.hospital.row_fields,
            reached=self._reached,
        )
        fees = FeeUpload(
            self.exchange,
            self.stays,
            self.episodes,
            self.store.fees,
            lambda: self.his[0],
            operator,
            clock.now,
            overlap_s=charging.overlap_s,
            whole_every=timedelta(hours=charging.whole_every_h),
        )
        report = DailyReport(self.store, self.episodes, lambda: self.mappings.interface, clock.now)
        backups = Backups(self.store, self.settings.backup_folder, self.settings.jobs.backup.keep, clock.now)
        retaining = Retaining(
            self.store.retention,
            limits_of(self.settings.retention),
            self.store.nodes,
            version("yibao-gateway"),
            clock.now,
            self.keeping.sweep,
        )
        doubts = Doubts(self.store.journal, self.store.jobs, lambda: self.resolver.silent_s, clock.now)
        jobs = [
            Job("alignment", partial(align, self.alignment)),
            Job("doubts", doubts.work),
            Job("sign_in", sign_ins.sign_in),
            Job("sign_out", sign_ins.sign_out),
            Job("his_sync", sync.work, ("since",)),
            Job("fee_upload", fees.work, ("rows", CHOSEN)),
            Job("settlement_lists", self.settlement_lists.work),
            Job("reconcile", Reconciling(self.reconciliation, clock.now).work, ("day",)),
            Job("review_month", MonthReview(self.store.stay_feed, self.stays, clock.now).work, ("month", "by")),
            Job("dip_differences", self.dip_comparison.work),
            Job("catalogs", Catalogs(self.catalog_updates, self.chosen_catalogs).work, ("catalogs", "whole")),
            Job("daily_report", report.work, ("day",)),
            Job("backup", backups.work),
            Job("retention", retaining.work),
        ]
        return Runner(jobs, self.store.jobs, self.membership.current, clock.now)

    @cached_property
    def dip_comparison(self) -> DipComparison:
        times = self.settings.jobs.dip_differences
        return DipComparison(self._settled_stays, times.file, times.age_max_h, times.days, clock.now)

    def _settled_stays(self) -> list[Episode]:
        self.episodes.catch_up()
        return settled_stays(self.store.stay_feed)

    @cached_property
    def timetable(self) -> Timetable:
        return Timetable(self.runner, self.settings.jobs.times, self.store.jobs, self.membership.current, clock.now)

    @cached_property
    def heartbeat(self) -> Background:
        """In a thread of its own, since no call may delay a sign of life; registering was the first one."""
        return Background("heartbeat", self.membership.heartbeat, self.settings.nodes.heartbeat_s, at_once=False)

    @cached_property
    def loop(self) -> Background:
        platform = self.settings.platform
        prober = Prober(self.exchange, self.gate, platform.connect_timeout_s + platform.breaker.slow_s)
        turn = ResolverTurn(self.exchange, self.resolver, self.work_list, prober.turn)
        return Background("resolver", turn.take, EVERY_S)

    @cached_property
    def resealing(self) -> Background:
        return Background("resealing", self.store.resealing.turn, IDLE_S)

    @cached_property
    def retention(self) -> RetentionRun:
        """Begun by whoever asks at the store's desk."""
        return RetentionRun(self.store.retention, limits_of(self.settings.retention), clock.now)

    @cached_property
    def files_swept(self) -> Background:
        """On each node, whose folder is its own; the job ``retention`` has one runner."""
        return Background("files", self.keeping.turn, FILES_EVERY_S)

    @cached_property
    def lists(self) -> Background:
        return Background("episodes", self.episodes.turn, TURN_S, at_once=False)

    @cached_property
    def telling(self) -> Background:
        return Background("receipts", self.receipts.keep, RECEIPTS_EVERY_S, at_once=False)

    @cached_property
    def alerts(self) -> Background:
        given = self.settings.alerts
        folders = (self.settings.store_folder, self.settings.files_folder, self.settings.backup_folder)
        figures = FigureBook(self.store.figures, clock.now, timedelta(minutes=given.window_min))
        facts = Facts(
            self._waiting_for_people,
            lambda: None if self.gate.closed_until() else self.platform.reachable(2.0),
            self._jobs_on_alert,
            self._dip_differences,
            self.certificates.days_left,
            tuple(dict.fromkeys(folder for folder in folders if folder is not None)),
        )
        watch = AlertWatch(
            given, self.store.alerts, figures, facts, lambda: self.membership.current().name, clock.now, time.monotonic
        )
        return Background("alerts", watch.turn, ALERTS_EVERY_S, at_once=False)

    def _waiting_for_people(self) -> tuple[int, int, int]:
        return self._count(State.ESCALATED), self._count(State.IN_DOUBT), len(self.work_list.entries())

    def _jobs_on_alert(self) -> list[tuple[str, str, str]]:
        found = standings(self.settings.jobs.times, self.store.jobs, clock.now())
        return [(one.name, one.title, one.text) for one in found if one.alert]

    def _dip_differences(self) -> int:
        run = newest(self.store.jobs)
        return count(run) if run is not None else 0

    @cached_property
    def threads(self) -> tuple[Background, ...]:
        return (
            self.heartbeat, self.loop, self.resealing, self.lists, self.telling, self.alerts, self.files_swept,
        )  # fmt: skip
