"""The kinds of momentum, and the runs with and without each of one seed."""

from typing import NamedTuple

import pandas as pd

from asgd.tables.arms import Evidence


class Convention(NamedTuple):
    """Who keeps a velocity, and how it is averaged."""

    where: str
    convention: str

    def __str__(self) -> str:
        return f"{self.where}-{self.convention}"


CONVENTIONS = tuple(Convention(where, kind) for where in ("server", "worker") for kind in ("pytorch", "ema"))


def pair_arms(evidence: Evidence, convention: Convention, num_workers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs without and with momentum of this kind, indexed by seed, of the seeds that both have."""
    plain = evidence.runs_of(num_workers=num_workers, momentum=0.0)
    settings = {"momentum_where": convention.where, "momentum_convention": convention.convention}
    momentum = evidence.margins.momentum
    arm = evidence.runs_of(evidence.with_momentum, num_workers=num_workers, momentum=momentum, **settings)
    seeds = plain.index.intersection(arm.index)
    return plain.loc[seeds], arm.loc[seeds]
