"""Every verdict of every claim by the first edition of the rules, on constructed tables."""

import copy
import json
import re
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from asgd.claims import Verdict, Verdicts, claims_from_json, claims_to_json, format_claims, judge_claims
from asgd.claims.claim import EDITIONS
from asgd.claims.first.c1_slowing import judge as judge_slowing
from asgd.claims.wording import explain
from asgd.errors import AsgdError
from asgd.settings.claims import ClaimsConfig, EditionName
from asgd.settings.run import RunConfig
from asgd.settings.study import Params, Preset, load_params
from asgd.tables.arms import Evidence
from tests.claims.made import LN10, Tables, convention_of
from tests.pipeline import TINY

CONVENTIONS = ("server-pytorch", "server-ema", "worker-pytorch", "worker-ema")
IDS = [
    "C1",
    "C2",
    "C3",
    "C3b",
    *(f"C4-{convention}" for convention in CONVENTIONS),
    *(f"C5-{convention}" for convention in CONVENTIONS),
    "C6",
]


def reason(verdict: Verdict) -> str:
    return explain(verdict, ClaimsConfig())


def delay(losses: dict[int, float], **settings) -> Tables:
    tables = Tables()
    for num_workers, loss in losses.items():
        tables.arm(num_workers=num_workers, loss=loss, **settings)
    return tables


# C1: delay slows


def test_delay_slows_if_the_area_rises_at_every_step():
    found = delay({1: 1.0, 10: 1.2, 20: 1.3, 30: 1.6}).judge()["C1"]
    assert found.verdict == "reproduced"
    # the mean of a straight line is its middle: half the difference of the ends, over the evaluations after step 0
    assert found.effect == pytest.approx(0.1 * (1 / 12 + 1) / 2, abs=0.002)
    assert found.interval[0] > 0
    assert found.p_value == 1 / 1024
    assert found.n == 10
    assert "from m = 10 to 20" in reason(found)


def test_delay_does_not_slow_if_the_area_falls_anywhere():
    found = delay({1: 1.0, 10: 1.2, 20: 1.1, 30: 1.6}).judge()["C1"]
    assert found.verdict == "not reproduced"
    assert found.interval[1] < 0


def test_slowing_is_inconclusive_if_an_interval_contains_zero():
    assert delay({1: 1.0, 10: 1.2, 20: 1.2, 30: 1.6}, noise=0.01).judge()["C1"].verdict == "inconclusive"


def test_absent_arms_are_named():
    found = delay({1: 1.0, 10: 1.2, 30: 1.6}).judge()["C1"]
    assert found.verdict == "reproduced"
    assert "tested at m = 1, 10, 30; no runs at m = 20" in reason(found)
    alone = delay({1: 1.0}).judge()["C1"]
    assert alone.verdict == "not applicable"
    assert "no runs at m = 10, 20, 30" in reason(alone)


def test_the_workers_compared_are_a_margin():
    tables = delay({1: 1.0, 10: 1.2, 20: 1.1})
    assert tables.judge()["C1"].verdict == "not reproduced"
    assert tables.judge(slow_workers=[1, 10])["C1"].verdict == "reproduced"


@pytest.fixture(scope="module")
def slowing() -> Tables:
    return delay({1: 1.0, 10: 1.2, 30: 1.6}, seeds=3)


@settings(max_examples=10, deadline=None)
@given(shift=st.floats(0.01, 2))
def test_a_shift_of_all_losses_changes_no_comparison(slowing, shift):
    runs, evaluations = slowing.tables()
    shifted = evaluations.assign(train_loss=evaluations["train_loss"] + shift)
    studies = (Evidence.of(runs, table, ClaimsConfig(), slowing.base) for table in (evaluations, shifted))
    (first,), (second,) = map(judge_slowing, studies)
    assert second.verdict == first.verdict == "reproduced"
    assert second.effect == pytest.approx(first.effect)
    assert second.interval == pytest.approx(first.interval)


