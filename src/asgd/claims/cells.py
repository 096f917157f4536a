"""Where the second edition judges a claim: at the study's own learning rate, and at one where momentum decided."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from asgd.claims.conventions import KINDS, Convention, Kind, pair_arms, with_momentum
from asgd.claims.verdict import Verdict
from asgd.settings.run import RunConfig
from asgd.tables.arms import Evidence, change

#: Ends the variants of verdicts at the margins' same rate.
SAME_RATE = "same-rate"


@dataclass(frozen=True)
class Cell:
    """A setting at which verdicts are given, and the kinds of momentum that are judged there."""

    name: str  #: ends the variants of its verdicts; empty for the study's own setting
    evidence: Evidence
    kinds: Sequence[Kind]

    def name_variant(self, kind: Kind | None = None) -> str:
        """Of a verdict given here, about ``kind`` of momentum if one is given."""
        return "-".join(part for part in (str(kind) if kind else "", self.name) if part)

    def describe(self, kind: Kind | None = None) -> dict[str, float]:
        """The setting of such a verdict."""
        setting = describe_setting(self.evidence.base)
        rate = kind.rate(self.evidence) if kind else setting["learning_rate"]
        return setting if rate == setting["learning_rate"] else {**setting, "momentum_rate": rate}

    def pair(self, kind: Kind, num_workers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The runs without and with momentum of this kind, indexed by seed, of the seeds that both have."""
        return pair_arms(self.evidence, kind.convention, num_workers, learning_rate=kind.rate(self.evidence))

    def with_momentum(self, kind: Kind, num_workers: int) -> pd.DataFrame:
        """All runs with momentum of this kind, indexed by seed."""
        return with_momentum(self.evidence, kind.convention, num_workers, learning_rate=kind.rate(self.evidence))

    def find_twin(self, kind: Kind, workers: Sequence[int]) -> Kind | None:
        """The kind that takes the same steps and has runs: one trajectory is judged once, and there."""
        twin = kind.twin
        return twin if twin and any(len(self.pair(twin, m)[0]) for m in workers) else None


def describe_setting(base: RunConfig) -> dict[str, float]:
    """What every verdict says of where it was judged: learning rate and epochs."""
    length = {"epochs": base.epochs} if base.steps is None else {"steps": base.steps}
    return {"learning_rate": base.learning_rate, **length}


def list_cells(evidence: Evidence) -> list[Cell]:
    """The study's own setting with all kinds of momentum, and the margins' same rate unless it is the same setting."""
    own, same = Cell("", evidence, KINDS), evidence.margins.second.same_rate
    if same is None:
        return [own]
    changes: dict[str, Any] = {"learning_rate": same.learning_rate, "epochs": same.epochs, "steps": None, "probes": {}}
    base = change(evidence.base, **changes)
    if (same.learning_rate, same.epochs) == (evidence.base.learning_rate, evidence.base.epochs):
        return [own]
    kind = Kind(Convention(same.momentum_where, same.momentum_convention))
    return [own, Cell(SAME_RATE, replace(evidence, base=base, with_momentum=base), [kind])]


def judge_kinds(
    claim: str, cells: Sequence[Cell], workers: Sequence[int], judge_kind: Callable[[Cell, Kind], Verdict]
) -> list[Verdict]:
    """A verdict for each kind of momentum of each cell; not applicable where another kind takes the same steps.

    ``workers``: the m that the rule reads.
    """
    found = []
    for cell in cells:
        for kind in cell.kinds:
            if twin := cell.find_twin(kind, workers):
                about = {"variant": cell.name_variant(kind), "setting": cell.describe(kind)}
                details = {"same_steps_as": cell.name_variant(twin)}
                found.append(Verdict(claim=claim, verdict="not applicable", details=details, **about))
            else:
                found.append(judge_kind(cell, kind))
    return found
