"""The evaluations of many runs at a time: each run's are those that it has alone."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.runs.folder import read_run
from asgd.tables.evaluations import complete_evaluations, tabulate_evaluations
from tests.run_folders import write_run


def read_with_clock(folder: Path) -> tuple[dict[str, Any], str]:
    """A run as later sources wrote it, with gradients and time beside the step."""
    record, text = read_run(folder)
    metrics = pd.read_csv(io.StringIO(text))
    clock = {"gradients": metrics["step"], "time": metrics["step"] / 7, "staleness_mean": 1.5, "staleness_max": 2.0}
    return record, metrics.assign(**clock, correction=float("nan")).to_csv(index=False)


def test_runs_of_all_kinds_have_the_evaluations_that_each_has_alone(tmp_path: Path) -> None:
    kinds: list[dict[str, Any]] = [
        {"num_workers": 3},
        {"accuracy": 0.1, "outcome": "dead", "last_step": 50, "seed": 1},
        {"outcome": "non_finite", "last_step": 75, "seed": 2},
        {"outcome": "non_finite", "seed": 3},
        {"num_workers": 10, "epochs": 2.0, "accuracy": 0.7},
        {"without": "train_eval", "train_eval_images": 0},
    ]
    folders = [write_run(tmp_path, **kind) for kind in kinds]
    runs: list[tuple[dict[str, Any], str]] = []
    for folder in folders:  # in turn with the columns of the clock and without
        runs += [read_run(folder), read_with_clock(folder)]
    runs = [({**record, "run": f"{number}"}, text) for number, (record, text) in enumerate(runs)]
    table, ends = tabulate_evaluations(runs)
    alone = [complete_evaluations(pd.read_csv(io.StringIO(text)), record) for record, text in runs]
    pd.testing.assert_frame_equal(table, pd.concat(alone, ignore_index=True), check_exact=True, check_like=True)
    assert table["run"][ends].tolist() == [record["run"] for record, _ in runs]
    assert table["gradients"][ends].tolist() == [record["total_steps"] for record, _ in runs]
    assert json.dumps(runs[0][0]) == json.dumps(read_run(folders[0])[0] | {"run": "0"}), "what is read stays as it is"
