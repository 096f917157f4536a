"""What a run says of its schedule: time, gradients and staleness, in metrics.csv and run.json."""

import csv
import hashlib
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asgd.data import Dataset, load_data, prepare_data
from asgd.errors import AsgdError
from asgd.runs.folder import Result, format_metrics
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.simulator.parts import build_course
from asgd.simulator.schedules.replay import read_trace

ENGINES = ["fused", "reference"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    data = DataConfig(source="synthetic", num_train=120, num_test=40)
    return load_data(prepare_data(data, tmp_path_factory.mktemp("data")))


def train(dataset: Dataset, **keys: Any) -> Result:
    settings = {"num_workers": 6, "epochs": 3, "learning_rate": 0.02, "train_eval_images": 0, **keys}
    return train_run(RunConfig(**settings), dataset)


def columns_of(result: Result) -> dict[str, list[str]]:
    rows = list(csv.DictReader(io.StringIO(format_metrics(result.rows))))
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("engine", ENGINES)
def test_equal_times_are_round_robin_in_every_column_but_time(dataset: Dataset, engine: str) -> None:
    plain = columns_of(train(dataset, engine=engine, dropout=0.2))
    equal = columns_of(train(dataset, engine=engine, dropout=0.2, schedule="latency", latency_cv=0.0))
    times = plain.pop("time"), equal.pop("time")
    assert plain == equal
    # Round robin spreads the same gradients over the time that they take: 6 in a unit of time.
    assert [float(time) for time in times[0]] == [int(step) / 6 for step in plain["step"]]
    assert [float(time) for time in times[1]] == [np.ceil(int(step) / 6) for step in plain["step"]]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_clock_of_round_robin_follows_from_the_step(dataset: Dataset, engine: str) -> None:
    rows = train(dataset, engine=engine).rows
    assert [row.gradients for row in rows] == [row.step for row in rows]
    assert (rows[0].time, rows[-1].time) == (0, 15)
    stale = np.minimum(np.arange(90), 5)
    for before, row in itertools.pairwise(rows):
        here = stale[before.step : row.step]
        assert (row.staleness_mean, row.staleness_max) == (pytest.approx(here.mean()), here.max())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "keys",
    [
        {"schedule": "random"},
        {"schedule": "latency", "policy": "discard", "max_staleness": 4},
        {"schedule": "latency", "policy": "discard", "max_staleness": 4, "stop": True},
        {"schedule": "latency", "policy": "synchronous", "backups": 2},
        {"schedule": "latency", "policy": "synchronous", "backups": 2, "cancel": False},
    ],
)
def test_a_run_ends_at_the_gradients_asked_for_and_says_what_became_of_them(
    dataset: Dataset, engine: str, keys: dict[str, Any]
) -> None:
    result = train(dataset, engine=engine, **keys)
    record, last = result.record, result.rows[-1]
    assert sum(record["gradients"].values()) == last.gradients == record["total_steps"] == 90
    assert last.step == record["last_step"]
    assert last.step <= record["gradients"]["applied"]
    assert (record["gradients"]["applied"] < 90) == ("policy" in keys)
    counts = {int(value): number for value, number in record["staleness"]["histogram"].items()}
    assert sum(counts.values()) == record["gradients"]["applied"]
    mean = sum(value * number for value, number in counts.items()) / sum(counts.values())
    spread = sum((value - mean) ** 2 * number for value, number in counts.items()) / sum(counts.values())
    assert record["staleness"]["mean"] == pytest.approx(mean)
    assert record["staleness"]["std"] == pytest.approx(spread**0.5)
    assert record["staleness"]["max"] == max(counts)
    if "max_staleness" in keys:
        assert max(counts) < 4
    if keys.get("policy") == "synchronous":
        assert set(counts) == {0}


def write_trace(path: Path, text: str) -> dict[str, str]:
    path.write_text(text)
    return {"schedule": "replay", "trace": str(path), "trace_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_recorded_schedule_gives_the_run_that_it_was_recorded_from(
    dataset: Dataset, tmp_path: Path, engine: str
) -> None:
    config = RunConfig(num_workers=6, schedule="latency", seed=4)
    events = build_course(config).take(90)
    lines = (f"{worker},{time!r}" for worker, time in zip(events.worker.tolist(), events.time.tolist(), strict=True))
    recorded = write_trace(tmp_path / "trace.csv", "worker,seconds\n" + "\n".join(lines))
    real, replayed = (
        columns_of(train(dataset, engine=engine, seed=4, **keys)) for keys in ({"schedule": "latency"}, recorded)
    )
    # At its end nobody comes next.
    assert real.pop("staleness_displacement")[:-1] == replayed["staleness_displacement"][:-1]
    assert replayed.pop("staleness_displacement")[-1] == ""
    assert real == replayed


def test_delays_say_the_workers(tmp_path: Path) -> None:
    """As in the traces of Wu et al.: worker(k) = worker(k - tau_k - 1), and a new one before the first."""
    path = tmp_path / "delays.csv"
    path.write_text("0.000e+00\n1.0\n2.0\n2.0\n0.0\n3.0\n")
    workers, times = read_trace(path)
    assert workers.tolist() == [0, 1, 2, 0, 0, 2 - 1]
    assert len(times) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("worker\n0\n1\n0\n", "the recorded schedule has only 3 gradients; train no longer"),
        ("worker\n" + "0\n7\n" * 50, "has 8 workers, and num_workers = 6; give 8"),
        ("staff\n0\n1\n", "not a recorded schedule (no 'worker'); give a column `worker`, or delays"),
        ("worker\n0\n-1\n", "not a recorded schedule (a worker below 0)"),
        ("worker\n0\nx\n", "not a recorded schedule (invalid literal"),
        ("0\n5\n", "not a recorded schedule (line 2: the delay 5 of gradient 1)"),
        ("", "not a recorded schedule (no lines)"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(dataset: Dataset, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(AsgdError) as error:
        train(dataset, **write_trace(tmp_path / "trace.csv", text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_another_schedule_under_the_same_name_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    keys = write_trace(tmp_path / "trace.csv", "worker\n" + "0\n1\n" * 50)
    (tmp_path / "trace.csv").write_text("worker\n" + "1\n0\n" * 50)
    with pytest.raises(AsgdError, match="another schedule than the run's, its SHA-256 is"):
        train(dataset, **keys)
    (tmp_path / "trace.csv").unlink()
    with pytest.raises(AsgdError, match="cannot be read"):
        train(dataset, **keys)
