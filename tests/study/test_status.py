"""How far a study is, from files whose times are set by hand."""

import json
import os
import time
from pathlib import Path
from queue import Queue

import pytest
import yaml

from asgd.commands.cli import main
from asgd.settings.data import DataConfig
from asgd.settings.run import Run
from asgd.settings.study import Params
from asgd.study.plan import plan_study
from asgd.study.remaining import Remaining
from asgd.study.status import State, Status, StatusReader, describe, report_progress
from tests.run_folders import write_planned

NOW = 1_000_000.0
PRESET = {
    "data": {"source": "synthetic"},
    "run": {"epochs": 2},
    "seeds": [0],
    "experiments": {"delay": {"num_workers": [1, 2, 3, 4, 5]}},
}
PARAMS = {"preset": "tiny", "presets": {"tiny": PRESET}}


def put(path: Path, seconds_ago: float, text: str = "", now: float = NOW) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (now - seconds_ago, now - seconds_ago))


def finish(store: Path, run: Run, seconds_ago: float, **record: float) -> Path:
    """The run's files, made so long ago; ``record``: what else run.json says."""
    folder = store / run.name
    if not folder.exists():
        write_planned(store, run, DataConfig(source="synthetic"))
    about = folder / "run.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | record))
    for file in folder.iterdir():
        os.utime(file, (NOW - seconds_ago, NOW - seconds_ago))
    return folder


def read(root: Path, runs: dict[str, Run]) -> Status:
    return StatusReader(runs, root / "runs", root / "logs").read(NOW)


def count(status: Status) -> dict[str, int]:
    return {state: status.count(state) for state in State}


def test_runs_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    runs = plan_study(Params.model_validate(PARAMS), tmp_path).runs
    names, store, logs = list(runs), tmp_path / "runs", tmp_path / "logs"
    finish(store, runs[names[0]], 300)
    finish(store, runs[names[1]], 100)
    put(logs / f"{names[0]}.log", 300, "asgd: error: an old one, before it was run again\n")
    put(logs / f"{names[1]}.log", 100)
    put(logs / f"{names[2]}.log", 5, "step 10: train loss 2.3\nstep 50: train loss 2.2\n")
    put(logs / f"{names[3]}.log", 50, "step 10\nasgd: error: data: damaged\n")
    found = read(tmp_path, runs)
    assert count(found) == {"done": 2, "running": 1, "failed": 1, "waiting": 1}
    assert found.failed == {logs / f"{names[3]}.log": "data: damaged"}
    # A finished run has 50 gradients per second, each has 200 of them, and of the running one's 50 are done.
    assert found.remaining == Remaining(seconds=(150 + 200) / 50, unknown=0)
    assert describe(found) == "2 of 5 runs done, 1 running, 1 failed, 1 waiting; about 7 s left"


def test_the_time_left_is_that_of_runs_of_the_same_kind(tmp_path: Path) -> None:
    run = {"epochs": 2, "steps": None}
    arms = [{"batch_size": size, "network": network} for size, network in ((4, "paper"), (8, "paper"), (4, "resnet8"))]
    experiments = {"kinds": {"variants": arms, "seeds": [0, 1]}}
    preset = {**PRESET, "run": run, "experiments": experiments}
    runs = plan_study(Params.model_validate({"preset": "tiny", "presets": {"tiny": preset}}), tmp_path).runs
    small, large, other = (
        [name for name, run in runs.items() if (run.config.batch_size, run.config.network) == arm]
        for arm in ((4, "paper"), (8, "paper"), (4, "resnet8"))
    )
    for name, seconds in ((small[0], 10.0), (large[0], 100.0)):
        finish(tmp_path / "runs", runs[name], 1, wall_seconds=seconds, steps_per_second=200 / seconds)
        put(tmp_path / "logs" / f"{name}.log", 1)
    put(tmp_path / "logs" / f"{small[1]}.log", 1)
    put(tmp_path / "logs" / f"{large[1]}.log", 1)
    found = read(tmp_path, runs)
    assert found.remaining == Remaining(seconds=10 + 100, unknown=len(other))
    assert found.seconds_left == 55  # two at a time
    assert describe(found).endswith("; more than 55 s left")


