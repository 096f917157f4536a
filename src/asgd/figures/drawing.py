"""Drawing the figures by name."""

from pathlib import Path

from asgd.figures.plot import ROOM, list_plots
from asgd.figures.style import save_figure
from asgd.members import load_member
from asgd.tables.samples import select_samples
from asgd.tables.table import Tables


def draw_figure(name: str, tables: Tables, experiment: str | None, path_without_suffix: str | Path) -> None:
    """Draw the figure ``name`` from the tables that it declares, in the style in use, and save it as PDF and PNG.

    ``experiment``: the name of the one that it is about, of which it shows the runs alone. Raises AsgdError where a
    table lacks what it shows.
    """
    declared: Tables = {table: tables[table] for table in list_plots()[name].tables}
    if experiment and "runs" in declared:
        declared = select_samples(declared, experiment)
    save_figure(load_member(ROOM, name).draw(declared, experiment), path_without_suffix)
