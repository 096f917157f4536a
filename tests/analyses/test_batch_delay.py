"""What delay costs at each batch size, of runs that are known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from asgd.analyses.batch_delay import tabulate
from asgd.analyses.given import Given
from asgd.settings.run import RunConfig
from asgd.tables.matching import value_at
from tests.study_tables import make_study

#: Calibrated, as params.yaml would have them; the delayed arm of the larger batch does not train.
ARMS: list[dict[str, Any]] = [
    {"batch_size": 1, "learning_rate": 0.005},
    {"batch_size": 1, "num_workers": 30, "learning_rate": 0.002},
    {"batch_size": 64, "learning_rate": 0.08},
    {"batch_size": 64, "num_workers": 30},
    {"batch_size": 16, "num_workers": 30},  # no m = 1 to compare it with
    {"batch_size": 64, "num_workers": 300},  # no other batch size to compare it with
]
OTHER = {"batch_size": 1, "num_workers": 30, "learning_rate": 0.02}  # of another experiment, at a rate not chosen


def finish(config: RunConfig) -> tuple[float, str]:
    if config.num_workers == 1:
        return 0.6, "trained"
    return (0.5, "trained") if config.batch_size == 1 else (0.1, "dead")


def make_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    configs = [RunConfig.model_validate({"epochs": 2, **arm, "seed": s}) for arm in [*ARMS, OTHER] for s in (4, 5)]
    return make_study(configs, "any", finish)


def analyse(runs: pd.DataFrame, evaluations: pd.DataFrame) -> pd.DataFrame:
    calibrated = {"accuracy": [{"epochs": 2, **arm} for arm in ARMS]}
    study = {"run": {"epochs": 2}, "claims": {"second": {"statements": {"calibrated": calibrated}}}}
    return tabulate(Given("batch_delay", "any", study, {"runs": runs, "evaluations": evaluations}))[0]["batch_delay"]


def test_calibrated_arms_are_compared_with_one_worker_at_matched_loss() -> None:
    runs, evaluations = make_tables()
    table = analyse(runs, evaluations)
    assert table[["batch_size", "num_workers", "seed"]].to_numpy().tolist() == [
        [b, m, s] for b in (1, 64) for m in (1, 30) for s in (4, 5)
    ]
    assert table["learning_rate"].tolist() == [0.005] * 2 + [0.002] * 2 + [0.08] * 2 + [0.01] * 2
    assert (table.loc[table["num_workers"] == 1, ["lost", "gap_change"]] == 0).all(axis=None)
    row = table[(table["batch_size"] == 1) & (table["num_workers"] == 30) & (table["seed"] == 4)].iloc[0]
    pair = {}
    for arm in ARMS[:2]:
        config = RunConfig.model_validate({"epochs": 2, **arm, "seed": 4})
        name = runs.loc[(runs["arm"] == config.arm()) & (runs["seed"] == 4), "run"].item()
        pair[config.num_workers] = evaluations[evaluations["run"] == name]
    accuracies = [pair[m]["test_accuracy"].iloc[-1] for m in (1, 30)]
    assert row["lost"] == pytest.approx(100 * (accuracies[0] - accuracies[1]), abs=0.01)
    level = pair[30]["train_eval_loss"].iloc[-1]  # the worse run comes no lower
    assert row["train_loss"] == pytest.approx(level)
    gaps = [value_at(level, one["train_eval_loss"], one["test_loss"] - one["train_eval_loss"]) for one in pair.values()]
    assert row["gap_change"] == pytest.approx(gaps[1] - gaps[0])
    assert row["gap_change"] > 0.01  # it has used all of its training for that loss


def test_runs_that_do_not_train_have_a_cost_and_no_gap() -> None:
    dead = analyse(*make_tables()).query("batch_size == 64 and num_workers == 30")
    assert set(dead["outcome"]) == {"dead"}
    assert dead["lost"].to_numpy() == pytest.approx([50, 50], abs=1)
    assert dead[["train_loss", "gap_change"]].isna().all(axis=None)


def test_without_losses_on_the_training_subset_there_are_no_gaps() -> None:
    runs, evaluations = make_tables()
    table = analyse(runs, evaluations.assign(train_eval_loss=np.nan))
    assert len(table) == 8
    assert table["gap_change"].isna().all()
