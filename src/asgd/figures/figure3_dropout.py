"""Figure 3 of the paper: training at m = 1 for each dropout rate."""

from matplotlib.figure import Figure

from asgd.errors import AsgdError
from asgd.figures.curves import draw_pair, label_steps
from asgd.figures.plot import Plot
from asgd.figures.style import ordered_styles
from asgd.settings.subjects import Subject
from asgd.tables.experiments import select_experiment
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Figure 3 of the paper: training at m = 1 for each dropout rate p.",
    tables=("runs", "arms", "curves", "evaluations"),
    about=Subject(varies=("dropout",)),
)


def draw(tables: Tables, experiment: str) -> Figure:
    """Figure 3: (a) training loss, (b) test accuracy for each dropout rate p at m = 1."""
    arms = select_experiment(tables["arms"], experiment)
    arms = arms[arms["num_workers"] == 1]
    if arms.empty:
        raise AsgdError(
            f"experiment '{experiment}' has no arm at m = 1, which Figure 3 shows; add num_workers: 1 to it"
        )
    figure = draw_pair(tables, arms, "dropout", ordered_styles(list(arms["dropout"]), "plasma"), "step")
    label_steps(figure, tables, arms)
    return figure
