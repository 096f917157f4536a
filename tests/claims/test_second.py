"""Every verdict of every claim by the second edition of the rules, on constructed tables; limits are computed here."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from asgd.claims import Verdict, claims_from_json, claims_to_json, format_claims, holds, judge_claims
from asgd.claims.claim import find_claims
from asgd.claims.conventions import KINDS
from asgd.claims.judging import judge_claim
from asgd.claims.metrics import summarize_metrics
from asgd.claims.wording import describe_rule, explain, format_setting, tabulate_verdicts
from asgd.settings.claims import ClaimsConfig, SecondMargins
from asgd.settings.run import RunConfig
from asgd.tables.arms import Evidence
from tests.claims.made import LN10, Curve, Tables, convention_of

SAME_RATE = {"learning_rate": 0.02}  # of the tables, whose runs have the three epochs
STAYS = {"accuracy": 0.1, "noise": 0.0, "loss": LN10}


class Judged(Mapping[str, Verdict]):
    """Verdicts by id; a claim is judged when it is asked for."""

    def __init__(self, tables: Tables, margins: ClaimsConfig) -> None:
        self._evidence = Evidence.of(*tables.tables(), margins, tables.base)
        self._found: dict[str, dict[str, Verdict]] = {}

    def __getitem__(self, name: str) -> Verdict:
        claim = name.partition("-")[0]
        if claim not in self._found:
            self._found[claim] = {verdict.id: verdict for verdict in judge_claim(claim, self._evidence)}
        return self._found[claim][name]

    def __iter__(self) -> Iterator[str]:
        claims = find_claims("second")
        return (verdict.id for claim in claims for verdict in judge_claim(claim, self._evidence))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def judge(tables: Tables, second: dict[str, Any] | None = None, **margins: Any) -> Judged:
    return Judged(tables, ClaimsConfig(edition="second", second=second or {}, **margins))


def reason(verdict: Verdict, second: dict[str, Any] | None = None) -> str:
    return explain(verdict, ClaimsConfig(edition="second", second=SecondMargins(**(second or {}))))


def final_accuracies(tables: Tables, **settings: Any) -> np.ndarray:
    runs = pd.DataFrame(tables.runs)
    for key, value in settings.items():
        runs = runs[runs[key] == value]
    return 100 * runs.sort_values("seed")["final_test_accuracy"].to_numpy()


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    low, high = stats.ttest_1samp(values, 0).confidence_interval(level)
    return float(low), float(high)


def wilson(count: int, n: int) -> tuple[float, float]:
    return tuple(map(float, proportion_confint(count, n, 0.05, "wilson")))


def outcomes(**counts: int) -> list[str]:
    return [name for name, count in counts.items() for _ in range(count)]


# C1: delay slows


def delay(losses: dict[int, float], **settings: Any) -> Tables:
    tables = Tables()
    for num_workers, loss in losses.items():
        tables.arm(num_workers=num_workers, loss=loss, **settings)
    return tables


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ({1: 1.0, 10: 1.2, 20: 1.3, 30: 1.6}, "reproduced"),
        ({1: 1.0, 10: 1.2, 20: 1.1, 30: 1.6}, "not reproduced"),
        ({1: 1.0, 10: 1.2, 20: 1.2, 30: 1.6}, "inconclusive"),
        ({1: 1.0, 10: 1.2, 30: 1.6}, "inconclusive"),  # an m without runs can make no claim true
        ({1: 1.0, 10: 0.8, 30: 1.6}, "not reproduced"),  # and does not hide what refutes it
        ({10: 1.0}, "not applicable"),
    ],
)
def test_delay_slows_at_every_step_of_m(losses: dict[int, float], verdict: str) -> None:
    found = judge(delay(losses, noise=0.002))["C1"]
    assert found.verdict == verdict
    assert (found.p_value is None) == (set(losses) != {1, 10, 20, 30})
    absent = [m for m in (1, 10, 20, 30) if m not in losses]
    assert not absent or f"no runs at m = {', '.join(map(str, absent))}" in reason(found)


@pytest.mark.parametrize("apart", [1, 10, 20, 30])
def test_a_comparison_without_common_seeds_leaves_no_p_value(apart: int) -> None:
    tables = Tables()
    for m, loss in {1: 1.0, 10: 1.2, 20: 1.3, 30: 1.6}.items():
        tables.arm(num_workers=m, loss=loss, first_seed=10 if m == apart else 0)
    for found in (judge(tables)["C1"], tables.judge()["C1"]):  # of both editions
        assert (found.verdict, found.n, found.p_value) == ("inconclusive", 0, None)


# C2: the mean gap


def gap_of(points: float, noise: float, seeds: int = 10, **settings: Any) -> Tables:
    tables = Tables().arm(num_workers=1, noise=noise, seeds=seeds, **settings)
    return tables.arm(num_workers=10, accuracy=0.5 - points / 100, noise=noise, seeds=seeds, **settings)


@pytest.mark.parametrize(
    ("points", "noise", "verdict"),
    [
        (5, 0.001, "reproduced"),
        (1, 0.001, "not reproduced"),
        (9, 0.001, "not reproduced"),
        (2, 0.005, "inconclusive"),
        (8, 0.005, "inconclusive"),
    ],
)
def test_the_mean_gap_is_judged_by_its_interval(points: float, noise: float, verdict: str) -> None:
    tables = gap_of(points, noise)
    found = judge(tables)["C2"]
    gaps = final_accuracies(tables, num_workers=1) - final_accuracies(tables, num_workers=10)
    assert found.verdict == verdict
    assert found.interval == pytest.approx(t_interval(gaps, 0.9))
    sides = stats.ttest_1samp(gaps, 2, alternative="greater"), stats.ttest_1samp(gaps, 8, alternative="less")
    assert found.p_value == pytest.approx(max(side.pvalue for side in sides))
    assert found.details["evaluations"] == 8  # of three epochs, those after the first


def test_the_gaps_interval_may_touch_the_limits() -> None:
    tables = gap_of(5, 0.003)
    low, high = judge(tables)["C2"].interval
    assert judge(tables, gap_points=(low, high))["C2"].verdict == "reproduced"
    assert judge(tables, gap_points=(np.nextafter(low, 9), high))["C2"].verdict == "inconclusive"
    assert judge(tables, gap_points=(high, 9))["C2"].verdict == "inconclusive"
    assert judge(tables, gap_points=(np.nextafter(high, 9), 9))["C2"].verdict == "not reproduced"


def test_one_evaluation_far_off_does_not_decide_the_gap() -> None:
    tables = gap_of(5, 0.001)
    for curve in tables.evaluations[:10]:
        curve.loc[curve["epoch"] == 3, "test_accuracy"] += 0.1
    assert judge(tables)["C2"].verdict == "reproduced"
    assert judge(tables)["C2"].effect == pytest.approx(5 + 10 / 8, abs=0.2)


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        (Tables().arm(num_workers=1), "no runs at m = 10"),
        (gap_of(40, 0.0, outcomes="dead"), "runs fail at both m"),
        (Tables(epochs=1.0).arm(num_workers=1).arm(num_workers=10), "evaluations after the first epoch"),
        (Tables().arm(num_workers=1).arm(num_workers=10, first_seed=50), "of both arms"),
    ],
)
def test_a_gap_that_cannot_be_taken_is_not_applicable(tables: Tables, why: str) -> None:
    found = judge(tables)["C2"]
    assert found.verdict == "not applicable"
    assert why in reason(found)


def test_equal_gaps_have_no_interval() -> None:
    assert judge(gap_of(5, 0.0))["C2"].verdict == "inconclusive"


# C3: m = 100 fails


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        (outcomes(dead=10), "reproduced"),
        (outcomes(dead=9, trained=1), "reproduced"),
        (outcomes(dead=8, trained=2), "inconclusive"),  # lower limit 0.49
        (outcomes(dead=6, plateau=4), "reproduced"),
        (outcomes(dead=5, plateau=5), "partly"),  # half is not most
        (outcomes(dead=5, plateau=2, non_finite=3), "partly"),
        (outcomes(plateau=10), "partly"),
        (outcomes(trained=10), "not reproduced"),
        (outcomes(trained=8, dead=2), "inconclusive"),
        (outcomes(trained=9, plateau=1), "not reproduced"),
        (outcomes(dead=5, trained=5), "inconclusive"),
        (outcomes(dead=28, trained=12), "reproduced"),  # of 40: lower limit 0.55
        (outcomes(dead=26, trained=14), "inconclusive"),  # 0.497
        (outcomes(dead=1), "inconclusive"),
    ],
)
def test_failure_is_judged_by_the_runs_that_do_not_train(ends: list[str], verdict: str) -> None:
    found = judge(Tables().arm(num_workers=100, outcomes=ends, seeds=len(ends)))["C3"]
    failed = len(ends) - ends.count("trained")
    assert found.verdict == verdict
    assert found.effect == failed / len(ends)
    assert found.interval == pytest.approx(wilson(failed, len(ends)))
    assert found.p_value == pytest.approx(stats.binom.sf(failed - 1, len(ends), 0.5))
    assert found.details["dead_interval"] == pytest.approx(wilson(ends.count("dead"), len(ends)))


def test_failure_is_judged_at_the_same_rate_too() -> None:
    tables = Tables().arm(num_workers=100).arm(num_workers=100, outcomes="dead", seeds=40, **SAME_RATE)
    found = judge(tables)
    assert [found[name].verdict for name in ("C3", "C3-same-rate")] == ["not reproduced", "reproduced"]
    assert found["C3"].setting == {"learning_rate": 0.01, "epochs": 3.0}
    assert found["C3-same-rate"].setting == {"learning_rate": 0.02, "epochs": 3.0}
    assert found["C3-same-rate"].n == 40
    assert "C3-same-rate" not in judge(tables, second={"same_rate": None})


def test_a_study_at_the_same_rate_is_judged_once() -> None:
    tables = Tables(RunConfig(epochs=3.0, learning_rate=0.02)).arm(num_workers=100, outcomes="dead")
    assert [name for name in judge(tables) if name.startswith("C3")] == ["C3", "C3b"]


def test_no_runs_at_a_setting_are_not_applicable() -> None:
    found = judge(Tables().arm(num_workers=100))["C3-same-rate"]
    assert (found.verdict, reason(found)) == ("not applicable", "no runs at m = 100")


# C3b: some fail at m = 70


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        (outcomes(trained=39, dead=1), "reproduced"),
        (outcomes(trained=39, plateau=1), "reproduced"),
        (outcomes(trained=1, dead=39), "reproduced"),
        (outcomes(trained=9, dead=1), "reproduced"),  # thirty more seeds could not change it
        (outcomes(trained=40), "not reproduced"),
        (outcomes(trained=39), "inconclusive"),
        (outcomes(dead=40), "inconclusive"),
        (outcomes(dead=3), "inconclusive"),
    ],
)
def test_some_is_one_in_forty_and_not_all(ends: list[str], verdict: str) -> None:
    found = judge(Tables().arm(num_workers=70, outcomes=ends, seeds=len(ends)))["C3b"]
    assert (found.verdict, found.n) == (verdict, len(ends))
    if verdict == "inconclusive":
        assert ("all fail" if "dead" in ends else "fewer than the 40 seeds") in reason(found)


# C4: momentum makes no difference


def momentum_of(points: dict[int, float], name: str = "worker-ema", noise: float = 0.002, **settings: Any) -> Tables:
    tables = Tables()
    for num_workers, difference in points.items():
        tables.arm(num_workers=num_workers, noise=noise)
        accuracy = 0.5 + difference / 100
        tables.arm(num_workers=num_workers, accuracy=accuracy, noise=noise, **convention_of(name), **settings)
    return tables


@pytest.mark.parametrize(
    ("points", "noise", "verdict", "decisive"),
    [
        ({1: 0.0, 10: 0.5, 20: -0.5, 30: 1.0}, 0.002, "reproduced", 30),
        ({1: 0.0, 10: 0.0, 20: 4.0, 30: -9.0}, 0.002, "not reproduced", 30),
        ({1: 0.0, 10: 0.0, 20: 0.0, 30: 2.0}, 0.005, "inconclusive", 30),
        ({1: 0.0, 10: 0.0, 20: 0.0}, 0.002, "inconclusive", None),  # no runs at m = 30
        ({10: 5.0}, 0.002, "not reproduced", 10),
    ],
)
def test_no_difference_must_hold_at_every_m(
    points: dict[int, float], noise: float, verdict: str, decisive: int | None
) -> None:
    tables = momentum_of(points, noise=noise)
    found = judge(tables)["C4-worker-ema"]
    assert found.verdict == verdict
    # Shown is the interval that decides: that of the TOST where it proves equivalence.
    level = 0.9 if verdict == "reproduced" else 1 - 0.05 / 4
    m = found.details["decisive"]
    arms = [final_accuracies(tables, num_workers=m, momentum=b) for b in (0.0, 0.9)]
    assert found.confidence == pytest.approx(level)
    assert found.interval == pytest.approx(t_interval(arms[1] - arms[0], level))
    for m in points:
        arms = [final_accuracies(tables, num_workers=m, momentum=b) for b in (0.0, 0.9)]
        difference = found.details["differences"][str(m)]
        assert (difference["low"], difference["high"]) == pytest.approx(t_interval(arms[1] - arms[0], 1 - 0.05 / 4))
    if decisive:
        assert found.details["decisive"] == decisive
    assert (found.p_value is None) == (len(points) < 4)


def test_the_interval_that_refutes_is_adjusted_for_the_number_of_m() -> None:
    """At m = 30 the 95 % interval lies outside, and that of Bonferroni does not."""
    tables = momentum_of({1: 0.0, 10: 0.0, 20: 0.0, 30: 2.6}, noise=0.005)
    arms = [final_accuracies(tables, num_workers=30, momentum=b) for b in (0.0, 0.9)]
    margin = (t_interval(arms[1] - arms[0])[0] + t_interval(arms[1] - arms[0], 1 - 0.05 / 4)[0]) / 2
    assert judge(tables, equivalence_points=margin)["C4-worker-ema"].verdict == "inconclusive"
    assert judge(tables, equivalence_points=margin, slow_workers=[1, 30])["C4-worker-ema"].verdict == "not reproduced"


def test_arms_that_fail_together_prove_no_equivalence() -> None:
    tables = momentum_of({1: 0.0, 10: 0.0, 20: 0.0})
    for settings in ({}, convention_of("worker-ema")):
        tables.arm(num_workers=30, outcomes="dead", **STAYS, **settings)
    found = judge(tables)["C4-worker-ema"]
    assert found.verdict == "inconclusive"
    assert "runs fail both with and without it at m = 30" in reason(found)
    alone = Tables()
    for settings in ({}, convention_of("worker-ema")):
        alone.arm(num_workers=30, outcomes="dead", **STAYS, **settings)
    assert judge(alone)["C4-worker-ema"].verdict == "not applicable"


def test_one_arm_that_fails_is_a_difference() -> None:
    tables = momentum_of({1: 0.0, 10: 0.0, 20: 0.0}).arm(num_workers=30)
    tables.arm(num_workers=30, outcomes="dead", **STAYS, **convention_of("worker-ema"))
    assert judge(tables)["C4-worker-ema"].verdict == "not reproduced"


def test_equal_runs_prove_no_equivalence() -> None:
    found = judge(momentum_of({1: 0.0, 10: 0.0, 20: 0.0, 30: 0.0}, noise=0.0))["C4-worker-ema"]
    assert (found.verdict, found.p_value, found.interval) == ("inconclusive", None, None)


def test_pytorchs_convention_is_judged_at_both_rates() -> None:
    tables = momentum_of({1: -30.0, 10: -30.0, 20: -30.0, 30: -30.0}, "server-pytorch")
    for m in (1, 10, 20, 30):
        tables.arm(num_workers=m, noise=0.002, learning_rate=0.001, **convention_of("server-pytorch"))
    found = judge(tables)
    assert found["C4-server-pytorch"].verdict == "not reproduced"
    assert found["C4-server-pytorch-scaled"].verdict == "reproduced"
    assert found["C4-server-pytorch-scaled"].setting == {"learning_rate": 0.01, "epochs": 3.0, "momentum_rate": 0.001}


def test_no_difference_is_judged_at_the_same_rate_too() -> None:
    tables = momentum_of({1: 0.0, 10: 0.5, 20: -0.5, 30: 1.0})
    for m, difference in {1: 0.0, 10: 0.0, 20: 4.0, 30: -9.0}.items():
        tables.arm(num_workers=m, noise=0.002, **SAME_RATE)
        tables.arm(num_workers=m, accuracy=0.5 + difference / 100, **SAME_RATE, **convention_of("worker-ema"))
    found = judge(tables)
    assert found["C4-worker-ema"].verdict == "reproduced"
    assert found["C4-worker-ema-same-rate"].verdict == "not reproduced"
    assert found["C4-worker-ema-same-rate"].setting == {"learning_rate": 0.02, "epochs": 3.0}


def test_the_same_trajectory_is_judged_once() -> None:
    tables = momentum_of({1: 0.0, 10: 0.0, 20: 0.0, 30: 0.0}, "server-ema").arm(num_workers=100)
    tables.arm(num_workers=100, **convention_of("server-ema"))
    for m in (1, 10, 20, 30, 100):
        tables.arm(num_workers=m, learning_rate=0.001, **convention_of("server-pytorch"))
    found = judge(tables)
    for claim in ("C4", "C5", "C5b"):
        scaled = found[f"{claim}-server-pytorch-scaled"]
        assert (scaled.verdict, scaled.p_value) == ("not applicable", None)
        assert "takes the same steps, up to rounding, as server-ema" in reason(scaled)
        assert found[f"{claim}-server-ema"].verdict != "not applicable"


# C5: with momentum m = 100 trains, and without it does not


def rescue_of(plain: list[str], arm: list[str], **settings: Any) -> Tables:
    tables = Tables().arm(num_workers=100, outcomes=plain, seeds=len(plain), **settings)
    return tables.arm(num_workers=100, outcomes=arm, seeds=len(arm), **convention_of("worker-ema"), **settings)


@pytest.mark.parametrize(
    ("plain", "arm", "verdict"),
    [
        (outcomes(dead=10), outcomes(trained=10), "reproduced"),
        (outcomes(dead=9, trained=1), outcomes(trained=9, dead=1), "reproduced"),
        (outcomes(dead=8, trained=2), outcomes(trained=10), "cannot be tested"),  # lower limit 0.49
        (outcomes(trained=10), outcomes(trained=10), "cannot be tested"),
        (outcomes(trained=10), outcomes(non_finite=10), "not reproduced"),  # whatever runs without it do
        (outcomes(dead=10), outcomes(dead=10), "not reproduced"),
        (outcomes(dead=10), outcomes(trained=5, dead=5), "inconclusive"),
        (outcomes(dead=10), outcomes(trained=8, dead=2), "inconclusive"),  # P(trained) above 0.49
        (outcomes(dead=40), outcomes(trained=28, dead=12), "reproduced"),
        (outcomes(dead=40), outcomes(trained=26, dead=14), "inconclusive"),
        (outcomes(dead=4), outcomes(trained=4), "inconclusive"),  # Wilson's limits are above 1/2, but McNemar's p 1/16
        (outcomes(dead=3), outcomes(trained=3), "cannot be tested"),  # three runs cannot say that they fail
    ],
)
def test_rescue_asks_first_whether_there_is_something_to_mend(plain: list[str], arm: list[str], verdict: str) -> None:
    tables = rescue_of(plain, arm)
    found = judge(tables)["C5-worker-ema"]
    assert found.verdict == verdict
    assert found.interval == pytest.approx(wilson(arm.count("trained"), len(arm)))
    assert found.details["plain_fails"] == pytest.approx(wilson(len(plain) - plain.count("trained"), len(plain)))
    pairs = list(zip(plain, arm, strict=True))
    mended = sum(a != "trained" and b == "trained" for a, b in pairs)
    broken = sum(a == "trained" and b != "trained" for a, b in pairs)
    p_value = stats.binom.sf(mended - 1, mended + broken, 0.5)
    assert found.details["mcnemar"] == pytest.approx(p_value)
    assert found.p_value == (None if verdict == "cannot be tested" else pytest.approx(p_value))
    assert f"{arm.count('trained')} of {len(arm)} runs train with momentum" in reason(found)
    assert f"{plain.count('trained')} of {len(plain)} without" in reason(found)


def test_one_arm_is_told_by_all_its_runs_and_the_change_by_the_pairs() -> None:
    tables = Tables().arm(num_workers=100, outcomes=outcomes(dead=5, trained=35), seeds=40)
    tables.arm(num_workers=100, outcomes="trained", seeds=5, **convention_of("server-ema"))
    found = judge(tables)["C5-server-ema"]
    assert (found.verdict, found.n) == ("cannot be tested", 5)  # all five pairs fail without it, of forty runs few
    assert found.details["without"]["trained"] == 35


def test_rescue_is_judged_at_the_same_rate_too() -> None:
    found = judge(rescue_of(outcomes(dead=36, trained=4), outcomes(trained=40), **SAME_RATE))
    assert found["C5-worker-ema-same-rate"].verdict == "reproduced"
    assert {found[f"C5-{kind}"].verdict for kind in KINDS} == {"not applicable"}


# C5b: dramatically better


@pytest.mark.parametrize(
    ("points", "noise", "verdict"),
    [(10, 0.01, "reproduced"), (2, 0.01, "not reproduced"), (-10, 0.01, "not reproduced"), (5, 0.01, "inconclusive")],
)
def test_dramatic_is_five_points(points: float, noise: float, verdict: str) -> None:
    tables = momentum_of({100: points, 70: 1.0}, noise=noise)
    found = judge(tables)["C5b-worker-ema"]
    arms = [final_accuracies(tables, num_workers=100, momentum=b) for b in (0.0, 0.9)]
    assert found.verdict == verdict
    assert found.interval == pytest.approx(t_interval(arms[1] - arms[0]))
    signs = np.array(np.meshgrid(*[[-1, 1]] * 10)).reshape(10, -1)
    above = arms[1] - arms[0] - 5
    p_value = np.mean(signs.T @ above >= above.sum() - 1e-9)
    assert found.p_value == pytest.approx(p_value)
    assert f"at m = 70 the difference is {found.details['shown']['mean']:+.1f} points" in reason(found)


def test_the_margin_itself_is_neither() -> None:
    tables = momentum_of({100: 8.0}, noise=0.01)
    low, high = judge(tables)["C5b-worker-ema"].interval
    verdicts = [
        judge(tables, second={"rescue_points": margin})["C5b-worker-ema"].verdict
        for margin in (np.nextafter(low, 0), low, high, np.nextafter(high, 99))
    ]
    assert verdicts == ["reproduced", "inconclusive", "inconclusive", "not reproduced"]


@pytest.mark.parametrize(("seeds", "verdict"), [(3, "inconclusive"), (4, "not reproduced"), (40, "not reproduced")])
def test_momentum_that_mends_no_run_is_not_dramatic(seeds: int, verdict: str) -> None:
    """All accuracies are 10.00 %: without an interval, but Wilson's of P(trained) says enough from 4 runs on."""
    tables = Tables().arm(num_workers=100, outcomes="dead", seeds=seeds, **STAYS)
    tables.arm(num_workers=100, outcomes="dead", seeds=seeds, **STAYS, **convention_of("worker-ema"))
    found = judge(tables)["C5b-worker-ema"]
    assert (found.verdict, found.interval) == (verdict, None)
    assert f"none of {seeds} runs trains, with momentum or without" in reason(found)