# C2: about five points


def gap_of(points: float, **settings) -> Tables:
    return (
        Tables()
        .arm(num_workers=1, accuracy=0.5, **settings)
        .arm(num_workers=10, accuracy=0.5 - points / 100, **settings)
    )


@pytest.mark.parametrize(
    ("points", "noise", "verdict"),
    [(5, 0.001, "reproduced"), (1, 0.001, "not reproduced"), (9, 0.001, "not reproduced"), (2, 0.005, "inconclusive")],
)
def test_the_gap_is_judged_by_its_intervals(points, noise, verdict):
    found = gap_of(points, noise=noise).judge()["C2"]
    assert found.verdict == verdict
    assert found.effect == pytest.approx(points, abs=0.5)
    assert found.confidence == pytest.approx(0.9)
    assert len(found.details["gaps"]) == 8  # of three epochs, those after the first


def test_the_range_of_the_gap_is_a_margin():
    assert gap_of(1).judge(gap_points=(0.5, 2.0))["C2"].verdict == "reproduced"


def test_the_share_of_evaluations_is_a_margin():
    tables = gap_of(5)
    for curve in tables.evaluations[:10]:
        curve.loc[curve["epoch"] == 3, "test_accuracy"] += 0.2  # one of the eight evaluations is far outside
    assert tables.judge()["C2"].verdict == "not reproduced"
    assert tables.judge(gap_share=0.85)["C2"].verdict == "reproduced"


def test_the_gap_needs_more_than_an_epoch_and_both_arms():
    short = Tables(epochs=1.0).arm(num_workers=1).arm(num_workers=10).judge()["C2"]
    assert short.verdict == "not applicable"
    assert "the runs end at epoch 1" in reason(short)
    assert reason(Tables().arm(num_workers=1).judge()["C2"]) == "no runs at m = 10"


def test_equal_curves_say_nothing_about_slowing_and_gap():
    verdicts = delay({1: 1.0, 10: 1.2}, noise=0, seeds=2).judge()
    assert verdicts["C1"].verdict == verdicts["C2"].verdict == "inconclusive"
    assert "the differences of all 2 seeds are equal" in reason(verdicts["C1"])
    assert "the differences of all 2 seeds are equal" in reason(verdicts["C2"])
    assert verdicts["C1"].p_value == 1 / 4  # what two signs can say
    assert verdicts["C2"].p_value is None


def test_two_arms_that_fail_have_no_gap():
    found = Tables().arm(num_workers=1, outcomes="dead").arm(num_workers=10, outcomes="plateau").judge()["C2"]
    assert (found.verdict, reason(found)) == ("not applicable", "runs fail at both m")


# C3: m = 100 fails


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["dead"] * 10, "reproduced"),
        (["dead"] * 4 + ["plateau"] * 6, "partly"),
        (["plateau"] * 10, "partly"),
        (["trained"] * 10, "not reproduced"),
        (["dead"] * 5 + ["trained"] * 5, "inconclusive"),
        (["dead"] * 8 + ["trained"] * 2, "inconclusive"),  # P(dead) is in [0.49, 0.94]
        (["dead"], "inconclusive"),
    ],
)
def test_failure_is_judged_by_the_outcomes(outcomes, verdict):
    found = Tables().arm(num_workers=100, outcomes=outcomes, seeds=len(outcomes)).judge()["C3"]
    assert found.verdict == verdict
    assert found.effect == outcomes.count("dead") / len(outcomes)
    assert found.n == len(outcomes)


