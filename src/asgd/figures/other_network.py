"""Do delay and momentum have the same effects on another network? Loss and accuracy by m."""

from matplotlib.figure import Figure

from asgd.figures.curves import draw_pair, label_steps
from asgd.figures.plot import Plot
from asgd.figures.style import ordered_styles
from asgd.settings.subjects import Subject
from asgd.tables.experiments import select_experiment
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Do delay and momentum have the same effects on another network?",
    tables=("runs", "arms", "curves", "evaluations"),
    about=Subject(varies=("seed",)),  # nothing tells: a preset names its experiment in `subjects`
)


def draw(tables: Tables, experiment: str) -> Figure:
    """Loss beside accuracy, against steps: colour and marker by m, dashes by momentum."""
    arms = select_experiment(tables["arms"], experiment)
    figure = draw_pair(tables, arms, "num_workers", ordered_styles(list(arms["num_workers"])), "step")
    label_steps(figure, tables, arms)
    return figure
