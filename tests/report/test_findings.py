"""What the further analyses found, as numbers and in the sentences that pages share."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.report.findings import (
    Findings,
    estimate_cost,
    estimate_hours,
    summarize_readings,
    summarize_sharpness,
)
from asgd.report.templates import Templates, format_sentence
from asgd.settings.run import RunConfig
from asgd.simulator.benchmark import BATCH_SIZE

SAY = Templates(Path(__file__).parents[2] / "report/templates").say
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
        {"experiments": "delay;open-questions", "output_relu": relu, "pools": pools, "outcome": outcome}
        for relu, pools, outcomes in (
            (True, 2, ("dead", "dead")),
            (True, 1, ("dead", "trained")),
            (False, 2, ("plateau", "trained")),
            (False, 1, ("non_finite", "trained")),
        )
        for outcome in outcomes
    ]
    other = {"experiments": "delay", "output_relu": True, "pools": 2, "outcome": "trained"}
    return pd.DataFrame([*rows, other]).assign(momentum=0.0, num_workers=100)


def test_the_readings_count_failures_by_their_kind() -> None:
    found = summarize_readings(make_runs(), "open-questions")
    assert SAY("readings", found).split("; ") == [
        "with ReLU on logits, two poolings, 2 of 2 runs failed (2 dead, 0 at a plateau, 0 overflowed)",
        "with ReLU on logits, one pooling, 1 of 2 runs failed (1 dead, 0 at a plateau, 0 overflowed)",
        "with plain logits, two poolings, 1 of 2 runs failed (0 dead, 1 at a plateau, 0 overflowed)",
        "with plain logits, one pooling, 1 of 2 runs failed (0 dead, 0 at a plateau, 1 overflowed)",
    ]
    assert summarize_readings(make_runs(), None) == []


def test_the_sharpness_is_told_at_the_last_measurement_of_living_runs() -> None:
    rows = [(1, 0, 30.0, 0.15), (1, 1, 20.0, 0.10), (100, 1, 2.0, 1.25), (100, 1, 4.0, 2.5), (100, 2, 0.0, 0.0)]
    table = pd.DataFrame(rows, columns=["num_workers", "epoch", "sharpness", "stability"])
    assert SAY("sharpness", summarize_sharpness(table)) == (
        "after epoch 1 the median sharpness is 20 at m = 1 (0.1 times the limit) and 3 at m = 100 (1.9 times the limit)"
    )
    assert summarize_sharpness(table[table["sharpness"] == 0]) is None


def test_the_cost_is_that_of_the_mean_step() -> None:
    assert estimate_hours(BENCHMARK, "naive", 3.6e6) == pytest.approx(2.0)
    said = SAY("cost", estimate_cost(BENCHMARK, {}, 3_600_000))
    assert said.endswith(
        "one idle core, the steps alone "
        "take 0.1 core hours; the naive simulator, with one PyTorch module per worker, would need 2 (2.0 ms per step)"
    )


def test_the_cost_counts_gradients_and_only_those_like_the_benchmarks() -> None:
    counted = {"total_gradients": 7_200_000, "benchmarked_gradients": 3_600_000}
    assert SAY("cost", estimate_cost(BENCHMARK, counted, 100)).endswith(
        "one idle core, 3.6 million of the gradients, those of the paper's network and mini-batches, alone take 0.1 "
        "core hours; the naive simulator, with one PyTorch module per worker, would need 2 (2.0 ms per step)"
    )
    assert estimate_cost(BENCHMARK, {**counted, "benchmarked_gradients": 0}, 100) is None
    assert RunConfig().batch_size == BATCH_SIZE  # of the benchmark, and of the runs that are counted


RANKS = {"instability": 0.9, "asymmetry": 0.5}
RUN = {"num_workers": 5, "learning_rate": 0.3, "seed": 1, "stability": 7.02, "burst_step": 30}
RUN |= {"live_at_start": 8, "live_before_burst": 6, "live_after_burst": None, "died_by": None}
SURVEY: dict[str, Any] = {
    "runs": 3,
    "unstable": 2,
    "medians": {"stability": 18.36, "live_at_start": 7.0, "live_before_burst": 5.5, "live_after_burst": 3.0},
    "silent": 1,
    "most_passing": 0.00026,
    "controls": {"trained": 2, "plateau": 0, "dead": 0, "non_finite": 1},
}
MAP: dict[str, Any] = {
    **{"claims": ["C2", "C3", "C4"], "pairs": 12, "reproduced": 0, "holding": 1, "most": 3, "most_pairs": 1},
    "best": {
        **{"rate_none": 0.03, "rate_momentum": 0.001, "variant": "server-ema"},
        **{"holding": ["C2", "C3", "C4"], "reproduced": []},
    },
    **{"seeds": 5, "smallest_p": 0.1875, "can_decide": False},
}
SEARCH: dict[str, Any] = {
    **{"claims": ["C2", "C3"], "searched": 386, "named": 449, "seeds": [5, 10]},
    "lengths": [
        {"epochs": epochs, "settings": count}
        for epochs, count in ((1.5, 126), (2.0, 126), (3.0, 126), (5.0, 4), (10.0, 4))
    ],
    "readings": [
        {
            **{"reading": "not trained", "holding": 1, "reproduced": 0, "most": 2, "most_settings": 1},
            "region": {
                **{"epochs": [2.0, 2.0], "rate_none": [0.02, 0.02], "rate_average": [0.02, 0.02]},
                "variants": ["worker-ema"],
            },
        },
        {
            **{"reading": "dead", "holding": 0, "reproduced": 0, "most": 1, "most_settings": 10},
            "region": {
                **{"epochs": [2.0, 3.0], "rate_none": [0.02, 0.03], "rate_average": [0.001, 0.02]},
                "variants": ["server-ema", "worker-ema"],
            },
        },
    ],
}


def test_a_run_that_did_not_die_and_one_that_did_are_told() -> None:
    assert SAY("death", RUN) == (
        "the run with m = 5, learning rate 0.3 and seed 1 did not die; its learning rate times sharpness reached at "
        "least 7.0 times the stability limit; 8 of its ten logits were alive at the start, 6 before the current "
        "weights were furthest from the stale ones (step 30)"
    )
    died = SAY("death", RUN | {"died_by": 50, "live_after_burst": 0})
    assert "died by step 50;" in died
    assert died.endswith("(step 30) and 0 one round of m steps later")


def test_the_deaths_are_told_with_their_ranks_where_there_are_some() -> None:
    said = SAY("deaths", {"survey": SURVEY, "ranks": RANKS})
    assert said.startswith("in 2 of the 3, learning rate times sharpness exceeded the stability limit before the")
    assert (
        "(the median of all is 18.4 times the limit); the median number of living logits was 7 at the start, 5.5 before"
        in said
    )
    assert "at most 0.26 in a thousand; of the same runs without the ReLU on the logits, 2 trained and 1 over" in said
    assert said.endswith(f"; {SAY('ranks', RANKS)}")
    assert (
        "in 90\N{NO-BREAK SPACE}% the run that died has the larger learning rate, relative to the limit of its m"
        in said
    )
    assert SAY("deaths", {"survey": SURVEY, "ranks": None}).endswith("1 overflowed")
    assert SAY("deaths", {"survey": {"runs": 0}, "ranks": None}) == "no such run died"


def test_the_map_is_told_in_long_and_in_short() -> None:
    said = SAY("reconciliation", MAP)
    assert (
        "all of C2, C3 and C4 are reproduced by the rules in none and hold by their estimates in 1; in the best one"
        in said
    )
    assert (
        "momentum and 0.001 with server EMA momentum, the claims that hold are C2, C3 and C4 (by the rules none)"
        in said
    )
    assert said.endswith("to be reproduced by its rule, whatever the result (McNemar p ≥ 0.19 after Holm)")
    assert "too few" not in SAY("reconciliation", MAP | {"can_decide": True})
    assert SAY("pairs", MAP) == (
        "by the estimates from 5 seeds, of 12 combinations of learning rates and kinds of momentum, which the paper "
        "leaves open, 1 agrees with all of C2, C3 and C4, and 1 agrees with 3 of them"
    )


def test_the_search_is_told_in_long_and_in_short() -> None:
    said = SAY("searched", SEARCH)
    assert said == (
        "of 386 combinations of learning rates, kind of momentum and length of training, which the paper leaves open, "
        "1 agrees with all of C2 and C3 if C3 is read as not trained, and none agrees if it is read as dead"
    )
    said = SAY("search", SEARCH).removeprefix(said)
    assert said.startswith(
        ". There are 126 combinations after each of 1.5, 2 and 3 epochs, 4 combinations after each of 5 and 10 epochs, "
        "with 5 to 10 seeds"
    )
    assert "; 63 more are the same trajectories in the other convention. " in said
    assert (
        "If C3 is read as not trained, all of the claims hold together in 1 of the combinations: rate 0.02 without "
        in said
    )
    assert (
        "If C3 is read as dead, at most 1 of the claims hold together in 10 of the combinations: rate 0.02 to 0.03 "
        in said
    )
    assert said.endswith(" epochs. By the rules alone, all are reproduced in none of them")


def test_what_a_study_lacks_is_empty() -> None:
    for macro in ("death", "deaths", "ranks", "pairs", "reconciliation", "searched", "search", "sharpness", "cost"):
        assert SAY(macro, None) == format_sentence(SAY(macro, None)) == ""
    for macro in ("readings", "accuracy", "momentum"):
        assert SAY(macro, []) == ""


def test_a_sentence_begins_with_a_capital_but_not_a_symbol() -> None:
    assert format_sentence("at m = 30 it falls") == "At m = 30 it falls."
    assert format_sentence("m = 30: +1.1 points") == "m = 30: +1.1 points."


def test_summaries_are_known_by_their_analysis(tmp_path: Path) -> None:
    (tmp_path / "death_summary.json").write_text(json.dumps({"run": RUN}))
    (tmp_path / "map_summary.json").write_text(json.dumps(MAP))
    assert Findings.read(sorted(tmp_path.iterdir())).summaries == {"death": {"run": RUN}, "map": MAP}
