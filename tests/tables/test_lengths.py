"""Shorter runs, cut from the curves of longer ones: against runs of the shipped study that were trained so long."""

import pandas as pd
import pytest

from asgd.settings.run import RunConfig
from asgd.tables.lengths import cut_runs
from asgd.tables.table import Tables
from tests.pipeline import ROOT
from tests.study_tables import make_study

_ARM = ["num_workers", "momentum", "momentum_where", "momentum_convention", "learning_rate", "seed"]
_ENDS = ["outcome", "total_steps", "final_test_accuracy"]


@pytest.fixture(scope="module")
def shipped() -> Tables:
    return {name: pd.read_csv(ROOT / f"results/paper-jpeg/tables/{name}.csv") for name in ("runs", "evaluations")}


def test_at_its_own_length_a_run_ends_as_it_did(shipped: Tables) -> None:
    runs = shipped["runs"][shipped["runs"]["experiments"] == "map"]
    same, evaluations = cut_runs(runs, shipped["evaluations"], 3)
    assert set(runs["outcome"]) == {"trained", "plateau", "dead", "non_finite"}
    assert same[_ENDS].equals(runs[_ENDS])
    assert set(evaluations["run"]) == set(runs["run"])


def test_a_longer_run_is_cut_to_the_shorter_one(shipped: Tables) -> None:
    runs, evaluations = shipped["runs"], shipped["evaluations"]
    plain = runs[(runs["epochs"] == 10) & (runs["dropout"] == 0) & runs["output_relu"] & (runs["pools"] == 2)]
    short, _ = cut_runs(plain, evaluations, 3)
    trained = runs[runs["experiments"] == "map"].merge(short, on=_ARM, suffixes=("", "_cut"))
    assert len(trained) == 4 * 7 * 5  # kinds, m and seeds of the map at the base rate
    for name in (*_ENDS, "epochs"):
        assert trained[name].tolist() == trained[f"{name}_cut"].tolist()


def test_outcomes_are_those_of_the_evaluation_there() -> None:
    configs = [RunConfig(num_workers=m, epochs=3, engine="fused") for m in (1, 30, 70, 100)]
    ends = {1: (0.5, "trained"), 30: (0.1, "plateau"), 70: (0.1, "dead"), 100: (0.1, "non_finite")}
    runs, evaluations = make_study(configs, "delay", lambda config: ends[config.num_workers])
    late = evaluations["epoch"] > 2
    overflowed = late & evaluations["run"].str.startswith("m100-")
    evaluations.loc[overflowed, ["zero_gradient_share", "zero_logit_share"]] = None
    evaluations.loc[~late & (evaluations["epoch"] > 0), "zero_gradient_share"] = 0.0
    evaluations.loc[evaluations["epoch"] == 1.5, "test_accuracy"] = 0.16
    found = {epochs: cut_runs(runs, evaluations, epochs)[0]["outcome"].tolist() for epochs in (1.5, 2, 3)}
    assert found == {
        1.5: ["trained"] * 4,
        2: ["trained", "plateau", "plateau", "plateau"],
        3: ["trained", "plateau", "dead", "non_finite"],
    }


def test_a_run_that_was_not_evaluated_there_is_left_out() -> None:
    configs = [RunConfig(num_workers=m, epochs=m, engine="fused") for m in (2, 4)]
    runs, evaluations = make_study(configs, "delay", lambda config: (0.5, "trained"))
    short, curves = cut_runs(runs, evaluations, 3)
    assert short["num_workers"].tolist() == [4]
    assert short[["epochs", "total_steps"]].values.tolist() == [[3, 300]]
    assert curves["epoch"].max() == 3
    assert curves["run"].unique().tolist() == short["run"].tolist()
    assert cut_runs(runs, evaluations, 1.9)[0].empty
