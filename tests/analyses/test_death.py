"""Runs that die, followed: the probes are those of the run, and the death is where its gradients stop."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.analyses.death import plan, tabulate
from asgd.analyses.death.autopsy import (
    LOGITS,
    choose_dying_run,
    find_silence,
    list_logit_deaths,
    select_dead_runs,
    select_plain_runs,
)
from asgd.analyses.death.survey import rank_explanations
from asgd.analyses.given import Given, Trained
from asgd.analyses.training import train_for
from asgd.data import Dataset, load_data, prepare_data
from asgd.runs.orders import Setup
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.simulator.engines import build_engine

DATA = DataConfig(source="synthetic", num_train=80, num_test=20)
BASE = {"num_workers": 5, "epochs": 20, "train_eval_images": 0, "evaluations_per_epoch": 1, "engine": "fused"}
DYING, LIVING = {"learning_rate": 0.3}, {"learning_rate": 0.01}
BASE_CONFIG = RunConfig.model_validate(BASE)
SETTINGS = {"num_probes": 20, "survey_probes": 40, "num_images": 20, "sharpness_every": 10}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def dataset(root: Path) -> Dataset:
    return load_data(prepare_data(DATA, root / "data", progress=False))


@pytest.fixture(scope="module")
def runs(dataset: Dataset) -> pd.DataFrame:
    rows = []
    for number, changes in enumerate([{**DYING, "seed": 1}, {**LIVING, "seed": 1}, {**DYING, "momentum": 0.9}]):
        config = RunConfig.model_validate({**BASE, **changes})
        record = train_run(config, dataset).record
        kept = {key: record[key] for key in ("outcome", "last_step", "total_steps")}
        rows.append({**config.hashed(), "run": f"run{number}", **kept})
    return pd.DataFrame(rows)


def given_of(runs: pd.DataFrame, **claims: Any) -> Given:
    study = {"run": BASE, "margins": {"fail_workers": 5, **claims}, "settings": SETTINGS}
    return Given("death", "readings", study, {"runs": runs})


@pytest.fixture(scope="module")
def given(root: Path, runs: pd.DataFrame, dataset: Dataset) -> Given:
    folders = {name: root / name for name in ("kept", "checkpoints", "logs")}
    setup = Setup(root / "data", root / "runs", **folders)
    return train_for(given_of(runs), plan, DATA.model_dump(), root / "data", jobs=1, setup=setup)


@pytest.fixture(scope="module")
def made(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    return tabulate(given)


def test_the_death_is_where_the_gradients_stop(made: Any, given: Given, dataset: Dataset) -> None:
    table = made[0]["death"]
    dying, control = table[table["output_relu"]], table[~table["output_relu"]]
    death = int(dying.loc[~find_silence(dying), "step"].max())
    every = dying["step"].iloc[1]
    engine = build_engine(RunConfig(**BASE, **DYING, seed=1), dataset.train_images, dataset.train_labels)
    engine.advance(death)
    engine.advance(int(every))
    assert engine.advance(200).num_zero_gradients == 200
    assert dying["zero_logit_share"].iloc[-1] == 1
    assert dying["sharpness"].dropna().iloc[-1] == 0
    assert dying["sharpness"].notna().tolist() == [number % 10 == 0 for number in range(len(dying))]
    assert (control["zero_logit_share"] == 0).all()
    assert (control["zero_gradient_share"].dropna() < 1).all()
    assert dying[list(LOGITS)].iloc[0].tolist() == control[list(LOGITS)].iloc[0].tolist()
    assert dying[["num_workers", "learning_rate", "seed"]].drop_duplicates().values.tolist() == [[5, 0.3, 1]]
    assert made[1]["config"]["learning_rate"] == 0.3


def test_only_dead_runs_without_momentum_are_followed(made: Any, given: Given, runs: pd.DataFrame) -> None:
    assert runs["outcome"].iloc[0] == "dead"
    (row,) = made[0]["death_survey"].to_dict("records")
    assert (row["num_workers"], row["learning_rate"], row["seed"]) == (5, 0.3, 1)
    assert row["last_step"] == runs["last_step"].iloc[0]
    assert row["burst_step"] < row["silent_from"] <= row["last_step"]
    assert row["live_at_start"] == made[0]["death"]["live_logits"].iloc[0] > 0
    assert row["silent_images"] == 1
    assert row["stability"] > 0
    assert row["control"] != "dead"


def test_nothing_is_planned_twice_and_everything_is_known_in_the_end(given: Given) -> None:
    planned = plan(given)
    assert len({config.model_dump_json() for config in planned}) == len(planned)
    assert all(given.find(config) for config in planned)
    first = plan(given_of(given.tables["runs"]))
    assert len(first) == 4  # two seeds at their start, the run that died and its control
    assert all(config in planned for config in first)


def test_without_a_death_the_reference_run_is_dissected_to_its_end(given: Given, dataset: Dataset, root: Path) -> None:
    runs = given.tables["runs"].assign(outcome="plateau")
    folders = {name: root / name for name in ("kept", "checkpoints", "logs")}
    setup = Setup(root / "data", root / "runs", **folders)
    alive = train_for(given_of(runs, fail_workers=70), plan, DATA.model_dump(), root / "data", jobs=1, setup=setup)
    tables, _ = tabulate(alive)
    assert tables["death_survey"].empty
    assert tables["death"]["step"].max() == 400
    assert set(tables["death"]["num_workers"]) == {5}


def test_the_run_to_dissect_is_chosen_by_reading_rate_and_time(given: Given) -> None:
    died = pd.DataFrame({"silent_images": [1.0]})

    def make(outcome: str, last_step: int, **changes: object) -> dict[str, object]:
        config = RunConfig.model_validate({**BASE, "learning_rate": 0.01, "num_workers": 20, **changes})
        return {
            **config.hashed(),
            "run": config.slug(),
            "outcome": outcome,
            "last_step": last_step,
            "total_steps": 1000,
        }

    def choose(rows: list[dict[str, object]], silent: pd.DataFrame = died) -> RunConfig:
        run = Trained({"steps_per_epoch": 20}, silent)
        return choose_dying_run(replace(given_of(pd.DataFrame(rows), fail_workers=20), find=lambda _: run)).config

    dead = [
        make("dead", 300, learning_rate=0.02, seed=0),
        make("dead", 100, learning_rate=0.03, seed=1),
        make("dead", 200, learning_rate=0.02, seed=2, epochs=3.0),
        make("dead", 50, learning_rate=0.02, seed=3, momentum=0.9),
        make("dead", 50, learning_rate=0.02, seed=4, num_workers=10),
        make("plateau", 1000, seed=5),
    ]
    chosen = choose(dead)
    assert (chosen.learning_rate, chosen.seed, chosen.epochs, chosen.num_workers) == (0.02, 2, 3.0, 20)
    assert choose([*dead, make("dead", 900, seed=6)]).seed == 6
    assert choose([*dead, make("dead", 10, seed=7, pools=1)]).seed == 2
    fallback = choose([{**row, "outcome": "plateau"} for row in dead])
    assert (fallback.learning_rate, fallback.seed, fallback.num_workers) == (0.01, 0, 20)
    # One that some images still reach does not really die; if all are so, the first is taken.
    assert choose(dead, pd.DataFrame({"silent_images": [0.99]})).seed == 2


def test_a_logit_dies_when_it_is_positive_for_the_last_time() -> None:
    table = pd.DataFrame({name: [1.0, 1.0, -1.0, -1.0] for name in LOGITS}, index=range(4)).assign(step=[0, 10, 20, 30])
    table["logit_3"] = [-1.0, 0.5, -1.0, 0.5]
    table["logit_4"] = [-1.0, -1.0, 0.0, 0.0]
    found = list_logit_deaths(table).set_index("label")
    assert found.loc[0].tolist() == [False, 10, True]
    assert found.loc[3].tolist() == [True, 30, False]
    assert found.loc[4, "dead_at_start"]
    assert pd.isna(found.loc[4, "last_alive_step"])


def make_outcomes(dies: dict[tuple[float, int], bool]) -> pd.DataFrame:
    """A run for each rate and seed."""
    rows = [
        {**BASE_CONFIG.hashed(), "learning_rate": rate, "seed": seed, "outcome": "dead" if dead else "trained"}
        for (rate, seed), dead in dies.items()
    ]
    return pd.DataFrame(rows).assign(total_steps=100, last_step=100)


def test_deaths_by_rate_are_ranked_by_instability_and_deaths_by_seed_by_asymmetry() -> None:
    grid = [(rate, seed) for rate in (0.01, 0.02) for seed in (0, 1)]
    live = {0: 3, 1: 9}
    by_rate = rank_explanations(make_outcomes({(r, s): r == 0.02 for r, s in grid}), BASE_CONFIG, live)
    assert by_rate == {"instability": 1.0, "asymmetry": 0.5}
    by_seed = rank_explanations(make_outcomes({(r, s): s == 0 for r, s in grid}), BASE_CONFIG, live)
    assert by_seed == {"instability": 0.5, "asymmetry": 1.0}


def test_runs_of_one_trajectory_count_once_and_those_of_other_tasks_do_not() -> None:
    dies = {(0.01, 0): False, (0.02, 0): True}
    long = make_outcomes(dies)
    short = make_outcomes(dict.fromkeys(dies, False)).assign(total_steps=30, epochs=0.3)
    seen = make_outcomes(dies).assign(evaluations_per_epoch=20)
    other = make_outcomes({(0.01, 0): True}).assign(batch_size="16")
    part = make_outcomes({(0.01, 0): True}).assign(num_images=200)
    runs = pd.concat([short, long, seen, other, part], ignore_index=True)
    assert select_plain_runs(runs, BASE_CONFIG).index.tolist() == [2, 3]
    assert select_dead_runs(runs, BASE_CONFIG).index.tolist() == [3]
    assert rank_explanations(runs, BASE_CONFIG, {0: 5})["instability"] == 1


def test_more_workers_are_less_stable_at_one_rate() -> None:
    runs = make_outcomes({(0.01, 0): False}).assign(num_workers=10)
    dead = make_outcomes({(0.01, 0): True}).assign(num_workers=30)
    assert rank_explanations(pd.concat([runs, dead]), BASE_CONFIG, {0: 5})["instability"] == 1


def test_without_deaths_nothing_is_ranked() -> None:
    ranks = rank_explanations(make_outcomes({(0.01, 0): False}), BASE_CONFIG, {0: 5})
    assert all(map(math.isnan, ranks.values()))
