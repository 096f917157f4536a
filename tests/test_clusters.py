"""The profiles for clusters: on a real Slurm, where one can run (see slurm_trial.py), and with any submit command."""

import shutil
from pathlib import Path

import pytest

from tests import real_slurm_trial, slurm_trial
from tests.pipeline import TINY, TINY_RUNS, Project, documented_command

pytestmark = pytest.mark.slow


@pytest.mark.skipif(bool(slurm_trial.why_not()), reason=f"skipped: no Slurm can run here ({slurm_trial.why_not()})")
def test_jobs_lost_on_slurm_are_run_again_and_the_results_are_those_of_a_local_run() -> None:
    assert slurm_trial.main() == 0


@pytest.mark.skipif(bool(real_slurm_trial.why_not()), reason=f"skipped: no two nodes ({real_slurm_trial.why_not()})")
def test_real_workers_on_two_nodes_of_slurm_are_replayed_bit_for_bit() -> None:
    assert real_slurm_trial.main() == 0


def test_a_trial_whose_local_run_fails_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("local", "cluster"):
        (tmp_path / name).mkdir()
    projects = [Project(tmp_path / name, {"preset": "tiny", "presets": {}}) for name in ("local", "cluster")]
    assert not slurm_trial.try_study(*projects)
    assert "params.yaml: " in capsys.readouterr().out


def submit(project: Project, *config: str, before: str = "") -> None:
    """Train all runs in jobs whose command does ``before``, a line of shell, first; none may need a second try."""
    command = project.folder.parent / "submit"
    command.write_text(f'#!/bin/sh\n{before}\nnohup sh "$1" >/dev/null 2>&1 &\necho $!\n')
    command.chmod(0o755)
    flags = ["--latency-wait", "10", "--seconds-between-status-checks", "1", "--retries", "0"]
    flags += ["--cluster-generic-submit-cmd", str(command), "--", "runs"]
    done = project.run(*documented_command("generic", "pdf=False", *config), *flags)
    assert done.returncode == 0, done.stdout
    assert len(list(project.folder.glob("results/runs/*/run.json"))) == TINY_RUNS


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project", TINY)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the finished runs of that project."""
    finished = Project(tmp_path_factory.mktemp("finished"), TINY)
    finished.snakemake("--", "runs")
    return finished.folder / "results/runs"


@pytest.mark.parametrize("config", [(), ("runs_per_job=3",)])
def test_any_command_that_takes_a_script_will_do(project: Project, config: tuple[str, ...]) -> None:
    submit(project, *config)
    assert project.planned_jobs().keys().isdisjoint({"train_run", "prepare_data"})


def test_a_job_has_the_same_runs_where_some_are_finished_before(project: Project, runs: Path) -> None:
    first = min(runs.iterdir())
    shutil.copytree(first, project.folder / "results/runs" / first.name)
    submit(project, "runs_per_job=2")


def test_a_job_whose_runs_are_finished_while_it_waits_leaves_them_as_they_are(project: Project, runs: Path) -> None:
    submit(project, "runs_per_job=3", before=f"mkdir -p results; cp -R {runs} results")
    logs = list(project.folder.glob("logs/runs/*.log"))
    assert len(logs) == TINY_RUNS
    assert all("finished before, skipped" in log.read_text() for log in logs)