def test_dramatic_has_a_verdict_a_kind_and_one_at_the_same_rate() -> None:
    tables = momentum_of({100: 10.0}, "server-ema").arm(num_workers=100, **SAME_RATE)
    tables.arm(num_workers=100, accuracy=0.6, **SAME_RATE, **convention_of("worker-ema"))
    found = judge(tables)
    assert [name for name in found if name.startswith("C5b") and found[name].verdict == "reproduced"] == [
        "C5b-server-ema",
        "C5b-worker-ema-same-rate",
    ]


# C6: delay as dropout


def regulariser_of(
    delay_gap: float = 0.05, dropout_gap: float = 0.02, dropout_loss: float = 1.3, m: int = 10, p: float = 0.3
) -> Tables:
    """m = 1, m and p: the last two equally slow and accurate, and after 30 epochs with these train-test gaps."""
    tables = Tables().arm(num_workers=1, loss=1.2, accuracy=0.52)
    tables.arm(num_workers=1, epochs=30.0, loss=1.2, gap=0.2)
    return add_pair(tables, delay_gap, dropout_gap, dropout_loss, m, p)


def add_pair(
    tables: Tables, delay_gap: float, dropout_gap: float, dropout_loss: float = 1.3, m: int = 10, p: float = 0.3
) -> Tables:
    tables.arm(num_workers=m, loss=1.3).arm(num_workers=1, dropout=p, loss=dropout_loss)
    tables.arm(num_workers=m, loss=1.3, gap=delay_gap, epochs=30.0)
    return tables.arm(num_workers=1, dropout=p, loss=1.3, gap=dropout_gap, epochs=30.0)


