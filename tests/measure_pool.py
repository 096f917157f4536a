"""What a study of very many finished runs costs: to plan it again, to ask for its status, and to make its tables.

python -m tests.measure_pool 10000 100000

The runs are in batches of a hundred, and made up: nothing is trained. Seconds are those of the processor; memory is the
peak of a process.
"""

import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from asgd.data import source_fingerprint
from asgd.runs.batch import name_batch, write_batch
from asgd.runs.sources import fingerprint_run
from asgd.settings.run import Run
from asgd.settings.study import load_params
from asgd.study.plan import Study, plan_study
from tests.measure_dag import make_params
from tests.pipeline import Project
from tests.run_folders import render_run

RUNS_PER_BATCH = 100


def make_up(study: Study) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The name and the files of each run; those of an arm differ in the seed alone."""
    data = source_fingerprint(study.params.selected.data)
    known: dict[str, dict[str, bytes]] = {}
    for run in study.runs.values():
        arm = run.config.arm()
        if arm not in known:
            known[arm] = render_run(data=data, sources=fingerprint_run(run.config), **run.config.model_dump())[1]
        yield run.name, {**known[arm], "run.json": _rename(known[arm]["run.json"], run)}


def _rename(record: bytes, run: Run) -> bytes:
    about = json.loads(record)
    about["run"], about["config"]["seed"] = run.name, run.config.seed
    return json.dumps(about).encode()


def fill_pool(project: Project) -> None:
    """Put all runs of the project's study into its pool, in batches."""
    study = plan_study(load_params(project.folder / "params.yaml"), project.folder / "data")
    found: dict[str, dict[str, bytes]] = {}
    for name, contents in make_up(study):
        found[name] = contents
        if len(found) == RUNS_PER_BATCH:
            _write(found, project)
            found = {}
    if found:
        _write(found, project)


def _write(runs: dict[str, dict[str, bytes]], project: Project) -> None:
    write_batch(runs, project.folder / f"results/batches/{name_batch(list(runs))}.parquet")


def measure(folder: Path, *command: str) -> tuple[float, float, str]:
    """Seconds, megabytes and the output of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = f"PYTHONPATH={folder / 'src'}"
    done = subprocess.run(
        ["env", environment, *command], cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = done.stdout.decode(errors="replace")
    assert done.returncode == 0, output
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, used.ru_maxrss / 1000, output


def show(num_runs: int) -> None:
    """Print a line for each thing that is asked of a study of ``num_runs`` finished runs."""
    with tempfile.TemporaryDirectory() as name:
        project = Project(Path(name, "project"), make_params(num_runs, arms=False, runs_per_batch=RUNS_PER_BATCH))
        fill_pool(project)
        snakemake = (sys.executable, "-m", "snakemake", "--cores", "1", "--quiet")
        for what, command in (
            ("every run checked, and planned", (*snakemake, "--dry-run", "--", "runs")),
            ("planned again", (*snakemake, "--dry-run", "--", "runs")),
            ("status", (sys.executable, "-m", "asgd", "status")),
            ("tables made", (*snakemake, "--", "results/tiny/tables/runs.parquet")),
        ):
            # A process for each, or the largest before would be the peak of all.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
                seconds, memory, _ = fresh.submit(measure, project.folder, *command).result()
            print(f"{num_runs:9,} runs, {what:31} {seconds:7.1f} s {memory:6,.0f} MB", flush=True)
        stored = sum(path.stat().st_size for path in (project.folder / "results/batches").iterdir())
        print(f"{num_runs:9,} runs, {stored / 1e6:,.0f} MB in batches", flush=True)
        shutil.rmtree(project.folder)


if __name__ == "__main__":
    for number in sys.argv[1:]:
        show(int(number))
