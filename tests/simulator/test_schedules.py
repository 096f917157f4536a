"""Whose gradient is heard when: staleness, mini-batches and times, against simulations that keep the whole history."""

import heapq
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from asgd.simulator.events import Events, Fate, Ledger
from asgd.simulator.policies.discard import Discard
from asgd.simulator.policies.every import Every
from asgd.simulator.policies.synchronous import Synchronous
from asgd.simulator.schedules.alone_first import AloneFirst
from asgd.simulator.schedules.latency import Latency
from asgd.simulator.schedules.random import RandomWorker
from asgd.simulator.schedules.round_robin import RoundRobin

WORKERS = [1, 2, 7, 30]
SCHEDULES: dict[str, Callable[[int], object]] = {
    "round_robin": RoundRobin,
    "random": lambda m: RandomWorker(m, seed=3),
    "gamma": lambda m: Latency(m, seed=3, cv=0.5),
    "pareto": lambda m: Latency(m, seed=3, shape=1.5),
    "slow": lambda m: Latency(m, seed=3, cv=1.0, slow_share=0.5, slow_factor=4.0),
    "queue": lambda m: Latency(m, seed=3, cv=1.0, server_time=0.1),
    "alone_first": lambda m: AloneFirst(m, alone=40),
}
POLICIES = {
    "every": Every,
    "discard": lambda: Discard(8),
    "stop": lambda: Discard(8, stop=True),
    "synchronous": lambda: Synchronous(0),
}


def ledger_of(schedule: str, num_workers: int, policy: str = "every") -> Ledger:
    return Ledger(num_workers, SCHEDULES[schedule](num_workers), POLICIES[policy]())  # type: ignore[arg-type]


