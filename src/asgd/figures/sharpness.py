"""The sharpness along training for each m, against the largest that linear theory has stable."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asgd.figures.curves import legend_line
from asgd.figures.plot import Plot
from asgd.figures.style import COLUMN_WIDTH, ordered_styles
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Does the sharpness stay below the largest that is stable by linear theory, at each m?",
    tables=("sharpness",),
)


_LIMIT_DASH = (0, (1, 1.2))


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """Sharpness against epochs: the median of the runs of each m (heavy), the runs (thin), and the limit of m (dotted).

    A sharpness of zero, a dead run's, has no place on the logarithmic axis.
    """
    table = tables["sharpness"]
    figure = Figure(figsize=(COLUMN_WIDTH, 2.4))
    axes = figure.subplots()
    shown = table[table["sharpness"] > 0]
    styles = ordered_styles(list(shown["num_workers"]))
    for m, style in styles.items():
        runs = shown[shown["num_workers"] == m]
        for _, run in runs.groupby("seed"):
            axes.plot(run["epoch"], run["sharpness"], color=style.colour, linewidth=0.4, alpha=0.5)
        middle = runs.groupby("epoch")["sharpness"].median()
        axes.plot(
            middle.index,
            middle,
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            markeredgecolor="white",
            gid=f"m{m:g}",
        )
        limit = float(runs["limit"].iloc[0])
        axes.axhline(limit, color=style.colour, linestyle=_LIMIT_DASH, linewidth=1.0, gid=f"limit{m:g}")
        axes.plot(
            [1], [limit], marker=style.marker, color=style.colour, transform=axes.get_yaxis_transform(), clip_on=False
        )
    axes.set_yscale("log")
    axes.set_xlabel("epochs")
    axes.set_ylabel(r"sharpness $\lambda$")
    handles = [legend_line(style, f"m = {m:g}") for m, style in styles.items()]
    handles.append(Line2D([], [], color="0.35", linestyle=_LIMIT_DASH, label="largest stable"))
    figure.legend(
        handles=handles, loc="outside upper center", ncols=3, title="median (heavy) and individual runs (thin)"
    )
    return figure
