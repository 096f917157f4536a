"""The kinds of momentum, and the runs with and without each of one seed."""

from typing import NamedTuple

import pandas as pd

from asgd.tables.arms import Study


class Convention(NamedTuple):
    """Who keeps a velocity, and how it is averaged."""

    where: str
    convention: str

    def __str__(self) -> str:
        return f"{self.where}-{self.convention}"


CONVENTIONS = tuple(Convention(where, kind) for where in ("server", "worker") for kind in ("pytorch", "ema"))


def pair_arms(study: Study, convention: Convention, num_workers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs without and with momentum of this kind, indexed by seed, of the seeds that both have."""
    plain = study.runs_of(num_workers=num_workers, momentum=0.0)
    settings = {"momentum_where": convention.where, "momentum_convention": convention.convention}
    momentum = study.margins.momentum
    arm = study.runs_of(study.with_momentum, num_workers=num_workers, momentum=momentum, **settings)
    seeds = plain.index.intersection(arm.index)
    return plain.loc[seeds], arm.loc[seeds]
