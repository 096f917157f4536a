"""A study whose runs are stored in batches, as Snakemake runs it."""

import copy
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.errors import AsgdError
from asgd.runs.batch import Batch, write_batch
from asgd.runs.orders import Setup, train_orders
from asgd.runs.pool import Pool
from asgd.settings.order import Order
from asgd.tables.files import find_table, read_table
from tests.pipeline import TINY, TINY_RUNS, Project

BATCHED = copy.deepcopy(TINY)
BATCHED["presets"]["tiny"]["runs_per_batch"] = 2


def change(**keys: Any) -> dict[str, Any]:
    params = copy.deepcopy(BATCHED)
    params["presets"]["tiny"] |= keys
    return params


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Five runs in three batches, to tables."""
    project = Project(tmp_path_factory.mktemp("batches"), BATCHED)
    project.snakemake("--", "tables")
    return project


@pytest.fixture
def project(trained: Project, tmp_path: Path) -> Project:
    return trained.copy_to(tmp_path / "project")


def list_batches(project: Project) -> dict[str, list[str]]:
    found = {}
    for path in (project.folder / "results/batches").iterdir():
        with Batch(path) as batch:
            found[path.name] = batch.runs
    return found


def run_asgd(project: Project, *arguments: str) -> str:
    """What a command prints that runs with the project's own sources."""
    done = project.run("env", f"PYTHONPATH={project.folder / 'src'}", sys.executable, "-m", "asgd", *arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout


def count_batches(project: Project) -> int:
    """How many batches a dry run would train."""
    return project.planned_jobs("--", "runs").get("train_batch", 0)


def lose_kept(project: Project) -> None:
    shutil.rmtree(project.folder / "results/kept")


def test_runs_are_in_batches_of_the_size_that_is_asked_for(project: Project) -> None:
    assert sorted(map(len, list_batches(project).values())) == [1, 2, 2]
    assert not list((project.folder / "results/runs").iterdir())
    assert not list((project.folder / "results/checkpoints").iterdir())
    assert len(list((project.folder / "logs/batches").iterdir())) == 3
    assert project.planned_jobs("--", "tables") == {}


def test_the_tables_are_those_of_runs_in_folders(project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other", TINY)
    other.snakemake("--", "tables")
    times = ["wall_seconds", "steps_per_second"]
    for name in ("runs", "evaluations", "arms", "curves", "dvc_curves"):
        found, expected = (
            read_table(find_table(one.folder / "results/tiny/tables", name)).drop(columns=times, errors="ignore")
            for one in (project, other)
        )
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_new_seed_trains_only_new_runs(project: Project) -> None:
    before = list_batches(project)
    project.write_params(change(seeds=[0, 1]))
    assert count_batches(project) == 3
    project.snakemake("--", "runs")
    after = list_batches(project)
    assert before.items() < after.items()
    assert sum(map(len, after.values())) == 2 * TINY_RUNS
    assert all("seed1" in run for name in after.keys() - before.keys() for run in after[name])


def test_a_changed_parameter_trains_what_depends_on_it(project: Project) -> None:
    params = change()
    params["presets"]["tiny"]["experiments"]["dropout"]["dropout"] = [0.0, 0.4]
    project.write_params(params)
    project.snakemake("--", "tables")
    assert sum(map(len, list_batches(project).values())) == TINY_RUNS + 1


def test_a_missing_or_edited_run_is_trained_alone(project: Project) -> None:
    lose_kept(project)
    path, (first, second) = next(
        (project.folder / "results/batches" / name, runs) for name, runs in list_batches(project).items() if runs[1:]
    )
    with Batch(path) as batch:
        contents = {name: batch.read_contents(name) for name in (first, second)}
    edited = {**contents[first], "metrics.csv": contents[first]["metrics.csv"] + b"\n"}
    write_batch({first: edited, second: contents[second]}, path)
    assert count_batches(project) == 1
    project.snakemake("--", "tables")
    assert [first] in list_batches(project).values()
    with Pool(project.folder / "results/runs") as pool:
        assert pool.read(first)[1] == contents[first]["metrics.csv"].decode()
    assert project.planned_jobs("--", "tables") == {}


def test_a_lost_batch_is_taken_back_or_trained_again(project: Project) -> None:
    path = next((project.folder / "results/batches").iterdir())
    path.unlink()
    with_kept = project.snakemake("--dry-run", "--", "runs")
    assert re.search(r"[12] runs were missing in results/runs and are taken back", with_kept)
    path.unlink()
    lose_kept(project)
    assert count_batches(project) == 1


def test_runs_in_folders_count_too_and_move(project: Project) -> None:
    moved = run_asgd(project, "regroup", "--into", "folders")
    assert moved == f"results/runs: {TINY_RUNS} runs moved here from results/batches\n"
    assert count_batches(project) == 0
    moved = run_asgd(project, "regroup", "--into", "batches", "--runs-per-batch", "100")
    assert moved == f"results/batches: {TINY_RUNS} runs moved here from results/runs\n"
    assert [len(runs) for runs in list_batches(project).values()] == [TINY_RUNS]
    assert count_batches(project) == 0


def test_the_status_counts_batches(project: Project) -> None:
    assert f"{TINY_RUNS} of {TINY_RUNS} runs done" in run_asgd(project, "status")
    project.write_params(change(seeds=[0, 1]))
    project.snakemake("--dry-run", "--", "runs")  # which writes the orders
    orders = next((project.folder / "results/tiny/.orders").iterdir())
    first = re.search(r'"out":"([^"]+)"', orders.read_text())
    assert first
    log = project.folder / "logs/batches" / f"{orders.stem}.log"
    log.write_text(f"{first[1]}: begins\nstep 5: train loss 2.3\n")
    shown = run_asgd(project, "status")
    assert f"{TINY_RUNS} of {2 * TINY_RUNS} runs done, 1 running, 0 failed, {TINY_RUNS - 1} waiting" in shown
    assert f"{first[1]}, step 5" in shown
    with log.open("a") as file:
        file.write(f"{first[1]}: test accuracy 10.00%, outcome plateau\n")
    assert f"{TINY_RUNS + 1} of {2 * TINY_RUNS} runs done" in run_asgd(project, "status")


def test_one_run_that_fails_costs_no_other(tmp_path: Path) -> None:
    data = {"source": "synthetic", "num_train": 40, "num_test": 20}
    runs = [{"epochs": 2, "train_eval_images": 20, "seed": seed} for seed in range(2)]
    orders = [Order.model_validate({"run": run, "data": data}) for run in runs]
    wrong = Order.model_validate({"run": {**runs[0], "train_eval_images": 50}, "data": data, "out": "wrong"})
    batch = tmp_path / "batches/x.parquet"
    setup = Setup(tmp_path, tmp_path / "runs", checkpoints=tmp_path / "checkpoints", batch=batch)
    with pytest.raises(AsgdError, match=r"1 of 3 runs failed: wrong \(train_eval_images = 50"):
        train_orders([*orders, wrong], setup)
    assert not batch.exists()
    states = {path: path.stat().st_mtime_ns for path in (tmp_path / "checkpoints").iterdir()}
    assert len(states) == 2
    train_orders(orders, setup)
    assert not list((tmp_path / "checkpoints").iterdir())
    with Batch(batch) as file:
        assert len(list(file.read_sound())) == 2


def test_real_workers_have_folders(tmp_path: Path) -> None:
    order = Order.model_validate({"run": {"execution": "real", "num_workers": 2}, "out": "real"})
    with pytest.raises(AsgdError, match=r"x\.parquet: a batch has simulated runs only; give real a folder"):
        train_orders([order], Setup(tmp_path, batch=tmp_path / "x.parquet"))
