"""Every verdict of every statement, on small made tables with limits that are computed here."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from asgd.claims import Verdict, judge_claims
from asgd.claims.claim import find_claims
from asgd.claims.judging import judge_claim
from asgd.claims.wording import explain, render
from asgd.errors import AsgdError
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.settings.study import expand_experiments, load_params
from asgd.tables.arms import Evidence
from tests.pipeline import ROOT

BASE = RunConfig(epochs=2)
#: Of ten seeds: mean 0, and a spread that makes intervals of known width.
NOISE = np.array([-3, -2, -2, -1, 0, 0, 1, 2, 2, 3]) / 1000
HALF = float(stats.t.ppf(0.975, 9) * NOISE.std(ddof=1) / math.sqrt(10))


class Study:
    """Runs whose final accuracy is known to the last digit, and the arms that are calibrated."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.evaluations: list[pd.DataFrame] = []
        self.calibrated: dict[str, list[dict[str, Any]]] = {}
        self.tables: dict[str, pd.DataFrame] = {}

    def arm(
        self,
        accuracy: float,
        *,
        criterion: str | None = "accuracy",
        noise: Any = 0 * NOISE,
        outcomes: str = "trained",
        curve: Any = None,
        times: Any = None,
        losses: Any = (2.3, 2.0, 1.5),
        correction: float = math.nan,
        **settings: Any,
    ) -> "Study":
        """An arm of as many seeds as ``noise`` has; `curve` and `times`: accuracy and clock at its evaluations."""
        config = RunConfig.model_validate({"epochs": 2, **settings})
        if criterion:
            entry = config.model_dump(mode="json", exclude_defaults=True)
            self.calibrated.setdefault(criterion, []).append(entry)
        curve = np.array([0.1, accuracy, accuracy] if curve is None else curve)
        for seed, shift in enumerate(np.asarray(noise)):
            one = config.model_copy(update={"seed": seed})
            run = f"{one.slug()}-{one.arm()}"
            ends = {"outcome": outcomes, "final_test_accuracy": curve[-1] + shift, "total_steps": len(curve) - 1}
            self.runs.append({**one.model_dump(), **ends, "run": run, "arm": one.arm()})
            rows = pd.DataFrame({"test_accuracy": curve + shift, "epoch": np.arange(len(curve))})
            rows = rows.assign(time=np.arange(len(curve)) if times is None else np.asarray(times))
            rows = rows.assign(train_loss=np.array(losses)[: len(rows)] + shift if times is None else 1.0)
            rows = rows.assign(step=rows["epoch"], gradients=rows["epoch"], correction=correction, run=run, seed=seed)
            self.evaluations.append(rows)
        return self

    def judge(self, claim: str, **columns: Any) -> list[Verdict]:
        runs = pd.DataFrame(self.runs).assign(**columns)
        margins = list_margins(self.calibrated)
        evaluations = pd.concat(self.evaluations, ignore_index=True)
        found = judge_claim(claim, Evidence.of(runs, evaluations, margins, BASE, tables=self.tables))
        for verdict in found:  # each can be said in words
            assert explain(verdict, margins)
            assert render(find_claims("second")[claim].rule, margins=margins)
        return found

    def names(self, claim: str, **columns: Any) -> list[str]:
        return [verdict.verdict for verdict in self.judge(claim, **columns)]


def list_margins(calibrated: dict[str, list[dict[str, Any]]]) -> ClaimsConfig:
    """Those of the second edition with these calibrated arms."""
    return ClaimsConfig.model_validate({"edition": "second", "second": {"statements": {"calibrated": calibrated}}})


# E1


def spread(gains: dict[int, float], noise: Any = NOISE) -> Study:
    """Round robin and random workers at m; ``gains`` in points of accuracy."""
    study = Study()
    for m, gain in gains.items():
        study.arm(0.5, criterion="few rates", num_workers=m, learning_rate=0.005)
        study.arm(0.9, criterion=None, num_workers=m, learning_rate=0.01)  # not the calibrated rate
        random = {"schedule": "random", "learning_rate": 0.02}
        study.arm(0.5 + gain / 100, criterion="few rates", num_workers=m, noise=noise, **random)
    return study


def test_e1_takes_the_calibrated_rates_and_both_m_must_gain() -> None:
    [verdict] = spread({30: 1.0, 100: 0.4}).judge("E1")
    assert verdict.verdict == "supported"
    assert (verdict.effect, verdict.n) == (pytest.approx(0.4), 10)
    assert verdict.interval == pytest.approx((0.4 - 100 * HALF, 0.4 + 100 * HALF))
    assert [cell["rates"] for cell in verdict.details["cells"]] == [[0.005, 0.02]] * 2
    assert verdict.p_value == 1 / 2**10  # every seed gains


