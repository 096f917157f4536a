"""Which update: the rule by which a gradient changes the weights."""

from dataclasses import dataclass

from asgd.members import find_members
from asgd.settings.keys import Keys, parameter
from asgd.settings.rooms import ROOMS


@dataclass(frozen=True)
class Update:
    """The declaration of an update, in its file in ``asgd.simulator.updates``."""

    step: str  #: what it does with a gradient
    source: str  #: who proposed it
    fused: bool = False  #: whether the fused engine has it
    by_staleness: bool = True  #: whether it is plain SGD where no gradient is stale
    needs: tuple[tuple[str, str, str], ...] = ()  #: keys, the value that each must have, and why


def list_updates() -> dict[str, Update]:
    """All updates, by name."""
    return find_members(ROOMS["update"], Update)


class UpdateKeys(Keys):
    """What the server does with a gradient."""

    update: str = parameter(
        "sgd",
        as_before="sgd",
        words={
            "sgd": "SGD",
            "staleness_scaled": "rate / (staleness + 1)",
            "delay_adaptive": "delay-adaptive",
            "dc_constant": "DC-ASGD-c",
            "dc_adaptive": "DC-ASGD-a",
            "gap_aware": "gap-aware",
            "look_ahead": "look-ahead",
            "adagrad": "Adagrad",
        },
        description="how a gradient changes the weights: the name of an update, or the path of a file of yours "
        "(NAME.py)",
    )
    dc_strength: float = parameter(
        0.04,
        as_before=0.04,
        only_with={"update": "dc_constant"},
        symbol="lambda",
        ge=0,
        le=1e6,
        description="lambda of dc_constant",
    )
    dc_adaptive_strength: float = parameter(
        2.0,
        as_before=2.0,
        only_with={"update": "dc_adaptive"},
        symbol="lambda_0",
        ge=0,
        le=1e6,
        description="lambda_0 of dc_adaptive",
    )
    gap_scale: float = parameter(
        1.0,
        as_before=1.0,
        only_with={"update": "gap_aware"},
        gt=0,
        le=1e30,
        description="gap, in mean steps, at which gap_aware halves a gradient; 1e30: plain SGD",
    )
    adagrad_initial: float = parameter(
        1e-6,
        as_before=1e-6,
        only_with={"update": "adagrad"},
        gt=0,
        le=1e6,
        description="initial value of the sum of squares in adagrad",
    )
