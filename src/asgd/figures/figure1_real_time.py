"""Figure 1 of the paper again, against real time."""

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from asgd.figures.curves import draw_pair, worker_styles
from asgd.figures.plot import Plot
from asgd.settings.subjects import Subject
from asgd.tables.experiments import select_experiment
from asgd.tables.table import Tables

PLOT = Plot(
    caption="The curves of Figure 1 against real time, server steps / m.",
    tables=("runs", "arms", "curves", "evaluations"),
    about=Subject(varies=("num_workers",)),
)


def draw(tables: Tables, experiment: str) -> Figure:
    """Figure 1 against real time (steps / m): what m parallel machines would need. Logarithmic, as m spans decades."""
    arms = select_experiment(tables["arms"], experiment)
    figure = draw_pair(tables, arms, "num_workers", worker_styles(tables), "time")
    for axes in figure.axes:
        axes.set_xscale("log", nonpositive="mask")  # step 0 has no place on it
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_xlabel("real time (server steps / m)")
    return figure