def test_e1_open_contradicted_and_without_runs() -> None:
    just = 100 * HALF
    assert spread({30: 1.0, 100: 0.99 * just}).names("E1") == ["inconclusive"]
    assert spread({30: 1.0, 100: 1.01 * just}).names("E1") == ["supported"]
    assert spread({30: 1.0, 100: -0.99 * just}).names("E1") == ["inconclusive"]
    assert spread({30: 1.0, 100: -1.01 * just}).names("E1") == ["contradicted"]
    assert spread({30: 1.0}).names("E1") == ["not applicable"]
    # Equal differences are no sample.
    assert spread({30: 1.0, 100: 1.0}, noise=0 * NOISE).names("E1") == ["inconclusive"]


def test_two_rates_for_one_calibrated_arm_are_an_error() -> None:
    study = spread({30: 1.0, 100: 1.0}).arm(0.5, criterion="few rates", num_workers=30, learning_rate=0.01)
    with pytest.raises(AsgdError, match=r"calibrated by few rates: m30-lr0.005 and m30-lr0.01 have the same settings"):
        study.judge("E1")


# E2


def compensated(gains: dict[int, float], size: float = 0.05, strength: float = 40.0) -> Study:
    study = Study()
    for m, gain in gains.items():
        study.arm(0.5, num_workers=m)
        rule = {"update": "dc_constant", "dc_strength": strength, "learning_rate": 0.02}
        study.arm(0.5 + gain / 100, num_workers=m, noise=NOISE, correction=size, **rule)
    return study


def test_e2_judges_each_strength_and_both_forms() -> None:
    study = compensated({10: 1.0, 30: 0.5, 100: 2.0})
    for m, gain in {10: 1.0, 30: 1.0, 100: -1.0}.items():
        stronger = {"update": "dc_constant", "dc_strength": 160.0}
        study.arm(0.5 + gain / 100, num_workers=m, noise=NOISE, correction=0.2, **stronger)
    found = {verdict.id: verdict for verdict in study.judge("E2")}
    assert {name: verdict.verdict for name, verdict in found.items()} == {
        "E2-dc_constant-40": "supported",
        "E2-dc_constant-160": "contradicted",
        "E2-dc_adaptive": "not applicable",
    }
    assert found["E2-dc_constant-40"].effect == pytest.approx(0.5)
    assert [cell["correction"] for cell in found["E2-dc_constant-160"].details["cells"]] == [0.2] * 3


@pytest.mark.parametrize(("size", "name"), [(0.0101, "supported"), (0.0099, "cannot be tested"), (math.nan, None)])
def test_e2_a_small_correction_tests_nothing(size: float, name: str | None) -> None:
    found = compensated({10: 1.0, 30: 0.5, 100: 2.0}, size).judge("E2")[0]
    assert found.verdict == (name or "cannot be tested")
    assert (found.p_value is None) == (found.verdict == "cannot be tested")


def test_e2_needs_every_m() -> None:
    assert compensated({10: 1.0, 30: 0.5}).names("E2")[0] == "not applicable"


# E3


def grown(plain: list[float], adagrad: list[float], noise: Any = 0 * NOISE) -> Study:
    study = Study()
    for m, accuracy, other in zip((10, 30, 100, 300, 1000), plain, adagrad, strict=True):
        study.arm(accuracy, num_workers=m, noise=noise)
        study.arm(other, num_workers=m, update="adagrad", learning_rate=0.001, noise=noise)
    return study


def test_e3_the_largest_m_that_keeps_its_accuracy() -> None:
    # 0.8 of 0.5 and of 0.6 is 0.4 and 0.48.
    [verdict] = grown([0.5, 0.5, 0.401, 0.399, 0.1], [0.6, 0.1, 0.5, 0.5, 0.47]).judge("E3")
    assert (verdict.verdict, verdict.details["largest"]) == ("supported", {"sgd": 100, "adagrad": 300})
    assert verdict.effect == pytest.approx(math.log10(3))
    assert verdict.interval == pytest.approx((math.log10(3),) * 2)