def test_the_workers_that_fail_are_a_margin():
    tables = Tables().arm(num_workers=50, outcomes="dead")
    assert reason(tables.judge()["C3"]) == "no runs at m = 100"
    assert tables.judge(fail_workers=50)["C3"].verdict == "reproduced"


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        (["dead"] + ["trained"] * 9, "reproduced"),
        (["plateau"] + ["trained"] * 9, "partly"),
        (["trained"] * 10, "not reproduced"),
        (["dead"] * 10, "not reproduced"),
        (["trained"] * 2, "inconclusive"),
    ],
)
def test_some_failures_are_judged_by_the_outcomes(outcomes, verdict):
    assert Tables().arm(num_workers=70, outcomes=outcomes, seeds=len(outcomes)).judge()["C3b"].verdict == verdict


def test_without_runs_at_seventy_workers_nothing_is_said():
    found = Tables().arm(num_workers=100).judge()["C3b"]
    assert (found.verdict, reason(found)) == ("not applicable", "no runs at m = 70")


# C4: momentum makes no difference


def momentum_of(name: str, points: dict[int, float], **settings) -> Tables:
    """Arms without momentum at 50 %, and with it so many points above."""
    tables = Tables()
    for num_workers, above in points.items():
        tables.arm(num_workers=num_workers, accuracy=0.5, **settings)
        tables.arm(num_workers=num_workers, accuracy=0.5 + above / 100, **convention_of(name), **settings)
    return tables


@pytest.mark.parametrize("name", CONVENTIONS)
def test_momentum_is_judged_for_each_convention_apart(name):
    verdicts = momentum_of(name, {1: 0.5, 10: -0.5, 20: 0.3, 30: 0.1}).judge()
    assert verdicts[f"C4-{name}"].verdict == "reproduced"
    for other in set(CONVENTIONS) - {name}:
        assert verdicts[f"C4-{other}"].verdict == "not applicable"


@pytest.mark.parametrize(
    ("points", "noise", "verdict"),
    [
        ({1: 0.5, 10: 0.5}, 0.001, "reproduced"),
        ({1: 0.0, 10: 5.0}, 0.001, "not reproduced"),
        ({1: -5.0, 10: 0.0}, 0.001, "not reproduced"),
        ({1: 0.0, 10: 0.5}, 0.05, "inconclusive"),
    ],
)
def test_no_difference_is_judged_by_equivalence(points, noise, verdict):
    found = momentum_of("server-pytorch", points, noise=noise).judge()["C4-server-pytorch"]
    assert found.verdict == verdict
    assert "no runs at m = 20, 30" in reason(found)
    if verdict == "not reproduced":
        assert abs(found.effect) == pytest.approx(5, abs=0.5)


def test_the_margin_of_no_difference_changes_the_verdict():
    tables = momentum_of("worker-ema", {1: 3.0, 10: 3.0})
    assert tables.judge()["C4-worker-ema"].verdict == "not reproduced"
    assert tables.judge(equivalence_points=4.0)["C4-worker-ema"].verdict == "reproduced"


def test_the_value_of_momentum_is_a_margin():
    tables = Tables().arm(num_workers=1).arm(num_workers=1, **convention_of("server-pytorch", 0.5))
    assert tables.judge()["C4-server-pytorch"].verdict == "not applicable"
    assert tables.judge(momentum=0.5)["C4-server-pytorch"].verdict == "reproduced"


def test_two_arms_that_fail_are_no_evidence_that_momentum_makes_no_difference():
    tables = Tables().arm(num_workers=1, accuracy=0.1, outcomes="dead", noise=0)
    tables.arm(num_workers=1, accuracy=0.1, outcomes="dead", noise=0, **convention_of("server-ema"))
    found = tables.judge()["C4-server-ema"]
    assert (found.verdict, found.p_value, found.n) == ("not applicable", None, 10)
    assert reason(found) == "runs fail both with and without it at m = 1"


