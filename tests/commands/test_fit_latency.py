"""`asgd fit-latency`: its lines are keys of a run, and its errors are of one line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from asgd.commands.cli import main
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from tests.analyses.test_latency_fit import record


def test_what_it_prints_is_the_run_of_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys: dict[str, Any] = {"latency_cv": 0.5, "slow_share": 0.25, "slow_factor": 3.0, "server_time": 0.05}
    assert main(["fit-latency", str(record(tmp_path, num_workers=8, **keys))]) == 0
    output = capsys.readouterr().out
    config = validate(RunConfig, {"num_workers": 32, **yaml.safe_load(output)}, "run")
    assert config.schedule == "latency"
    assert {key: getattr(config, key) for key in keys} == pytest.approx(keys, rel=0.06)
    assert "# unit of time: 0.0" in output
    assert "from 2,000 gradients of 8 workers" in output


def test_a_file_that_is_not_there_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit-latency", "nothing.csv"]) == 1
    expected = "nothing.csv: cannot be read (No such file or directory); give the schedule.csv of a real run"
    assert capsys.readouterr().err == f"asgd: error: {expected}\n"
