"""The rules that choose learning rates."""

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from asgd.analyses.calibration import (
    describe_arm,
    format_choice,
    format_variants,
    list_chosen,
    plan,
    rank_learning_rates,
    tabulate,
)
from asgd.analyses.given import Given, Trained
from asgd.analyses.make import make_analysis
from asgd.commands.calibration import run as show
from asgd.commands.cli import main
from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.settings.study import Params, load_params
from asgd.study.plan import plan_study
from tests.pipeline import ROOT

#: What a run ends with: accuracy, outcome, and when it is at 50 %.
Result = tuple[float, str, float]


def pretend(result: Callable[[RunConfig], Result], *arms: RunConfig, criterion: str = "accuracy") -> Given:
    """Runs that end as ``result`` says, once they were planned; ``arms`` are calibrated on two seeds."""
    planned: set[str] = set()

    def find(config: RunConfig) -> Trained | None:
        if config.model_dump_json() not in planned:
            return None
        accuracy, outcome, time = result(config)
        metrics = pd.DataFrame({"test_accuracy": [0.1, 0.5, accuracy], "time": [0.0, time, 100.0]})
        if math.isinf(time):
            metrics = metrics.assign(test_accuracy=[0.1, 0.4, min(0.4, accuracy)], time=[0.0, 50.0, 100.0])
        count = np.arange(3)
        metrics = metrics.assign(step=count, gradients=count, test_loss=1.0, train_eval_loss=1 - accuracy)
        record = {"outcome": outcome, "total_steps": 2, "steps_per_epoch": 2, "run": "r", "arm": "a"}
        settings = {"seed": config.seed, "evaluations_per_epoch": 2, "num_workers": 1}
        text = metrics.assign(correction=0.1).to_csv(index=False)
        return Trained({**record, "config": settings}, pd.DataFrame(), text)

    calibrated = {criterion: [arm.model_dump(mode="json", exclude_defaults=True) for arm in arms]}
    margins = {"second.time_accuracy": 0.5}
    study = {"run": {}, "seeds": [3, 4], "margins": margins, "calibrated": calibrated}
    given = Given("calibration", "any", study, {}, find)
    while new := {config.model_dump_json() for config in plan(given)} - planned:
        planned |= new
    return given


def peak(best: float) -> Callable[[RunConfig], Result]:
    """The accuracy is the greater, and 50 % the sooner, the nearer a run's rate is to ``best``."""

    def result(config: RunConfig) -> Result:
        away = abs(math.log2(config.learning_rate / best))
        return 0.6 - 0.01 * away, "trained", 20 + away

    return result


def rates_of(table: pd.DataFrame) -> list[float]:
    return sorted(table["learning_rate"])


def chosen(given: Given) -> pd.DataFrame:
    table = tabulate(given)[0]["calibration"]
    return table[table["chosen"]]


def runs_of(accuracies: dict[float, list[float]]) -> pd.DataFrame:
    rows = [
        {"learning_rate": rate, "final_test_accuracy": value, "outcome": "trained" if value > 0.15 else "plateau"}
        for rate, values in accuracies.items()
        for value in values
    ]
    return pd.DataFrame(rows)


def test_the_best_mean_wins_and_an_overflow_counts_as_chance() -> None:
    table = rank_learning_rates(runs_of({0.01: [0.5, 0.6], 0.02: [0.8, math.nan], 0.001: [0.3, 0.3]}))
    assert table["learning_rate"].tolist() == [0.01, 0.02, 0.001]
    assert table["mean"].tolist() == pytest.approx([0.55, 0.45, 0.3])
    assert table["trained"].tolist() == [2, 1, 2]
    assert format_choice(table).splitlines()[-1] == "chosen: 0.01, by the best mean test accuracy"


def test_of_equals_the_smaller_rate_wins() -> None:
    assert rank_learning_rates(runs_of({0.02: [0.5], 0.01: [0.5]}))["learning_rate"].iloc[0] == 0.01


def test_a_rate_is_not_chosen_from_runs_that_differ_in_more(capsys: pytest.CaptureFixture[str]) -> None:
    runs = runs_of({0.01: [0.5, 0.6], 0.02: [0.8, 0.7]}).assign(num_workers=[1, 1, 1, 10])
    with pytest.raises(AsgdError, match=r"table runs: its runs differ in num_workers; a rate is chosen"):
        rank_learning_rates(runs)
    shown = [
        "calibration",
        "--preset",
        "pilot",
        "--params",
        str(ROOT / "params.yaml"),
        "--results",
        str(ROOT / "results"),
    ]
    assert main(shown) == 1
    assert "differ in num_workers" in capsys.readouterr().err


