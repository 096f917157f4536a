"""Any schedule: the limit of stability from the simulated recursion.

Delays that follow from each other, as those of an event queue do, leave no equation of fixed size. So the recursion on
a quadratic is simulated on the order of workers that the schedule gives. Its Lyapunov exponent is the mean growth of
the logarithm of its size in a step; where it is 0, the error of almost every run neither grows nor falls.

That is less strict than the mean square (``random_worker``): just below the limit a run may burst before it falls.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

from asgd.analyses.stability.thresholds import find_threshold, gradient_share
from asgd.errors import AsgdError

NUM_PATHS = 8
NUM_GRADIENTS = 100_000  #: of each path; more for more than 500 workers
MOST_WORKERS = 2000  #: of a simulation that takes at most a minute
CONFIDENCE = 0.95

#: (seed, number of gradients) -> the workers in the order in which they are heard
Order = Callable[[int, int], NDArray[np.int64]]


class Simulated(NamedTuple):
    """A limit and its uncertainty."""

    threshold: float
    error: float  #: half the width of the 95 % interval


def find_simulated_threshold(
    order: Order, num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> Simulated:
    """The x = eta * lambda up to which the Lyapunov exponent is negative, on ``order`` with the seeds 0 to 7.

    Each path has its own limit; ``threshold`` is their mean, with a t-interval. Raises AsgdError where paths of an
    affordable length tell nothing: for too many workers, a momentum too near to 1, delays too uneven.
    """
    if num_workers > MOST_WORKERS:
        raise AsgdError(
            f"num_workers = {num_workers:,}: the limit of this schedule is simulated, for at most {MOST_WORKERS:,} "
            "workers; take fewer, or schedule random, whose limit is an equation"
        )
    length = max(NUM_GRADIENTS, 200 * num_workers)
    memory = (num_workers if where == "worker" else 1) / (1 - momentum)
    if 10 * memory > 1.01 * length:
        raise AsgdError(
            f"momentum = {momentum:g}: a velocity lasts {memory:,.0f} gradients, too long for the simulated paths of "
            f"{length:,}; take a smaller one, or schedule round_robin or random, whose limits are equations"
        )
    found = [_solve(order(seed, length), num_workers, momentum, where) for seed in range(NUM_PATHS)]
    share = gradient_share(momentum, convention)
    half = stats.t.ppf((1 + CONFIDENCE) / 2, NUM_PATHS - 1) * stats.sem(found)
    return Simulated(float(np.mean(found)) / share, float(half) / share)


def lyapunov_exponent(
    workers: NDArray[np.int64], x: float, num_workers: int, momentum: float = 0.0, where: str = "server"
) -> float:
    """Mean growth, in a step, of the logarithm of the recursion's size; PyTorch's convention.

    The first tenth of ``workers`` is left out: there the recursion forgets how it began. A line is fitted to the rest,
    for the size of an oscillation goes up and down.
    """
    logarithms = _compile()(workers, x, num_workers, momentum, where == "worker")
    if not math.isfinite(logarithms[-1]):  # exactly 0 from some step on, or too large for a number
        return float(logarithms[-1])
    kept = logarithms[len(logarithms) // 10 :]
    return float(np.polynomial.polynomial.polyfit(np.arange(len(kept)), kept, 1)[1]) / num_workers


def _solve(workers: NDArray[np.int64], num_workers: int, momentum: float, where: str) -> float:
    def exponent(x: float) -> float:
        return lyapunov_exponent(workers, x, num_workers, momentum, where)

    # Constant delays are the most harmful of their mean as a rule, so the search goes up from their limit.
    low = find_threshold(num_workers, momentum, where)
    least = low / 1000
    while exponent(low) * len(workers) > -0.1:  # hardly falls on the whole path
        low /= 2
        if low < least:
            raise AsgdError(
                "the schedule's delays are too uneven: some workers are hardly heard in a simulated path; give a "
                "smaller latency_cv or slow_factor, or a larger latency_shape"
            )
    high = 2 * low
    while exponent(high) < 0:
        low, high = high, 2 * high
    return float(brentq(exponent, low, high, rtol=1e-6))


def _simulate(
    workers: NDArray[np.int64], x: float, num_workers: int, momentum: float, at_workers: bool
) -> NDArray[np.float64]:
    """The logarithm of the size of weights, stale weights and velocities after every ``num_workers`` steps."""
    stale, velocities = np.ones(num_workers), np.zeros(num_workers)
    logarithms = np.zeros(len(workers) // num_workers)
    weights, total = 1.0, 0.0
    for k in range(len(logarithms)):
        for step in range(k * num_workers, (k + 1) * num_workers):
            worker = workers[step]
            keeper = worker if at_workers else 0
            velocities[keeper] = momentum * velocities[keeper] + x * stale[worker]
            weights -= velocities[keeper]
            stale[worker] = weights
        square = weights * weights
        for i in range(num_workers):
            square += stale[i] * stale[i] + velocities[i] * velocities[i]
        size = math.sqrt(square)
        if size == 0 or size == math.inf:
            logarithms[k:] = -math.inf if size == 0 else math.inf
            break
        weights /= size
        for i in range(num_workers):
            stale[i] /= size
            velocities[i] /= size
        total += math.log(size)
        logarithms[k] = total
    return logarithms


@cache
def _compile() -> Any:
    return numba.njit(_simulate)
