"""The keys that describe a recorded run, on schedules simulated with known values."""

import heapq
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asgd.analyses.latency_fit import LatencyFit, fit_latency, format_fit
from asgd.analyses.recorded_times import Recording, find_before, read_recording
from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.simulator.events import Event, Events, Ledger
from asgd.simulator.parts import build_course, build_policy
from asgd.simulator.schedules.latency import build
from asgd.simulator.workers.core import read_events
from asgd.simulator.workers.recording import format_schedule

UNIT = 0.01  # seconds


def rows_of(events: Events, unit: float = UNIT) -> list[Event]:
    return [event._replace(time=event.time * unit) for event in read_events(list(zip(*astuple(events), strict=True)))]


def write(events: list[Event], folder: Path) -> Path:
    path = folder / "schedule.csv"
    path.write_text(format_schedule(events))
    return path


def record(folder: Path, number: int = 2000, **keys: Any) -> Path:
    """The schedule.csv of a simulated run, in seconds."""
    return write(rows_of(build_course(RunConfig(schedule="latency", **keys)).take(number)), folder)


def fit(path: Path) -> LatencyFit:
    return fit_latency(read_recording(path), str(path))


def simulate_real_server(num_workers: int, cv: float, service: float, varies: float, pause: float) -> Recording:
    """2,001 gradients: the server's times are lognormal, and each 50 gradients it evaluates for ``pause``."""
    generator = np.random.default_rng(1)
    coming = [(generator.gamma(cv**-2, cv**2), worker) for worker in range(num_workers)]
    heapq.heapify(coming)
    free, heard = 0.0, []
    for k in range(2001):
        arrival, worker = heapq.heappop(coming)
        heard.append((worker, max(arrival, free)))
        free = max(arrival, free) + service * generator.lognormal(-(varies**2) / 2, varies)
        heapq.heappush(coming, (free + generator.gamma(cv**-2, cv**2), worker))
        free += pause * (k % 50 == 49)
    workers = np.array([worker for worker, _ in heard])
    return Recording(workers, UNIT * np.array([time for _, time in heard]), find_before(workers) >= 0, num_workers)


