"""What /metrics shows, and that strangers cannot make it grow."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from gateway.exchange.ports import State
from gateway.faults import FAULTS
from gateway.metrics import Metrics


def page(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Samples by name and label values."""
    body, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    families = text_string_to_metric_families(body.decode())
    return {(s.name, *(f"{k}={v}" for k, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def metrics() -> Metrics:
    return Metrics(["1101", "2304"], ["his"], State)


def test_an_exchange_is_counted_and_timed() -> None:
    m = metrics()
    m.count_exchange("2304", State.CONFIRMED, "his", 0.2)
    m.count_exchange("2304", State.CONFIRMED, "his", 3)
    m.count_exchange("2304", State.IN_DOUBT, "his", 60)
    samples = page(m)
    assert samples["yibao_exchanges_total", "client=his", "infno=2304", "outcome=CONFIRMED"] == 2
    assert samples["yibao_exchanges_total", "client=his", "infno=2304", "outcome=IN_DOUBT"] == 1
    assert samples["yibao_exchange_seconds_count", "infno=2304"] == 3
    assert samples["yibao_exchange_seconds_sum", "infno=2304"] == 63.2
    assert samples["yibao_exchange_seconds_bucket", "infno=2304", "le=0.25"] == 1


def test_the_platform_is_timed_apart() -> None:
    m = metrics()
    m.observe_platform("1101", 0.5)
    assert page(m)["yibao_platform_seconds_count", "infno=1101"] == 1


def test_faults_by_code() -> None:
    m = metrics()
    for code in FAULTS:
        m.count_fault(code)
    samples = page(m)
    assert all(samples["yibao_faults_total", f"code={code}"] == 1 for code in FAULTS)


def test_gauges() -> None:
    m = metrics()
    m.set_in_doubt(3)
    m.set_msgid_ahead(12.5)
    running = [2]
    m.watch_in_flight(lambda: running[0])
    assert page(m)["yibao_inflight",] == 2
    running[0] = 0
    samples = page(m)
    assert samples["yibao_inflight",] == 0
    assert samples["yibao_in_doubt",] == 3
    assert samples["yibao_msgid_ahead_seconds",] == 12.5
    m.set_msgid_ahead(-5)
    assert page(m)["yibao_msgid_ahead_seconds",] == 0


def test_labels_of_strangers_are_other() -> None:
    m = metrics()
    for n in range(500):
        m.count_exchange(f"x{n}", f"state{n}", f"client{n}", 0.1)
        m.observe_platform(f"x{n}", 0.1)
        m.count_fault(f"GW-{n}")
    samples = page(m)
    assert samples["yibao_exchanges_total", "client=other", "infno=other", "outcome=other"] == 500
    assert samples["yibao_faults_total", "code=other"] == 500
    assert samples["yibao_platform_seconds_count", "infno=other"] == 500
    assert len(samples) < 100


def test_two_gateways_in_one_process_do_not_share() -> None:
    one, other = metrics(), metrics()
    one.set_in_doubt(1)
    assert page(other)["yibao_in_doubt",] == 0