def test_rates_are_tried_until_the_best_is_not_at_an_end() -> None:
    given = pretend(peak(0.09), RunConfig(num_workers=10))
    table = tabulate(given)[0]["calibration"]
    assert rates_of(table) == [0.005, 0.01, 0.02, 0.04, 0.08, 0.16]
    assert chosen(given)[["learning_rate", "n", "failed", "inside"]].values.tolist() == [[0.08, 2, 0, True]]
    assert json.loads(table["settings"].iloc[0]) == {"num_workers": 10}
    assert rates_of(tabulate(pretend(peak(0.001), RunConfig()))[0]["calibration"])[0] == 0.000625
    # A method of its own scale starts there.
    adagrad = RunConfig(update="adagrad", learning_rate=0.001)
    assert chosen(pretend(peak(0.001), adagrad))["learning_rate"].tolist() == [0.001]


def test_a_plan_names_no_more_than_is_known_to_be_wanted() -> None:
    first = Given("calibration", "any", pretend(peak(0.01), RunConfig()).study, {})
    assert sorted({config.learning_rate for config in plan(first)}) == [0.005, 0.01, 0.02]
    assert {config.seed for config in plan(first)} == {3, 4}
    with pytest.raises(AsgdError, match=r"its run m1-lr0\.005-seed3 is missing"):
        tabulate(first)


def test_a_rate_with_a_failed_run_is_out_where_another_has_none() -> None:
    def fails(least: float) -> Callable[[RunConfig], Result]:
        def result(config: RunConfig) -> Result:
            failed = config.learning_rate >= least and config.seed == 4
            return 0.5 + config.learning_rate, "dead" if failed else "trained", 20.0

        return result

    assert chosen(pretend(fails(0.03), RunConfig()))["learning_rate"].tolist() == [0.02]
    # Where all have one, the best counts; at some place the search ends.
    table = tabulate(pretend(fails(0.0), RunConfig()))[0]["calibration"]
    assert len(table) == 12
    assert table["learning_rate"][table["chosen"]].tolist() == [table["learning_rate"].max()]
    assert table["inside"][table["chosen"]].tolist() == [False]


def test_among_few_rates_none_is_added() -> None:
    table = tabulate(pretend(peak(0.09), RunConfig(), criterion="few rates"))[0]["calibration"]
    assert rates_of(table) == [0.005, 0.01, 0.02]
    assert table["learning_rate"][table["chosen"]].tolist() == [0.02]


def test_by_time_the_soonest_is_chosen_and_the_best_number_of_backups_marked() -> None:
    def result(config: RunConfig) -> Result:
        accuracy, outcome, time = peak(0.02)(config)
        return accuracy, outcome, math.inf if config.learning_rate > 0.03 else time / (1 + config.backups)

    latency = {"schedule": "latency", "num_workers": 8, "policy": "synchronous"}
    arms = [RunConfig.model_validate({**latency, "backups": backups}) for backups in (0, 2)]
    arms.append(RunConfig.model_validate({"schedule": "latency", "num_workers": 8}))
    table = tabulate(pretend(result, *arms, criterion="time"))[0]["calibration"]
    found = table[table["chosen"]]
    assert found["learning_rate"].tolist() == [0.02] * 3
    assert found["score"].tolist() == pytest.approx([20, 20 / 3, 20])
    assert found["backups"].tolist() == [False, True, True]
    never = table[table["learning_rate"] == 0.04]
    assert never["failed"].tolist() == [2] * 3
    assert never["score"].tolist() == pytest.approx([100] * 3)  # its end


def test_by_loss_the_lowest_is_chosen() -> None:
    found = chosen(pretend(peak(0.04), RunConfig(), criterion="loss"))
    assert found[["learning_rate", "score"]].values.tolist() == [[0.04, pytest.approx(0.4)]]

    def result(config: RunConfig) -> Result:
        accuracy, outcome, time = peak(0.02)(config)
        return accuracy - 0.1 * config.backups, outcome, time

    synchronous = {"schedule": "latency", "num_workers": 8, "policy": "synchronous"}
    arms = [RunConfig.model_validate({**synchronous, "backups": backups}) for backups in (0, 2)]
    assert chosen(pretend(result, *arms, criterion="loss"))["backups"].tolist() == [True, False]


def test_the_lines_to_paste_are_yaml_that_means_the_same() -> None:
    arms = [{"schedule": "random", "stop": True, "learning_rate": 0.00001}, {"num_workers": 3, "learning_rate": 0.1}]
    assert yaml.safe_load(format_variants(arms)) == arms