#: The gap of plain SGD where the others end: it has 0.2 at loss 1.2.
SAME_GAP = 0.2 * (LN10 - 1.3) / (LN10 - 1.2)


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({}, "reproduced"),  # narrows with both
        ({"delay_gap": 0.5, "dropout_gap": 0.4}, "reproduced"),  # widens with both
        ({"delay_gap": 0.5}, "not reproduced"),
        ({"delay_gap": SAME_GAP}, "partly"),
        ({"dropout_loss": 1.1}, "not reproduced"),  # (a) fails, whatever (c)
        ({"dropout_loss": 1.2}, "inconclusive"),  # (a) is undecided
        ({"dropout_loss": 1.2, "delay_gap": 0.5}, "not reproduced"),
        ({"m": 30, "p": 0.5}, "reproduced"),
        ({"m": 30, "p": 0.3}, "inconclusive"),  # not the pair that the first edition matched
    ],
)
def test_delay_regularises_like_dropout_if_all_three_hold(settings: dict[str, Any], verdict: str) -> None:
    found = judge(regulariser_of(**settings))["C6"]
    assert found.verdict == verdict
    assert reason(found)


def test_the_gap_is_taken_at_the_lowest_loss_that_a_seeds_runs_all_reach() -> None:
    tables = regulariser_of()
    found = judge(tables)["C6"]
    assert found.details["gaps"][0]["train_loss_level"] == pytest.approx(1.3, abs=0.005)
    assert found.effect == pytest.approx(0.05 - SAME_GAP, abs=0.002)
    assert found.interval[1] < 0


