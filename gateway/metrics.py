"""What Prometheus reads at ``/metrics``. Every label comes from a closed list, so a stranger cannot grow it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.exchange.breaker import Condition
from gateway.exchange.gate import GateStatus
from gateway.faults import FAULTS

OTHER = "other"
_BREAKER = {Condition.CLOSED: 0, Condition.HALF_OPEN: 1, Condition.OPEN: 2}
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)


class Metrics:
    """Counters and gauges of one process, in a registry of its own.

    Args:
        infnos: transactions of the contract; any other is counted as ``other``.
        clients: configured client names; any other is counted as ``other``.
        outcomes: states an exchange can end in (``exchange.ports.State``); any other is counted as ``other``.
        codes: fault codes; default is the published table.
    """

    def __init__(
        self, infnos: Iterable[str], clients: Iterable[str], outcomes: Iterable[str], codes: Iterable[str] = FAULTS
    ) -> None:
        self._infnos = frozenset(infnos)
        self._clients = frozenset(clients)
        self._codes = frozenset(codes)
        self._outcomes = frozenset(str(outcome) for outcome in outcomes)
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._exchanges = Counter(
            "yibao_exchanges", "Exchanges by outcome", ["infno", "outcome", "client"], registry=registry
        )
        self._exchange_seconds = Histogram(
            "yibao_exchange_seconds", "Whole exchange, request to reply", ["infno"], buckets=_SECONDS, registry=registry
        )
        self._platform_seconds = Histogram(
            "yibao_platform_seconds", "Waiting for the platform", ["infno"], buckets=_SECONDS, registry=registry
        )
        self._faults = Counter("yibao_faults", "Faults answered by the gateway", ["code"], registry=registry)
        self._in_doubt = Gauge("yibao_in_doubt", "Exchanges whose outcome is unknown", registry=registry)
        self._escalated = Gauge("yibao_escalated", "Doubtful exchanges that a person must settle", registry=registry)
        self._untold = Gauge("yibao_untold", "Confirmed money whose reply reached nobody", registry=registry)
        self._msgid_ahead = Gauge(
            "yibao_msgid_ahead_seconds", "Logical msgid time ahead of the clock", registry=registry
        )
        self._limited = Counter("yibao_turned_away", "Calls that were not sent", ["client", "code"], registry=registry)
        self._breaker = Gauge(
            "yibao_breaker", "0 closed, 1 half open, 2 open, by safety class", ["safety"], registry=registry
        )
        self._certificate_days = Gauge(
            "yibao_certificate_days", "Days until a certificate ends", ["certificate"], registry=registry
        )
        self._job_alert = Gauge(
            "yibao_job_alert", "1 while a job has failed, or has not done well for too long", ["job"], registry=registry
        )
        self._job_good = Gauge(
            "yibao_job_last_good_timestamp_seconds", "When a job last did well; 0 never", ["job"], registry=registry
        )
        self._waiting = Gauge("yibao_waiting", "Calls waiting for a turn to the platform", registry=registry)
        self._sending = Gauge("yibao_sending", "Turns to the platform that are held", registry=registry)
        self._inflight = Gauge("yibao_inflight", "Exchanges running now", registry=registry)

    def count_exchange(self, infno: str, outcome: str, client: str, seconds: float) -> None:
        """One exchange ended in ``outcome`` after ``seconds``."""
        known = _one_of(infno, self._infnos)
        self._exchanges.labels(known, _one_of(outcome, self._outcomes), _one_of(client, self._clients)).inc()
        self._exchange_seconds.labels(known).observe(seconds)

    def observe_platform(self, infno: str, seconds: float) -> None:
        """The platform was waited for, with or without an answer."""
        self._platform_seconds.labels(_one_of(infno, self._infnos)).observe(seconds)

    def count_fault(self, code: str) -> None:
        """A fault was answered to a caller."""
        self._faults.labels(_one_of(code, self._codes)).inc()

    def count_limited(self, client: str, code: str) -> None:
        """A call of this client was not sent because of a limit."""
        self._limited.labels(_one_of(client, self._clients), _one_of(code, self._codes)).inc()

    def set_gate(self, status: GateStatus) -> None:
        """How the gate to the platform stands."""
        for safety, condition in status.conditions.items():
            self._breaker.labels(safety).set(_BREAKER[condition])
        self._waiting.set(status.waiting)
        self._sending.set(status.sending)

    def set_certificates(self, days_left: Mapping[str, int]) -> None:
        """Days until each certificate ends; below 30 somebody should act."""
        for name, days in days_left.items():
            self._certificate_days.labels(name).set(days)

    def set_job(self, job: str, *, alert: bool, last_good_s: float) -> None:
        """How a job of the program's own list stands; seconds since 1970."""
        self._job_alert.labels(job).set(alert)
        self._job_good.labels(job).set(last_good_s)

    def set_in_doubt(self, count: int) -> None:
        """How many exchanges are in doubt now, as the journal says."""
        self._in_doubt.set(count)

    def set_escalated(self, count: int) -> None:
        """How many doubts wait for a person."""
        self._escalated.set(count)

    def set_untold(self, count: int) -> None:
        """How long the work list of replies that reached nobody is."""
        self._untold.set(count)

    def set_msgid_ahead(self, seconds: float) -> None:
        """How far the logical time of the last ``msgid`` is ahead of the clock; never below zero."""
        self._msgid_ahead.set(max(seconds, 0.0))

    def watch_in_flight(self, running: Callable[[], int]) -> None:
        """Ask ``running`` how many exchanges are running whenever somebody looks."""
        self._inflight.set_function(running)

    def render(self) -> tuple[bytes, str]:
        """The page and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


def _one_of(value: str, known: frozenset[str]) -> str:
    return str(value) if value in known else OTHER
