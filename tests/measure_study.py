"""What a study of very many short runs takes, from nothing to verdicts, figures and explorer, and how much is training.

python -m tests.measure_study 20000

A map of five seeds over learning rate and m, in batches of five hundred: synthetic images, 500 steps for a run.
Everything is trained, on all cores. Memory is that of all processes together, sampled every second.
"""

import argparse
import contextlib
import copy
import math
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from asgd.tables.files import find_table, read_table
from tests.pipeline import TINY, Project

SEEDS = 5
#: What is made, in this order; each measured with what it needs that is not there yet.
TARGETS = {"verdicts": "results/tiny/claims.json", "figures": "figures", "the rest": "all"}


def make_params(num_runs: int, runs_per_batch: int) -> dict[str, Any]:
    """Parameters of a map of about ``num_runs`` runs, with the arms that the claims need."""
    params = copy.deepcopy(TINY)
    side = math.isqrt(num_runs // SEEDS)
    rates = [round(1e-3 * 1.05**number, 9) for number in range(side)]
    params["presets"]["tiny"] |= {
        "runs_per_batch": runs_per_batch,
        "data": {"source": "synthetic", "num_train": 200, "num_test": 100},
        "run": {"learning_rate": rates[side // 2], "epochs": 10, "evaluations_per_epoch": 1, "train_eval_images": 100},
        "seeds": list(range(SEEDS)),
        "experiments": {
            "delay": {"num_workers": [1, 10, 20, 30]},
            "map": {"num_workers": list(range(1, side + 1)), "learning_rate": rates},
        },
    }
    return params


def measure(project: Project, target: str) -> tuple[float, float]:
    """Seconds that ``snakemake TARGET`` takes, and the most megabytes of all its processes together."""
    began, most = time.monotonic(), 0.0
    process = project.start("snakemake", "--cores", "all", "--quiet", "all", "--config", "pdf=False", "--", target)
    with ThreadPoolExecutor(1) as thread:
        output = thread.submit(process.communicate)
        while not output.done():
            most = max(most, _sum_memory(process.pid))
            time.sleep(1)
    assert process.returncode == 0, output.result()[0]
    return time.monotonic() - began, most / 1e6


def _sum_memory(pid: int) -> float:
    """Bytes of a process and all below it; what they share is counted once."""
    total = 0.0
    with contextlib.suppress(psutil.Error):  # one has just ended
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            total += process.memory_full_info().pss
    return total


def main() -> None:
    """Print what each target took, and the share of the cores' time that was not training."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int)
    parser.add_argument("--runs-per-batch", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder, "project"), make_params(options.runs, options.runs_per_batch))
        for name, target in TARGETS.items():
            seconds, memory = measure(project, target)
            print(f"{name:>8}: {seconds:7.1f} s, at most {memory:6,.0f} MB", flush=True)
            if name == "verdicts":
                runs = read_table(find_table(project.folder / "results/tiny/tables", "runs"))
                trained, cores = float(runs["wall_seconds"].sum()), os.cpu_count() or 1
                other = 1 - trained / seconds / cores
                print(f"{len(runs):,} runs trained for {trained:.1f} s on {cores} cores; {other:.1%} was not training")


if __name__ == "__main__":
    main()