def test_e3_other_verdicts() -> None:
    low, high = [0.5, 0.5, 0.1, 0.1, 0.1], [0.5, 0.5, 0.5, 0.1, 0.1]
    assert grown(high, low).names("E3") == ["contradicted"]
    assert grown(low, low).names("E3") == ["inconclusive"]
    assert grown([0.5] * 5, [0.5] * 5).names("E3") == ["ceiling"]
    assert Study().arm(0.5, num_workers=10).names("E3") == ["not applicable"]
    # At m = 100 Adagrad keeps 0.8 in the mean of all seeds, but not in that of many a resample.
    [verdict] = grown(low, [0.5, 0.5, 0.4001, 0.1, 0.1], NOISE).judge("E3")
    assert (verdict.verdict, verdict.details["largest"]["adagrad"]) == ("inconclusive", 100)
    assert verdict.interval == pytest.approx((0, math.log10(100 / 30)))


# E4

PARETO = {"schedule": "latency", "latency": "pareto", "evaluations_per_epoch": 8}
SLOW = {"times": [0, 80, 160], "curve": [0.1, 0.4, 0.6]}  # at 50 % after 120


def straggling(ends: dict[int, float], **asynchronous: Any) -> Study:
    """Synchronous SGD is at 50 % after half of ``ends``, by m; asynchronous SGD after 120."""
    study = Study()
    for m, end in ends.items():
        study.arm(0.6, criterion="time", num_workers=m, noise=NOISE, **{**SLOW, **asynchronous}, **PARETO)
        fast = {"times": [0, end / 2, end], "curve": [0.1, 0.5, 0.6], "policy": "synchronous", "backups": 2}
        study.arm(0.6, criterion="time", num_workers=m, **fast, **PARETO)
    return study


def test_e4_compares_the_logarithms_of_the_times() -> None:
    [verdict] = straggling({10: 120.0, 30: 60.0}).judge("E4")
    # Interpolated in 80..160 where 0.4 to 0.6 is passed, each seed by its noise.
    logarithms = np.log((80 + 80 * (0.5 - 0.4 - NOISE) / 0.2) / 60)
    half = stats.t.ppf(0.975, 9) * logarithms.std(ddof=1) / math.sqrt(10)
    assert verdict.verdict == "supported"
    assert verdict.effect == pytest.approx(logarithms.mean())
    assert verdict.interval == pytest.approx((logarithms.mean() - half, logarithms.mean() + half))
    assert verdict.details["weakest"]["backups"] == 2


def test_e4_other_verdicts() -> None:
    assert straggling({10: 120.0, 30: 300.0}).names("E4") == ["contradicted"]
    assert straggling({10: 120.0}).names("E4") == ["not applicable"]
    never = {"curve": [0.1, 0.4, 0.4971]}  # with the noise of 0.003 one seed of ten is there, of 0.002 none
    [verdict] = straggling({10: 120.0, 30: 60.0}, **never).judge("E4")
    assert (verdict.verdict, verdict.details["weakest"]["censored"]) == ("inconclusive", 9)
    few = {"curve": [0.1, 0.4, 0.5021]}  # two seeds never there: they count at their end
    [verdict] = straggling({10: 120.0, 30: 60.0}, **few).judge("E4")
    assert (verdict.verdict, verdict.details["weakest"]["censored"]) == ("supported", 1)


# E5


def at_edge(ratios: dict[int, list[float]], early: float = 0.5) -> Study:
    """Sharpness over the limit in the later half by m, one number a seed; ``early`` before."""
    rows = [
        {"num_workers": m, "seed": seed, "step": 100 + step, "stability": ratio if step >= 50 else early}
        for m, ends in ratios.items()
        for seed, ratio in enumerate(ends)
        for step in (0, 25, 50, 75, 100)
    ]
    study = Study().arm(0.5)
    study.tables["edge"] = pd.DataFrame(rows)
    return study


def test_e5_the_later_half_counts() -> None:
    inside = {m: [0.95, 1.0, 1.2] for m in (1, 2, 5, 10, 30)}
    [verdict] = at_edge({**inside, 10: [1.4, 1.49, 9.0]}).judge("E5")
    assert (verdict.verdict, verdict.effect, verdict.n) == ("supported", 1.49, 3)
    assert at_edge({**inside, 30: [0.7, 0.89, 1.0]}).names("E5") == ["inconclusive"]
    assert at_edge({**inside, 30: [0.7, 0.8, 0.89]}).names("E5") == ["contradicted"]
    assert at_edge({**inside, 30: [math.nan, math.nan, 1.6]}).names("E5") == ["contradicted"]
    del inside[5]
    [verdict] = at_edge(inside).judge("E5")
    assert (verdict.verdict, verdict.details["absent"]) == ("not applicable", [5])
    assert Study().arm(0.5).names("E5") == ["not applicable"]


# E6


#: What delay costs, in points, by batch: it rises, least from 4 to 16.
RISING = {1: 0.2, 4: 1.0, 16: 1.5, 64: 3.0, 256: 4.0}