@pytest.mark.parametrize(("failed", "verdict"), [(10, "inconclusive"), (5, "inconclusive"), (4, "reproduced")])
def test_an_m_at_which_half_of_the_pairs_fail_proves_no_equivalence(failed, verdict):
    tables = momentum_of("server-ema", {1: 0.5})
    outcomes = ["dead"] * failed + ["trained"] * (10 - failed)
    tables.arm(num_workers=30, outcomes=outcomes).arm(num_workers=30, outcomes=outcomes, **convention_of("server-ema"))
    found = tables.judge()["C4-server-ema"]
    assert found.verdict == verdict
    assert (found.p_value is None) == ("runs fail both with and without it at m = 30" in reason(found)) == (failed >= 5)


def test_a_difference_elsewhere_counts_whatever_fails_at_another_m():
    tables = momentum_of("server-ema", {1: 5.0})
    tables.arm(num_workers=30, outcomes="dead").arm(num_workers=30, outcomes="dead", **convention_of("server-ema"))
    assert tables.judge()["C4-server-ema"].verdict == "not reproduced"


def test_a_failure_with_momentum_alone_is_a_difference():
    tables = (
        Tables().arm(num_workers=1).arm(num_workers=1, accuracy=0.1, outcomes="dead", **convention_of("server-ema"))
    )
    assert tables.judge()["C4-server-ema"].verdict == "not reproduced"


@pytest.mark.parametrize("seeds", [2, 10])
@pytest.mark.parametrize("points", [0.0, 1.0])
def test_equal_differences_prove_no_equivalence(seeds, points):
    found = momentum_of("server-ema", {1: points}, noise=0, seeds=seeds).judge()["C4-server-ema"]
    assert (found.verdict, found.p_value, found.interval) == ("inconclusive", None, None)
    assert f"at m = 1 the differences of all {seeds} seeds are equal" in reason(found)


def test_an_m_without_an_interval_does_not_hide_a_difference_at_another():
    tables = momentum_of("server-ema", {1: 0.0}, noise=0)
    tables.arm(num_workers=10).arm(num_workers=10, accuracy=0.6, **convention_of("server-ema"))
    found = tables.judge()["C4-server-ema"]
    assert (found.verdict, found.effect) == ("not reproduced", pytest.approx(10, abs=0.5))


# C5: with momentum m = 100 trains


def rescue_of(without: list[str], with_momentum: list[str], name: str = "server-ema") -> Tables:
    tables = Tables().arm(num_workers=100, outcomes=without, seeds=len(without))
    return tables.arm(num_workers=100, outcomes=with_momentum, seeds=len(with_momentum), **convention_of(name))


@pytest.mark.parametrize(
    ("without", "with_momentum", "verdict"),
    [
        (["dead"] * 10, ["trained"] * 10, "reproduced"),
        (["dead"] * 10, ["dead"] * 10, "not reproduced"),
        (["trained"] * 10, ["non_finite"] * 10, "not reproduced"),
        (["trained"] * 10, ["trained"] * 10, "inconclusive"),  # there was nothing to mend
        (["dead"] * 10, ["dead"] * 5 + ["trained"] * 5, "inconclusive"),
        (["trained"] * 40, ["dead"] * 10 + ["trained"] * 30, "inconclusive"),  # most train, but fewer than without
        (["dead"], ["trained"], "inconclusive"),
    ],
)
def test_rescue_is_judged_by_paired_failures(without, with_momentum, verdict):
    verdicts = rescue_of(without, with_momentum).judge()
    assert verdicts["C5-server-ema"].verdict == verdict
    assert verdicts["C5-server-ema"].effect == with_momentum.count("trained") / len(with_momentum)
    assert verdicts["C5-worker-ema"].verdict == "not applicable"


def test_rescue_is_adjusted_over_the_conventions_that_have_runs():
    without, mended = ["dead"] * 10, ["trained"] * 10
    tables = rescue_of(without, mended, "server-ema")
    for name in ("server-pytorch", "worker-pytorch", "worker-ema"):
        tables.arm(num_workers=100, outcomes=mended, **convention_of(name))
    found = tables.judge()["C5-server-ema"]
    assert found.p_value == pytest.approx(2 / 1024)
    assert found.details["p_holm_over_conventions"] == pytest.approx(4 * 2 / 1024)


