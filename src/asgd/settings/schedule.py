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
        description="whose gradient comes next, by the name of a schedule or the path of your own (NAME.py)",
    )
    latency: Literal["gamma", "pareto"] = parameter(
        "gamma",
        as_before="gamma",
        only_with=_LATENCY,
        words={"gamma": "gamma", "pareto": "Pareto"},
        description="distribution of the time that a gradient takes, of mean 1",
    )
    latency_cv: float = parameter(
        1.0,
        as_before=1.0,
        only_with={**_LATENCY, "latency": "gamma"},
        symbol="cv",
        ge=0,
        le=100,
        description="coefficient of variation of gamma times; 0: all equal, which is round robin; 1: exponential",
    )
    latency_shape: float = parameter(
        1.5,
        as_before=1.5,
        only_with={**_LATENCY, "latency": "pareto"},
        symbol="shape",
        gt=1,
        le=100,
        description="shape of Pareto times; the tail is longer near 1",
    )
    slow_share: float = parameter(
        0.0, as_before=0.0, only_with=_LATENCY, ge=0, le=1, description="share of slow workers, the last ones"
    )
    slow_factor: float = parameter(
        1.0,
        as_before=1.0,
        only_with=_LATENCY,
        ge=1,
        le=1000,
        description="how many times as long a gradient takes a slow worker",
    )
    server_time: float = parameter(
        0.0,
        as_before=0.0,
        only_with=_LATENCY,
        ge=0,
        le=1000,
        unit="mean times of a gradient",
        description="the server's time for a message, first come, first served",
    )
    alone: int | None = parameter(
        None,
        as_before=None,
        only_with={"schedule": "alone_first"},
        ge=1,
        le=10**12,
        unit="gradients",
        description="how many gradients worker 0 brings before the others are heard",
    )
    trace: str | None = parameter(
        None,
        as_before=None,
        only_with={"schedule": "replay"},
        min_length=1,
        description="file of the recorded schedule: CSV with a column `worker`, or a delay in each line",
    )
    trace_sha256: str | None = parameter(
        None,
        as_before=None,
        only_with={"schedule": "replay"},
        in_labels=False,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of that file, which fixes the schedule of the run; another file is an error",
    )
