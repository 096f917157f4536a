"""How long whole processes take: the part of ``asgd bench`` that starts some."""

import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from asgd.closure import SOURCES
from asgd.errors import AsgdError
from asgd.settings.data import DataConfig
from asgd.settings.order import Order
from asgd.settings.run import RunConfig

#: Runs that share the start of a job.
JOB_RUNS = 8

_WORKER = """
import time
import numpy as np
from asgd.settings.run import RunConfig
from asgd.simulator.fused import FusedEngine
generator = np.random.default_rng(0)
images = generator.integers(0, 256, (5000, 32, 32, 3), dtype=np.uint8)
config = RunConfig(num_workers=8, momentum=0.9, output_relu=False, learning_rate=0.001)
engine = FusedEngine(config, images, generator.integers(0, 10, 5000))
engine.advance(100)
start, steps = time.perf_counter(), 0
while time.perf_counter() < start + {seconds}:
    steps += engine.advance(500).num_steps
print(steps / (time.perf_counter() - start))
"""


def measure_two_processes(seconds: float = 3.0) -> dict[str, float]:
    """Steps per second of one process, and of two at once together."""
    alone = run_workers(1, seconds)
    together = run_workers(2, seconds)
    return {"one": alone, "two": together, "ratio": together / alone}


def run_workers(number: int, seconds: float) -> float:
    """Steps per second of so many processes together, each at m = 8."""
    workers = [start_python(_WORKER.format(seconds=seconds), {}) for _ in range(number)]
    return sum(float(worker.communicate()[0]) for worker in workers)


def measure_start_up() -> dict[str, float]:
    """Seconds from the start of Python to the end of a job of one step and one evaluation, cold and cached."""
    program = "from asgd.simulator.fused import compile_once; compile_once()"
    with tempfile.TemporaryDirectory() as directory:
        cold, cached = (
            time_call(lambda: start_python(program, {"ASGD_CACHE_DIR": directory}).communicate()) for _ in range(2)
        )
    return {"cold": cold, "cached": cached}


def measure_job() -> dict[str, float]:
    """Seconds a run, by engine, in a job of ``JOB_RUNS`` runs of 12,500 steps and five evaluations each."""
    data = DataConfig(source="synthetic", num_train=50_000, num_test=10_000)
    config = RunConfig(num_workers=8, momentum=0.9, learning_rate=0.001)
    seconds = {}
    with tempfile.TemporaryDirectory() as directory:
        _run_asgd(directory, "data", "--settings", "-", orders=data.model_dump_json())
        for engine in ("fused", "reference"):
            runs = [config.model_copy(update={"engine": engine, "seed": seed}) for seed in range(JOB_RUNS)]
            orders = "\n".join(Order(run=run, data=data).to_json() for run in runs)
            seconds[engine] = time_call(functools.partial(_run_asgd, orders=orders), directory, "train", "--each", "-")
    return {
        **{engine: whole / JOB_RUNS for engine, whole in seconds.items()},
        "runs": JOB_RUNS,
        "ratio": seconds["reference"] / seconds["fused"],
    }


def _run_asgd(folder: str, *arguments: str, orders: str) -> None:
    program = f"import os, sys; os.chdir({folder!r}); from asgd.commands.cli import main; sys.exit(main({arguments!r}))"
    done = start_python(program, {}, stdin=subprocess.PIPE)
    done.communicate(orders)
    if done.returncode:
        raise AsgdError(f"asgd {' '.join(arguments)}: failed with status {done.returncode}; run it by hand to see why")


def start_python(program: str, environment: dict[str, str], stdin: int | None = None) -> "subprocess.Popen[str]":
    """A Python process of its own that sees this package."""
    path = os.pathsep.join([str(SOURCES), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path, **environment},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )


def time_call(function: Callable[..., Any], *arguments: Any) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start
