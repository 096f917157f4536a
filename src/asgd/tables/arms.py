"""Which runs a claim is about: those that match the study's settings in everything but what the claim varies."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.settings.validation import validate
from asgd.tables.columns import SETTINGS
from asgd.tables.table import Tables

#: Keys that do not tell arms apart here: engines, devices and probes leave the trajectory as it is.
_WITHOUT_EFFECT = {"seed", "engine", "device", "probes"}

_READ = ("run", "seed", "outcome", "final_test_accuracy", "total_steps")

#: Without one of these a run would pass for one at its default.
_SETTINGS = [name for name in SETTINGS if name not in _WITHOUT_EFFECT]

#: Columns of some studies only.
_KEPT = ("replayed_identical",)


@dataclass(frozen=True)
class Curves:
    """One metric of the runs of an arm."""

    seeds: NDArray[np.int64]  #: [seeds], ascending
    epochs: NDArray[np.float64]  #: [evaluations], ascending
    values: NDArray[np.float64]  #: [seeds, evaluations]

    def after_first_epoch(self) -> "Curves":
        """The evaluations after the first epoch only."""
        late = self.epochs > 1
        return Curves(self.seeds, self.epochs[late], self.values[:, late])


@dataclass(frozen=True)
class Evidence:
    """The tables with what selects from them. Build it with ``Evidence.of``."""

    runs: pd.DataFrame  #: what rules read of them, and `setting`
    evaluations: pd.DataFrame
    margins: ClaimsConfig
    base: RunConfig  #: the base settings
    with_momentum: RunConfig  #: the base settings of the runs with momentum
    configs: Sequence[RunConfig]  #: of the runs, row by row
    tables: Tables = field(default_factory=dict)  #: of analyses, by name

    @staticmethod
    def of(
        runs: pd.DataFrame,
        evaluations: pd.DataFrame,
        margins: ClaimsConfig,
        base: RunConfig,
        with_momentum: RunConfig | None = None,
        tables: Tables | None = None,
    ) -> "Evidence":
        """Read the configuration of every run from its columns. Raises AsgdError where one is missing."""
        if missing := [name for name in (*_READ, *_SETTINGS) if name not in runs]:
            raise AsgdError(f"table runs: has no column {missing[0]}; delete it and make the tables again")
        ordered = runs
        if "engine" in runs:
            # Where engines were compared a seed stands twice in an arm: the study's own engine comes first and counts.
            ordered = runs.assign(other=runs["engine"] != base.resolved_engine()[0]).sort_values("other", kind="stable")
        configs = [config_of(row) for row in ordered.to_dict("records")]
        kept = [name for name in (*_READ, *_KEPT) if name in ordered]
        keyed = ordered[kept].assign(setting=[_setting(config) for config in configs])
        return Evidence(keyed, evaluations, margins, base, with_momentum or base, configs, tables or {})

    def runs_of(self, base: RunConfig | None = None, **changes: Any) -> pd.DataFrame:
        """The runs of an arm, indexed by seed: those with the settings of ``base``, but for ``changes``."""
        wanted = _setting(change(base or self.base, **changes))
        found = self.runs[self.runs["setting"] == wanted].drop_duplicates("seed")
        return found.set_index("seed").sort_index()

    def curves_of(self, metric: str, **changes: Any) -> Curves:
        """``metric`` of an arm's runs; evaluations at which a run has no value are left out."""
        if metric not in self.evaluations:
            raise AsgdError(f"table evaluations: has no column {metric}; delete it and make the tables again")
        arm = self.runs_of(**changes)
        rows = self.evaluations[self.evaluations["run"].isin(set(arm["run"]))]
        place = "gradients" if "gradients" in rows else "step"
        ends = rows.dropna(subset="test_accuracy").groupby("run")[place].max()
        for run, total_steps in zip(arm["run"], arm["total_steps"], strict=True):
            if ends.get(run) != total_steps:  # a truncated table would change a verdict silently
                raise AsgdError(f"table evaluations: lacks rows of run {run}; delete it and make the tables again")
        table = rows.pivot(index="seed", columns="epoch", values=metric).dropna(axis="columns")
        return Curves(table.index.to_numpy(dtype=int), table.columns.to_numpy(dtype=float), table.to_numpy(dtype=float))

    def values_of(self, key: str, **changes: Any) -> list[Any]:
        """The values of ``key`` that have runs, ascending, the rest being the base's settings with ``changes``."""
        values = {getattr(config, key) for config in self.configs}
        return sorted(value for value in values if len(self.runs_of(**{**changes, key: value})))


def change(base: RunConfig, **changes: Any) -> RunConfig:
    """``base`` with other settings, validated."""
    return validate(RunConfig, {**base.model_dump(), **changes}, "claims")


def pair(first: Curves, second: Curves) -> tuple[Curves, Curves]:
    """The seeds and evaluations that both have, in one order."""
    seeds, *rows = np.intersect1d(first.seeds, second.seeds, return_indices=True)
    epochs, *columns = np.intersect1d(first.epochs, second.epochs, return_indices=True)
    both = [
        Curves(seeds, epochs, c.values[np.ix_(i, j)]) for c, i, j in zip((first, second), rows, columns, strict=True)
    ]
    return both[0], both[1]


def config_of(row: Mapping[Any, Any]) -> RunConfig:
    """The settings of a row of the table runs, but for those that do not tell arms apart here."""
    return whole_config_of({key: value for key, value in row.items() if key not in _WITHOUT_EFFECT})


def whole_config_of(row: Mapping[Any, Any], where: str = "table runs") -> RunConfig:
    """The whole configuration of a row of the table runs: an empty cell, or an absent column, has the key's default.

    Raises AsgdError, which begins with ``where`` and the run's name, for settings that no run can have.
    """
    settings = {key: row[key] for key in RunConfig.model_fields if key in row and not pd.isna(row[key])}
    return validate(RunConfig, settings, f"{where}: {row.get('run')}")


def _setting(config: RunConfig) -> str:
    return json.dumps({key: value for key, value in config.model_dump().items() if key not in _WITHOUT_EFFECT})
