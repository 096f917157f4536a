"""Both engines under every schedule, policy and update: against simulations that keep the whole history."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine
from asgd.simulator.events import Fate
from asgd.simulator.fused import FusedEngine
from asgd.simulator.parts import build_course
from asgd.simulator.reference import ReferenceEngine
from asgd.simulator.streams import BatchStream
from tests.simulator.fused_cases import KERNELS, draw_images

ENGINES = (*KERNELS, "reference")
WORKERS = [1, 2, 7, 30]
SCHEDULES: dict[str, dict[str, Any]] = {
    "round_robin": {},
    "random": {"schedule": "random"},
    "gamma": {"schedule": "latency", "latency_cv": 0.5},
    "pareto": {"schedule": "latency", "latency": "pareto"},
    "slow": {"schedule": "latency", "slow_share": 0.5, "slow_factor": 4.0},
    "queue": {"schedule": "latency", "server_time": 0.1},
}
AT_WORKERS = {"momentum": 0.9, "momentum_where": "worker"}
UPDATES: dict[str, dict[str, Any]] = {
    "staleness_scaled": {},
    "delay_adaptive": {"schedule": "random"},
    "dc_constant": {"dc_strength": 2.0},
    "dc_adaptive": {},
    "gap_aware": {"momentum": 0.5},
    "look_ahead": AT_WORKERS,
    "adagrad": {"learning_rate": 0.001},
}
POLICIES: dict[str, dict[str, Any]] = {
    "discard": {"policy": "discard", "max_staleness": 6, "schedule": "random"},
    "stop": {"policy": "discard", "max_staleness": 6, "stop": True, "schedule": "latency"},
    "synchronous": {"policy": "synchronous", "schedule": "latency", "backups": 2, "momentum": 0.5},
    "late ones finish": {"policy": "synchronous", "schedule": "latency", "backups": 2, "cancel": False},
}
KINDS = {
    **{name: keys for name, keys in SCHEDULES.items() if keys},
    **{name: {"update": name, **keys} for name, keys in UPDATES.items()},
    **POLICIES,
}
IMAGES, LABELS = draw_images(120)


def config_of(**keys: Any) -> RunConfig:
    return RunConfig(**{"learning_rate": 0.02, "output_relu": False, "num_workers": 7, **keys})


def engine_of(name: str, config: RunConfig) -> Engine:
    if name == "reference":
        return ReferenceEngine(config, IMAGES, LABELS)
    return FusedEngine(config, IMAGES, LABELS, kernels=name)


def same_bits(one: Engine, two: Engine) -> bool:
    return bool(np.array_equal(one.weights, two.weights))


def gradient_at(config: RunConfig) -> Callable[[NDArray[np.float32], int], NDArray[np.float64]]:
    """The gradient of any mini-batch at any weights, by an engine that never takes a step."""
    engine = ReferenceEngine(config, IMAGES, LABELS)
    batches = BatchStream(config.seed, len(LABELS), 4, 204 if config.dropout else 0)

    def compute(weights: NDArray[np.float32], number: int) -> NDArray[np.float64]:
        masks = batches.masks(np.array([number]))[0] if config.dropout else None
        indices = batches.indices(np.array([number]))[0]
        return engine.compute_gradient(torch.from_numpy(weights), indices, masks)[1].numpy().astype(np.float64)

    return compute


def check_steps(errors: list[float]) -> None:
    """Of each step, as a share of its length: rounding, but where it decides a near-tie of a pooling or a ReLU."""
    assert np.median(errors) < 2e-4
    assert max(errors) < 0.2


def measure_error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("num_workers", WORKERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", ENGINES)
def test_weights_and_mini_batches_are_those_of_the_whole_history(name: str, schedule: str, num_workers: int) -> None:
    """The worker heard used the weights of the step when it was last heard, and the mini-batch that it got then."""
    config = config_of(num_workers=num_workers, dropout=0.2, **SCHEDULES[schedule])
    engine, compute = engine_of(name, config), gradient_at(config)
    order = build_course(config).take(70).worker.tolist()
    history, sent, batch = [engine.weights], dict.fromkeys(range(num_workers), 0), dict(enumerate(range(num_workers)))
    errors = []
    for k, worker in enumerate(order):
        gradient = compute(history[sent[worker]], batch[worker])
        sent[worker], batch[worker] = k + 1, num_workers + k
        engine.advance(1)
        history.append(engine.weights)
        errors.append(measure_error(history[-1] - history[-2].astype(np.float64), -config.learning_rate * gradient))
    check_steps(errors)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_engines_agree(name: str, kind: str) -> None:
    config = config_of(**KINDS[kind], dropout=0.2)
    engine, reference = engine_of(name, config), engine_of("reference", config)
    found, expected = engine.advance(260), reference.advance(260)
    assert (found.num_applied, len(found.corrections)) == (expected.num_applied, len(expected.corrections))
    assert found.loss_sum == pytest.approx(expected.loss_sum, rel=1e-3)
    assert found.corrections == pytest.approx(expected.corrections, rel=2e-2)
    assert np.linalg.norm(engine.weights - reference.weights) < 0.02 * np.linalg.norm(reference.weights)
    assert engine.tally.fates.tolist() == reference.tally.fates.tolist()


@pytest.mark.parametrize("update", ["dc_constant", "dc_adaptive", "gap_aware", "staleness_scaled", "delay_adaptive"])
@pytest.mark.parametrize("name", ENGINES)
def test_one_worker_is_plain_sgd_bit_for_bit(name: str, update: str) -> None:
    keys: dict[str, Any] = {"num_workers": 1, "momentum": 0.9}
    plain, other = engine_of(name, config_of(**keys)), engine_of(name, config_of(**keys, update=update))
    plain.advance(90)
    other.advance(90)
    assert same_bits(plain, other)


@pytest.mark.parametrize(
    "keys",
    [
        {"update": "dc_constant", "dc_strength": 0.0},
        {"update": "dc_adaptive", "dc_adaptive_strength": 0.0},
        {"update": "gap_aware", "gap_scale": 1e30},
        {"policy": "discard", "max_staleness": 10_000},
        {"policy": "discard", "max_staleness": 10_000, "stop": True},
    ],
)
@pytest.mark.parametrize("name", ENGINES)
def test_without_strength_a_remedy_is_plain_sgd_bit_for_bit(name: str, keys: dict[str, Any]) -> None:
    common: dict[str, Any] = {"schedule": "latency", "momentum": 0.5, "momentum_convention": "ema"}
    plain, other = engine_of(name, config_of(**common)), engine_of(name, config_of(**common, **keys))
    plain.advance(150)
    other.advance(150)
    assert same_bits(plain, other)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_synchronous_steps_are_those_of_a_larger_mini_batch(name: str, momentum: float) -> None:
    keys: dict[str, Any] = {"momentum": momentum, "dropout": 0.2}
    synchronous = config_of(policy="synchronous", schedule="latency", num_workers=5, **keys)
    one, other = engine_of(name, synchronous), engine_of(name, config_of(num_workers=1, batch_size=20, **keys))
    found, expected = one.advance(200), other.advance(40)
    assert one.tally.steps == other.tally.steps == 40
    assert found.loss_sum / 200 == pytest.approx(expected.loss_sum / 40, rel=1e-4)
    assert found.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-2)
    assert np.abs(one.weights - other.weights).max() < 1e-4


@pytest.mark.parametrize("name", ENGINES)
def test_looking_ahead_with_one_worker_is_nesterov(name: str) -> None:
    """v <- b v + g(W - eta b v), W <- W - eta v."""
    config = config_of(num_workers=1, update="look_ahead", **AT_WORKERS)
    engine, compute = engine_of(name, config), gradient_at(config)
    weights, velocity = engine.weights.astype(np.float64), np.zeros(len(engine.weights))
    for step in range(40):
        ahead = (weights - config.learning_rate * 0.9 * velocity).astype(np.float32)
        velocity = 0.9 * velocity + compute(ahead, step)
        weights = weights - config.learning_rate * velocity
    engine.advance(40)
    assert np.abs(engine.weights - weights).max() < 2e-5


class Quadratic(nn.Module):
    """Weights that are pulled to each image's own mean colour: every step another way."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.linspace(-1, 1, 3, dtype=torch.float64))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3)) - self.place


