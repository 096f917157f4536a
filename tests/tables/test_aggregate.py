"""From run folders to tables: continuation of runs that stopped early, summaries, and damaged folders."""

import hashlib
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asgd.claims import Verdict
from asgd.claims.metrics import summarize_metrics
from asgd.errors import AsgdError
from asgd.runs.folder import read_run
from asgd.settings.run import RunConfig
from asgd.tables.aggregate import summarize_arms, summarize_curves, tabulate_runs
from asgd.tables.columns import AGGREGATED, METRICS
from asgd.tables.dvc_curves import select_dvc_curves
from asgd.tables.files import find_repeated, read_table, write_table
from tests.run_folders import LN10, STEPS, write_run


def read(*folders: Path, **experiments: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    return tabulate_runs(map(read_run, folders), experiments)


def test_tables_have_the_documented_columns(tmp_path):
    runs, evaluations = read(write_run(tmp_path), write_run(tmp_path, seed=1))
    tables = {
        "runs": runs,
        "evaluations": evaluations,
        "arms": summarize_arms(runs),
        "curves": summarize_curves(evaluations),
    }
    tables["dvc_curves"] = select_dvc_curves(tables["arms"], tables["curves"])
    for name, table in tables.items():
        assert list(table) == list(AGGREGATED[name].columns)
        assert all(AGGREGATED[name].columns.values())
    assert tables.keys() == AGGREGATED.keys()


def test_runs_know_their_experiments_and_settings(tmp_path):
    first, second = write_run(tmp_path), write_run(tmp_path, num_workers=10, momentum=0.9)
    runs, _ = read(first, second, delay=[first.name], momentum=[first.name, second.name])
    assert runs["experiments"].tolist() == ["delay;momentum", "momentum"]
    assert runs["num_workers"].tolist() == [1, 10]
    assert runs["momentum"].tolist() == [0.0, 0.9]
    assert set(runs["engine"]) == {RunConfig().resolved_engine()[0]}, "the engine that ran, not auto"
    assert runs["final_test_accuracy"].tolist() == [0.5, 0.5]


def test_a_dead_run_is_continued_by_its_last_row(tmp_path):
    runs, evaluations = read(write_run(tmp_path, accuracy=0.1, outcome="dead", last_step=50))
    assert evaluations["step"].tolist() == STEPS
    assert evaluations["epoch"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert evaluations["test_loss"].tolist() == [1, 1, LN10, LN10, LN10]
    assert evaluations["zero_gradient_share"].tolist()[2:] == [1, 1, 1]
    row = runs.iloc[0]
    assert (row["stopped_early"], row["last_step"], row["total_steps"]) == (True, 50, 100)
    assert row["final_test_loss"] == LN10


def test_a_non_finite_run_counts_as_at_chance(tmp_path):
    runs, evaluations = read(write_run(tmp_path, accuracy=0.9, outcome="non_finite", last_step=50))
    assert evaluations["step"].tolist() == STEPS
    for name in ("train_loss", "train_eval_loss", "test_loss"):
        assert evaluations[name].tolist()[2:] == [LN10] * 3
    assert evaluations["test_accuracy"].tolist() == pytest.approx([0.1, 0.3, 0.1, 0.1, 0.1])
    assert evaluations["gradient_norm"].isna().tolist() == [True, False, True, True, True]
    assert runs.loc[0, "final_test_accuracy"] == 0.1


def test_a_metric_that_was_switched_off_stays_empty_at_chance(tmp_path):
    settings = {"without": "train_eval", "train_eval_images": 0}
    _, evaluations = read(write_run(tmp_path, outcome="non_finite", last_step=50, **settings))
    assert evaluations["train_eval_loss"].isna().all()
    assert evaluations["train_eval_accuracy"].isna().all()
    assert evaluations["test_loss"].tolist()[2:] == [LN10] * 3


def test_arms_count_outcomes_and_average_accuracies(tmp_path):
    alive = [write_run(tmp_path, accuracy=accuracy, seed=seed) for seed, accuracy in enumerate([0.4, 0.5])]
    dead = write_run(tmp_path, accuracy=0.1, outcome="dead", last_step=50, seed=2)
    alone = write_run(tmp_path, num_workers=10)
    runs, _ = read(*alive, dead, alone, delay=[alive[0].name, alone.name], dropout=[alive[1].name])
    arms = summarize_arms(runs)
    assert arms["n_runs"].tolist() == [3, 1]
    assert arms[["trained", "plateau", "dead", "non_finite"]].to_numpy().tolist() == [[2, 0, 1, 0], [1, 0, 0, 0]]
    finals = [0.4, 0.5, 0.1]
    assert arms["final_test_accuracy_mean"].tolist() == pytest.approx([np.mean(finals), 0.5])
    assert arms.loc[0, "final_test_accuracy_std"] == pytest.approx(np.std(finals, ddof=1))
    assert math.isnan(arms.loc[1, "final_test_accuracy_std"])
    assert arms["experiments"].tolist() == ["delay;dropout", "delay"]
    assert arms.loc[0, "arm"] == RunConfig().arm()


def test_curves_average_over_seeds(tmp_path):
    folders = [write_run(tmp_path, accuracy=accuracy, seed=seed) for seed, accuracy in enumerate([0.3, 0.5])]
    curves = summarize_curves(read(*folders)[1])
    last = curves[(curves["metric"] == "test_accuracy") & (curves["step"] == 100)].iloc[0]
    assert last[["n", "mean", "variance"]].tolist() == pytest.approx([2, 0.4, 0.02])
    # t(0.975, 1 degree of freedom) is 12.7062; the standard error of 0.3 and 0.5 is 0.1
    assert (last["ci_low"], last["ci_high"]) == pytest.approx((0.4 - 1.27062, 0.4 + 1.27062), abs=1e-5)
    start = curves[(curves["metric"] == "train_loss") & (curves["step"] == 0)].iloc[0]
    assert start["n"] == 0
    assert math.isnan(start["mean"])
    assert len(curves) == len(STEPS) * len(METRICS)


def test_curves_of_one_run_have_no_interval(tmp_path):
    curves = summarize_curves(read(write_run(tmp_path))[1])
    assert curves[["variance", "std", "ci_low", "ci_high"]].isna().all(axis=None)


def test_metrics_are_a_handful_of_numbers(tmp_path):
    folders = [
        write_run(tmp_path, accuracy=0.5),
        write_run(tmp_path, accuracy=0.3, num_workers=30),
        write_run(tmp_path, accuracy=0.9, num_workers=100, momentum=0.9),
        write_run(tmp_path, accuracy=0.1, outcome="dead", dropout=0.5),
    ]
    verdicts = [Verdict(claim=claim, verdict="partly") for claim in ("C3", "C6")]
    metrics = summarize_metrics(read(*folders)[0], verdicts, RunConfig())
    assert metrics == {
        "n_runs": 4,
        "trained_share": 0.75,
        "accuracy_m1": 0.5,
        "accuracy_largest_m": pytest.approx(0.3),
        "claims_reproduced": 0,
        "claims_not_reproduced": 0,
        "claims_partly": 2,
        "claims_inconclusive": 0,
        "claims_not_applicable": 0,
    }
    json.dumps(metrics, allow_nan=False)


def summarize(root: Path, configs: list[RunConfig]) -> pd.DataFrame:
    """The curves for `dvc plots` of a study of these runs."""
    settings = [config.model_dump(exclude_defaults=True) for config in configs]
    runs, evaluations = read(*(write_run(root / f"{index}", **changes) for index, changes in enumerate(settings)))
    return select_dvc_curves(summarize_arms(runs), summarize_curves(evaluations))


def test_arms_have_names_of_their_own_in_dvc_curves(tmp_path):
    shared = {"engine": "reference"}
    others = [
        *({"learning_rate": 0.02}, {"epochs": 3.0}, {"steps": 100}, {"batch_size": 8}, {"evaluations_per_epoch": 2}),
        *({"train_eval_images": 0}, {"engine": "fused"}, {"dropout": 0.1}, {"dropout": 0.1 + 1e-9}),
        {"momentum": 0.9, "momentum_where": "worker"},
    ]
    configs = [RunConfig(**shared | changes) for changes in ({}, *others)]
    curves = summarize(tmp_path, configs)
    assert curves["arm"].nunique() == len(configs)
    assert find_repeated(curves, AGGREGATED["dvc_curves"].key) == ""
    names = list(curves["arm"].unique())
    assert names[0] == "m = 1, no momentum, p = 0, ReLU on logits, two poolings"
    assert names[1:4] == [f"{names[0]}, {more}" for more in ("rate = 0.02", "epochs = 3", "steps = 100")]


def test_revisions_that_differ_in_the_rate_share_names_in_dvc_curves(tmp_path):
    def names(rate: float) -> set[str]:
        configs = [RunConfig(num_workers=m, learning_rate=rate) for m in (1, 10)]
        table = summarize(tmp_path / f"{rate}", [*configs, RunConfig(learning_rate=0.5, epochs=3.0)])
        return set(table["arm"])

    assert names(0.01) == names(0.02)


def test_a_run_that_is_older_than_a_parameter_has_the_value_that_means_as_before(tmp_path):
    (first, curve), (second, other) = (read_run(write_run(tmp_path / f"{m}", num_workers=m)) for m in (1, 3))
    second = {**second, "config": {**second["config"], "schedule": "random"}}
    old = {key: value for key, value in first["config"].items() if key not in RunConfig.later_keys()}
    expected, _ = tabulate_runs([(first, curve), (second, other)], {})
    runs, evaluations = tabulate_runs([({**first, "config": old}, curve), (second, other)], {})
    pd.testing.assert_frame_equal(runs, expected)
    assert runs["schedule"].tolist() == ["round_robin", "random"]
    names = select_dvc_curves(summarize_arms(runs), summarize_curves(evaluations))["arm"].unique()
    assert [name.partition("two poolings")[2] for name in names] == ["", ", random worker"]


def test_a_table_with_two_rows_of_one_key_is_not_written(tmp_path):
    _, evaluations = read(write_run(tmp_path))
    path = tmp_path / "evaluations.csv"
    write_table(path, evaluations, AGGREGATED["evaluations"].key)
    before = path.read_text()
    with pytest.raises(AsgdError, match=r"evaluations.csv: two rows would have run = m1-.*, epoch = 0.25; nothing was"):
        write_table(path, pd.concat([evaluations, evaluations[1:2]]), AGGREGATED["evaluations"].key)
    assert path.read_text() == before


def test_every_table_has_its_key_among_its_columns():
    assert all({*table.key} <= table.columns.keys() for table in AGGREGATED.values())


def edit_record(folder: Path, **changes) -> None:
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, **changes}))