# C6: delay as dropout


def regulariser_of(delay_gap: float = 0.05, dropout_gap: float = 0.02, dropout_loss: float = 1.3, **settings) -> Tables:
    """m = 1, m = 10 and p = 0.2: equally slow, equally accurate, with these train-test gaps (plain SGD: 0.2)."""
    tables = Tables().arm(num_workers=1, loss=1.2, accuracy=0.52, gap=0.2)
    tables.arm(num_workers=10, loss=1.3, accuracy=0.5, gap=delay_gap)
    return tables.arm(num_workers=1, dropout=0.2, loss=dropout_loss, accuracy=0.5, gap=dropout_gap, **settings)


def test_delay_regularises_like_dropout_if_all_three_hold():
    found = regulariser_of().judge()["C6"]
    assert found.verdict == "reproduced"
    assert found.effect < 0
    assert found.interval[1] < 0
    assert "m = 10 matches p = 0.2" in reason(found)


def test_the_gap_is_taken_at_matched_training_loss():
    # Plain SGD has gap 0.2 at loss 1.2, so 0.2 x (ln 10 - 1.3) / (ln 10 - 1.2) at 1.3, where the slower arms end
    tables = Tables().arm(num_workers=1, loss=1.2, accuracy=0.5, gap=0.2, noise=0)
    tables.arm(num_workers=10, loss=1.3, accuracy=0.5, gap=0.05, noise=0)
    tables.arm(num_workers=1, dropout=0.2, loss=1.25, accuracy=0.5, gap=0.02, noise=0)
    found = tables.judge()["C6"]
    assert found.details["gap"]["train_loss_level"] == pytest.approx(1.3)
    assert found.effect == pytest.approx(0.05 - 0.2 * (LN10 - 1.3) / (LN10 - 1.2))


def test_the_gap_is_taken_from_the_longest_runs_that_a_pair_has():
    tables = regulariser_of(delay_gap=0.5)  # alone it would refute the claim: see below
    tables.arm(num_workers=1, dropout=0.5, loss=1.6, accuracy=0.4, gap=0.01)
    for arm, gap in (({}, 0.3), ({"num_workers": 10}, 0.1), ({"dropout": 0.5}, 0.1)):
        tables.arm(**{"num_workers": 1, **arm}, loss=1.0, gap=gap, epochs=9.0)
    found = tables.judge()["C6"]
    assert found.verdict == "reproduced"  # (b) by m = 10 and p = 0.2, (c) by those that have long runs
    assert "m = 10 matches p = 0.2" in reason(found)
    assert "over 9 epochs" in reason(found)
    assert [found.details["gap"][key] for key in ("num_workers", "dropout", "epochs")] == [10, 0.5, 9.0]
    tables.arm(num_workers=1, dropout=0.2, loss=1.0, gap=0.6, epochs=9.0)
    assert tables.judge()["C6"].verdict == "not reproduced"  # now the match has long runs, and they count


def test_shorter_runs_are_not_taken_for_the_gap():
    tables = regulariser_of()
    for arm in ({}, {"num_workers": 10}, {"dropout": 0.2}):
        tables.arm(**{"num_workers": 1, **arm}, loss=1.0, epochs=2.0)
    assert tables.judge()["C6"].details["gap"]["epochs"] == 3.0


def test_slowing_alike_without_the_gap_is_partly():
    same = 0.2 * (LN10 - 1.3) / (LN10 - 1.2)  # the gap of plain SGD at the matched loss
    found = regulariser_of(delay_gap=same).judge()["C6"]
    assert found.verdict == "partly"
    assert "both slow training, but delay is not shown to regularise" in reason(found)


def test_opposite_gaps_refute_it():
    assert regulariser_of(delay_gap=0.5).judge()["C6"].verdict == "not reproduced"


