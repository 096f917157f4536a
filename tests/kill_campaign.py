"""Kill real training jobs at random moments, start them again, and compare their curves with undisturbed ones.

    python -m tests.kill_campaign --kills 100

prints a table: for each engine and signal how often a job was killed, how often it went on from a checkpoint, and
whether its metrics.csv is byte for byte that of the job that nobody killed. Exit status 1 if one is not.
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

#: Jobs of seconds, with all that a run's state has: stale weights, velocities, dropout masks.
SETTINGS = shlex.split(
    "--num-workers 7 --momentum 0.9 --momentum-where worker --momentum-convention ema --dropout 0.2"
    " --evaluations-per-epoch 8 --train-eval-images 100"
    " --data-source synthetic --data-num-train 4000 --data-num-test 400"
)
EPOCHS = {"fused": "24", "reference": "2"}
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


@dataclass
class Tally:
    """What happened to the jobs of one engine under one signal."""

    jobs: int = 0
    kills: int = 0
    resumed: int = 0
    identical: int = 0


def command(engine: str, folder: Path, name: str) -> list[str]:
    """One training job, which checkpoints at every evaluation."""
    places = ["--data-root", str(folder / "data"), "--out", str(folder / name)]
    checkpoints = ["--checkpoints", str(folder / "checkpoints"), "--checkpoint-every", "0"]
    length = ["--engine", engine, "--epochs", EPOCHS[engine]]
    return [sys.executable, "-m", "asgd", "train", *SETTINGS, *length, *places, *checkpoints]


def disturb(job: Sequence[str], seconds: float, number: signal.Signals) -> tuple[bool, str]:
    """Run ``job`` for at most ``seconds`` and send it ``number``; returns whether that killed it, and what it wrote."""
    process = subprocess.Popen(job, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        return False, process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        return True, process.communicate()[1]


def run_campaign(
    kills: int, folder: Path, seed: int = 0, engines: Sequence[str] = tuple(EPOCHS)
) -> Iterator[tuple[str, str, Tally]]:
    """Yield engine, signal and tally until ``kills`` jobs in all were killed; equal shares for all combinations."""
    generator = random.Random(seed)
    for engine in engines:
        start = time.monotonic()
        subprocess.run(command(engine, folder, f"{engine}-whole"), check=True, capture_output=True)
        whole, duration = (folder / f"{engine}-whole" / "metrics.csv").read_bytes(), time.monotonic() - start
        for number in SIGNALS:
            tally = Tally()
            while tally.kills < kills / len(engines) / len(SIGNALS):
                name = f"{engine}-{number.name}-{tally.jobs}"
                killed = True
                while killed:
                    seconds = generator.uniform(0.3, 0.8) * duration
                    killed, written = disturb(command(engine, folder, name), seconds, number)
                    tally.kills += killed
                    tally.resumed += "continues from its checkpoint" in written
                tally.jobs += 1
                tally.identical += (folder / name / "metrics.csv").read_bytes() == whole
            yield engine, number.name, tally


def main() -> int:
    """Run the campaign and print its table."""
    parser = argparse.ArgumentParser(description="Kill training jobs at random moments and compare their results.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table, intact = Table("engine", "signal", "jobs", "kills", "went on from a checkpoint", "identical curves"), True
    with tempfile.TemporaryDirectory() as folder:
        for engine, name, tally in run_campaign(options.kills, Path(folder), options.seed):
            numbers = (tally.jobs, tally.kills, tally.resumed, f"{tally.identical} of {tally.jobs}")
            table.add_row(engine, name, *map(str, numbers))
            intact &= tally.identical == tally.jobs
            leftovers = [path.name for path in Path(folder).rglob(".*") if path.is_file()]
            intact &= not leftovers
    Console().print(table)
    return 0 if intact else 1


if __name__ == "__main__":
    sys.exit(main())
