"""What an analysis works on, read from plain values: of the workflow, or of a study that is verified."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from asgd.errors import AsgdError
from asgd.settings.analyses import AnalysesConfig
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.settings.study import Experiment
from asgd.settings.validation import validate


class Trained(NamedTuple):
    """A finished run."""

    record: Mapping[str, Any]  #: run.json
    probes: pd.DataFrame  #: probes.csv, indexed by step; empty without probes
    metrics: str = ""  #: the text of metrics.csv; of a run without probes


Find = Callable[[RunConfig], Trained | None]


def find_none(config: RunConfig) -> None:
    """For an analysis that trains no runs."""


@dataclass(frozen=True)
class Given:
    """What an analysis works on. ``study`` holds the parts that it needs, as params.yaml has them."""

    name: str  #: of the analysis
    experiment: str  #: that it is about
    study: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]  #: of runs
    find: Find = find_none  #: gives a run of its own, None while it is not finished

    @cached_property
    def base(self) -> RunConfig:
        """The base settings."""
        return validate(RunConfig, self.study["run"], "run")

    @cached_property
    def seeds(self) -> list[int]:
        """Those of the study."""
        return list(self.study["seeds"])

    @cached_property
    def claims(self) -> ClaimsConfig:
        """The margins of the claims."""
        return validate(ClaimsConfig, self.study["claims"], "claims")

    @property
    def margins(self) -> Mapping[str, Any]:
        """Those that the analysis names in its declaration, by dotted key."""
        found: Mapping[str, Any] = self.study["margins"]
        return found

    @cached_property
    def settings(self) -> Any:
        """The analysis's own section of params.yaml."""
        name = self.name
        return getattr(validate(AnalysesConfig, {name: self.study["settings"]}, "analyses"), name)

    @cached_property
    def configs(self) -> list[RunConfig]:
        """The runs of the experiment."""
        experiment = validate(Experiment, self.study["configs"], f"experiments.{self.experiment}")
        return list(experiment.expand(f"experiments.{self.experiment}", self.study["run"], self.seeds))

    def trained(self, config: RunConfig) -> Trained:
        """A run of its own that is finished. Raises AsgdError if it is not."""
        if (found := self.find(config)) is None:
            raise AsgdError(f"analysis {self.name}: its run {config.slug()} is missing; make the analysis again")
        return found


def check_tables(name: str, tables: Mapping[str, pd.DataFrame], declared: Mapping[str, Sequence[str]]) -> None:
    """Raise AsgdError unless the tables of analysis ``name`` are those that it declares, with their columns."""
    if tables.keys() != declared.keys():
        raise AsgdError(f"analysis {name}: makes the tables {', '.join(tables)}, but declares {', '.join(declared)}")
    for table, columns in declared.items():
        if list(tables[table].columns) != list(columns):
            different = sorted(set(tables[table].columns) ^ set(columns)) or ["their order"]
            raise AsgdError(
                f"analysis {name}: {table}.csv: its columns differ from the declared ones: {', '.join(different)}"
            )
