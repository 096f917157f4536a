"""The ranking of remedies."""

import json
from typing import Any

import pandas as pd
import pytest

from asgd.analyses.given import Given, check_tables
from asgd.analyses.remedies import ANALYSIS, tabulate
from asgd.report.templates import Templates
from tests.claims.test_statements import BASE, HALF, NOISE, Study, list_margins
from tests.pipeline import ROOT


def rank(study: Study) -> pd.DataFrame:
    return analyse(study)[0]


def analyse(study: Study) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """The table, and the best methods of the summary."""
    about = {"run": BASE.model_dump(), "claims": list_margins(study.calibrated).model_dump(mode="json")}
    tables = {"runs": pd.DataFrame(study.runs), "evaluations": pd.concat(study.evaluations, ignore_index=True)}
    found, summary = tabulate(Given("remedies", "any", about, tables))
    check_tables("remedies", found, {"remedies": list(ANALYSIS.tables["remedies"].columns)})
    return found["remedies"], summary["best"]


def test_methods_are_ranked_on_their_own_schedule_with_as_many_workers() -> None:
    study = Study()
    for schedule, plain in {"round_robin": 0.5, "random": 0.55}.items():
        place = {"num_workers": 30, "schedule": schedule}
        study.arm(plain, **place, learning_rate=0.005)
        study.arm(plain + 0.01, **place, noise=NOISE, update="gap_aware", gap_scale=30.0, correction=0.2)
        study.arm(
            plain + 0.03, **place, noise=NOISE * (schedule == "random"), policy="discard", max_staleness=10, stop=True
        )
        study.arm(plain - 0.02, **place, momentum=0.9, momentum_where="worker", momentum_convention="ema")
    study.arm(0.7, num_workers=100, update="adagrad", learning_rate=0.001)  # no plain SGD beside it
    study.arm(0.7, num_workers=30, batch_size=64)  # another task
    study.arm(0.5, num_workers=300).arm(0.7, num_workers=300, update="adagrad")  # an m that E7 does not ask about
    table, best = analyse(study)
    assert table[["schedule", "rank", "method"]].values.tolist() == [
        [schedule, place, method]
        for schedule in ("random worker", "round robin")
        for place, method in enumerate(
            ["discard, max staleness = 10, stopped", "gap-aware, gap scale = 30", "b = 0.9, worker EMA"], 1
        )
    ]
    assert table["difference"].tolist() == pytest.approx([3, 1, -2] * 2)
    gap = table.iloc[1]
    assert (gap["low"], gap["high"]) == pytest.approx((1 - 100 * HALF, 1 + 100 * HALF))
    assert (gap["learning_rate"], gap["plain_rate"], gap["n"], gap["correction"]) == (0.01, 0.005, 10, 0.2)
    assert (gap["accuracy"], gap["plain_accuracy"]) == pytest.approx((0.56, 0.55))
    assert [(one["schedule"], one["num_workers"], one["methods"]) for one in best] == [
        ("random worker", 30, 3),
        ("round robin", 30, 3),
    ]
    sentence = Templates(ROOT / "report/templates").say("remedies", {"best": json.loads(json.dumps(best))})
    assert sentence == (
        "by the gain in final accuracy over plain SGD, of 3 methods under the schedule random worker the best is "
        "discard, max staleness = 10, stopped at m = 30 (+3.0 points [+2.9, +3.1]); of 3 methods under the schedule "
        "round robin the best is discard, max staleness = 10, stopped at m = 30 (+3.0 points)"
    )


def test_a_method_that_is_best_twice_is_named_once() -> None:
    place = {"schedule": "random worker", "methods": 3, "interval": None}
    best = [
        {**place, "method": "look-ahead", "num_workers": 30, "difference": 2.5},
        {**place, "method": "look-ahead", "num_workers": 100, "difference": 2.1},
    ]
    assert Templates(ROOT / "report/templates").say("remedies", {"best": best}) == (
        "by the gain in final accuracy over plain SGD, of 3 methods under the schedule random worker the best is "
        "look-ahead at m = 30 (+2.5 points) and m = 100 (+2.1 points)"
    )


def test_without_calibrated_arms_it_is_empty() -> None:
    assert rank(Study().arm(0.5, criterion=None)).empty
