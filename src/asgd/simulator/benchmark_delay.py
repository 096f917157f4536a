"""What schedules, policies and updates cost: the part of ``asgd bench`` that compares them with plain rounds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from asgd.settings.run import RunConfig
from asgd.simulator.benchmark_jobs import time_call
from asgd.simulator.engine import Engine
from asgd.simulator.fused import FusedEngine
from asgd.simulator.networks.paper import normalize_images
from asgd.simulator.parts import build_network
from asgd.simulator.reference import ReferenceEngine
from asgd.simulator.streams import BatchStream

#: Compared with round robin at m = 8 with momentum: gradients, not steps, are timed.
VARIANTS: dict[str, dict[str, Any]] = {
    "round robin": {},
    "random": {"schedule": "random"},
    "latency": {"schedule": "latency"},
    "discard": {"schedule": "latency", "policy": "discard", "max_staleness": 1000},
    "synchronous": {"schedule": "latency", "policy": "synchronous"},
    "staleness_scaled": {"update": "staleness_scaled"},
    "delay_adaptive": {"update": "delay_adaptive"},
    "dc_constant": {"update": "dc_constant"},
    "dc_adaptive": {"update": "dc_adaptive"},
    "gap_aware": {"update": "gap_aware"},
    "look_ahead": {"update": "look_ahead", "momentum_where": "worker"},
    "adagrad": {"update": "adagrad"},
}
_BASE: dict[str, Any] = {"num_workers": 8, "momentum": 0.9, "output_relu": False, "learning_rate": 0.001}
_ROUND = 256  # gradients: of two calls of the compiled program
_NETWORK: dict[str, Any] = {"network": "resnet8", "batch_size": 128, "momentum": 0.9, "learning_rate": 0.01}
_NETWORK_ROUND = 2


def measure_variants(images: Any, labels: Any, rounds: int) -> dict[str, float]:
    """Time of a gradient, of the fused engine, as a ratio to round robin."""
    engines = {name: FusedEngine(RunConfig(**{**_BASE, **keys}), images, labels) for name, keys in VARIANTS.items()}
    return _compare(engines, "round robin", _ROUND, rounds)


def measure_network(images: Any, labels: Any, rounds: int) -> dict[str, float]:
    """Time of a step of ResNet-8 at a mini-batch of 128, of the reference engine, as a ratio to a plain loop."""
    engines: dict[str, Any] = {
        "plain PyTorch": PlainLoop(RunConfig(**_NETWORK), images, labels),
        "m = 1": ReferenceEngine(RunConfig(**_NETWORK), images, labels),
        "m = 8": ReferenceEngine(RunConfig(num_workers=8, **_NETWORK), images, labels),
    }
    return _compare(engines, "plain PyTorch", _NETWORK_ROUND, rounds)


def _compare(engines: "Mapping[str, Engine | PlainLoop]", base: str, number: int, rounds: int) -> dict[str, float]:
    for engine in engines.values():
        engine.advance(number)
    times = {name: np.empty(rounds) for name in engines}
    for each in range(rounds):
        for name, engine in engines.items():
            times[name][each] = time_call(engine.advance, number)
    return {name: float(np.median(found / times[base])) for name, found in times.items()}


class PlainLoop:
    """Training as in a tutorial, without any delay: the same network, mini-batches and optimizer."""

    def __init__(self, config: RunConfig, images: Any, labels: Any) -> None:
        assert config.batch_size != "full"
        self._images, self._labels = images, torch.from_numpy(labels)
        self._network = build_network(config)
        self._optimizer = torch.optim.SGD(self._network.parameters(), config.learning_rate, config.momentum)
        self._batches = BatchStream(config.seed, len(labels), config.batch_size)
        self._num_steps = 0

    def advance(self, num_steps: int) -> None:
        """Take ``num_steps`` steps."""
        for indices in self._batches.indices(np.arange(self._num_steps, self._num_steps + num_steps)):
            self._optimizer.zero_grad()
            outputs = self._network(normalize_images(self._images[indices]))
            F.cross_entropy(outputs, self._labels[indices]).backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
        self._num_steps += num_steps
