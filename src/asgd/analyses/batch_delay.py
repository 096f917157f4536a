"""E6: what delay costs at each batch size, every arm at the learning rate that was calibrated for it.

Each run is compared with the run of m = 1 of its batch size and seed: by the final accuracy, and by the train-test gap
where both first come to the lowest training loss that both reach.
"""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.given import Given
from asgd.claims.second.calibrated import check_lengths, find_calibrated, list_arms
from asgd.settings.run import RunConfig
from asgd.settings.subjects import Subject
from asgd.simulator.outcome import TRAINED
from asgd.tables.arms import Evidence, pair
from asgd.tables.matching import match_values
from asgd.tables.table import Table

ANALYSIS = Analysis(
    about=Subject(varies=("batch_size", "num_workers"), may_vary=("learning_rate",)),
    reads=("runs", "evaluations"),
    needs=("run", "claims"),
    tables={
        "batch_delay": Table(
            rows="one for each batch size, m and seed that has runs at this m and at m = 1; m with several batch sizes",
            key=("batch_size", "num_workers", "seed"),
            columns={
                "batch_size": "images of a gradient",
                "num_workers": "m, the number of workers",
                "seed": "seed of the runs",
                "learning_rate": "eta that the calibration chose",
                "outcome": "how the run ended",
                "accuracy": "final test accuracy, in [0, 1]",
                "lost": "that of m = 1 minus that, points",
                "train_loss": "loss on the training subset at which the gaps are compared, nats; as gap_change",
                "gap_change": "test loss minus training-subset loss there, minus the same of m = 1, nats; "
                "empty for runs that did not train, and without losses on the training subset",
            },
        )
    },
)

Gaps = dict[int, tuple[Any, Any]]  #: by seed: training-subset loss and gap, each [evaluations]


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """All calibrated arms that differ from the base settings in batch size and m, against m = 1."""
    evidence = Evidence.of(given.tables["runs"], given.tables["evaluations"], given.claims, given.base)
    places = {(config.batch_size, config.num_workers) for config in list_arms(evidence)}
    places = {(size, m) for size, m in places if isinstance(size, int)}
    counts = Counter(m for _, m in places)
    rows = []
    for size, m in sorted(place for place in places if counts[place[1]] > 1):
        one = find_calibrated(evidence, batch_size=size, num_workers=1)
        config = find_calibrated(evidence, batch_size=size, num_workers=m)
        if one is not None and config is not None:
            rows += _compare(evidence, one, config)
    return {"batch_delay": pd.DataFrame(rows, columns=list(ANALYSIS.tables["batch_delay"].columns))}, {}


def _compare(evidence: Evidence, one: RunConfig, config: RunConfig) -> list[dict[str, Any]]:
    check_lengths(one, config)
    plain, delayed = evidence.runs_of(one), evidence.runs_of(config)
    both = plain.add_suffix("_plain").join(delayed, how="inner")
    gaps = [_find_gaps(evidence, arm) for arm in (one, config)] if len(both) else []
    rows = []
    for run in both.reset_index().to_dict("records"):
        seed = int(run["seed"])
        level, before, after = np.nan, np.nan, np.nan
        if run["outcome_plain"] == run["outcome"] == TRAINED and all(seed in found for found in gaps):
            losses, values = zip(*(found[seed] for found in gaps), strict=True)
            level, (before, after) = match_values(losses, values)
        rows.append(
            {
                "batch_size": config.batch_size,
                "num_workers": config.num_workers,
                "seed": seed,
                "learning_rate": config.learning_rate,
                "outcome": run["outcome"],
                "accuracy": run["final_test_accuracy"],
                "lost": 100 * (run["final_test_accuracy_plain"] - run["final_test_accuracy"]),
                "train_loss": level,
                "gap_change": after - before,
            }
        )
    return rows


def _find_gaps(evidence: Evidence, config: RunConfig) -> Gaps:
    """The runs of an arm; none where the training subset was not evaluated."""
    train, test = pair(*(evidence.curves_of(metric, base=config) for metric in ("train_eval_loss", "test_loss")))
    if len(train.epochs) == 0:
        return {}
    rows = zip(train.seeds.tolist(), train.values, test.values, strict=True)
    return {seed: (loss, other - loss) for seed, loss, other in rows}
