"""The sentences about the further analyses say what their tables say."""

import json
from pathlib import Path

import pandas as pd
import pytest

from asgd.claims import Verdict
from asgd.report.findings import Findings, collect_findings, estimate_hours, summarize_readings, summarize_sharpness

BENCHMARK = {
    "steps": [
        {"engine": "naive", "microseconds": 1800.0},
        {"engine": "naive", "microseconds": 2200.0},
        {"engine": "fused-vector", "microseconds": 100.0},
    ]
}


def make_runs() -> pd.DataFrame:
    """Two runs a reading: with the output ReLU and two poolings both die, with plain logits one stays at a plateau."""
    rows = [
        {"experiments": "delay;readings", "num_workers": 100, "output_relu": relu, "pools": pools, "outcome": outcome}
        for relu, pools, outcomes in (
            (True, 2, ("dead", "dead")),
            (True, 1, ("dead", "trained")),
            (False, 2, ("plateau", "trained")),
            (False, 1, ("non_finite", "trained")),
        )
        for outcome in outcomes
    ]
    other = {"experiments": "delay", "num_workers": 1, "output_relu": True, "pools": 2, "outcome": "trained"}
    return pd.DataFrame([*rows, other]).assign(momentum=0.0)


def test_the_readings_count_failures_by_their_kind() -> None:
    assert summarize_readings(make_runs()).split("; ") == [
        "With ReLU on logits, two poolings 2 of 2 runs failed (2 dead, 0 at a plateau, 0 overflowed)",
        "with ReLU on logits, one pooling 1 of 2 runs failed (1 dead, 0 at a plateau, 0 overflowed)",
        "with plain logits, two poolings 1 of 2 runs failed (0 dead, 1 at a plateau, 0 overflowed)",
        "with plain logits, one pooling 1 of 2 runs failed (0 dead, 0 at a plateau, 1 overflowed).",
    ]
    assert summarize_readings(make_runs().assign(experiments="delay")) == ""


def test_the_sharpness_is_told_at_the_last_measurement_of_living_runs() -> None:
    rows = [(1, 0, 30.0, 0.15), (1, 1, 20.0, 0.10), (100, 1, 2.0, 1.25), (100, 1, 4.0, 2.5), (100, 2, 0.0, 0.0)]
    table = pd.DataFrame(rows, columns=["num_workers", "epoch", "sharpness", "stability"])
    said = summarize_sharpness(table)
    assert said == (
        "After epoch 1 the median sharpness is 20 at $m = 1$, 0.1 of the limit and 3 at $m = 100$, 1.9 of the limit."
    )
    assert summarize_sharpness(table[table["sharpness"] == 0]) == ""


def test_the_cost_is_that_of_the_mean_step() -> None:
    assert estimate_hours(BENCHMARK, "naive", 3.6e6) == pytest.approx(2.0)
    macros = collect_findings(Findings({}, benchmark=BENCHMARK), make_runs(), [], 3.6e6)
    assert "take 0.1 core hours and would take the naive simulator 2, at 2.0 ms a step." in macros["naiveCost"]


def test_what_a_study_lacks_is_empty() -> None:
    macros = collect_findings(Findings({}), make_runs().assign(experiments="delay"), [], 1000)
    assert set(macros.values()) == {""}


def test_the_summaries_become_sentences(tmp_path: Path) -> None:
    (tmp_path / "death.json").write_text(json.dumps({"death": "the run died", "config": {"num_workers": 100}}))
    (tmp_path / "map.json").write_text(json.dumps({"reconciliation": "50% of pairs"}))
    findings = Findings.read([tmp_path / "death.json", tmp_path / "map.json"])
    verdict = Verdict(id="C6", claim="alike", verdict="partly", reason="(a) it slows")
    macros = collect_findings(findings, make_runs(), [verdict], 1000)
    assert macros["deathSummary"] == "The run died."
    assert macros["mapSummary"] == r"50\% of pairs."
    assert macros["regulariserSummary"] == "(a) it slows."
