"""What an analysis is: a declaration in its file, and functions there that plan its runs and make its tables.

``tabulate(given)`` returns the declared tables and the contents of its summary (nothing without one). One that trains
has ``plan(given)`` besides: all runs that it needs, as far as is known. It is asked again when these are trained, until
it names no further ones: so it may look at some runs to choose others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from asgd.members import find_members
from asgd.settings.claims import EditionName
from asgd.settings.subjects import Subject
from asgd.tables.table import Table

ROOM = "asgd.analyses"


@dataclass(frozen=True)
class Analysis:
    """The declaration of an analysis."""

    about: Subject  #: the experiment without which a study does not have it
    tables: Mapping[str, Table]  #: what it makes, by name
    edition: EditionName | None = None  #: of the decision rules, if only studies that are judged by it have it
    summary: str = ""  #: the name of a JSON file that it makes too
    reads: tuple[str, ...] = ()  #: tables of runs
    needs: tuple[str, ...] = ()  #: what else of the study decides it: keys of ``Given``
    margins: tuple[str, ...] = ()  #: those that it reads if it does not need all `claims`, by dotted key
    probes: tuple[str, ...] = ()  #: those of the runs that it trains
    unprobed: bool = False  #: whether it trains runs without probes

    @property
    def trains(self) -> bool:
        """Whether it trains runs of its own."""
        return bool(self.probes) or self.unprobed

    @property
    def files(self) -> dict[str, str]:
        """The names of the files that it makes in tables/: by table, and as ``summary``."""
        summary = {"summary": f"{self.summary}.json"} if self.summary else {}
        return {name: f"{name}.csv" for name in self.tables} | summary


class Chosen(NamedTuple):
    """An analysis that a study has."""

    analysis: Analysis
    experiment: str  #: that it is about


def list_analyses() -> dict[str, Analysis]:
    """All analyses, by name."""
    return find_members(ROOM, Analysis, Subject, Table)


def analysis_tables() -> dict[str, Table]:
    """The tables of all analyses, by name."""
    return {name: table for analysis in list_analyses().values() for name, table in analysis.tables.items()}
