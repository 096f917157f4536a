"""How fast the engines are: ``asgd bench``.

Everything on one thread. What is compared runs interleaved in one process, round by round, and each figure is a median
over rounds: a machine that slows down for a while slows all of them. The baseline is the simulator that one would
write first, and the paper's authors probably did: a PyTorch module for the server and one for each worker.
"""

import functools
import io
import itertools
import os
import platform
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from asgd.machine import find_processor
from asgd.settings.run import RunConfig
from asgd.simulator.benchmark_delay import measure_network, measure_variants
from asgd.simulator.benchmark_jobs import measure_job, measure_start_up, measure_two_processes, time_call
from asgd.simulator.engine import Engine
from asgd.simulator.fused import FusedEngine, choose_kernels
from asgd.simulator.fused.layout import LANES
from asgd.simulator.fused.options import OPTIONS
from asgd.simulator.fused.vectors import load_rows, outer, scalars, store_block, zeros
from asgd.simulator.networks import shapes as architecture
from asgd.simulator.reference import ReferenceEngine
from asgd.simulator.training_set import find_batch_size
from asgd.terminal import make_table, open_console

WORKERS = (1, 8, 100)
MOMENTUM, DROPOUT, BATCH_SIZE = 0.9, 0.2, 4
#: Server steps of each engine in a round: about equal times.
ROUND_STEPS = {"naive": 20, "reference": 20, "fused-plain": 100, "fused-vector": 200}
EVALUATION_IMAGES = 10_000
EVALUATION_BATCHES = (16, 32, 64, 128, 256, 1000)