def test_without_long_runs_it_slows_alike() -> None:
    tables = Tables().arm(num_workers=1, loss=1.2, accuracy=0.52).arm(num_workers=10, loss=1.3)
    found = judge(tables.arm(num_workers=1, dropout=0.3, loss=1.3))["C6"]
    assert (found.verdict, found.effect) == ("partly", None)
    assert "no long runs to compare" in reason(found)


def test_a_pair_that_does_not_match_is_not_judged_by_its_gap() -> None:
    tables = regulariser_of(delay_gap=0.5)
    for curve in tables.evaluations:
        if curve["run"].iloc[0].startswith("m10-"):
            curve["test_accuracy"] += 0.03 * (curve["epoch"] > 0)
    found = judge(tables)["C6"]
    assert (found.verdict, found.details["gaps"]) == ("inconclusive", [])
    assert "m = 10 and p = 0.3 do not match, at most 3.0 points apart" in reason(found)


@pytest.mark.parametrize(("second_gap", "verdict"), [(0.02, "reproduced"), (0.5, "inconclusive")])
def test_two_pairs_that_match_must_not_contradict_each_other(second_gap: float, verdict: str) -> None:
    tables = add_pair(regulariser_of(dropout_loss=1.25), second_gap, 0.02, 1.3, 30, 0.5)
    found = judge(tables)["C6"]
    assert len(found.details["gaps"]) == 2
    assert found.verdict == verdict


