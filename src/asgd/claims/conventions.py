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


class Kind(NamedTuple):
    """A convention, and at which learning rate runs with it stand beside those without."""

    convention: Convention
    #: At eta (1 - b) instead of the nominal eta: PyTorch's convention then takes the steps of the average at eta.
    scaled: bool = False

    def __str__(self) -> str:
        return f"{self.convention}-scaled" if self.scaled else str(self.convention)

    @property
    def twin(self) -> "Kind | None":
        """The kind that takes the same steps, up to rounding, at the nominal rate."""
        return Kind(Convention(self.convention.where, "ema")) if self.scaled else None

    def rate(self, evidence: Evidence) -> float:
        """The learning rate of its runs."""
        nominal = evidence.with_momentum.learning_rate
        # 0.01 (1 - 0.9) is a little less than the 0.001 that params.yaml says.
        return float(f"{nominal * (1 - evidence.margins.momentum):.12g}") if self.scaled else nominal


KINDS = tuple(
    Kind(convention, scaled)
    for convention in CONVENTIONS
    for scaled in ((False, True) if convention.convention == "pytorch" else (False,))
)


def pair_arms(
    evidence: Evidence, convention: Convention, num_workers: int, **changes: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs without and with momentum of this kind, indexed by seed, of the seeds that both have.

    ``changes``: further settings of the runs with momentum.
    """
    plain = evidence.runs_of(num_workers=num_workers, momentum=0.0)
    arm = with_momentum(evidence, convention, num_workers, **changes)
    seeds = plain.index.intersection(arm.index)
    return plain.loc[seeds], arm.loc[seeds]


def with_momentum(evidence: Evidence, convention: Convention, num_workers: int, **changes: float) -> pd.DataFrame:
    """The runs with momentum of this kind, indexed by seed."""
    kind = {"momentum_where": convention.where, "momentum_convention": convention.convention}
    about = {"num_workers": num_workers, "momentum": evidence.margins.momentum, **changes}
    return evidence.runs_of(evidence.with_momentum, **kind, **about)
