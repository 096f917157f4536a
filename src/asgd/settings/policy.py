"""Which policy: which gradients become steps."""

from dataclasses import dataclass

from asgd.members import find_members
from asgd.settings.keys import Keys, parameter
from asgd.settings.rooms import ROOMS


@dataclass(frozen=True)
class Policy:
    """The declaration of a policy, in its file in ``asgd.simulator.policies``."""

    steps: str  #: which gradients become steps
    source: str  #: who proposed it
    requires: tuple[str, ...] = ()  #: keys that must be given with it
    needs: tuple[tuple[str, str, str], ...] = ()  #: keys, the value that each must have, and why
    averages: bool = False  #: whether a step is the mean of several gradients, all taken at the present weights


def list_policies() -> dict[str, Policy]:
    """All policies, by name."""
    return find_members(ROOMS["policy"], Policy)


class PolicyKeys(Keys):
    """Which gradients become steps."""

    policy: str = parameter(
        "every",
        as_before="every",
        words={"every": "every gradient", "discard": "discard", "synchronous": "synchronous"},
        description="which gradients become steps: the name of a policy, or the path of a file of yours (NAME.py)",
    )
    max_staleness: int | None = parameter(
        None,
        as_before=None,
        only_with={"policy": "discard"},
        ge=1,
        le=10**12,
        unit="server steps",
        description="gradients with this staleness or more are discarded",
    )
    stop: bool = parameter(
        False,
        as_before=False,
        only_with={"policy": "discard"},
        words={"False": "computed to the end", "True": "stopped"},
        description="whether a worker stops the computation of a gradient as soon as it is too stale",
    )
    backups: int = parameter(
        0,
        as_before=0,
        only_with={"policy": "synchronous"},
        ge=0,
        le=10_000_000,
        description="number of workers, of all m, for which the server does not wait",
    )
    cancel: bool = parameter(
        True,
        as_before=True,
        only_with={"policy": "synchronous"},
        words={"False": "late ones finish", "True": "late ones restart"},
        description="whether the workers for which the server did not wait start again at once",
    )
