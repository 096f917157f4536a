"""Finished runs survive what deletes them from the store, DVC above all."""

import copy
import shutil
from pathlib import Path

import pytest

from asgd.data import load_data, prepare_data
from asgd.runs.folder import format_run, list_files, write_run
from asgd.runs.kept import keep_runs, restore_runs
from asgd.runs.pool import Pool
from asgd.runs.sources import identify_run
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from tests.pipeline import TINY, Project, copy_repository, run


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of one run."""
    data = DataConfig(source="synthetic", num_train=40, num_test=20)
    dataset = load_data(prepare_data(data, tmp_path / "data", progress=False))
    config = RunConfig(train_eval_images=0)
    name = identify_run(config, dataset.fingerprint).name
    write_run(format_run(train_run(config, dataset)), tmp_path / "runs" / name)
    return tmp_path / "runs"


def test_a_deleted_run_comes_back_whole(store: Path, tmp_path: Path) -> None:
    (folder,) = store.iterdir()
    before = {name: (folder / name).read_bytes() for name in list_files(folder.name)}
    keep_runs([folder.name, "not-trained"], Pool(store), tmp_path / "kept")
    assert (tmp_path / "kept" / folder.name / "run.json").samefile(folder / "run.json")  # no space taken
    assert restore_runs([folder.name], Pool(store), tmp_path / "kept") == 0
    shutil.rmtree(store)
    assert restore_runs(["other"], Pool(store), tmp_path / "kept") == 0  # one that nobody asks for stays where it is
    assert restore_runs([folder.name], Pool(store), tmp_path / "kept") == 1
    assert {name: (folder / name).read_bytes() for name in list_files(folder.name)} == before
    assert sorted(path.name for path in store.iterdir()) == [folder.name]


def test_a_damaged_run_does_not_come_back(store: Path, tmp_path: Path) -> None:
    (folder,) = store.iterdir()
    keep_runs([folder.name], Pool(store), tmp_path / "kept")
    (folder / "metrics.csv").write_text("edited")
    shutil.rmtree(folder)
    assert restore_runs([folder.name], Pool(store), tmp_path / "kept") == 0
    assert not list((tmp_path / "kept").iterdir())


def test_a_run_under_another_name_does_not_come_back(store: Path, tmp_path: Path) -> None:
    (folder,) = store.iterdir()
    shutil.copytree(folder, tmp_path / "kept/another")
    assert restore_runs(["another"], Pool(store), tmp_path / "kept") == 0
    assert not (store / "another").exists()


def test_snakemake_takes_back_what_somebody_deleted(tmp_path: Path) -> None:
    project = Project(tmp_path, TINY)
    project.snakemake("--", "runs")
    shutil.rmtree(tmp_path / "results/runs")
    assert "5 runs were missing in results/runs and are taken back" in project.snakemake("--dry-run")
    assert not project.planned_jobs().keys() & {"train_run", "prepare_data"}


def test_runs_that_are_there_need_no_images(tmp_path: Path) -> None:
    """As in a clone into which the runs of the study were unpacked."""
    project = Project(tmp_path, TINY)
    project.snakemake("--", "runs")
    for name in ("data", "logs", ".snakemake"):
        shutil.rmtree(tmp_path / name)
    assert not project.planned_jobs().keys() & {"train_run", "prepare_data", "compile_engine"}
    more = copy.deepcopy(TINY)
    more["presets"]["tiny"]["experiments"]["delay"]["num_workers"] = [1, 2, 5]
    project.write_params(more)
    jobs = project.planned_jobs()
    assert (jobs["train_run"], jobs["prepare_data"]) == (1, 1)


@pytest.mark.slow
def test_dvc_cannot_lose_what_snakemake_trained(tmp_path: Path) -> None:
    """`dvc exp run` first deletes runs that DVC has no copy of."""
    copy_repository(tmp_path, TINY | {"claims": {"confidence": 0.95}})
    run(["snakemake", "--cores", "2", "runs"], tmp_path)
    trained = {path.name for path in (tmp_path / "results/runs").iterdir()}
    run(["dvc", "exp", "run", "--set-param", "presets.tiny.run.learning_rate=0.02"], tmp_path)
    assert trained.isdisjoint(path.name for path in (tmp_path / "results/runs").iterdir())  # else: no need of this
    run(["git", "checkout", "--quiet", "params.yaml"], tmp_path)
    assert "train_run" not in run(["snakemake", "--dry-run"], tmp_path)
    assert trained < {path.name for path in (tmp_path / "results/runs").iterdir()}