def squares(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return (outputs**2).sum(1).mean() + 0.1 * (outputs**4).sum()


@pytest.mark.parametrize("where", ["server", "worker"])
def test_looking_ahead_sends_the_sum_of_all_velocities(where: str) -> None:
    """DANA-Zero over its whole history, in float64, with each velocity kept apart; and worker momentum likewise."""
    keys: dict[str, Any] = {"momentum": 0.9, "momentum_where": "worker", "learning_rate": 0.01, "num_workers": 5}
    config = config_of(**keys, schedule="random", **({"update": "look_ahead"} if where == "server" else {}))
    engine = ReferenceEngine(config, IMAGES, LABELS, Quadratic(), squares)
    events = build_course(config).take(200)
    batches = BatchStream(config.seed, len(LABELS), 4)
    weights = torch.linspace(-1, 1, 3, dtype=torch.float64).numpy()
    velocities, sent = np.zeros((5, 3)), np.tile(weights, (5, 1))
    for worker, batch in zip(events.worker, events.batch, strict=True):
        indices = batches.indices(np.array([batch]))[0]
        gradient = engine.compute_gradient(torch.from_numpy(sent[worker].copy()), indices)[1].numpy()
        velocities[worker] = 0.9 * velocities[worker] + gradient
        weights = weights - 0.01 * velocities[worker]
        ahead = 0.01 * 0.9 * velocities.sum(0) if where == "server" else 0.0
        sent[worker] = weights - ahead
        engine.advance(1)
        assert engine.server.weights.numpy() == pytest.approx(weights, rel=1e-9)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_gradient_that_is_not_applied_leaves_no_trace_and_is_charged(name: str, policy: str) -> None:
    """The weights are those of a simulation that takes the events and keeps every W."""
    config = config_of(**POLICIES[policy])
    engine, compute = engine_of(name, config), gradient_at(config)
    events = build_course(config).take(120)
    history, velocity, collected = [engine.weights], 0.0, []
    errors = []
    for k in range(120):
        if events.fate[k] == Fate.APPLIED:
            stale = history[len(history) - 1 - events.staleness[k]]
            collected.append(compute(stale, int(events.batch[k])))
        engine.advance(1)
        if events.closes[k]:
            velocity = config.momentum * velocity + np.mean(collected, 0)
            history.append(engine.weights)
            step = history[-1] - history[-2].astype(np.float64)
            errors.append(measure_error(step, -config.learning_rate * velocity))
            collected = []
        assert np.array_equal(engine.weights, history[-1])
    check_steps(errors)
    fates = engine.tally.fates
    assert fates.sum() == engine.tally.gradients == 120
    assert fates[Fate.APPLIED] < 120
    assert engine.tally.steps == len(history) - 1


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_engine_continues_bit_for_bit_wherever_it_is_cut(name: str, kind: str) -> None:
    config = config_of(**KINDS[kind], dropout=0.2)
    whole, cut = engine_of(name, config), engine_of(name, config)
    whole.advance(100)
    for number in (13, 1, 37):
        cut.advance(number)
        cut.evaluate(IMAGES[:9], LABELS[:9])
        cut.staleness_displacement()
        other = engine_of(name, config)
        other.restore(cut.state())
        cut = other
    cut.advance(49)
    assert same_bits(whole, cut)
    assert whole.tally.fates.tolist() == cut.tally.fates.tolist()
    assert whole.tally.staleness.tolist() == cut.tally.staleness.tolist()
    assert whole.staleness_displacement() == cut.staleness_displacement()


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("batch_size", ["full", 60])
def test_a_large_mini_batch_is_taken_in_parts(name: str, batch_size: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same gradient, whatever the parts; of a balanced subset, the first images of the training set."""
    config = config_of(num_workers=2, batch_size=batch_size, num_images=100, dropout=0.2)
    whole = engine_of(name, config)
    whole.advance(6)
    monkeypatch.setattr("asgd.simulator.fused.engine.LARGEST_PART", 24)
    monkeypatch.setattr("asgd.simulator.reference._LARGEST_PART", 24)
    parts = engine_of(name, config)
    parts.advance(6)
    assert np.abs(whole.weights - parts.weights).max() < 1e-6
    assert not np.array_equal(parts.weights, engine_of(name, config).weights)


def test_a_full_mini_batch_needs_no_more_memory_than_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr("asgd.simulator.fused.engine.LARGEST_PART", 24)
    draw = BatchStream.masks
    monkeypatch.setattr(BatchStream, "masks", lambda self, *args: drawn.append(draw(self, *args)) or drawn[-1])
    FusedEngine(config_of(batch_size="full", dropout=0.2), IMAGES, LABELS).advance(2)
    assert max(masks.size for masks in drawn) == 24 * 204