def test_dropout_that_speeds_up_refutes_it():
    found = regulariser_of(dropout_loss=1.1).judge()["C6"]
    assert found.verdict == "not reproduced"
    assert "(a) the mean training loss falls" in reason(found)


def test_without_a_match_it_is_inconclusive_and_the_margin_decides():
    tables = Tables().arm(num_workers=1, loss=1.2, accuracy=0.52, gap=0.2)
    tables.arm(num_workers=10, loss=1.3, accuracy=0.50, gap=0.05)
    tables.arm(num_workers=1, dropout=0.2, loss=1.3, accuracy=0.47, gap=0.02)
    assert tables.judge()["C6"].verdict == "inconclusive"
    assert tables.judge(equivalence_points=5.0)["C6"].verdict == "reproduced"


def test_a_match_must_hold_at_the_end_too():
    tables = regulariser_of()
    for curve in tables.evaluations[20:]:
        curve.loc[curve["epoch"] == 3, "test_accuracy"] += 0.1
    assert tables.judge(gap_share=0.8)["C6"].verdict == "inconclusive"
    for curve in tables.evaluations[20:]:  # the same difference earlier is one of the evaluations that may lie outside
        curve.loc[curve["epoch"] == 3, "test_accuracy"] -= 0.1
        curve.loc[curve["epoch"] == 2, "test_accuracy"] += 0.1
    assert tables.judge(gap_share=0.8)["C6"].verdict == "reproduced"


def test_arms_that_failed_are_no_match():
    tables = (
        Tables().arm(num_workers=1, loss=1.2, gap=0.2).arm(num_workers=100, loss=LN10, accuracy=0.1, outcomes="dead")
    )
    tables.arm(num_workers=1, dropout=0.7, loss=LN10, accuracy=0.1, outcomes="dead")
    found = tables.judge()["C6"]
    assert found.verdict == "inconclusive"
    assert found.details["matches"] == []


def test_without_dropout_nothing_is_said():
    found = Tables().arm(num_workers=1).arm(num_workers=10).judge()["C6"]
    assert found.verdict == "not applicable"
    assert "m = 10 and p = 0" in reason(found)


def test_runs_of_one_epoch_have_no_match():
    tables = Tables(epochs=1.0).arm(num_workers=1, loss=1.2).arm(num_workers=10, loss=1.3)
    found = tables.arm(num_workers=1, dropout=0.2, loss=1.3).judge()["C6"]
    assert found.verdict == "inconclusive"
    assert "evaluations after the first epoch" in reason(found)


def test_equal_curves_are_no_match():
    tables = Tables().arm(num_workers=1, loss=1.2, accuracy=0.52, noise=0)
    tables.arm(num_workers=10, loss=1.3, noise=0).arm(num_workers=1, dropout=0.2, loss=1.3, noise=0)
    assert not any(match["matches"] for match in tables.judge()["C6"].details["matches"])


# All together


def whole_study(seeds: int = 10, base: RunConfig | None = None) -> Tables:
    tables = Tables(base)
    for num_workers, loss in {1: 1.2, 10: 1.3, 20: 1.4, 30: 1.5, 70: 1.9, 100: LN10}.items():
        outcome = "dead" if num_workers == 100 else "trained"
        tables.arm(num_workers=num_workers, loss=loss, accuracy=0.5, outcomes=outcome, seeds=seeds)
        for name in CONVENTIONS:
            tables.arm(num_workers=num_workers, loss=loss, accuracy=0.5, seeds=seeds, **convention_of(name))
    return tables.arm(num_workers=1, dropout=0.3, loss=1.3, accuracy=0.5, seeds=seeds)


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_few_seeds_give_a_verdict_on_every_claim(seeds):
    verdicts = whole_study(seeds).judge()
    assert list(verdicts) == IDS
    assert all(reason(verdict) for verdict in verdicts.values())
    if seeds == 1:
        assert {verdicts[name].verdict for name in IDS} == {"inconclusive"}
        assert "fewer than two paired seeds" in reason(verdicts["C1"])


