"""Each update rule against its formula over the whole history, in float64, where its correction is large."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from asgd.simulator.updates.adagrad import Adagrad
from asgd.simulator.updates.dc_adaptive import AdaptiveCompensation
from asgd.simulator.updates.dc_constant import ConstantCompensation
from asgd.simulator.updates.delay_adaptive import DelayAdaptive
from asgd.simulator.updates.gap_aware import GapAware
from asgd.simulator.updates.rule import Arrived, Rule
from asgd.simulator.updates.staleness_scaled import StalenessScaled

Array = NDArray[np.float64]
STEPS, WORKERS, ETA, SIZE = 200, 5, 0.05, 12
STRENGTH, SCALE, INITIAL = 4.0, 0.3, 1e-6


class History:
    """All that happened: gradient t of worker w[t] was taken at the weights of step sent[t]."""

    def __init__(self) -> None:
        self.weights: list[Array] = []
        self.gradients: list[Array] = []
        self.workers: list[int] = []
        self.sent: list[int] = []

    def gap(self) -> Array:
        return self.weights[-1] - self.weights[self.sent[-1]]

    def own(self) -> list[Array]:
        """The gradients of the worker heard last."""
        return [g for g, w in zip(self.gradients, self.workers, strict=True) if w == self.workers[-1]]


def by_plain(h: History) -> Array:
    return h.gradients[-1]


def by_dc_constant(h: History) -> Array:
    return h.gradients[-1] + STRENGTH * h.gradients[-1] ** 2 * h.gap()


def by_dc_adaptive(h: History) -> Array:
    own = h.own()
    mean_square = 0.05 * sum(0.95 ** (len(own) - 1 - k) * g**2 for k, g in enumerate(own))
    return h.gradients[-1] + STRENGTH / np.sqrt(mean_square + 1e-7) * h.gradients[-1] ** 2 * h.gap()


def by_gap_aware(h: History) -> Array:
    n = len(h.gradients)
    mean_square = 0.001 * sum(0.999 ** (n - 1 - k) * g**2 for k, g in enumerate(h.gradients)) / (1 - 0.999**n)
    return h.gradients[-1] / (1 + np.abs(h.gap()) / (ETA * SCALE * (np.sqrt(mean_square) + 1e-8)))


def by_adagrad(h: History) -> Array:
    return h.gradients[-1] / np.sqrt(INITIAL + sum(g**2 for g in h.gradients))


def by_staleness(h: History) -> Array:
    return h.gradients[-1] / (len(h.weights) - 1 - h.sent[-1] + 1)


def by_delay(h: History) -> Array:
    return h.gradients[-1] * WORKERS / max(WORKERS, len(h.weights) - 1 - h.sent[-1])


RULES: dict[str, tuple[Callable[[], Rule], Callable[[History], Array]]] = {
    "sgd": (Rule, by_plain),
    "dc_constant": (lambda: ConstantCompensation(STRENGTH), by_dc_constant),
    "dc_adaptive": (lambda: AdaptiveCompensation(STRENGTH), by_dc_adaptive),
    "gap_aware": (lambda: GapAware(SCALE), by_gap_aware),
    "adagrad": (lambda: Adagrad(INITIAL), by_adagrad),
    "staleness_scaled": (StalenessScaled, by_staleness),
    "delay_adaptive": (lambda: DelayAdaptive(WORKERS), by_delay),
}
#: Those that correct the gradient, and those that leave it as it is where the weights are fresh.
CORRECTING = ("dc_constant", "dc_adaptive", "gap_aware")
PLAIN_WHEN_FRESH = (*CORRECTING, "staleness_scaled", "delay_adaptive")


def take_gradient(weights: Array, step: int) -> Array:
    """Of a problem that is neither linear nor quiet: every step pulls in another direction."""
    target = np.random.default_rng(step).normal(size=SIZE)
    return np.tanh(2 * (weights - target)) + 0.3 * weights


def simulate(rule: Rule, num_workers: int = WORKERS) -> tuple[History, list[Array]]:
    """The history, and each step's direction by ``rule``."""
    start = np.random.default_rng(99).normal(size=SIZE)
    history, directions = History(), []
    order = np.random.default_rng(7).integers(num_workers, size=STEPS)
    sent = dict.fromkeys(range(num_workers), 0)
    rule.start(torch.from_numpy(start), num_workers)
    history.weights.append(start)
    for step, worker in enumerate(map(int, order)):
        stale = history.weights[sent[worker]]
        gradient = take_gradient(stale, step)
        history.gradients.append(gradient)
        history.workers.append(worker)
        history.sent.append(sent[worker])
        staleness = step - sent[worker]
        tensors = (torch.from_numpy(part.copy()) for part in (gradient, stale, history.weights[-1]))
        arrived = Arrived(*tensors, worker, staleness, ETA)
        corrected = rule.correct(arrived)
        assert np.array_equal(arrived.gradient.numpy(), gradient), "the gradient was changed in place"
        directions.append(rule.factor(staleness) * corrected.numpy())
        history.weights.append(history.weights[-1] - ETA * directions[-1])
        sent[worker] = step + 1
    return history, directions


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_its_formula_over_the_whole_history(name: str) -> None:
    make, formula = RULES[name]
    whole, directions = simulate(make())
    partial = History()
    for step, direction in enumerate(directions):
        partial.weights = whole.weights[: step + 1]
        partial.gradients, partial.workers = whole.gradients[: step + 1], whole.workers[: step + 1]
        partial.sent = whole.sent[: step + 1]
        assert direction == pytest.approx(formula(partial), rel=1e-10, abs=1e-13), step


@pytest.mark.parametrize("name", CORRECTING)
def test_the_correction_is_large_here(name: str) -> None:
    """A tenth of the gradient or more in the median, or the formula would hardly be tried."""
    history, directions = simulate(RULES[name][0]())
    sizes = [
        np.linalg.norm(direction - gradient) / np.linalg.norm(gradient)
        for direction, gradient in zip(directions, history.gradients, strict=True)
    ]
    assert np.median(sizes) >= 0.1


@pytest.mark.parametrize("name", PLAIN_WHEN_FRESH)
def test_one_worker_is_plain_sgd_bit_for_bit(name: str) -> None:
    plain, _ = simulate(Rule(), num_workers=1)
    rule = DelayAdaptive(1) if name == "delay_adaptive" else RULES[name][0]()
    other, _ = simulate(rule, num_workers=1)
    assert np.array_equal(plain.weights, other.weights)


@pytest.mark.parametrize("rule", [ConstantCompensation(0.0), AdaptiveCompensation(0.0), GapAware(float("inf"))])
def test_no_strength_is_plain_sgd_bit_for_bit(rule: Rule) -> None:
    plain, _ = simulate(Rule())
    other, _ = simulate(rule)
    assert np.array_equal(plain.weights, other.weights)