@pytest.mark.parametrize("server_time", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("slow", [(0.0, 1.0), (0.25, 2.0), (0.5, 4.0)])
@pytest.mark.parametrize("cv", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("num_workers", [4, 8])
def test_known_values_are_found(
    num_workers: int, cv: float, slow: tuple[float, float], server_time: float, tmp_path: Path
) -> None:
    share, factor = slow
    keys: dict[str, Any] = {"latency_cv": cv, "slow_share": share, "slow_factor": factor, "server_time": server_time}
    found = fit(record(tmp_path, num_workers=num_workers, **keys))
    assert found.keys["latency_cv"] == pytest.approx(cv, rel=0.1)
    assert found.keys["slow_share"] == share
    assert found.keys.get("slow_factor", 1.0) == pytest.approx(factor, rel=0.25 * cv + 0.02)
    assert found.keys["server_time"] == pytest.approx(server_time, rel=0.07)
    assert found.unit == pytest.approx(UNIT, rel=0.08 * cv + 0.005)
    assert not found.is_poor


@pytest.mark.parametrize("num_workers", [2, 30])
def test_two_workers_and_thirty(num_workers: int, tmp_path: Path) -> None:
    keys: dict[str, Any] = {"latency_cv": 0.5, "slow_share": 0.5, "slow_factor": 2, "server_time": 0.02}
    found = fit(record(tmp_path, num_workers=num_workers, **keys))
    assert {key: found.keys[key] for key in keys} == pytest.approx(keys, rel=0.06)


def test_workers_of_one_kind_are_not_split_by_chance(tmp_path: Path) -> None:
    for seed in range(5):
        assert fit(record(tmp_path, 400, num_workers=8, seed=seed)).keys["slow_share"] == 0


@pytest.mark.parametrize(("varies", "tolerance"), [(0.05, 0.05), (0.15, 0.12), (0.3, 0.4)])
@pytest.mark.parametrize("pause", [0.0, 3.0, 30.0])
def test_a_servers_time_that_varies_and_its_pauses_do_little(pause: float, varies: float, tolerance: float) -> None:
    found = fit_latency(simulate_real_server(4, 0.3, 0.05, varies, pause), "schedule.csv")
    assert found.keys["latency_cv"] == pytest.approx(0.3, rel=0.06)
    assert found.keys["server_time"] == pytest.approx(0.05, rel=tolerance)
    assert found.unit == pytest.approx(UNIT, rel=0.03)
    assert found.keys["slow_share"] == 0
    assert not found.is_poor


def test_gradients_may_be_discarded(tmp_path: Path) -> None:
    path = record(tmp_path, num_workers=4, latency_cv=0.5, server_time=0.05, policy="discard", max_staleness=4)
    assert "discarded" in path.read_text()
    found = fit(path)
    assert (found.keys["latency_cv"], found.keys["server_time"]) == pytest.approx((0.5, 0.05), rel=0.05)


def test_a_cycle_with_a_lost_worker_does_not_count(tmp_path: Path) -> None:
    """Each 20 gradients a worker is lost, and another takes its place after 5 more, 100 times as late as usual."""
    config = RunConfig(num_workers=4, schedule="latency", latency_cv=0.0)
    arrivals = build(config)
    ledger = Ledger(4, arrivals, build_policy(config))
    events, gone = [], 0
    for k in range(2000):
        rows = rows_of(ledger.advance(1), 1.0)
        events += rows
        if k % 20 == 4:
            gone = (rows[0].worker + 1) % 4
            arrivals.cancel(gone)
            events.append(ledger.lose(gone, rows[0].time))
        elif k % 20 == 9:
            events.append(ledger.join(gone, rows[0].time))
            arrivals.cancel(gone)
            arrivals.start(gone, rows[0].time + 1.5)
    path = write([event._replace(time=event.time * UNIT) for event in events], tmp_path)
    assert path.read_text().count("joined") == 100
    found = fit(path)
    assert found.keys == {"schedule": "latency", "latency_cv": 0.0, "slow_share": 0.0, "server_time": 0.0}
    assert found.unit == pytest.approx(UNIT)


def test_a_longer_tail_is_a_poor_fit_and_said(tmp_path: Path) -> None:
    found = fit(record(tmp_path, num_workers=8, latency="pareto", latency_shape=1.5))
    assert found.is_poor
    assert "latency: pareto" in format_fit(found)


def test_a_server_that_nobody_waits_for_has_a_largest_time(tmp_path: Path) -> None:
    found = fit(record(tmp_path, num_workers=2, latency_cv=0.5))
    assert found.keys["server_time"] == 0
    assert 0 < found.most_server_time < 0.01
    assert "server_time is not known, but at most" in format_fit(found)


@pytest.mark.parametrize(
    ("number", "keys", "message"),
    [
        (150, {"num_workers": 4}, "has 150 gradients of 4 workers, but 200 are needed; train longer"),
        (599, {"num_workers": 30}, "has 599 gradients of 30 workers, but 600 are needed; train longer"),
        (
            500,
            {"num_workers": 1},
            "has one worker, so its time cannot be separated from that of the server; give a run with more",
        ),
        (1000, {"num_workers": 30, "server_time": 0.1}, "the server was almost never idle"),
        (500, {"num_workers": 4, "policy": "synchronous"}, "its workers wait for one another"),
    ],
)
def test_what_tells_too_little_is_refused(number: int, keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(AsgdError) as caught:
        fit(record(tmp_path, number, **keys))
    assert str(caught.value).startswith(f"{tmp_path / 'schedule.csv'}: {message}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "No columns to parse from file"),
        ("worker,seconds\n0,1\n", "no column step"),
        ("step,worker,batch,staleness,seconds,fate\n0,0,0,0,1.0,eaten\n", "fate eaten"),
        ("step,worker,batch,staleness,seconds,fate\n0,0,0,0,2.0,applied\n1,0,1,0,1.0,applied\n", "times that decrease"),
        ("step,worker,batch,staleness,seconds,fate\n0,one,0,0,1.0,applied\n", "one"),
    ],
)
def test_what_is_no_schedule_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(AsgdError, match=r"other\.csv: not the schedule of a real run \(.*\); give its sch") as caught:
        read_recording(path)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
