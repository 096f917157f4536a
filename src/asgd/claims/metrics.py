"""A handful of numbers for metrics.json."""

from collections.abc import Sequence
from typing import get_args

import pandas as pd

from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.tables.arms import Evidence

_ALWAYS_COUNTED = ("reproduced", "not reproduced", "partly", "inconclusive", "not applicable")


def summarize_metrics(runs: pd.DataFrame, verdicts: Sequence[Verdict], base: RunConfig) -> dict[str, float | int]:
    """A handful of numbers for metrics.json: counts of runs and verdicts, and accuracies without momentum or dropout.

    ``base`` is the study's reference setting; accuracies are means over seeds, in [0, 1].
    """
    evidence = Evidence.of(runs, pd.DataFrame(), ClaimsConfig(), base)
    workers = evidence.values_of("num_workers", momentum=0.0, dropout=0.0)
    trained = float((runs["outcome"] == "trained").mean())
    metrics: dict[str, float | int] = {"n_runs": len(runs), "trained_share": trained}
    for label, m in {"m1": 1, "largest_m": max(workers, default=1)}.items():
        arm = evidence.runs_of(num_workers=m, momentum=0.0, dropout=0.0)
        if len(arm):
            metrics[f"accuracy_{label}"] = float(arm["final_test_accuracy"].mean())
    counts = {name: sum(verdict.verdict == name for verdict in verdicts) for name in get_args(VerdictName)}
    # A name that came with the second edition is counted where it is given: the first's files stay as they are.
    counts = {name: count for name, count in counts.items() if count or name in _ALWAYS_COUNTED}
    return {**metrics, **{f"claims_{name.replace(' ', '_')}": count for name, count in counts.items()}}
