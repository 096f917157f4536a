"""What a figure of the study is: declared in its module, named like its file, beside the function that draws it.

A module of this room with a declaration ``PLOT = Plot(...)`` and a function ``draw(tables, experiment)`` is a figure:
its rule, its file, its caption and its place in the report follow from them.
"""

from dataclasses import dataclass

from asgd.members import find_members
from asgd.settings.subjects import Subject

ROOM = "asgd.figures"
FORMATS = ("pdf", "png")


@dataclass(frozen=True)
class Plot:
    """A figure of the study."""

    caption: str  #: one sentence
    tables: tuple[str, ...]  #: names of the tables that it reads; where a study lacks one, it lacks the figure
    about: Subject | None = None  #: the experiment that it shows; None: all


def list_plots() -> dict[str, Plot]:
    """All figures, by the name of their files."""
    return find_members(ROOM, Plot, Subject)
