"""The limit of stability of a run: what its schedule and its kind of momentum allow."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from asgd.analyses.stability.random_worker import find_mean_square_threshold, find_mean_threshold
from asgd.analyses.stability.thresholds import find_threshold
from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.settings.schedule import ScheduleKeys
from asgd.simulator.parts import build_course
from asgd.simulator.schedules.replay import count_recorded

_CHUNK = 50_000


@dataclass(frozen=True)
class Limit:
    """Up to where a run is stable."""

    threshold: float  #: of learning rate * curvature
    error: float  #: half the width of the threshold's 95 % interval; 0 where it is exact
    method: str  #: how it was found
    mean: float | None = None  #: the threshold of the mean over the schedule's draws, where that is another


def find_limit(config: RunConfig) -> Limit:
    """The limit for the workers and the momentum of ``config``; all else in it has no effect.

    Round robin exactly, random workers by the mean square, any other schedule by simulation, which takes seconds.
    Raises AsgdError where there are too many workers to simulate, and for a policy or an update of another kind.
    """
    for key, name in config.list_choices().items():
        if key in ("policy", "update"):
            raise AsgdError(
                f"{key} = {name}: the limit is known only for plain SGD in which each gradient is a step; leave it out"
            )
    name = config.schedule if config.num_workers > 1 else "round_robin"  # one worker is always the next
    return _FINDERS.get(name, _simulate)(config)


def is_exact(config: RunConfig) -> bool:
    """Whether the limits of its schedule are solutions of equations, found at once for any number of workers."""
    return config.schedule in _FINDERS


def _solve_round_robin(config: RunConfig) -> Limit:
    return Limit(find_threshold(*_kind(config)), 0.0, "exact")


def _solve_random(config: RunConfig) -> Limit:
    return Limit(
        find_mean_square_threshold(*_kind(config)), 0.0, "mean square, exact", find_mean_threshold(*_kind(config))
    )


def _simulate(config: RunConfig) -> Limit:
    from asgd.analyses.stability.lyapunov import find_simulated_threshold  # compiles

    found = find_simulated_threshold(_order(_take_schedule(config)), *_kind(config))
    return Limit(found.threshold, found.error, "Lyapunov exponent, simulated")


#: By schedule, for those that need no simulation.
_FINDERS: dict[str, Callable[[RunConfig], Limit]] = {
    "round_robin": _solve_round_robin,
    "random": _solve_random,
}


def _kind(config: RunConfig) -> tuple[int, float, str, str]:
    return config.num_workers, config.momentum, config.momentum_where, config.momentum_convention


def _take_schedule(config: RunConfig) -> str:
    """What of ``config`` decides who is heard when, as JSON."""
    return config.model_dump_json(include={"num_workers", *ScheduleKeys.model_fields})


@cache
def _order(settings: str) -> Callable[[int, int], NDArray[np.int64]]:
    """The workers in the order in which they are heard: a function of seed and number of gradients."""
    config = RunConfig.model_validate_json(settings)
    if config.schedule == "replay":
        return _repeat(config)

    @cache
    def draw(seed: int, num_gradients: int) -> NDArray[np.int64]:
        course = build_course(config.model_copy(update={"seed": seed}))
        starts = range(0, num_gradients, _CHUNK)
        return np.concatenate([course.take(min(_CHUNK, num_gradients - start)).worker for start in starts])

    return draw


def _repeat(config: RunConfig) -> Callable[[int, int], NDArray[np.int64]]:
    """A recorded schedule over and over, each seed from another place in it."""
    length = count_recorded(config)
    workers = build_course(config).take(length).worker
    return lambda seed, number: np.resize(np.roll(workers, -seed * length // 8), number)
