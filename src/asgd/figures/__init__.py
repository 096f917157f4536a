"""The figures: each function takes the tidy tables and returns a Matplotlib figure; nothing is computed but selections.

A figure, its script, its rule and its file share a name that says which figure of the paper it answers.
"""

import asgd.figures.backend  # noqa: F401 (before any import of Matplotlib)
from asgd.figures.curves import draw_figure1_delay, draw_figure1_real_time, draw_figure3_dropout
from asgd.figures.death import draw_death
from asgd.figures.momentum import draw_figure2_momentum
from asgd.figures.outcomes import draw_outcomes
from asgd.figures.phase_map import draw_phase_map
from asgd.figures.readings import draw_readings
from asgd.figures.reconciliation import draw_reconciliation
from asgd.figures.regulariser import draw_regulariser
from asgd.figures.sharpness import draw_sharpness
from asgd.figures.style import save_figure, use_style
from asgd.tables.dvc_curves import select_dvc_curves
from asgd.tables.experiments import Tables

__all__ = [
    "Tables",
    "draw_death",
    "draw_figure1_delay",
    "draw_figure1_real_time",
    "draw_figure2_momentum",
    "draw_figure3_dropout",
    "draw_outcomes",
    "draw_phase_map",
    "draw_readings",
    "draw_reconciliation",
    "draw_regulariser",
    "draw_sharpness",
    "save_figure",
    "select_dvc_curves",
    "use_style",
]
