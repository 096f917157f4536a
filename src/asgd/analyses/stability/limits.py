"""The limit of stability of a run: what its schedule and its kind of momentum allow."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from asgd.analyses.stability.random_worker import find_mean_square_threshold, find_mean_threshold
from asgd.analyses.stability.thresholds import find_threshold
from asgd.settings.run import RunConfig
from asgd.settings.schedule import ScheduleConfig
from asgd.simulator.events import Ledger
from asgd.simulator.policies.every import Every
from asgd.simulator.schedules.latency import Latency

_CHUNK = 50_000


@dataclass(frozen=True)
class Limit:
    """Up to where a run is stable."""

    threshold: float  #: of learning rate * curvature
    error: float  #: half the width of the threshold's 95 % interval; 0 where it is exact
    method: str  #: how it was found
    mean: float | None = None  #: the threshold of the mean over the schedule's draws, where that is another


def find_limit(config: RunConfig, schedule: ScheduleConfig) -> Limit:
    """The limit for the workers and the momentum of ``config``; all else in it has no effect.

    Round robin exactly, random workers by the mean square, any other schedule by simulation, which takes seconds.
    Raises AsgdError where there are too many workers to simulate.
    """
    name = schedule.schedule if config.num_workers > 1 else "round_robin"  # one worker is always the next
    return _FINDERS.get(name, _simulate)(config, schedule)


def is_exact(schedule: ScheduleConfig) -> bool:
    """Whether its limits are solutions of equations, found at once for any number of workers."""
    return schedule.schedule in _FINDERS


def _solve_round_robin(config: RunConfig, schedule: ScheduleConfig) -> Limit:
    return Limit(find_threshold(*_kind(config)), 0.0, "exact")


def _solve_random(config: RunConfig, schedule: ScheduleConfig) -> Limit:
    return Limit(
        find_mean_square_threshold(*_kind(config)), 0.0, "mean square, exact", find_mean_threshold(*_kind(config))
    )


def _simulate(config: RunConfig, schedule: ScheduleConfig) -> Limit:
    from asgd.analyses.stability.lyapunov import find_simulated_threshold  # compiles

    found = find_simulated_threshold(_order(schedule, config.num_workers), *_kind(config))
    return Limit(found.threshold, found.error, "Lyapunov exponent, simulated")


#: By schedule, for those that need no simulation.
_FINDERS: dict[str, Callable[[RunConfig, ScheduleConfig], Limit]] = {
    "round_robin": _solve_round_robin,
    "random": _solve_random,
}


def _kind(config: RunConfig) -> tuple[int, float, str, str]:
    return config.num_workers, config.momentum, config.momentum_where, config.momentum_convention


@cache
def _order(schedule: ScheduleConfig, num_workers: int) -> Callable[[int, int], NDArray[np.int64]]:
    """The workers in the order in which ``schedule`` has them heard: a function of seed and number of gradients."""

    @cache
    def draw(seed: int, num_gradients: int) -> NDArray[np.int64]:
        ledger = Ledger(num_workers, _start(schedule, num_workers, seed), Every())
        starts = range(0, num_gradients, _CHUNK)
        return np.concatenate([ledger.advance(min(_CHUNK, num_gradients - start)).worker for start in starts])

    return draw


def _start(schedule: ScheduleConfig, num_workers: int, seed: int) -> Latency:
    return Latency(
        num_workers,
        seed,
        cv=schedule.latency_cv,
        shape=schedule.latency_shape if schedule.latency == "pareto" else None,
        slow_share=schedule.slow_share,
        slow_factor=schedule.slow_factor,
        server_time=schedule.server_time,
    )
