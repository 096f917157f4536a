"""How far a study is, from files whose times are set by hand."""

import json
import os
import time
from pathlib import Path

import pytest
import yaml

from asgd.commands.cli import main
from asgd.settings.data import DataConfig
from asgd.settings.run import Run
from asgd.settings.study import Params
from asgd.study.plan import plan_study
from asgd.study.status import read_status
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


def finish(store: Path, run: Run, seconds_ago: float) -> Path:
    """The run's files, made so long ago."""
    folder = write_planned(store, run, DataConfig(source="synthetic"))
    for file in folder.iterdir():
        os.utime(file, (NOW - seconds_ago, NOW - seconds_ago))
    return folder


def test_runs_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    runs = plan_study(Params.model_validate(PARAMS), tmp_path).runs
    names, store, logs = list(runs), tmp_path / "runs", tmp_path / "logs"
    finish(store, runs[names[0]], 300)
    finish(store, runs[names[1]], 100)
    put(logs / f"{names[0]}.log", 300, "asgd: error: an old one, before it was run again\n")
    put(logs / f"{names[1]}.log", 100)
    put(logs / f"{names[2]}.log", 5, "step 10: train loss 2.3\n")
    put(logs / f"{names[3]}.log", 50, "step 10\nasgd: error: data: damaged\n")
    found = read_status(runs, store, logs, NOW)
    assert (found.done, found.running, found.waiting, found.total) == (2, (names[2],), 1, 5)
    assert found.failed == {logs / f"{names[3]}.log": "data: damaged"}
    assert found.share == pytest.approx(0.4)
    assert found.seconds_left == pytest.approx(3 * 300)  # one run in the 300 s since the first was finished


def test_runs_that_were_unpacked_tell_nothing_about_the_speed(tmp_path: Path) -> None:
    runs = plan_study(Params.model_validate(PARAMS), tmp_path).runs
    for run in list(runs.values())[:3]:
        finish(tmp_path / "runs", run, 1)
    found = read_status(runs, tmp_path / "runs", tmp_path / "logs", NOW)
    assert (found.done, found.seconds_left) == (3, None)


def test_a_silent_log_is_not_of_a_running_job(tmp_path: Path) -> None:
    runs = plan_study(Params.model_validate(PARAMS), tmp_path).runs
    put(tmp_path / "logs" / f"{next(iter(runs))}.log", 3600, "step 10\n")
    found = read_status(runs, tmp_path / "runs", tmp_path / "logs", NOW)
    assert (found.running, found.waiting, found.seconds_left) == ((), 5, None)


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
    assert "4 done  0 running  1 failed  0 waiting  80% of the work" in out
    assert f"logs/runs/{failed.name}.log: ValueError: bad" in out


def test_a_run_of_another_configuration_is_not_done(tmp_path: Path) -> None:
    runs = list(plan_study(Params.model_validate(PARAMS), tmp_path).runs.values())
    first, second = (finish(tmp_path / "runs", run, 1) for run in runs[:2])
    record = json.loads((second / "run.json").read_text())
    (first / "run.json").write_text(json.dumps({**record, "run": first.name}))
    found = read_status({run.name: run for run in runs}, tmp_path / "runs", tmp_path / "logs", NOW)
    assert (found.done, list(found.failed)) == (1, [first])
    assert f"those of another run, {second.name}" in found.failed[first]