def batched(costs: dict[int, float], fails: tuple[int, ...] = ()) -> Study:
    study = Study()
    for k, (batch, cost) in enumerate(costs.items()):
        study.arm(0.6, num_workers=1, batch_size=batch)
        study.arm(0.6 - cost / 100, num_workers=30, batch_size=batch, noise=-k * NOISE)
        if batch in fails:
            for run in self_runs(study)[:2]:
                run["outcome"] = "dead"
    return study


def self_runs(study: Study) -> list[dict[str, Any]]:
    """The runs of the last arm."""
    return study.runs[-10:]


def test_e6_the_cost_must_rise_at_every_step() -> None:
    [verdict] = batched(RISING).judge("E6")
    assert (verdict.verdict, verdict.effect) == ("supported", pytest.approx(0.5))
    assert verdict.interval == pytest.approx((0.5 - 100 * HALF, 0.5 + 100 * HALF))
    assert batched({**RISING, 16: 1.0}).names("E6") == ["inconclusive"]
    assert batched({**RISING, 64: 1.0}).names("E6") == ["contradicted"]


def test_e6_a_batch_without_runs_can_hide_what_refutes_it() -> None:
    refuted = {**RISING, 16: 5.0}
    assert batched(refuted).names("E6") == ["contradicted"]
    del refuted[16]
    study = batched(refuted)
    [verdict] = study.judge("E6")
    assert (verdict.verdict, verdict.p_value, verdict.details["absent"]) == ("inconclusive", None, [16])
    assert "there are no paired runs at batch 16;" in explain(verdict, list_margins(study.calibrated))
    assert batched({1: 0.2, 4: 3.0, 64: 1.0}).names("E6") == ["contradicted"]


def test_e6_a_batch_that_does_not_train_does_not_count() -> None:
    [verdict] = batched({**RISING, 256: 50.0}, fails=(256,)).judge("E6")
    assert (verdict.verdict, verdict.details["weakest"]["to"]) == ("supported", 16)
    assert [cost["counts"] for cost in verdict.details["costs"]] == [True, True, True, True, False]
    assert batched(RISING, fails=(1, 64, 256)).names("E6") == ["inconclusive"]
    assert Study().arm(0.5).names("E6") == ["not applicable"]


# E8

EMA = {"momentum": 0.9, "momentum_where": "worker", "momentum_convention": "ema"}


def other_network(rise: float, gain: float) -> Study:
    study, network = Study(), {"network": "resnet8", "batch_size": 128, "learning_rate": 0.1}
    for k, m in enumerate((1, 4, 16)):
        losses = np.array([2.3, 2.0, 1.5]) + k * rise
        study.arm(0.5, num_workers=m, losses=losses, noise=NOISE * k, **network)
    return study.arm(0.5 + gain / 100, num_workers=16, noise=-NOISE, **EMA, **network)


def test_e8_has_a_verdict_for_each_claim() -> None:
    slowing, rescue = other_network(0.1, 8.0).judge("E8")
    assert (slowing.id, slowing.verdict, slowing.effect) == ("E8-C1", "supported", pytest.approx(0.1))
    assert slowing.interval == pytest.approx((0.1 - HALF, 0.1 + HALF))
    assert (rescue.id, rescue.verdict) == ("E8-C5b", "supported")
    assert rescue.interval == pytest.approx((8 - 300 * HALF, 8 + 300 * HALF))


def test_e8_other_verdicts() -> None:
    assert other_network(-0.1, 4.0).names("E8") == ["contradicted", "contradicted"]
    assert other_network(0.0, 5.0).names("E8") == ["inconclusive", "inconclusive"]
    assert Study().arm(0.5).names("E8") == ["not applicable", "not applicable"]


def test_e8_has_one_rate_and_takes_no_arm_of_another() -> None:
    study = other_network(0.1, 8.0)
    study.runs = [run for run in study.runs if run["momentum"] == 0.0]
    study.arm(0.9, num_workers=16, noise=-NOISE, **EMA, network="resnet8", batch_size=128, learning_rate=0.8)
    assert study.names("E8") == ["supported", "not applicable"]


