"""Which runs died, what came before, and which explanation ranks them: checked against the runs themselves."""

import pandas as pd
import pytest

from asgd.analyses.death.autopsy import Probing
from asgd.analyses.death.summary import summarize_ranks, summarize_survey
from asgd.analyses.death.survey import count_live_at_start, rank_explanations, survey_deaths
from asgd.data import Dataset, load_data, prepare_data
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig

BASE = RunConfig(num_workers=5, epochs=20, train_eval_images=0, engine="fused")
DYING, LIVING = {"learning_rate": 0.3}, {"learning_rate": 0.01}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    data = DataConfig(source="synthetic", num_train=80, num_test=20)
    return load_data(prepare_data(data, tmp_path_factory.mktemp("data"), progress=False))


@pytest.fixture(scope="module")
def runs(dataset: Dataset) -> pd.DataFrame:
    rows = []
    for number, changes in enumerate([{**DYING, "seed": 1}, {**LIVING, "seed": 1}, {**DYING, "momentum": 0.9}]):
        config = RunConfig.model_validate({**BASE.model_dump(), **changes})
        record = train_run(config, dataset).record
        rows.append({**config.hashed(), "run": f"run{number}", **{k: record[k] for k in ("outcome", "last_step")}})
    return pd.DataFrame(rows)


def test_only_dead_runs_without_momentum_are_followed(runs: pd.DataFrame, dataset: Dataset) -> None:
    assert runs["outcome"].iloc[0] == "dead"
    survey = survey_deaths(runs, BASE, dataset, Probing(num_probes=40, num_images=20))
    (row,) = survey.to_dict("records")
    assert (row["num_workers"], row["learning_rate"], row["seed"]) == (5, 0.3, 1)
    assert row["last_step"] == runs["last_step"].iloc[0]
    assert row["burst_step"] < row["silent_from"] <= row["last_step"]
    assert row["live_at_start"] == count_live_at_start([1], BASE, dataset)[1] > 0
    assert 0.9 < row["silent_images"] <= 1  # judged dead by the gradients of a quarter of an epoch
    assert row["stability"] > 0
    control = RunConfig.model_validate({**BASE.model_dump(), **DYING, "seed": 1, "output_relu": False})
    assert row["control"] == train_run(control, dataset).record["outcome"] != "dead"
    found = summarize_survey(survey)
    assert (found["runs"], found["controls"][row["control"]], sum(found["controls"].values())) == (1, 1, 1)
    assert found["medians"]["live_at_start"] == row["live_at_start"]
    assert found["most_passing"] == pytest.approx(1 - row["silent_images"])


def test_without_deaths_there_is_nothing_to_follow(runs: pd.DataFrame, dataset: Dataset) -> None:
    survey = survey_deaths(runs.assign(outcome="trained"), BASE, dataset)
    assert survey.empty
    assert summarize_survey(survey) == {"runs": 0}


def make_outcomes(dies: dict[tuple[float, int], bool]) -> pd.DataFrame:
    """A run for each rate and seed."""
    rows = [
        {**BASE.hashed(), "learning_rate": rate, "seed": seed, "outcome": "dead" if dead else "trained"}
        for (rate, seed), dead in dies.items()
    ]
    return pd.DataFrame(rows)


def test_deaths_by_rate_are_ranked_by_instability_and_deaths_by_seed_by_asymmetry() -> None:
    grid = [(rate, seed) for rate in (0.01, 0.02) for seed in (0, 1)]
    live = {0: 3, 1: 9}
    by_rate = rank_explanations(make_outcomes({(r, s): r == 0.02 for r, s in grid}), BASE, live)
    assert by_rate == {"instability": 1.0, "asymmetry": 0.5}
    by_seed = rank_explanations(make_outcomes({(r, s): s == 0 for r, s in grid}), BASE, live)
    assert by_seed == {"instability": 0.5, "asymmetry": 1.0}
    assert summarize_ranks(by_seed) == by_seed


def test_more_workers_are_less_stable_at_one_rate() -> None:
    runs = make_outcomes({(0.01, 0): False}).assign(num_workers=10)
    dead = make_outcomes({(0.01, 0): True}).assign(num_workers=30)
    assert rank_explanations(pd.concat([runs, dead]), BASE, {0: 5})["instability"] == 1


def test_without_deaths_nothing_is_ranked() -> None:
    ranks = rank_explanations(make_outcomes({(0.01, 0): False}), BASE, {0: 5})
    assert summarize_ranks(ranks) is None
