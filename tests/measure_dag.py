"""What a study of many runs costs before its first run: to plan it, and a dry run of Snakemake, with nothing done yet.

python -m tests.measure_dag 1000 10000
python -m tests.measure_dag 10000 --arms                 as many arms, of a run each, in place of five
python -m tests.measure_dag 10000 --runs-per-batch 100   stored in batches

Seconds are those of the processor, so that other work on the machine does not count; memory is the peak of a process.
"""

import argparse
import copy
import math
import multiprocessing
import resource
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from asgd.runs.folder import list_files
from asgd.settings.study import load_params
from asgd.study.manifest import write_manifest
from asgd.study.plan import Study, plan_study
from asgd.study.products import list_products
from tests.pipeline import ROOT, TINY, Project

RUNS_PER_JOB = ("auto", 1, 20, 100)


def make_params(num_runs: int, arms: bool, runs_per_batch: int | None) -> dict[str, Any]:
    """Parameters of a study of about ``num_runs`` runs: five arms with many seeds, or a fine map of one seed."""
    params = copy.deepcopy(TINY)
    side = math.isqrt(num_runs)
    rates = [round(1e-4 * 1.02**number, 12) for number in range(side)]
    grid = {"num_workers": list(range(1, side + 1)), "learning_rate": rates}
    delay = {"num_workers": [1, 2, 4, 5, 8], "seeds": list(range(num_runs // 5))}
    params["presets"]["tiny"]["experiments"] = {"map": grid} if arms else {"delay": delay}
    params["presets"]["tiny"] |= {"runs_per_batch": runs_per_batch} if runs_per_batch else {}
    return params


def measure_plan(params: dict[str, Any]) -> tuple[float, float, int]:
    """Seconds, megabytes and the number of files of the study: of planning, with all that the Snakefile asks for."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder, "project"), params)
        before = _measure(resource.RUSAGE_SELF)[0]
        study = plan_study(load_params(project.folder / "params.yaml"), Path("data"))
        study.table_manifest()
        for name in study.analyses:
            study.describe_analysis(name)
        write_manifest(study, Path(folder, "study.json"))
        files = count_files(study)
        after, memory = _measure(resource.RUSAGE_SELF)
    return after - before, memory, files


def count_files(study: Study) -> int:
    """The files of the finished study: of its runs, a log for each or for each batch, and its products."""
    batch = study.params.selected.runs_per_batch
    of_runs = 2 * math.ceil(len(study.runs) / batch) if batch else sum(1 + len(list_files(run)) for run in study.runs)
    return of_runs + len(list_products(study, ROOT / "report"))


def measure_dag(params: dict[str, Any], runs_per_job: int | str) -> tuple[float, float]:
    """Seconds and megabytes of a dry run with jobs of ``runs_per_job``."""
    with tempfile.TemporaryDirectory() as folder:
        Project(Path(folder, "project"), params).snakemake(f"runs_per_job={runs_per_job}", "--dry-run", "--quiet")
    return _measure(resource.RUSAGE_CHILDREN)


def _measure(who: int) -> tuple[float, float]:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def main() -> None:
    """Print a line for each number of runs given on the command line, and each size of a job."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="+")
    parser.add_argument("--arms", action="store_true")
    parser.add_argument("--runs-per-batch", type=int)
    options = parser.parse_args()
    # A process for each, or the largest before would be the peak of all.
    fresh = partial(ProcessPoolExecutor, 1, multiprocessing.get_context("spawn"))
    for number in options.runs:
        params = make_params(number, options.arms, options.runs_per_batch)
        with fresh() as pool:
            seconds, memory, files = pool.submit(measure_plan, params).result()
        print(f"{number:9,} runs, plan:            {seconds:7.1f} s {memory:6,.0f} MB {files:9,} files", flush=True)
        for runs_per_job in ("auto",) if options.runs_per_batch else RUNS_PER_JOB:
            with fresh() as pool:
                seconds, memory = pool.submit(measure_dag, params, runs_per_job).result()
            print(f"{number:9,} runs, dry run, {runs_per_job:>4}: {seconds:7.1f} s {memory:6,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