def truncate(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-20])


def swap(folder: Path) -> None:
    """Put the files of another run there, with the name of this one."""
    other = write_run(folder.parents[1] / "others", num_workers=7)
    for name in ("metrics.csv", "run.json"):
        shutil.copy(other / name, folder)
    edit_record(folder, run=folder.name)


DAMAGE = {
    "metrics missing": (lambda folder: (folder / "metrics.csv").unlink(), r"metrics.csv: cannot be read"),
    "metrics truncated": (truncate, r"metrics.csv: truncated or edited"),
    "record missing": (lambda folder: (folder / "run.json").unlink(), r"run.json: cannot be read"),
    "record truncated": (lambda folder: (folder / "run.json").write_text('{"run":'), r"run.json: not valid JSON"),
    "record incomplete": (lambda folder: (folder / "run.json").write_text("{}"), r"run.json: incomplete"),
    "record a list": (lambda folder: (folder / "run.json").write_text("[1]"), r"run.json: incomplete"),
    "another run": (lambda folder: edit_record(folder, run="m2-other"), r"run.json: belongs to another run, m2-other"),
    "another configuration": (swap, r"run.json: its configuration, data and sources belong to another run, m7-lr"),
    "another configuration by the same name": (
        lambda folder: edit_record(folder, config=RunConfig(seed=1, epochs=7).model_dump()),
        r"run.json: its configuration, data and sources belong to another run, m1-lr0.01-seed1",
    ),
    "other images": (
        lambda folder: edit_record(folder, data={"fingerprint": "2" * 64}),
        r"to another run, m1-lr",
    ),
    "another outcome": (
        lambda folder: edit_record(folder, outcome="dead"),
        r"run.json: outcome is 'dead', but metrics.csv says 'trained'",
    ),
    "another length": (
        lambda folder: edit_record(folder, total_steps=200),
        r"run.json: total_steps is 200, but",
    ),
    "another arm": (lambda folder: edit_record(folder, arm="00000000"), r"run.json: arm is '00000000', but metrics"),
    "hardware of no kind": (lambda folder: edit_record(folder, hardware=3), r"run.json: hardware is 3, but metrics"),
    "other sources": (
        lambda folder: edit_record(folder, sources="2" * 64),
        r"to another run, m1-lr",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_an_error_that_names_it(tmp_path, damage):
    whole, broken = (write_run(tmp_path / "runs", seed=seed) for seed in (0, 1))
    make, message = DAMAGE[damage]
    make(broken)
    with pytest.raises(AsgdError, match=message) as caught:
        read(whole, broken)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(broken))
    assert text.endswith(f"delete the folder {broken.name} and train the run again")


def test_a_missing_column_is_an_error_even_if_the_hash_fits(tmp_path):
    folder = write_run(tmp_path)
    path = folder / "metrics.csv"
    pd.read_csv(path).drop(columns="test_loss").to_csv(path, index=False)
    edit_record(folder, metrics_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(AsgdError, match=r"metrics.csv: has no column test_loss"):
        read(folder)


def test_no_folders_is_an_error():
    with pytest.raises(AsgdError, match="no runs to aggregate"):
        read()


def test_tables_survive_csv(tmp_path):
    for table in read(write_run(tmp_path, num_workers=3), write_run(tmp_path, seed=1, dropout=0.3)):
        write_table(tmp_path / "table.csv", table.assign(arm="12345678"))
        again = read_table(tmp_path / "table.csv")
        assert again["arm"].tolist() == ["12345678"] * len(table)
        numbers = table.select_dtypes("number")
        pd.testing.assert_frame_equal(again[numbers.columns], numbers, check_dtype=False)


def test_runs_that_saw_other_images_of_one_source_are_not_mixed(tmp_path):
    folders = [write_run(tmp_path, seed=seed) for seed in (0, 1)]
    edit_record(folders[1], data={"fingerprint": "0" * 64, "content": "3" * 64})
    with pytest.raises(AsgdError, match="have different images of one source; delete the older run and train it again"):
        read(*folders)