def test_curves_match_in_every_window_at_a_level_adjusted_for_the_pairs() -> None:
    tables = regulariser_of()
    rng = np.random.default_rng(5)
    for curve in tables.evaluations:
        curve["test_accuracy"] += rng.normal(0, 0.012, len(curve)) * (curve["epoch"] > 0)
    match = judge(tables)["C6"].details["matches"][0]
    by_run = {curve["run"].iloc[0]: curve for curve in tables.evaluations}

    def windows(start: str) -> np.ndarray:
        curves = [by_run[run["run"]] for run in tables.runs if run["run"].startswith(start) and run["epochs"] == 3]
        values = np.array([curve["test_accuracy"][curve["epoch"] > 1] for curve in curves])
        return 100 * values.reshape(len(curves), 2, 4).mean(axis=2)

    differences = windows("m10-") - windows("m1-p0.3")
    p_values = [
        max(
            stats.ttest_1samp(column, -2, alternative="greater").pvalue,
            stats.ttest_1samp(column, 2, alternative="less").pvalue,
        )
        for column in differences.T
    ]
    assert [window["p_value"] for window in match["windows"]] == pytest.approx(p_values)
    assert [window["epoch"] for window in match["windows"]] == [2, 3]
    # Just above and just below the largest p-value: half of 1 - confidence, for two pairs.
    for factor, matches in ((1.01, True), (0.99, False)):
        confidence = 1 - 2 * factor * max(p_values)
        assert judge(tables, confidence=confidence)["C6"].details["matches"][0]["matches"] == matches


def test_each_evaluation_can_be_a_window() -> None:
    found = judge(regulariser_of(), second={"match_window": 0.25})["C6"].details["matches"][0]
    assert [window["epoch"] for window in found["windows"]] == [1.25, 1.5, 1.75, 2, 2.25, 2.5, 2.75, 3]


