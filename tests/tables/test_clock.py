"""The tables of studies whose clock is not the step's: gradients, time and staleness beside it."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asgd.data import Dataset, load_data, prepare_data
from asgd.runs.folder import format_run, read_run, write_run
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.simulator.parts import build_course
from asgd.tables.aggregate import aggregate_runs
from asgd.tables.columns import CURVES, EVALUATIONS
from asgd.tables.evaluations import add_clock
from asgd.tables.experiments import find_places, select_curve, select_experiment
from asgd.tables.files import write_table
from asgd.tables.table import Tables

DISCARD: dict[str, Any] = {"schedule": "latency", "policy": "discard", "max_staleness": 3}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    data = DataConfig(source="synthetic", num_train=120, num_test=40)
    return load_data(prepare_data(data, tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="module")
def tables(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    root, names = tmp_path_factory.mktemp("runs"), []
    for keys in ({}, DISCARD, {"batch_size": "full", "num_images": 40}, {"batch_size": 12}):
        for seed in (0, 1):
            settings = {"num_workers": 6, "epochs": 3, "train_eval_images": 0, "seed": seed, **keys}
            if keys.get("batch_size") == "full":
                settings |= {"num_workers": 1, "epochs": 8}
            result = train_run(RunConfig(**settings), dataset)
            write_run(format_run(result), root / result.record["run"])
            names.append(result.record["run"])
    return aggregate_runs((read_run(root / name) for name in names), {"all": names})


def test_all_runs_have_the_clock_as_soon_as_one_needs_it(tables: Tables) -> None:
    assert list(tables["evaluations"]) == [*EVALUATIONS.columns, *EVALUATIONS.later]
    assert list(tables["curves"]) == [*CURVES.columns, *CURVES.later]
    assert tables["runs"]["policy"].tolist() == ["every"] * 2 + ["discard"] * 2 + ["every"] * 4
    ends = tables["evaluations"].groupby("run", sort=False)["gradients"].max()
    assert ends.tolist() == tables["runs"]["total_steps"].tolist()


def test_curves_are_over_gradients_where_steps_differ(tables: Tables) -> None:
    """Seeds take different steps to as many gradients; their evaluations are the same ones all the same."""
    arm = tables["arms"].loc[tables["arms"]["policy"] == "discard"].iloc[0].to_dict()
    curve = select_curve(tables["curves"], arm["arm"], "test_accuracy")
    runs = tables["evaluations"][tables["evaluations"]["arm"] == arm["arm"]]
    assert curve["n"].tolist() == [2] * 13
    assert find_places(curve, arm, "gradients").tolist() == [round(7.5 * k) for k in range(13)]
    last = runs.groupby("run")[["step", "time"]].max()
    assert last["step"].nunique() == 2
    assert (curve["step"].iloc[-1], curve["time"].iloc[-1]) == (last["step"].mean(), pytest.approx(last["time"].mean()))
    stale = select_curve(tables["curves"], arm["arm"], "staleness_max")
    assert 0 < stale["mean"].max() <= 2


def test_without_the_columns_a_step_is_a_gradient_of_time_1_over_m(tables: Tables) -> None:
    table, arm = pd.DataFrame({"step": [0, 30]}), {"num_workers": 6}
    assert [find_places(table, arm, axis).tolist() for axis in ("step", "gradients", "time")] == [
        *([0, 30], [0, 30]),
        [0, 5],
    ]


def test_two_evaluations_may_see_the_same_step(tables: Tables, tmp_path: Path) -> None:
    evaluations = tables["evaluations"].copy()
    evaluations.loc[1, "step"] = evaluations.loc[0, "step"]
    write_table(tmp_path / "evaluations.csv", evaluations, EVALUATIONS.key)


def test_full_batches_are_sorted_after_the_numbers(tables: Tables) -> None:
    arms = select_experiment(tables["arms"].assign(batch_size=tables["arms"]["batch_size"].astype(str)), "all")
    assert arms["batch_size"].tolist() == ["full", "4", "4", "12"]  # m = 1 first, then by its own order


@pytest.mark.parametrize("num_workers", [1, 4, 30])
def test_the_clock_of_the_first_runs_is_that_of_their_schedule(num_workers: int) -> None:
    steps = np.array([0, 3, 20, 90])
    found = add_clock(pd.DataFrame({"step": steps}), {"num_workers": num_workers})
    events = build_course(RunConfig(num_workers=num_workers)).take(90)
    assert found["gradients"].tolist() == steps.tolist()
    assert found["time"].tolist() == [0, *events.time[steps[1:] - 1]]
    parts = [events.staleness[first:last] for first, last in itertools.pairwise(steps)]
    assert found["staleness_mean"].tolist()[1:] == pytest.approx([part.mean() for part in parts])
    assert found["staleness_max"].tolist()[1:] == [part.max() for part in parts]
    assert found.loc[0, ["staleness_mean", "staleness_max"]].isna().all()