TINY = {
    "data": {"source": "synthetic", "num_train": 600, "num_test": 20},
    "run": {"epochs": 1, "train_eval_images": 0},
    "seeds": [4, 5],
    "subjects": {"calibration": "tried"},
    "experiments": {
        "tried": {
            "calibrated": "accuracy",
            "schedule": "random",
            "variants": [{"num_workers": 2}, {"num_workers": 3, "update": "gap_aware"}],
        },
    },
}


def test_a_calibration_trains_its_runs_and_the_command_prints_what_to_paste(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = yaml.safe_dump({"preset": "tiny", "presets": {"tiny": TINY}})
    Path("params.yaml").write_text(text)
    study = plan_study(load_params("params.yaml"), Path("data"))
    tables = Path("results/tiny/tables")
    tables.mkdir(parents=True)
    (tables / "runs.csv").write_text("run,arm\n")
    names: list[str] = []
    make_analysis(
        study.describe_analysis("calibration"),
        {"runs": tables / "runs.csv"},
        {"calibration": tables / "calibration.csv"},
        report=names.extend,
    )
    table = pd.read_csv(tables / "calibration.csv")
    assert len({*names}) == 2 * len(table) >= 12
    assert {run.name for run in study.runs.values()} < {*names}  # what it starts from is the preset's
    assert table["correction"].notna().tolist() == [("gap_aware" in text) for text in table["settings"]]
    show(argparse.Namespace(results=Path("results"), preset="tiny", params=Path("params.yaml")))
    printed = capsys.readouterr().out
    _, lines = printed.split("# tried\n")
    rates = table[table["chosen"]]["learning_rate"].tolist()
    assert yaml.safe_load(lines) == [
        {"num_workers": 2, "learning_rate": rates[0]},
        {"num_workers": 3, "update": "gap_aware", "learning_rate": rates[1]},
    ]


def read_presets() -> tuple[Params, Params]:
    return load_params(ROOT / "params.yaml", "rates"), load_params(ROOT / "params.yaml", "second")


#: What a study and its calibration may differ in.
LENGTH = {"epochs", "steps", "evaluations_per_epoch", "train_eval_images"}


def list_arms(params: Params, name: str) -> list[dict[str, Any]]:
    """The arms of an experiment, but for rate and length."""
    experiment = params.selected.experiments[name].model_copy(update={"seeds": None})
    arms = (describe_arm(config) for config in experiment.expand(name, params.selected.run, [0]))
    return [{key: value for key, value in arm.items() if key not in LENGTH} for arm in arms]


def test_the_second_edition_has_the_arms_that_were_calibrated() -> None:
    rates, second = read_presets()
    assert not {*rates.selected.seeds} & {*second.selected.seeds}
    names = [name for name, one in rates.selected.experiments.items() if one.calibrated]
    for name in names:
        arms = list_arms(second, name)
        assert all(arm in arms for arm in list_arms(rates, name)), name
        if name not in ("stragglers", "resnet"):  # those have further arms at these rates
            assert len(arms) == len(list_arms(rates, name)), name


@pytest.mark.skipif(not (ROOT / "results/rates/tables/calibration.csv").exists(), reason="no calibration is shipped")
def test_the_rates_of_the_second_edition_are_those_of_the_calibration() -> None:
    rates, second = read_presets()
    table = pd.read_csv(ROOT / "results/rates/tables/calibration.csv")
    for name, experiment in rates.selected.experiments.items():
        seedless = experiment.model_copy(update={"seeds": None})
        wanted = list_chosen(table, experiment, list(seedless.expand(name, rates.selected.run, [0])))
        there = second.selected.experiments[name].model_copy(update={"seeds": None})
        found = {
            json.dumps(arm): config.learning_rate
            for arm, config in zip(list_arms(second, name), there.expand(name, second.selected.run, [0]), strict=True)
        }
        for arm, one in zip(list_arms(rates, name), wanted, strict=True):
            assert found[json.dumps(arm)] == one["learning_rate"], (name, arm)
    [full] = table[table["chosen"] & (table["criterion"] == "loss")]["learning_rate"]
    assert second.claims.second.full_batch_rate == full
    best = table[table["chosen"] & table["backups"] & (table["criterion"] == "time")]["settings"].map(json.loads)
    backups = {(arm["num_workers"], arm["backups"]) for arm in best if arm.get("policy") == "synchronous"}
    chosen_arms = list_arms(second, "stragglers_chosen")
    assert backups == {(arm["num_workers"], arm.get("backups", 0)) for arm in chosen_arms if "policy" in arm}
