"""Every figure by its name, drawn from the tables by their names: what the workflow's scripts do, one by one."""

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.figure import Figure

from asgd.figures.curves import draw_figure1_delay, draw_figure1_real_time, draw_figure3_dropout
from asgd.figures.death import draw_death
from asgd.figures.momentum import draw_figure2_momentum
from asgd.figures.outcomes import draw_outcomes
from asgd.figures.phase_map import draw_phase_map
from asgd.figures.readings import draw_readings
from asgd.figures.reconciliation import draw_reconciliation
from asgd.figures.regulariser import draw_regulariser
from asgd.figures.sharpness import draw_sharpness
from asgd.tables.experiments import Tables

#: Gives the table of a name, as in tables/<name>.csv.
Reader = Callable[[str], pd.DataFrame]


def _of_tables(draw: Callable[[Tables], Figure]) -> Callable[[Reader], Figure]:
    return lambda read: draw(Tables(read("arms"), read("curves"), read("evaluations")))


DRAWERS: Mapping[str, Callable[[Reader], Figure]] = {
    "figure1_delay": _of_tables(draw_figure1_delay),
    "figure1_real_time": _of_tables(draw_figure1_real_time),
    "figure2_momentum": _of_tables(draw_figure2_momentum),
    "figure3_dropout": _of_tables(draw_figure3_dropout),
    "outcomes": lambda read: draw_outcomes(read("arms")),
    "sharpness": lambda read: draw_sharpness(read("sharpness")),
    "phase_map": lambda read: draw_phase_map(read("map"), read("sharpness")),
    "reconciliation": lambda read: draw_reconciliation(read("map_pairs")),
    "readings": lambda read: draw_readings(read("runs"), read("evaluations")),
    "death": lambda read: draw_death(read("death")),
    "regulariser": _of_tables(draw_regulariser),
}