@pytest.mark.parametrize("claim", ["E1", "E2", "E3", "E6"])
def test_arms_of_other_lengths_are_not_compared(claim: str) -> None:
    makers: dict[str, Callable[[], Study]] = {
        "E1": lambda: spread({30: 1.0, 100: 0.4}),
        "E2": lambda: compensated({10: 1.0, 30: 0.5, 100: 2.0}),
        "E3": lambda: grown([0.5] * 5, [0.5] * 5),
        "E6": lambda: batched(RISING),
    }
    study = makers[claim]()
    assert study.names(claim)
    for entries in study.calibrated.values():
        entries[-1]["epochs"] = 20
    with pytest.raises(
        AsgdError, match=r"calibrated: m\d+\S+ and m\d+\S+ are compared, so give them the same `epochs`"
    ):
        study.judge(claim)


# E9


@pytest.mark.parametrize(
    ("identical", "name"),
    [
        ([True, True, None], "supported"),
        ([True, False, None], "contradicted"),
        (["True", "true", None], "supported"),
        ([None, None, None], "not applicable"),
    ],
)
def test_e9_every_replay_must_be_identical(identical: list[Any], name: str) -> None:
    assert Study().arm(0.5, noise=[0, 0, 0]).names("E9", replayed_identical=identical) == [name]


def test_e9_a_recording_that_was_not_replayed_leaves_it_open() -> None:
    study = Study().arm(0.5, num_workers=2, execution="real", noise=[0, 0])
    assert study.names("E9") == ["not applicable"]
    [verdict] = study.judge("E9", replayed_identical=[True, None])
    assert (verdict.verdict, verdict.details) == ("inconclusive", {"identical": 1, "recorded": 2})


# All


def test_the_statements_are_claims_of_the_second_edition_and_of_no_other() -> None:
    statements = [claim for claim in find_claims("second") if claim.startswith("E")]
    assert statements == ["E1", "E2", "E3", "E4", "E5", "E6", "E8", "E9"]
    assert not [claim for claim in find_claims("first") if claim.startswith("E")]


def test_a_study_without_them_has_none_applicable() -> None:
    study = Study().arm(0.5, criterion=None)
    runs, evaluations = pd.DataFrame(study.runs), pd.concat(study.evaluations)
    found = judge_claims(runs, evaluations, ClaimsConfig(edition="second"), BASE).verdicts
    assert {verdict.verdict for verdict in found if verdict.claim.startswith("E")} == {"not applicable"}


def test_calibrated_arms_of_a_preset_are_margins_of_its_claims() -> None:
    second = load_params(ROOT / "params.yaml", "second").claims.second.statements.calibrated
    arms = [{key: value for key, value in arm.items() if key != "learning_rate"} for arm in second["few rates"]]
    assert {"num_workers": 30, "schedule": "random", "epochs": 10.0, "evaluations_per_epoch": 2} in arms
    assert load_params(ROOT / "params.yaml", "paper").claims.second.statements.calibrated == {}
    # A preset that calibrates has arms to choose from, several of one kind.
    assert load_params(ROOT / "params.yaml", "rates").claims.second.statements.calibrated == {}


def test_the_second_edition_has_the_arms_of_every_statement() -> None:
    params = load_params(ROOT / "params.yaml", "second")
    random, rows, curves = np.random.default_rng(0), {}, []
    for config in (one for configs in expand_experiments(params.selected).values() for one in configs):
        run = f"{config.slug()}-{config.arm()}"
        if run in rows:
            continue
        rows[run] = {**config.model_dump(), "run": run, "outcome": "trained", "total_steps": 2}
        rows[run]["final_test_accuracy"] = random.uniform(0.55, 0.65)
        accuracy = [0.1, random.uniform(0.3, 0.4), rows[run]["final_test_accuracy"]]
        clock = {"step": [0, 1, 2], "gradients": [0, 1, 2], "epoch": [0, 1, 2], "time": [0, 1, 2]}
        losses = {"train_loss": [math.nan, 2.0, 1.0], "train_eval_loss": 1.0, "test_loss": 1.0}
        curves.append(pd.DataFrame({**clock, **losses, "test_accuracy": accuracy}).assign(run=run, seed=config.seed))
    evaluations = pd.concat(curves, ignore_index=True).assign(correction=0.1)
    evidence = Evidence.of(pd.DataFrame(rows.values()), evaluations, params.claims, params.base)
    found = {name: judge_claim(name, evidence) for name in ("E1", "E2", "E3", "E4", "E6", "E8")}
    assert {name for name, verdicts in found.items() if any(v.verdict == "not applicable" for v in verdicts)} == set()
    assert {verdict.n for verdicts in found.values() for verdict in verdicts} == {5, 10}
    strengths = {verdict.variant for verdict in found["E2"]}
    assert strengths == {"dc_constant-40", "dc_constant-160", "dc_adaptive-5", "dc_adaptive-20"}
    assert len(found["E6"][0].details["costs"]) == 5