def test_arms_that_both_fail_are_no_match() -> None:
    tables = Tables().arm(num_workers=1, loss=1.2)
    for settings in ({"num_workers": 10}, {"dropout": 0.3}):
        tables.arm(outcomes="dead", accuracy=0.1, loss=1.3, **settings)
    found = judge(tables)["C6"]
    assert found.verdict == "inconclusive"
    assert "m = 10 and p = 0.3 both fail" in reason(found)


def test_without_dropout_nothing_is_said() -> None:
    assert judge(Tables().arm(num_workers=1).arm(num_workers=10))["C6"].verdict == "not applicable"


# C7: real time


def rising(slope: float, per_gradient: float = 1.0, end: float = 1.0) -> Curve:
    """Accuracy rises by ``slope`` an epoch, a little faster or slower by seed, and not above ``end``."""

    def curve(epochs: np.ndarray, seed: int) -> dict[str, Any]:
        speed = slope * (1 + 0.01 * seed)
        return {"test_accuracy": np.minimum(0.1 + speed * epochs, end), "time": 1000 * epochs * per_gradient}

    return curve


def race(slow: Curve, fast: Curve, seeds: int = 10, **settings: Any) -> Tables:
    tables = Tables().arm(num_workers=1, evaluations_per_epoch=20, seeds=seeds, curve=slow, **settings)
    return tables.arm(num_workers=10, evaluations_per_epoch=20, seeds=seeds, curve=fast, **settings)


def scattered(per_gradient: float) -> Curve:
    return lambda epochs, seed: rising(0.2 + 0.02 * (seed % 3), per_gradient)(epochs, seed)


@pytest.mark.parametrize(
    ("per_gradient", "verdict"), [(0.1, "reproduced"), (1.3, "not reproduced"), (0.87, "inconclusive")]
)
def test_the_times_to_an_accuracy_are_compared(per_gradient: float, verdict: str) -> None:
    found = judge(race(rising(0.25), scattered(per_gradient)))["C7-ideal"]
    ratios = np.log((0.2 + 0.02 * (np.arange(10) % 3)) / (0.25 * per_gradient))  # the lines cross 0.5 after 0.4 / slope
    assert found.verdict == verdict
    assert found.interval == pytest.approx(t_interval(ratios))
    assert found.effect == pytest.approx(ratios.mean())
    assert verdict != "reproduced" or found.p_value == 1 / 1024
    assert "on the ideal clock, nearly a foregone conclusion" in reason(found)


def test_times_in_one_ratio_have_no_interval() -> None:
    found = judge(race(rising(0.25), rising(0.2, 0.1)))["C7-ideal"]
    assert (found.verdict, found.interval) == ("inconclusive", None)
    assert found.effect == pytest.approx(math.log(8))


@pytest.mark.parametrize(("never", "seeds", "verdict"), [(2, 10, "reproduced"), (3, 10, "inconclusive"), (2, 4, None)])
def test_few_seeds_may_never_be_there(never: int, seeds: int, verdict: str | None) -> None:
    def fails(epochs: np.ndarray, seed: int) -> dict[str, Any]:
        return rising(0.2, 0.1, end=0.4 if seed < never else 1.0)(epochs, seed)

    found = judge(race(rising(0.25), fails, seeds))["C7-ideal"]
    assert found.details["never"] == never
    assert found.verdict == (verdict or "inconclusive")
    ratios = [math.log(8)] * (seeds - never)
    ratios += [math.log(1000 * 0.4 / (0.25 * (1 + 0.01 * seed))) - math.log(300) for seed in range(never)]
    assert found.effect == pytest.approx(np.mean(ratios))  # those are censored at the end of their runs


def test_a_server_that_takes_time_has_a_clock_of_its_own() -> None:
    clock = {"schedule": "latency", "latency_cv": 0.0, "server_time": 0.1}
    found = judge(race(rising(0.25), scattered(1.3), **clock))
    assert found["C7-server-0.1"].verdict == "not reproduced"
    assert "foregone" not in reason(found["C7-server-0.1"])
    assert found["C7-server-0.1"].setting == {"learning_rate": 0.01, "server_time": 0.1}
    assert {found[f"C7-{name}"].verdict for name in ("ideal", "server-0.02")} == {"not applicable"}


def test_the_ideal_clock_follows_from_the_steps_where_tables_have_none() -> None:
    tables = race(rising(0.25), rising(0.2, 0.1))
    timed = judge(tables)["C7-ideal"]
    tables.evaluations = [curve.drop(columns="time") for curve in tables.evaluations]
    assert judge(tables)["C7-ideal"].effect == pytest.approx(timed.effect)


def test_the_longest_runs_that_both_have_are_raced() -> None:
    tables = race(rising(0.01), rising(0.01), epochs=1.0)
    for run in tables.runs:
        run["total_steps"] = 1000
    tables.evaluations = [curve[curve["epoch"] <= 1] for curve in tables.evaluations]
    for m, curve in ((1, rising(0.25)), (10, rising(0.2, 0.1))):
        tables.arm(num_workers=m, evaluations_per_epoch=20, curve=curve, epochs=5.0)
    tables.arm(num_workers=1, evaluations_per_epoch=20, curve=rising(0.01), epochs=7.0)
    assert judge(tables)["C7-ideal"].effect == pytest.approx(math.log(8))


# C8, generalisation


SMALL = {"num_images": 2000, "output_relu": False}
GD = {**SMALL, "batch_size": "full", "learning_rate": 0.05}


def falling(end: float, per_loss: float, stretch: float = 1.0) -> Curve:
    """Loss falls from 2 to ``end``, and the accuracy rises by ``per_loss`` for each nat, a little more by seed."""

    def curve(epochs: np.ndarray, seed: int) -> dict[str, Any]:
        loss = 2 + (end - 2) * epochs / epochs[-1]
        accuracy = 0.1 + (per_loss + 0.001 * (seed % 4)) * (2 - loss)
        return {"train_eval_loss": loss, "test_accuracy": accuracy, "epoch": stretch * epochs}

    return curve


def small_study(sgd: Curve, full: Curve, **settings: Any) -> Tables:
    return Tables().arm(curve=sgd, **SMALL).arm(curve=full, **{**GD, **settings})