def test_runs_that_were_unpacked_tell_nothing_about_the_speed(tmp_path: Path) -> None:
    runs = plan_study(Params.model_validate(PARAMS), tmp_path).runs
    for run in list(runs.values())[:3]:
        finish(tmp_path / "runs", run, 1)
    found = read(tmp_path, runs)
    assert found.remaining == Remaining(0, unknown=2)
    assert describe(found) == "3 of 5 runs done, 0 running, 0 failed, 2 waiting"


def test_where_nothing_is_running_the_work_is_told_and_no_time(tmp_path: Path) -> None:
    runs = plan_study(Params.model_validate(PARAMS), tmp_path).runs
    first, second, *_ = runs
    finish(tmp_path / "runs", runs[first], 1)
    put(tmp_path / "logs" / f"{first}.log", 1)
    put(tmp_path / "logs" / f"{second}.log", 3600, "step 10\n")  # a silent log is not of a running job
    found = read(tmp_path, runs)
    assert count(found) == {"done": 1, "running": 0, "failed": 0, "waiting": 4}
    assert found.seconds_left is None
    assert describe(found).endswith("; about 16 s of work left for one process")


def test_progress_is_said_when_it_changes_until_all_is_done(tmp_path: Path) -> None:
    runs = plan_study(Params.model_validate(PARAMS), tmp_path).runs
    names, said = list(runs), Queue[str]()
    put(tmp_path / "logs" / f"{names[0]}.log", 0, "step 10\n", time.time())
    report_progress(StatusReader(runs, tmp_path / "runs", tmp_path / "logs"), said.put, every=0.01)
    assert said.get(timeout=60) == "0 of 5 runs done, 1 running, 0 failed, 4 waiting"
    finish(tmp_path / "runs", runs[names[1]], 1)
    assert said.get(timeout=60) == "1 of 5 runs done, 1 running, 0 failed, 3 waiting"
    for name in names:
        finish(tmp_path / "runs", runs[name], 1)


def test_the_command_prints_the_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS))
    *done, failed = plan_study(Params.model_validate(PARAMS), Path("data")).runs.values()
    for run in done:
        finish(Path("results/runs"), run, time.time() - NOW)
    put(Path("logs/runs") / f"{failed.name}.log", 0, "ValueError: bad\n", time.time())
    assert main(["status", "--watch"]) == 0  # ends by itself: nothing is left to run
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert "4 of 5 runs done, 0 running, 1 failed, 0 waiting\n" in out
    assert ["delay", "4", "-", "1", "-"] in [line.split() for line in out.splitlines()]
    assert f"logs/runs/{failed.name}.log: ValueError: bad" in out


def test_a_run_of_another_configuration_is_not_done(tmp_path: Path) -> None:
    runs = list(plan_study(Params.model_validate(PARAMS), tmp_path).runs.values())
    first, second = (finish(tmp_path / "runs", run, 1) for run in runs[:2])
    record = json.loads((second / "run.json").read_text())
    (first / "run.json").write_text(json.dumps({**record, "run": first.name}))
    found = read(tmp_path, {run.name: run for run in runs})
    assert (found.count(State.DONE), list(found.failed)) == (1, [first])
    assert "num_workers = 2, but the run has 1" in found.failed[first]


def test_a_damaged_run_is_not_done(tmp_path: Path) -> None:
    runs = plan_study(Params.model_validate(PARAMS), tmp_path).runs
    first, second, third, *_ = (finish(tmp_path / "runs", run, 1) for run in runs.values())
    (first / "run.json").write_text("[]")
    (second / "run.json").write_text("{}")
    (third / "metrics.csv").write_text("step\n")
    found = read(tmp_path, runs)
    assert [folder.name for folder in found.failed] == [first.name, second.name, third.name]
    assert "truncated or edited" in found.failed[third]


def test_a_study_without_runs_says_where_its_results_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = {**PRESET, "shipped": {"runs": "tiny-runs.tar.xz"}}
    Path("params.yaml").write_text(yaml.safe_dump({"preset": "tiny", "presets": {"tiny": shipped}}))
    put(Path("results/tiny/tables/runs.csv"), 1)
    assert main(["status"]) == 0
    assert "`asgd unpack results/tiny-runs.tar.xz` restores the runs." in capsys.readouterr().out


def test_nothing_is_wider_than_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS))
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)