def test_empty_tables_are_not_applicable():
    empty = Tables().arm(num_workers=2, learning_rate=0.5).judge()
    assert {verdict.verdict for verdict in empty.values()} == {"not applicable"}


def test_only_runs_with_the_reference_settings_count():
    base = RunConfig(epochs=3.0, learning_rate=0.02)
    tables = delay({1: 1.0, 10: 1.2, 30: 1.6})
    for num_workers, loss in {1: 1.6, 10: 1.2, 30: 1.0}.items():
        tables.arm(num_workers=num_workers, loss=loss, base=base)
    assert tables.judge()["C1"].verdict == "reproduced"
    verdicts = judge_claims(*tables.tables(), ClaimsConfig(), base).verdicts
    assert verdicts[0].verdict == "not reproduced"


def test_momentum_may_be_judged_at_another_learning_rate():
    slower = RunConfig(epochs=3.0, learning_rate=0.001)
    tables = Tables().arm(num_workers=1).arm(num_workers=10)
    for num_workers in (1, 10):
        tables.arm(num_workers=num_workers, base=slower, **convention_of("server-pytorch"))
    assert tables.judge()["C4-server-pytorch"].verdict == "not applicable"
    verdicts = judge_claims(*tables.tables(), ClaimsConfig(), tables.base, slower).verdicts
    assert {v.id: v.verdict for v in verdicts}["C4-server-pytorch"] == "reproduced"


def test_tables_read_back_from_csv_give_the_same_verdicts(tmp_path):
    tables = whole_study(3)
    paths = [tmp_path / "runs.csv", tmp_path / "evaluations.csv"]
    for table, path in zip(tables.tables(), paths, strict=True):
        table.to_csv(path, index=False)
    again = judge_claims(*map(pd.read_csv, paths), ClaimsConfig(), tables.base).verdicts
    for before, after in zip(tables.judge().values(), again, strict=True):
        assert (after.id, after.verdict, after.n) == (before.id, before.verdict, before.n)
        assert after.effect == pytest.approx(before.effect)


def test_a_seed_simulated_by_two_engines_counts_once_by_that_of_the_study():
    tables = Tables().arm(num_workers=100, outcomes="dead").arm(num_workers=100)
    for run in tables.runs:
        run["engine"] = "another" if run["outcome"] == "dead" else RunConfig().resolved_engine()[0]
    found = tables.judge()["C3"]
    assert found.n == 10
    assert found.effect == 0


def test_unpaired_seeds_are_left_out():
    tables = Tables().arm(num_workers=1, loss=1.0, seeds=10).arm(num_workers=10, loss=1.2, seeds=6)
    assert tables.judge()["C1"].n == 6


@pytest.mark.parametrize("lost", [1, 3, 13, 14])  # rows; a run has 13
def test_a_truncated_table_is_an_error_that_names_the_run(lost):
    tables = Tables().arm(num_workers=1, seeds=2).arm(num_workers=10, seeds=2)
    runs, evaluations = tables.tables()
    with pytest.raises(AsgdError, match=r"table evaluations: lacks rows of run m10-.*; delete it and make the tables"):
        judge_claims(runs, evaluations[:-lost], ClaimsConfig(), tables.base)


def test_a_line_cut_off_is_an_error():
    tables = Tables().arm(num_workers=1, seeds=2).arm(num_workers=10, seeds=2)
    tables.evaluations[-1].loc[12, "test_accuracy"] = np.nan
    with pytest.raises(AsgdError, match=r"table evaluations: lacks rows of run m10-.*-3"):
        tables.judge()


