"""The choice of the learning rate, which the paper does not give: by a rule fixed beforehand, on seeds of its own."""

import pandas as pd

from asgd.tables.aggregate import CHANCE_ACCURACY
from asgd.tables.statistics import describe


def rank_learning_rates(runs: pd.DataFrame) -> pd.DataFrame:
    """Every learning rate of ``runs`` (a table of ``asgd.tables.aggregate``), the best first.

    The rule: the best mean test accuracy at the last evaluation; a run that overflowed counts as at chance; of equals,
    the smaller rate. Columns: learning_rate, n, mean, std (accuracies in [0, 1]), trained (number of runs).
    """
    rows = []
    for rate, group in runs.groupby("learning_rate"):
        accuracy = describe(group["final_test_accuracy"].fillna(CHANCE_ACCURACY))
        trained = int((group["outcome"] == "trained").sum())
        rows.append((rate, len(group), float(accuracy.mean), float(accuracy.std), trained))
    table = pd.DataFrame(rows, columns=["learning_rate", "n", "mean", "std", "trained"])
    return table.sort_values(["mean", "learning_rate"], ascending=[False, True], ignore_index=True)


def format_choice(table: pd.DataFrame) -> str:
    """The table of ``rank_learning_rates`` for a terminal, with the choice in its last line."""
    lines = ["learning rate   runs   trained   test accuracy (mean, std)"]
    for row in table.itertuples():
        lines.append(f"{row.learning_rate:<15g} {row.n:>4}   {row.trained:>7}   {row.mean:.2%}, {row.std:.2%}")
    return "\n".join([*lines, f"chosen: {table['learning_rate'].iloc[0]:g}, by the best mean test accuracy"])
