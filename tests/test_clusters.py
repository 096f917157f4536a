"""The profiles for clusters: on a real Slurm, where one can run (see slurm_trial.py), and with any submit command."""

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


def test_any_command_that_takes_a_script_will_do(tmp_path: Path) -> None:
    submit = tmp_path / "submit"
    submit.write_text('#!/bin/sh\nnohup sh "$1" >/dev/null 2>&1 &\necho $!\n')
    submit.chmod(0o755)
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", TINY)
    flags = ["--latency-wait", "10", "--seconds-between-status-checks", "1"]
    flags += ["--cluster-generic-submit-cmd", str(submit), "--", "runs"]
    done = project.run(*documented_command("generic", "pdf=False", "runs_per_job=3"), *flags)
    assert done.returncode == 0, done.stdout
    assert len(list(project.folder.glob("results/runs/*/run.json"))) == TINY_RUNS
    assert project.planned_jobs().keys().isdisjoint({"train_run", "prepare_data"})