@pytest.mark.parametrize(
    ("sgd", "full", "end", "verdict", "level"),
    [
        (0.20, 0.15, 0.4, "reproduced", 0.5),  # both go below 0.5: compared there
        (0.15, 0.20, 0.4, "not reproduced", 0.5),
        (0.20, 0.15, 0.8, "reproduced", 0.8),
        (0.20, 0.15, 1.0, "reproduced", 1.0),  # at the limit
        (0.20, 0.15, 1.01, "not applicable", None),
    ],
)
def test_accuracies_are_compared_at_the_same_training_loss(
    sgd: float, full: float, end: float, verdict: str, level: float | None
) -> None:
    def other(epochs: np.ndarray, seed: int) -> dict[str, Any]:
        return falling(end, full + 0.002 * (seed % 3))(epochs, seed)

    second = {"full_batch_rate": 0.05, "generalisation_steps": 3}  # all that the runs have
    found = judge(small_study(falling(0.1, sgd), other), second=second)["C8"]
    assert found.verdict == verdict
    if level is None:
        assert "10 of 10 seeds ends above a training loss of 1" in reason(found, second)
        return
    seeds = np.arange(10)
    points = 100 * (sgd - full - 0.002 * (seeds % 3)) * (2 - level)
    assert found.details["train_loss_level"] == pytest.approx(level)
    assert found.interval == pytest.approx(t_interval(points))


def test_one_seed_of_full_batch_descent_that_does_not_train_is_enough() -> None:
    def one_stays(epochs: np.ndarray, seed: int) -> dict[str, Any]:
        return falling(1.5 if seed == 3 else 0.4, 0.15)(epochs, seed)

    found = judge(small_study(falling(0.1, 0.2), one_stays), second={"full_batch_rate": 0.05})["C8"]
    assert (found.verdict, found.details["above"]) == ("not applicable", [3])


def test_full_batch_descent_that_is_cut_off_is_not_compared() -> None:
    def one_is_cut(epochs: np.ndarray, seed: int) -> dict[str, Any]:
        return falling(0.6 if seed == 3 else 0.4, 0.15)(epochs, seed)

    tables, second = small_study(falling(0.1, 0.2), one_is_cut), {"full_batch_rate": 0.05, "generalisation_steps": 4}
    found = judge(tables, second=second)["C8"]
    assert (found.verdict, found.details["cut"]) == ("not applicable", [3])
    assert "1 of 10 seeds is cut off above a training loss of 0.5 before 4 steps" in reason(found, second)
    assert judge(tables, second={**second, "generalisation_steps": 3})["C8"].verdict == "reproduced"


def test_full_batch_descent_ends_at_its_loss_or_its_steps() -> None:
    def rises_again(epochs: np.ndarray, seed: int) -> dict[str, Any]:
        columns = falling(0.4, 0.15)(epochs, seed)
        return {**columns, "train_eval_loss": np.where(epochs == 3, 1.8, columns["train_eval_loss"])}

    margins = {"full_batch_rate": 0.05, "generalisation_loss": 0.8}
    assert judge(small_study(falling(0.1, 0.2), rises_again), second=margins)["C8"].verdict != "not applicable"
    long = small_study(falling(0.1, 0.2), falling(0.4, 0.15, stretch=10_000))
    found = judge(long, second={"full_batch_rate": 0.05})["C8"]
    assert found.details["train_loss_level"] == pytest.approx(2 - 1.6 * 2 / 3)  # after two thirds of 30,000 steps
    cut = judge(long, second={"full_batch_rate": 0.05, "generalisation_steps": 10_000})["C8"]
    assert cut.verdict == "not applicable"  # it is at 1.47 by then


@pytest.mark.parametrize(
    ("tables", "second", "why"),
    [
        (small_study(falling(0.1, 0.2), falling(0.4, 0.1)), {}, "no calibrated learning rate"),
        (Tables().arm(curve=falling(0.1, 0.2), **SMALL), {"full_batch_rate": 0.05}, "no runs of full-batch descent"),
        (Tables().arm(curve=falling(0.1, 0.2), **GD), {"full_batch_rate": 0.05}, "no runs of SGD on 2000 images"),
        (small_study(falling(0.1, 0.2), falling(0.4, 0.1)), {"full_batch_rate": 0.1}, "no runs of full-batch descent"),
    ],
)
def test_arms_that_generalisation_lacks_are_named(tables: Tables, second: dict[str, Any], why: str) -> None:
    found = judge(tables, second=second)["C8"]
    assert found.verdict == "not applicable"
    assert why in reason(found, second)


# On the map, where seeds are few


def holding(tables: Tables, name: str, **margins: Any) -> bool:
    settings = ClaimsConfig(edition="second", **margins)
    return holds(Judged(tables, settings)[name], settings)


@pytest.mark.parametrize(
    ("ends", "holding_"),
    [
        (outcomes(dead=3, trained=2), True),
        (outcomes(dead=2, trained=3), False),
        (outcomes(dead=1, plateau=2, trained=2), False),  # more fail alive
        (outcomes(dead=5), True),
        (outcomes(trained=5), False),
    ],
)
def test_failure_holds_where_most_runs_fail_and_most_of_these_are_dead(ends: list[str], holding_: bool) -> None:
    assert holding(Tables().arm(num_workers=100, outcomes=ends, seeds=5), "C3") == holding_


@pytest.mark.parametrize(
    ("plain", "arm", "holding_"),
    [
        (outcomes(dead=4, trained=1), outcomes(trained=5), True),  # five seeds cannot say that plain runs fail
        (outcomes(dead=5), outcomes(trained=3, dead=2), True),
        (outcomes(dead=2, trained=3), outcomes(trained=5), False),
        (outcomes(dead=5), outcomes(trained=2, dead=3), False),
    ],
)
def test_rescue_holds_where_most_fail_without_and_most_train_with(
    plain: list[str], arm: list[str], holding_: bool
) -> None:
    assert holding(rescue_of(plain, arm), "C5-worker-ema") == holding_


