"""Which schedule: whose gradient reaches the server next, and when."""

from dataclasses import dataclass
from typing import Literal

from asgd.members import find_members
from asgd.settings.keys import Keys, parameter
from asgd.settings.rooms import ROOMS


@dataclass(frozen=True)
class Schedule:
    """The declaration of a schedule, in its file in ``asgd.simulator.schedules``."""

    heard: str  #: whose gradient comes next
    requires: tuple[str, ...] = ()  #: keys that must be given with it


def list_schedules() -> dict[str, Schedule]:
    """All schedules, by name."""
    return find_members(ROOMS["schedule"], Schedule)


_LATENCY = {"schedule": "latency"}


class ScheduleKeys(Keys):
    """Whose gradient comes next."""

    schedule: str = parameter(
        "round_robin",
        as_before="round_robin",
        words={
            "round_robin": "round robin",
            "random": "random worker",
            "latency": "random times",
            "replay": "replay",
            "alone_first": "one worker, then in turn",
        },
        description="whose gradient comes next: the name of a schedule, or the path of a file of yours (NAME.py)",
    )
    latency: Literal["gamma", "pareto"] = parameter(
        "gamma",
        as_before="gamma",
        only_with=_LATENCY,
        words={"gamma": "gamma", "pareto": "Pareto"},
        description="distribution of the time of a gradient; its mean is 1",
    )
    latency_cv: float = parameter(
        1.0,
        as_before=1.0,
        only_with={**_LATENCY, "latency": "gamma"},
        symbol="cv",
        ge=0,
        le=100,
        description="coefficient of variation of gamma times; 0: all equal, as round_robin; 1: exponential",
    )
    latency_shape: float = parameter(
        1.5,
        as_before=1.5,
        only_with={**_LATENCY, "latency": "pareto"},
        symbol="shape",
        gt=1,
        le=100,
        description="shape of Pareto times; the nearer to 1, the longer the tail",
    )
    slow_share: float = parameter(
        0.0,
        as_before=0.0,
        only_with=_LATENCY,
        ge=0,
        le=1,
        description="share of the workers that are slow (those with the highest numbers)",
    )
    slow_factor: float = parameter(
        1.0,
        as_before=1.0,
        only_with=_LATENCY,
        ge=1,
        le=1000,
        description="how many times longer a slow worker takes for a gradient",
    )
    server_time: float = parameter(
        0.0,
        as_before=0.0,
        only_with=_LATENCY,
        ge=0,
        le=1000,
        unit="mean times of a gradient",
        description="time that the server takes for a message; messages wait in a queue",
    )
    alone: int | None = parameter(
        None,
        as_before=None,
        only_with={"schedule": "alone_first"},
        ge=1,
        le=10**12,
        unit="gradients",
        description="number of gradients of worker 0 before the other workers take part",
    )
    trace: str | None = parameter(
        None,
        as_before=None,
        only_with={"schedule": "replay"},
        min_length=1,
        description="file of the recorded schedule: a CSV file with a column `worker`, or a text file with a delay in "
        "each line",
    )
    trace_sha256: str | None = parameter(
        None,
        as_before=None,
        only_with={"schedule": "replay"},
        in_labels=False,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of that file; a different file is an error",
    )