class NaiveNetwork(nn.Module):
    """The paper's network as in a tutorial."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 5)
        self.pool, self.dropout = nn.MaxPool2d(2, 2), nn.Dropout(dropout)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x))).flatten(1)
        x = self.dropout(F.relu(self.fc1(x)))
        x = self.dropout(F.relu(self.fc2(x)))
        logits: Tensor = self.fc3(x)
        return logits


class NaiveSimulator:
    """m + 1 copies of the network; a gradient travels to the server's optimiser, the weights travel back."""

    def __init__(self, config: RunConfig, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.server = NaiveNetwork(config.dropout)
        self.workers = [NaiveNetwork(config.dropout) for _ in range(config.num_workers)]
        for worker in self.workers:
            worker.load_state_dict(self.server.state_dict())
        self.optimizer = torch.optim.SGD(self.server.parameters(), lr=config.learning_rate, momentum=config.momentum)
        self.batch_size = find_batch_size(config, len(images))
        self.num_steps = 0

    def advance(self, num_steps: int) -> None:
        """Take ``num_steps`` server steps."""
        for _ in range(num_steps):
            worker = self.workers[self.num_steps % len(self.workers)]
            batch = torch.randint(len(self.images), (self.batch_size,))
            worker.zero_grad()
            F.cross_entropy(worker(normalize(self.images[batch])), self.labels[batch]).backward()  # type: ignore[no-untyped-call]
            for parameter, computed in zip(self.server.parameters(), worker.parameters(), strict=True):
                assert computed.grad is not None
                parameter.grad = computed.grad.clone()
            self.optimizer.step()
            worker.load_state_dict(self.server.state_dict())
            self.num_steps += 1


def normalize(images: Tensor) -> Tensor:
    """uint8 [n, 32, 32, 3] to float [n, 3, 32, 32] in [-1, 1]."""
    return (images.permute(0, 3, 1, 2).float() - architecture.PIXEL_CENTRE) / architecture.PIXEL_CENTRE


def run_benchmark(rounds: int = 15, start_up: bool = True) -> dict[str, Any]:
    """Measure everything; about seven minutes. ``start_up``: also whole jobs and their start, which compiles once more.

    ``ratio_to_naive`` is by engine and number of workers (as text), with momentum and without dropout.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        peak = measure_peak()
        steps = [
            row
            for num_workers, momentum, dropout in itertools.product(WORKERS, (0.0, MOMENTUM), (0.0, DROPOUT))
            for row in measure_steps(num_workers, momentum, dropout, rounds, peak)
        ]
        result: dict[str, Any] = {
            "machine": describe_machine(),
            "fma_peak_gflops": peak,
            "ratio_to_naive": collect_ratios(steps),
            "steps": steps,
            "evaluation": measure_evaluation(max(3, rounds // 3)),
            "two_processes": measure_two_processes(),
            "variants": measure_variants(*draw_images(5000), 2 * rounds),
            "network": measure_network(*draw_images(1280), max(3, rounds // 3)),
        }
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)
    if start_up:
        result["start_up_seconds"] = measure_start_up()
        result["job"] = measure_job()
    return result


def measure_steps(num_workers: int, momentum: float, dropout: float, rounds: int, peak: float) -> list[dict[str, Any]]:
    """Time of a step for all engines in one configuration: rows of the table, the naive simulator first."""
    config = RunConfig(
        num_workers=num_workers, momentum=momentum, dropout=dropout, output_relu=False, learning_rate=0.001
    )
    images, labels = draw_images(5000)
    simulators: dict[str, Engine | NaiveSimulator] = {
        "naive": NaiveSimulator(config, images, labels),
        "reference": ReferenceEngine(config, images, labels),
        "fused-plain": FusedEngine(config, images, labels, kernels="plain"),
        "fused-vector": FusedEngine(config, images, labels, kernels="vector"),
    }
    for simulator in simulators.values():
        simulator.advance(20)
    times = {name: np.empty(rounds) for name in simulators}
    for round_number in range(rounds):
        for name, simulator in simulators.items():
            count = ROUND_STEPS[name]
            times[name][round_number] = time_call(simulator.advance, count) / count
    return [
        {
            "engine": name,
            "num_workers": num_workers,
            "momentum": momentum,
            "dropout": dropout,
            "microseconds": float(np.median(measured)) * 1e6,
            "steps_per_second": 1 / float(np.median(measured)),
            "ratio_to_naive": float(np.median(times["naive"] / measured)),
            "share_of_peak": count_operations(BATCH_SIZE) / float(np.median(measured)) / (peak * 1e9),
        }
        for name, measured in times.items()
    ]


def count_operations(batch_size: int) -> int:
    """Floating-point operations of a step if nothing is skipped: 12.8 million for a mini-batch of 4.

    The fused engine does fewer (it skips gradients that are zero, and halves some of the multiplications), so its
    share of the machine's peak by this count may exceed what its units do.
    """
    convolutions = (6 * 28 * 28 * 75, 16 * 10 * 10 * 150)
    dense = 400 * 120 + 120 * 84 + 84 * 10
    # Forward, gradient of the weights, and gradient of the inputs but for those of the first layer.
    return 2 * batch_size * (3 * (sum(convolutions) + dense) - convolutions[0])


def collect_ratios(steps: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Times the naive simulator's speed, by engine and m, with momentum and without dropout."""
    ratios: dict[str, dict[str, float]] = {}
    for row in steps:
        if row["momentum"] == MOMENTUM and row["dropout"] == 0:
            ratios.setdefault(row["engine"], {})[str(row["num_workers"])] = round(row["ratio_to_naive"], 2)
    return ratios


def measure_evaluation(rounds: int) -> dict[str, Any]:
    """Seconds for an evaluation of 10,000 images: both variants, and PyTorch by batch size."""
    images, labels = draw_images(EVALUATION_IMAGES)
    calls: dict[str, Callable[[], Any]] = {}
    for kernels in ("plain", "vector"):
        engine = FusedEngine(RunConfig(output_relu=False), images, labels, kernels=kernels)
        calls[f"fused-{kernels}"] = functools.partial(engine.evaluate, images, labels)
    network = NaiveNetwork(0.0).eval()
    for batch in EVALUATION_BATCHES:
        calls[f"pytorch-{batch}"] = functools.partial(evaluate_naive, network, images, batch)
    times = {name: np.array([], float) for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name] = np.append(times[name], time_call(call))
    seconds = {name: float(np.median(measured)) for name, measured in times.items()}
    best = min((name for name in seconds if name.startswith("pytorch")), key=seconds.__getitem__)
    ratios = {name: float(np.median(times[best] / times[name])) for name in ("fused-plain", "fused-vector")}
    return {"images": EVALUATION_IMAGES, "seconds": seconds, "pytorch_best": best, "ratio_to_pytorch": ratios}


@torch.inference_mode()
def evaluate_naive(network: nn.Module, images: NDArray[np.uint8], batch: int) -> None:
    """Logits of all images, mini-batch by mini-batch."""
    for first in range(0, len(images), batch):
        network(normalize(torch.from_numpy(images[first : first + batch])))


def measure_peak() -> float:
    """The most GFLOP/s that one thread reaches with multiply-adds on registers."""
    return max(measure_multiply_adds(4, 5), measure_multiply_adds(2, 3))  # AVX-512 has registers for the first only


def measure_multiply_adds(rows: int, columns: int) -> float:
    """GFLOP/s of independent vector multiply-adds, ``rows * columns`` at a time."""
    size = rows * columns

    @numba.njit(**OPTIONS)
    def run(data, number):  # type: ignore[no-untyped-def]
        tile, left, right = zeros(size), scalars(data, 0, 1, rows), load_rows(data, 0, LANES, columns)
        for _ in range(number):
            tile = outer(tile, left, right)
        store_block(data, 0, 0, size, tile)

    data = np.full(size * LANES, 0.5, np.float32)
    run(data, 1)
    number = 500_000
    return number * size * LANES * 2 / min(time_call(run, data, number) for _ in range(7)) / 1e9


def draw_images(number: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Random images: no pixel is like its neighbour, so few ReLUs are dead and few gradients are skipped."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (number, *architecture.IMAGE_SHAPE), dtype=np.uint8)
    return images, generator.integers(0, architecture.NUM_CLASSES, number)


def describe_machine() -> dict[str, Any]:
    """The processor and the versions that decide."""
    return {
        "processor": find_processor(),
        "llvm_name": llvmlite.binding.get_host_cpu_name(),
        "cores": os.cpu_count(),
        "chosen_variant": choose_kernels(),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "torch": torch.__version__,
    }


def format_benchmark(result: dict[str, Any]) -> str:
    """The tables of ``run_benchmark``'s result, as text."""
    console = open_console(io.StringIO(), 80)
    machine = result["machine"]
    peak = f"FMA peak {result['fma_peak_gflops']:.0f} GFLOP/s"
    console.print(f"{machine['processor']} ({machine['llvm_name']}), one thread, {peak}")
    numbers = ("m", "momentum", "dropout", "us/step", "steps/s", "times naive", "% of peak")
    table = make_table("engine", *numbers, numbers=numbers)
    for row in result["steps"]:
        table.add_row(
            row["engine"],
            str(row["num_workers"]),
            str(row["momentum"]),
            str(row["dropout"]),
            f"{row['microseconds']:.0f}",
            f"{row['steps_per_second']:.0f}",
            f"{row['ratio_to_naive']:.1f}",
            f"{100 * row['share_of_peak']:.0f}",
        )
    console.print(table)
    evaluation, both = result["evaluation"], result["two_processes"]
    for name, ratio in evaluation["ratio_to_pytorch"].items():
        best = evaluation["pytorch_best"]
        console.print(
            f"evaluation of {evaluation['images']} images: {name} {evaluation['seconds'][name]:.3f} s, "
            f"{best} (its best batch size) {evaluation['seconds'][best]:.3f} s: {ratio:.1f} times faster"
        )
    console.print(f"two processes at once: {both['ratio']:.2f} times the steps of one ({both['one']:.0f} steps/s)")
    for what, ratios in (("gradient, fused at m = 8", result["variants"]), ("ResNet-8 step", result["network"])):
        console.print(f"{what}: {', '.join(f'{name} {ratio:.2f}' for name, ratio in ratios.items())}")
    if "start_up_seconds" in result:
        start = result["start_up_seconds"]
        console.print(f"start-up of a job: {start['cold']:.1f} s cold, {start['cached']:.2f} s cached")
        job = result["job"]
        console.print(
            f"asgd train, {job['runs']} runs of 12,500 steps and 5 evaluations: fused {job['fused']:.1f} s per run, "
            f"reference {job['reference']:.1f} s: {job['ratio']:.1f} times faster"
        )
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