def test_a_column_that_is_missing_is_an_error_that_names_it():
    runs, evaluations = Tables().arm(num_workers=1, seeds=2).tables()
    for column in ("outcome", "num_workers", "output_relu"):
        with pytest.raises(AsgdError, match=f"table runs: has no column {column}; delete it"):
            judge_claims(runs.drop(columns=column), evaluations, ClaimsConfig(), RunConfig())
    twice = Tables().arm(num_workers=1, seeds=2).arm(num_workers=10, seeds=2).tables()
    with pytest.raises(AsgdError, match=r"table evaluations: has no column train_loss; delete it"):
        judge_claims(twice[0], twice[1].drop(columns="train_loss"), ClaimsConfig(), RunConfig(epochs=3))


def test_every_edition_that_may_be_named_has_its_rules():
    assert tuple(EDITIONS) == get_args(EditionName)


def test_verdicts_name_the_edition_that_the_study_names(tmp_path):
    params = {"preset": "a", "presets": {"a": copy.deepcopy(TINY["presets"]["tiny"])}, "claims": {"edition": "first"}}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    found = claims_to_json(Verdicts(margins=load_params(path).claims, verdicts=[]))
    assert (found["margins"]["edition"], found["verdicts"]) == ("first", [])
    for where, edited in (("claims", params["claims"]), ("presets.a", params["presets"]["a"])):
        edited["edition"] = "last"
        path.write_text(yaml.safe_dump(params))
        with pytest.raises(
            AsgdError, match=rf"^{path}: {where}.edition = 'last': Input should be 'first' or 'second'$"
        ):
            load_params(path)
        edited["edition"] = "first"


def test_a_preset_may_name_an_edition_of_its_own():
    """As it will be when there is another: the preset's goes before that of all."""
    preset = Preset.model_construct(**{**Preset.model_validate(TINY["presets"]["tiny"]).__dict__, "edition": "other"})
    params = Params.model_validate({"preset": "tiny", "presets": {"tiny": preset, "old": TINY["presets"]["tiny"]}})
    assert params.claims.edition == "other"
    assert Params.model_validate({**params.__dict__, "preset": "old", "claims": {}}).claims.edition == "first"


def test_p_values_are_adjusted_over_all_claims():
    verdicts = whole_study().judge().values()
    tested = [verdict for verdict in verdicts if verdict.p_value is not None]
    assert all(verdict.p_adjusted >= verdict.p_value for verdict in tested)
    smallest = min(tested, key=lambda verdict: verdict.p_value)
    assert smallest.p_adjusted == pytest.approx(min(1, len(tested) * smallest.p_value))
    assert all(verdict.p_adjusted is None for verdict in verdicts if verdict.p_value is None)


@pytest.mark.parametrize("seeds", [1, 10])
def test_verdicts_survive_json(seeds):
    tables = whole_study(seeds)
    verdicts = judge_claims(*tables.tables(), ClaimsConfig(), tables.base)
    text = json.dumps(claims_to_json(verdicts), allow_nan=False)
    assert claims_from_json(json.loads(text)) == verdicts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"margins": {}, "verdicts": [{"claim": "C1", "verdict": "proved"}]},
            "verdicts.0.verdict = 'proved'",
        ),
        ({"margins": {"edition": "last"}, "verdicts": []}, "margins.edition = 'last'"),
        ({"margins": {}}, "verdicts: Field required"),
        ([], "Input should be a valid dictionary"),
    ],
)
def test_something_else_than_verdicts_is_an_error_that_names_the_file(content, message):
    with pytest.raises(AsgdError, match=rf"^claims.json: .*{re.escape(message)}") as caught:
        claims_from_json(content)
    assert "\n" not in str(caught.value)


def test_the_table_shows_every_verdict_with_its_effect():
    tables = whole_study()
    text = format_claims(judge_claims(*tables.tables(), ClaimsConfig(), tables.base), width=160)
    assert max(map(len, text.splitlines())) <= 160
    for name in IDS:
        assert name in text
    assert "1.00 probability [0.72, 1.00]" in " ".join(text.replace("│", " ").split())
