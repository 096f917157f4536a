"""Kill real training jobs at random moments, start them again, and compare their curves with undisturbed ones.

    python -m tests.kill_campaign --kills 100

prints a table: for each kind of job (an engine with one run, or a batch of four runs) and each signal how often a job
was killed, how often a run went on from a checkpoint, and whether its curves are byte for byte those of the job that
nobody killed. Exit status 1 if one is not.
"""

import argparse
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from asgd.commands.flags import add_data_flags, add_run_flags, collect
from asgd.runs.batch import Batch
from asgd.settings.data import DataConfig
from asgd.settings.order import Order
from asgd.settings.run import RunConfig

#: Jobs of seconds, with all that a run's state has: stale weights, velocities, dropout masks.
SETTINGS = shlex.split(
    "--num-workers 7 --momentum 0.9 --momentum-where worker --momentum-convention ema --dropout 0.2"
    " --evaluations-per-epoch 8 --train-eval-images 100"
    " --data-source synthetic --data-num-train 4000 --data-num-test 400"
)
EPOCHS = {"fused": "24", "reference": "2"}
KINDS = (*EPOCHS, "batch")
BATCH_RUNS, BATCH_EPOCHS = 4, "6"
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


@dataclass
class Tally:
    """What happened to the jobs of one kind under one signal."""

    jobs: int = 0
    kills: int = 0
    resumed: int = 0
    identical: int = 0


def command(kind: str, folder: Path, name: str) -> list[str]:
    """One training job, which checkpoints at every evaluation."""
    shared = ["--data-root", str(folder / "data"), "--checkpoint-every", "0"]
    checkpoints = ["--checkpoints", str(folder / "checkpoints")]
    if kind == "batch":
        job = ["--each", str(write_orders(folder)), "--batch", str(folder / f"{name}.parquet")]
    else:
        job = [*SETTINGS, "--engine", kind, "--epochs", EPOCHS[kind], "--out", str(folder / name)]
    return [sys.executable, "-m", "asgd", "train", *job, *shared, *checkpoints]


def write_orders(folder: Path) -> Path:
    """The orders of a batch of runs with ``SETTINGS``, each with its own seed."""
    parser = argparse.ArgumentParser()
    add_run_flags(parser)
    add_data_flags(parser)
    options = parser.parse_args([*SETTINGS, "--engine", "fused", "--epochs", BATCH_EPOCHS])
    run, data = collect(options, RunConfig), collect(options, DataConfig, "data-")
    orders = [Order.model_validate({"run": {**run, "seed": seed}, "data": data}) for seed in range(BATCH_RUNS)]
    path = folder / "orders.jsonl"
    path.write_text("".join(f"{order.to_json()}\n" for order in orders), encoding="utf-8")
    return path


def read_curves(kind: str, folder: Path, name: str) -> bytes:
    """What the job came to: the metrics.csv of each of its runs."""
    if kind != "batch":
        return (folder / name / "metrics.csv").read_bytes()
    with Batch(folder / f"{name}.parquet") as batch:
        return b"".join(batch.read_contents(run)["metrics.csv"] for run in batch.runs)


def disturb(job: Sequence[str], seconds: float, number: signal.Signals) -> tuple[bool, str]:
    """Run ``job`` for at most ``seconds`` and send it ``number``; returns whether that killed it, and what it wrote."""
    process = subprocess.Popen(job, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        return False, process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        return True, process.communicate()[1]


def run_campaign(
    kills: int, folder: Path, seed: int = 0, kinds: Sequence[str] = KINDS
) -> Iterator[tuple[str, str, Tally]]:
    """Yield kind, signal and tally until ``kills`` jobs in all were killed; equal shares for all combinations."""
    generator = random.Random(seed)
    for kind in kinds:
        start = time.monotonic()
        subprocess.run(command(kind, folder, f"{kind}-whole"), check=True, capture_output=True)
        whole, duration = read_curves(kind, folder, f"{kind}-whole"), time.monotonic() - start
        for number in SIGNALS:
            tally = Tally()
            while tally.kills < kills / len(kinds) / len(SIGNALS):
                name = f"{kind}-{number.name}-{tally.jobs}"
                killed = True
                while killed:
                    seconds = generator.uniform(0.3, 0.8) * duration
                    killed, written = disturb(command(kind, folder, name), seconds, number)
                    tally.kills += killed
                    tally.resumed += "continues from its checkpoint" in written
                tally.jobs += 1
                tally.identical += read_curves(kind, folder, name) == whole
            yield kind, number.name, tally


def main() -> int:
    """Run the campaign and print its table."""
    parser = argparse.ArgumentParser(description="Kill training jobs at random moments and compare their results.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table, intact = Table("job", "signal", "jobs", "kills", "went on from a checkpoint", "identical curves"), True
    with tempfile.TemporaryDirectory() as folder:
        for kind, name, tally in run_campaign(options.kills, Path(folder), options.seed):
            numbers = (tally.jobs, tally.kills, tally.resumed, f"{tally.identical} of {tally.jobs}")
            table.add_row(kind, name, *map(str, numbers))
            intact &= tally.identical == tally.jobs
            leftovers = [path.name for path in Path(folder).rglob(".*") if path.is_file()]
            intact &= not leftovers
    Console().print(table)
    return 0 if intact else 1


if __name__ == "__main__":
    sys.exit(main())
