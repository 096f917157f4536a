"""How long Snakemake takes to plan a study of many runs: a dry run, with nothing done yet.

python -m tests.measure_dag 1000 10000
"""

import copy
import sys
import tempfile
import time
from pathlib import Path

from tests.pipeline import TINY, Project

RUNS_PER_JOB = ("auto", 1, 20, 100)


def measure_dag(num_runs: int, runs_per_job: int | str, folder: Path) -> float:
    """Seconds of a dry run of ``num_runs`` runs in jobs of ``runs_per_job``."""
    params = copy.deepcopy(TINY)
    workers = [1, 2, 4, 5, 8]
    seeds = {"num_workers": workers, "seeds": list(range(num_runs // len(workers)))}
    params["presets"]["tiny"]["experiments"] = {"delay": seeds}
    project = Project(folder, params)
    start = time.perf_counter()
    project.snakemake(f"runs_per_job={runs_per_job}", "--dry-run", "--quiet")
    return time.perf_counter() - start


def main() -> None:
    """Print a line for each number of runs given on the command line, and each size of a job."""
    for num_runs in map(int, sys.argv[1:]):
        for runs_per_job in RUNS_PER_JOB:
            with tempfile.TemporaryDirectory() as folder:
                seconds = measure_dag(num_runs, runs_per_job, Path(folder))
            print(f"{num_runs:7,} runs, {runs_per_job:>4} a job: {seconds:6.1f} s")


if __name__ == "__main__":
    main()