@pytest.mark.parametrize("num_workers", WORKERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_staleness_and_batches_follow_from_the_order_of_workers(schedule: str, num_workers: int) -> None:
    events = ledger_of(schedule, num_workers).advance(400)
    sent = dict.fromkeys(range(num_workers), 0)
    batches = {worker: worker for worker in range(num_workers)}
    for k, worker in enumerate(events.worker):
        assert events.staleness[k] == k - sent[worker]
        assert events.batch[k] == batches[worker]
        sent[worker], batches[worker] = k + 1, num_workers + k
    assert set(events.fate) == {Fate.APPLIED}
    assert events.closes.all()
    assert np.all(np.diff(events.time) >= 0)


@pytest.mark.parametrize("num_workers", WORKERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_mean_staleness_is_m_minus_1_less_the_workers_ages_at_the_end(schedule: str, num_workers: int) -> None:
    """Exact for every schedule: each step adds 1 to the age of all workers but the one that is heard."""
    total = 500
    ledger = ledger_of(schedule, num_workers)
    events = ledger.advance(total)
    ages = sum(ledger.staleness(worker) for worker in range(num_workers))
    assert events.staleness.sum() == total * (num_workers - 1) - ages


@pytest.mark.parametrize("num_workers", WORKERS)
def test_round_robin_is_the_protocol_of_the_paper(num_workers: int) -> None:
    events, k = ledger_of("round_robin", num_workers).advance(200), np.arange(200)
    assert np.array_equal(events.worker, k % num_workers)
    assert np.array_equal(events.batch, k)
    assert np.array_equal(events.staleness, np.minimum(k, num_workers - 1))
    assert np.array_equal(events.time, (k + 1) / num_workers)


@pytest.mark.parametrize("num_workers", WORKERS)
def test_after_one_worker_alone_all_begin_as_in_the_paper(num_workers: int) -> None:
    alone, others = 40, num_workers - 1
    ledger = Ledger(num_workers, AloneFirst(num_workers, alone), Discard(num_workers))
    events = ledger.advance(alone + others + 100)
    first, between, after = slice(alone), slice(alone, alone + others), slice(alone + others, None)
    assert not events.worker[first].any()
    assert not events.staleness[first].any()
    assert events.time[first].tolist() == list(range(1, alone + 1))
    assert events.worker[between].tolist() == list(range(1, num_workers))
    assert set(events.fate[between]) <= {Fate.DISCARDED}
    paper = ledger_of("round_robin", num_workers).advance(100)
    assert (events.worker[after] == paper.worker).all()
    assert (events.staleness[after] == paper.staleness).all()
    assert set(events.fate[after]) == {Fate.APPLIED}
    assert events.time[after] - alone - 1 + 1 / num_workers == pytest.approx(paper.time)


@pytest.mark.parametrize("num_workers", WORKERS)
def test_equal_times_are_round_robin(num_workers: int) -> None:
    equal = Ledger(num_workers, Latency(num_workers, seed=1, cv=0.0), Every()).advance(300)
    paper = ledger_of("round_robin", num_workers).advance(300)
    for name in ("worker", "batch", "staleness", "fate", "closes"):
        assert np.array_equal(getattr(equal, name), getattr(paper, name))
    assert np.array_equal(equal.time, np.arange(300) // num_workers + 1)


def test_exponential_times_have_the_staleness_of_a_random_worker() -> None:
    """Two-sample chi-squared test at an error rate of 0.001, on every 40th gradient, so nearly independent."""
    m = 10
    found = [
        Ledger(m, arrivals, Every()).advance(80_000).staleness[200::40]
        for arrivals in (Latency(m, seed=5, cv=1.0), RandomWorker(m, seed=6))
    ]
    edges = [0, 1, 2, 4, 6, 9, 13, 18, 26, 10_000]
    table = [np.histogram(sample, edges)[0] for sample in found]
    assert stats.chi2_contingency(table).pvalue > 0.001
    # and both are geometric
    geometric = np.diff(stats.geom.cdf(np.array(edges), 1 / m)) * len(found[1])
    assert stats.chisquare(table[1], geometric * table[1].sum() / geometric.sum()).pvalue > 0.001


@pytest.mark.parametrize(("arguments", "mean_of_largest"), [({"cv": 1.0}, sum(1 / k for k in range(1, 11)))])
def test_order_statistics_of_the_times(arguments: dict[str, float], mean_of_largest: float) -> None:
    """A synchronous step of 10 workers takes the largest of 10 exponential times: H_10 on average."""
    ledger = Ledger(10, Latency(10, seed=2, **arguments), Synchronous())
    times = ledger.advance(20_000).time[9::10]
    steps = np.diff(np.concatenate([[0.0], times]))
    assert steps.mean() == pytest.approx(mean_of_largest, abs=4 * steps.std() / np.sqrt(len(steps)))


def test_pareto_times_have_mean_1_and_their_tail() -> None:
    ledger = Ledger(1, Latency(1, seed=4, shape=2.5), Every())
    times = np.diff(np.concatenate([[0.0], ledger.advance(40_000).time]))
    assert times.min() >= 0.6
    assert times.mean() == pytest.approx(1.0, abs=0.03)
    assert stats.kstest(times, stats.pareto(2.5, scale=0.6).cdf).pvalue > 0.001


def test_slow_workers_are_heard_as_much_less() -> None:
    heard = np.bincount(ledger_of("slow", 10).advance(50_000).worker, minlength=10)
    assert heard[:5].mean() / heard[5:].mean() == pytest.approx(4, rel=0.05)
    assert Latency(1, seed=0, cv=0.0, slow_share=1.0, slow_factor=4.0)._factors == [1.0]


def test_a_busy_server_serves_in_order_of_arrival() -> None:
    """Against a direct simulation of the queue, on times that are drawn before."""
    m, service = 7, 0.3
    arrivals = Latency(m, seed=9, cv=1.0, server_time=service)
    events = Ledger(m, arrivals, Every()).advance(300)
    twin = Latency(m, seed=9, cv=1.0)
    queue = [(twin._draw(), worker, worker) for worker in range(m)]
    heapq.heapify(queue)
    free, number = 0.0, m
    for k in range(300):
        arrival, _, worker = heapq.heappop(queue)
        free = max(arrival, free) + service
        assert events.worker[k] == worker
        assert events.time[k] == free
        heapq.heappush(queue, (free + twin._draw(), number, worker))
        number += 1


@pytest.mark.parametrize("policy", ["discard", "stop"])
@pytest.mark.parametrize("num_workers", [1, 7, 30])
@pytest.mark.parametrize("schedule", ["random", "pareto", "slow", "round_robin", "alone_first"])
def test_no_step_is_as_stale_as_the_limit_and_nothing_is_free(schedule: str, num_workers: int, policy: str) -> None:
    events = ledger_of(schedule, num_workers, policy).advance(2000)
    applied = events.fate == Fate.APPLIED
    assert np.array_equal(applied, events.closes)
    assert (events.staleness[applied] < 8).all()
    assert (events.staleness[~applied] >= 8).all()
    assert not (events.fate == Fate.DROPPED).any()
    assert (policy == "stop") or not (events.fate == Fate.CANCELLED).any()
    assert len(set(events.batch)) == 2000  # each dispatched mini-batch is charged once


@pytest.mark.parametrize("cancel", [True, False])
@pytest.mark.parametrize("backups", [0, 1, 4])
def test_a_synchronous_step_is_the_mean_of_fresh_gradients(backups: int, cancel: bool) -> None:
    m = 10
    events = Ledger(m, Latency(m, seed=8, shape=1.5), Synchronous(backups, cancel)).advance(3000)
    applied = events.fate == Fate.APPLIED
    assert (events.staleness[applied] == 0).all()
    assert (np.diff(np.flatnonzero(applied & events.closes)) >= m - backups).all()
    ends = np.cumsum(events.closes)[applied] - events.closes[applied]
    assert (np.bincount(ends)[:-1] == m - backups).all()
    lost = events.fate[~applied]
    assert (lost == (Fate.CANCELLED if cancel else Fate.DROPPED)).all()
    assert (len(lost) > 0) == (backups > 0)


def snapshot(events: Events) -> list[list[float]]:
    return [getattr(events, name).tolist() for name in ("worker", "batch", "staleness", "fate", "closes", "time")]


@pytest.mark.parametrize(
    ("schedule", "policy"),
    [
        *itertools.product(["random", "pareto", "queue", "round_robin", "alone_first"], ["every", "stop"]),
        *itertools.product(["pareto", "queue"], ["synchronous"]),
    ],
)
def test_how_events_are_cut_and_resumed_changes_nothing(schedule: str, policy: str) -> None:
    whole = snapshot(ledger_of(schedule, 7, policy).advance(300))
    ledger, parts = ledger_of(schedule, 7, policy), []
    for size in (1, 100, 0, 3, 96, 100):
        parts.append(snapshot(ledger.advance(size)))
        other = ledger_of(schedule, 7, policy)
        other.restore(ledger.state())
        ledger = other
    assert [[*itertools.chain(*columns)] for columns in zip(*parts, strict=True)] == whole
