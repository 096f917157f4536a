"""Figure 1 of the paper: training against total compute, for each number of workers."""

from matplotlib.figure import Figure

from asgd.figures.curves import draw_pair, label_steps, worker_styles
from asgd.figures.plot import Plot
from asgd.settings.subjects import Subject
from asgd.tables.experiments import select_experiment
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Figure 1 of the paper: training loss and test accuracy against total compute, for each m.",
    tables=("runs", "arms", "curves", "evaluations"),
    about=Subject(varies=("num_workers",)),
)


def draw(tables: Tables, experiment: str) -> Figure:
    """Figure 1: (a) training loss, (b) test accuracy against total compute for each m."""
    arms = select_experiment(tables["arms"], experiment)
    figure = draw_pair(tables, arms, "num_workers", worker_styles(tables), "step")
    label_steps(figure, tables, arms)
    return figure