def test_gap_and_equivalence_hold_where_their_estimates_lie_inside() -> None:
    assert holding(gap_of(2.4, 0.005), "C2")
    assert not holding(gap_of(1.6, 0.01), "C2")
    for points, inside in ((0.8, True), (1.5, False)):  # with the noise 1.67 and 2.37
        tables = momentum_of({1: 0.0, 10: 0.0, 20: 0.0, 30: points}, noise=0.012)
        assert judge(tables)["C4-worker-ema"].verdict == "inconclusive"
        assert holding(tables, "C4-worker-ema") == inside
    assert not holding(momentum_of({1: 0.0, 10: 0.0}), "C4-worker-ema")  # no runs at the others


# All together


def whole_study(seeds: int) -> Tables:
    tables = Tables()
    for m, loss in {1: 1.2, 10: 1.3, 20: 1.4, 30: 1.5, 70: 1.9, 100: 2.0}.items():
        for settings in ({}, *(convention_of(str(kind)) for kind in KINDS if not kind.scaled)):
            tables.arm(num_workers=m, loss=loss, seeds=seeds, **settings)
    for settings in ({}, convention_of("worker-ema")):
        tables.arm(num_workers=100, seeds=seeds, **SAME_RATE, **settings)
    tables.arm(num_workers=1, dropout=0.3, loss=1.3, seeds=seeds)
    for curve, settings in ((falling(0.1, 0.2), SMALL), (falling(0.4, 0.15), GD)):
        tables.arm(curve=curve, seeds=seeds, **settings)
    for m in (1, 10):
        for server in ({}, *({"schedule": "latency", "latency_cv": 0.0, "server_time": t} for t in (0.02, 0.1))):
            tables.arm(num_workers=m, evaluations_per_epoch=20, seeds=seeds, curve=rising(0.25), **server)
    for curve in tables.evaluations:
        curve["time"] = curve["step"]
    return tables


@pytest.mark.parametrize("seeds", [1, 2, 10])
def test_few_seeds_give_a_verdict_on_every_claim_that_json_keeps(seeds: int) -> None:
    tables = whole_study(seeds)
    margins = ClaimsConfig(edition="second", second=SecondMargins(full_batch_rate=0.05))
    verdicts = judge_claims(*tables.tables(), margins, tables.base)
    names = [verdict.id for verdict in verdicts.verdicts]
    assert len(set(names)) == len(names)
    assert {verdict.claim for verdict in verdicts.verdicts} >= set(find_claims("first")) | {"C5b", "C7", "C8"}
    written = json.loads(json.dumps(claims_to_json(verdicts), allow_nan=False))
    assert claims_from_json(written) == verdicts
    assert written["margins"]["second"]["full_batch_rate"] == 0.05
    for row in tabulate_verdicts(verdicts):
        assert row.claim.startswith("E") or row.reason.startswith("at learning rate 0.0")
    if seeds == 1:
        decided = {verdict.verdict for verdict in verdicts.verdicts}
        assert decided <= {"inconclusive", "not applicable", "cannot be tested"}
    text = format_claims(verdicts, width=160)
    assert "at learning rate 0.02, 3 epochs" in " ".join(text.replace("│", " ").split())


def test_a_setting_is_said_in_words() -> None:
    assert format_setting({}) == ""
    setting = {"learning_rate": 0.01, "epochs": 10.0, "momentum_rate": 0.001}
    assert format_setting(setting) == "at learning rate 0.01, 10 epochs, with momentum at 0.001"
    assert format_setting({"learning_rate": 0.01, "server_time": 0.1}) == "at learning rate 0.01, server time 0.1"


def test_the_first_editions_claims_json_knows_nothing_of_the_second() -> None:
    tables = Tables().arm(num_workers=100)
    written = claims_to_json(judge_claims(*tables.tables(), ClaimsConfig(), tables.base))
    assert "second" not in written["margins"]
    assert not any("setting" in verdict for verdict in written["verdicts"])


def test_margins_are_filled_into_the_rules() -> None:
    margins = ClaimsConfig(
        edition="second",
        second=SecondMargins(
            some_fail_seeds=17, rescue_points=3.5, matched_dropout=[(4, 0.6)], match_window=0.5, gap_epochs=21,
            time_accuracy=0.4, time_evaluations=8, time_censored=1, server_times=[0.3], generalisation_images=600,
            generalisation_loss=0.7, generalisation_limit=0.9, generalisation_steps=1234,
        ),
    )  # fmt: skip
    rules = {name: describe_rule(claim, margins) for name, claim in find_claims("second").items()}
    for claim, words in {
        "C3b": ["at least 17 runs"],
        "C5b": ["above 3.5 points"],
        "C6": ["(4, 0.6)", "windows of 0.5 epochs", "Over 21 epochs"],
        "C7": ["40\N{NO-BREAK SPACE}% test accuracy", "8 evaluations", "more than 1 seeds", "0.3 of a gradient"],
        "C8": ["600 training images", "at least 0.7", "of 0.9", "1,234 steps"],
    }.items():
        for word in words:
            assert word in rules[claim]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matched_dropout": [[10, 0.3], [10, 0.5]]}, "give each m above 1 once"),
        ({"matched_dropout": [[10, 0.0]]}, "with a p above 0"),
        ({"time_workers": [10, 1]}, "the first must be smaller"),
        ({"server_times": [0.1, 0.1]}, "is given twice"),
        ({"server_times": [0.0]}, "greater than 0"),
    ],
)
def test_margins_that_mean_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SecondMargins(**changes)


def test_names_that_came_later_are_counted_where_they_are_given() -> None:
    """metrics.json of the first edition stays as it is."""
    tables = Tables().arm(num_workers=100)
    verdicts = [Verdict(claim="C1", verdict="reproduced"), Verdict(claim="C5", verdict="cannot be tested")]
    runs = tables.tables()[0]
    metrics = [summarize_metrics(runs, found, tables.base) for found in (verdicts, verdicts[:1])]
    assert metrics[0]["claims_cannot_be_tested"] == 1
    assert metrics[0].keys() - metrics[1].keys() == {"claims_cannot_be_tested"}
    assert "claims_not_applicable" in metrics[1]
    assert not any("supported" in key for key in metrics[0])
