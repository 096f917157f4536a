"""What DVC takes for a pool of many finished runs, in batches and in folders: to record, push, clone and pull it.

python -m tests.measure_dvc 10000

The runs are made up: nothing is trained, and after the pull a dry run of Snakemake must find nothing to train. Seconds
are of the clock.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from asgd.runs.folder import write_run
from asgd.settings.study import load_params
from asgd.study.plan import plan_study
from tests.measure_dag import make_params
from tests.measure_pool import RUNS_PER_BATCH, fill_pool, make_up
from tests.pipeline import Project, commit, run

STAGES = ("data", "runs")


def fill_folders(project: Project) -> None:
    """Put all runs of the project's study into its pool, each into a folder of its own."""
    study = plan_study(load_params(project.folder / "params.yaml"), project.folder / "data")
    for name, contents in make_up(study):
        write_run(contents, project.folder / "results/runs" / name)


def show(num_runs: int, runs_per_batch: int | None, fill: Callable[[Project], None]) -> None:
    """Print a line for each step of sharing the pool."""
    form = "batches" if runs_per_batch else "folders"

    def step(what: str, *command: str, folder: Path) -> str:
        began = time.monotonic()
        output = run([*command], folder)
        print(f"{num_runs:9,} runs in {form}, {what:16} {time.monotonic() - began:7.1f} s", flush=True)
        return output

    with tempfile.TemporaryDirectory() as name:
        project = Project(Path(name, "project"), make_params(num_runs, arms=False, runs_per_batch=runs_per_batch))
        folder, other = project.folder, Path(name, "clone")
        project.snakemake("--", "data")
        for pool in ("runs", "batches"):
            (folder / "results" / pool).mkdir(parents=True, exist_ok=True)
        fill(project)
        run(["git", "init", "--quiet"], folder)
        commit(folder, "Sources")
        step("recorded", "dvc", "commit", "--force", *STAGES, folder=folder)
        step("recorded again", "dvc", "commit", "--force", *STAGES, folder=folder)
        commit(folder, "Results")
        run(["dvc", "remote", "add", "--local", "--default", "store", str(Path(name, "store"))], folder)
        step("pushed", "dvc", "push", *STAGES, folder=folder)
        step("cloned", "git", "clone", "--quiet", str(folder), str(other), folder=folder)
        run(["dvc", "remote", "add", "--local", "--default", "store", str(Path(name, "store"))], other)
        step("pulled", "dvc", "pull", *STAGES, folder=other)
        plan = step("planned", "snakemake", "--dry-run", "--config", "pdf=False", "--", "runs", folder=other)
        assert "train" not in plan, plan


if __name__ == "__main__":
    for number in sys.argv[1:]:
        show(int(number), RUNS_PER_BATCH, fill_pool)
        show(int(number), None, fill_folders)
