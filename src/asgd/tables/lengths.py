"""Shorter runs: the curve of a run holds every run of the same settings that ends earlier."""

import pandas as pd

from asgd.simulator.outcome import classify_outcome

#: How far from the length asked for an evaluation may be, epochs: evaluations fall on whole gradients.
_NEAR = 0.01


def cut_runs(runs: pd.DataFrame, evaluations: pd.DataFrame, epochs: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``runs`` and ``evaluations`` of the same runs as if all had ended after ``epochs``.

    Runs without an evaluation there, within a hundredth of an epoch, are left out. Of the columns of runs, those follow
    that judge a run: epochs, steps, outcome, total_steps and final_test_accuracy. Outcomes are those of ten classes.
    """
    place = "gradients" if "gradients" in evaluations else "step"
    kept = evaluations[evaluations["run"].isin(set(runs["run"])) & (evaluations["epoch"] <= epochs + _NEAR)]
    ends = kept[kept["epoch"] >= epochs - _NEAR].sort_values(place, kind="stable").groupby("run").tail(1)
    ends = ends.set_index("run")
    found = runs[runs["run"].isin(ends.index)]
    last = ends.loc[found["run"]]
    # A loss is filled in where a run overflowed; what the logits are there is not.
    is_finite = last["zero_logit_share"].notna()
    judged = zip(last["test_accuracy"], last["zero_gradient_share"], is_finite, strict=True)
    outcomes = [classify_outcome(accuracy, share, bool(finite)) for accuracy, share, finite in judged]
    shorter = found.assign(
        epochs=float(epochs),
        steps=float("nan"),
        outcome=outcomes,
        total_steps=last[place].to_numpy(),
        final_test_accuracy=last["test_accuracy"].to_numpy(),
    )
    return shorter, kept[kept["run"].isin(set(found["run"]))]
