"""C6: does delay regularise as dropout does? The train-test gap at matched training loss."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from asgd.errors import AsgdError
from asgd.figures.curves import describe_spread, legend_line
from asgd.figures.plot import Plot
from asgd.figures.style import COLUMN_WIDTH, ArmStyle, ordered_styles
from asgd.settings.parameters import label_settings
from asgd.settings.subjects import Subject
from asgd.tables.experiments import list_arms, naming_keys, select_curve, select_experiment, select_runs
from asgd.tables.table import Tables

PLOT = Plot(
    caption="The train-test gap against the training loss, for delays and for dropout rates.",
    tables=("runs", "arms", "curves", "evaluations"),
    about=Subject(varies=("num_workers", "dropout")),
)


_DROPOUT_DASH = (0, (4, 1.5))
_DROPOUT_MARKERS = {"o": "p", "s": "X", "^": "D"}


def draw(tables: Tables, experiment: str) -> Figure:
    """Test loss minus training-subset loss against the latter, which falls to the right: a path for each arm.

    The mean over seeds at each evaluation (heavy) and the runs (thin). Both losses are
    without dropout.
    """
    arms = select_experiment(tables["arms"], experiment).sort_values(["dropout", "num_workers"], kind="stable")
    figure = Figure(figsize=(COLUMN_WIDTH, 2.7))
    axes = figure.subplots()
    styles, handles = _choose_styles(arms), []
    others = [key for key in naming_keys(arms) if key not in ("num_workers", "dropout")]
    for arm in list_arms(arms):
        style = styles[arm["arm"]]
        path = _select_path(tables, arm)
        axes.plot(
            path["train"],
            path["test"] - path["train"],
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            markevery=max(1, len(path) // 8),
            markeredgecolor="white",
            gid=arm["arm"],
            zorder=3,
        )
        for run in select_runs(tables["evaluations"], arm["arm"], "train_eval_loss"):
            gap = run["test_loss"] - run["train_eval_loss"]
            axes.plot(run["train_eval_loss"], gap, color=style.colour, linewidth=0.4, alpha=0.35)
        handles.append(
            legend_line(style, label_settings(arm, [*(["dropout"] if arm["dropout"] else ["num_workers"]), *others]))
        )
    axes.invert_xaxis()
    axes.set_xlabel("loss on the training subset (falls to the right)")
    axes.set_ylabel("test loss minus training loss")
    spread = describe_spread(tables, arms)[-1].get_label().split(", ")[-1]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, title=f"thin: individual runs, {spread}")
    return figure


def _choose_styles(arms: pd.DataFrame) -> dict[str, ArmStyle]:
    """Arms that vary m in solid lines, those that vary p dashed; lightness and markers as in the other figures."""
    workers = ordered_styles(list(arms["num_workers"]))
    dropouts = ordered_styles(list(arms["dropout"]), "plasma")
    styles = {}
    for arm in list_arms(arms):
        by_dropout = dropouts[arm["dropout"]]
        dashed = ArmStyle(by_dropout.colour, _DROPOUT_MARKERS.get(by_dropout.marker, "v"), _DROPOUT_DASH)
        styles[arm["arm"]] = dashed if arm["dropout"] else workers[arm["num_workers"]]
    return styles


def _select_path(tables: Tables, arm: Mapping[str, Any]) -> pd.DataFrame:
    """Mean losses of an arm at each evaluation, on the training subset and on the test set, by step."""
    found = {
        name: select_curve(tables["curves"], arm["arm"], metric).set_index("step")["mean"]
        for name, metric in (("train", "train_eval_loss"), ("test", "test_loss"))
    }
    path = pd.DataFrame(found).dropna()
    if path.empty:
        raise AsgdError(f"arm {arm['arm']}: no losses on the training subset; set run.train_eval_images > 0")
    return path
