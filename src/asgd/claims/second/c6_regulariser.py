"""C6: whether delay acts like dropout."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.claims.cells import describe_setting
from asgd.claims.claim import Claim
from asgd.claims.comparisons import Trend, both_fail, compare_areas, judge_trend
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Curves, Evidence, pair
from asgd.tables.matching import match_values
from asgd.tables.statistics import Estimate, equivalence_test, estimate_paired_difference

CLAIM = Claim(
    id="C6",
    statement="raising the dropout rate looks like raising m; delay may regularise",
    rule="""(a) The areas of C1, of the training loss with dropout on, rise with p at m = 1: it holds if all lower
        limits are above 0, and fails if any upper limit is below 0. (b) For one of the pairs (m, p) =
        {{ margins.second.matched_dropout | join(", ") }}, the closest in the first edition, the accuracy curves are
        equivalent: the difference of the accuracies after the first epoch, averaged over windows of
        {{ margins.second.match_window | num("g") }} epoch{{ "s" if margins.second.match_window != 1 }}, lies within
        +-{{ margins.equivalence_points | num("g") }} points in each window (TOST at
        {{ (1 - margins.confidence) | percent("g") }} divided by the number of pairs). Two arms that both fail do not
        match. (c) Over {{ margins.second.gap_epochs | num("g") }} epochs each run's train-test gap (test loss minus
        loss on the training subset, both without dropout) is taken where its training-subset loss first falls to the
        lowest level that the seed's runs all reach; the changes against m = 1, p = 0 by delay and by dropout have the
        same sign, both intervals without 0. Only a pair that matches is judged. Reproduced: all three, for some pair,
        and no other pair has opposite signs. Not reproduced: (a) fails, or a pair matches with opposite signs and none
        with the same. Partly (both slow training, but delay is not shown to regularise): (a) and (b). No p-value.""",
    effect="change of the train-test gap with delay, at matched training loss",
    reason="""
        {%- if not found.areas -%}
            the rule needs dropout 0 and above at m = 1; there {{ "are" if found.rates else "is" }}
            {{ say.values("p", found.rates) if found.rates else "no p" }}
        {%- else -%}
            (a) the mean training loss, with dropout on,
            {% if found.trend == "rises" %} rises from each p to the next, least surely
            {% else %} {{ "falls" if found.trend == "falls" else "does not clearly rise" }} {% endif %}
            from p = {{ found.decisive.from | num("g") }} to {{ found.decisive.to | num("g") }}:
            {{ say.size(found.decisive, "nats") }}; (b)
            {% for match in found.matches -%}
                m = {{ match.num_workers }} and p = {{ match.dropout | num("g") }}
                {% if match.both_fail -%} both fail
                {%- elif match.windows -%}
                    {{ "match" if match.matches else "do not match" }}, at most {{ match.largest | num(".1f") }} points
                    apart
                    {%- if match.over_longer %} ({{ match.over_longer | num(".1f") }} over the long runs) {%- endif %}
                {%- else -%} have no paired runs with evaluations after the first epoch
                {%- endif -%}
                {{ "" if loop.last else ", " }}
            {%- endfor %}; (c)
            {% if not found.gaps -%}
                {{ "no long runs to compare" if found.matches | selectattr("matches") | list else "not judged" }}
            {%- endif -%}
            {%- for gap in found.gaps -%}
                at training loss {{ gap.train_loss_level | num(".2f") }} the train-test gap
                {% if gap.direction > 0 -%} {{ "widens" if gap.by_delay.low > 0 else "narrows" }} with both
                {%- else -%} {{ "moves in opposite directions" if gap.direction else "has no clear common direction" }}
                {%- endif %}: {{ gap.by_delay.mean | num("+z.3f") }} nats with m = {{ gap.num_workers }} and
                {{ gap.by_dropout.mean | num("+z.3f") }} with p = {{ gap.dropout | num("g") }}
                {{- "" if loop.last else ", " }}
            {%- endfor -%}
            {%- if verdict == "partly" -%} ; both slow training, but delay is not shown to regularise {%- endif -%}
        {%- endif %}""",
    figure="regulariser",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """(a) dropout slows too, (b) some rate matches some delay, (c) the train-test gap moves the same way."""
    return [_judge(evidence)]


def _judge(evidence: Evidence) -> Verdict:
    setting, rates = describe_setting(evidence.base), evidence.values_of("dropout", num_workers=1)
    if 0 not in rates or len(rates) < 2:
        return Verdict(claim=CLAIM.id, setting=setting, verdict="not applicable", details={"rates": rates})
    areas = compare_areas(evidence, "dropout", rates, num_workers=1)
    trend, decisive = judge_trend(areas)
    matches = [_match(evidence, m, p) for m, p in evidence.margins.second.matched_dropout]
    gaps = [gap for found in matches if found["matches"] if (gap := _compare_gaps(evidence, found))]
    # The pair that decides: one with a sure direction before others, then the larger delay.
    deciding = max(gaps, key=lambda gap: (gap["direction"] != 0, gap["num_workers"]), default=None)
    by_delay = deciding["by_delay"] if deciding else None
    return Verdict(
        claim=CLAIM.id,
        setting=setting,
        verdict=_decide(trend, any(found["matches"] for found in matches), [gap["direction"] for gap in gaps]),
        effect=by_delay["mean"] if by_delay else None,
        unit="nats",
        interval=(by_delay["low"], by_delay["high"]) if by_delay else None,
        confidence=evidence.margins.confidence,
        n=min(found["n"] for found in [*areas, *(gap["by_delay"] for gap in gaps)]),
        details={"areas": areas, "trend": trend, "decisive": decisive, "matches": matches, "gaps": gaps},
    )


def _match(evidence: Evidence, m: int, p: float) -> dict[str, Any]:
    """(b) for one pair: whether its curves are equivalent in every window, and how far apart they are at most."""
    margins = evidence.margins
    found: dict[str, Any] = {"num_workers": m, "dropout": p, "matches": False}
    arms: list[dict[str, Any]] = [{"num_workers": m, "dropout": 0.0}, {"num_workers": 1, "dropout": p}]
    curves = _paired_curves(evidence, arms)
    if curves is None:
        return found
    runs = [evidence.runs_of(**arm).loc[curves[0].seeds] for arm in arms]
    if both_fail(*runs):
        return {**found, "both_fail": True}
    windows = _compare_windows(curves, margins.second.match_window, margins.equivalence_points)
    alpha = (1 - margins.confidence) / len(margins.second.matched_dropout)
    matches = bool(windows) and all(window["p_value"] < alpha for window in windows)  # nan is not below
    found |= {"matches": matches, "windows": windows, "largest": _largest(windows)}
    if longer := _paired_curves(evidence, [_lengthen(evidence, arm) for arm in arms]):
        shown = _compare_windows(longer, margins.second.match_window, margins.equivalence_points)
        found |= {"over_longer": _largest(shown)}
    return found


def _lengthen(evidence: Evidence, arm: dict[str, Any]) -> dict[str, Any]:
    return {**arm, "epochs": evidence.margins.second.gap_epochs, "steps": None, "probes": {}}


def _largest(windows: Sequence[dict[str, Any]]) -> float | None:
    return max((abs(window["mean"]) for window in windows), default=None)


def _paired_curves(evidence: Evidence, arms: Sequence[dict[str, Any]]) -> tuple[Curves, Curves] | None:
    """Test accuracy of two arms after the first epoch, of the seeds that both have; None without any."""
    if any(evidence.runs_of(**arm).empty for arm in arms):
        return None
    first, second = pair(*(evidence.curves_of("test_accuracy", **arm) for arm in arms))
    return (first.after_first_epoch(), second.after_first_epoch()) if len(first.seeds) else None


def _compare_windows(curves: tuple[Curves, Curves], window: float, margin: float) -> list[dict[str, Any]]:
    """Mean difference in points, first minus second, in each window of epochs after the first, and its TOST p-value."""
    epochs = curves[0].epochs
    numbers = np.ceil((epochs - 1) / window - 1e-9).astype(int)
    found = []
    for number in np.unique(numbers):
        first, second = (100 * one.values[:, numbers == number].mean(axis=1) for one in curves)
        p_value = equivalence_test(second, first, -margin, margin)
        found.append(
            {"epoch": epochs[numbers == number][-1], "mean": float(np.mean(first - second)), "p_value": p_value}
        )
    return found


def _compare_gaps(evidence: Evidence, match: dict[str, Any]) -> dict[str, Any] | None:
    """(c): changes of the gap against plain SGD in long runs, at the lowest training loss that a seed's runs reach."""
    m, p = match["num_workers"], match["dropout"]
    settings = ((1, 0.0), (m, 0.0), (1, p))
    arms = [_lengthen(evidence, {"num_workers": workers, "dropout": rate}) for workers, rate in settings]
    if any(evidence.runs_of(**arm).empty for arm in arms):
        return None
    losses = [_read_losses(evidence, arm) for arm in arms]
    seeds = sorted(set.intersection(*(set(found) for found in losses)))
    if not seeds:
        return None
    matched = [
        match_values([found[seed][0] for found in losses], [found[seed][1] - found[seed][0] for found in losses])
        for seed in seeds
    ]
    plain, delayed, dropped = np.array([gaps for _, gaps in matched]).T
    confidence = evidence.margins.confidence
    by_delay, by_dropout = (estimate_paired_difference(plain, other, confidence) for other in (delayed, dropped))
    return {
        "num_workers": m,
        "dropout": p,
        "train_loss_level": float(np.mean([level for level, _ in matched])),
        "direction": _sign(by_delay) * _sign(by_dropout),
        "by_delay": by_delay._asdict(),
        "by_dropout": by_dropout._asdict(),
    }


def _read_losses(evidence: Evidence, arm: dict[str, Any]) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Loss on the training subset and on the test set, each [evaluations], of every seed that has both."""
    train, test = pair(*(evidence.curves_of(metric, **arm) for metric in ("train_eval_loss", "test_loss")))
    if len(train.epochs) == 0:
        return {}
    return dict(zip(train.seeds.tolist(), zip(train.values, test.values, strict=True), strict=True))


def _sign(estimate: Estimate) -> int:
    return int(estimate.low > 0) - int(estimate.high < 0)


def _decide(trend: Trend, matches: bool, directions: Sequence[int]) -> VerdictName:
    """``directions``: of the pairs that match, +1 where the gap moves the same way, -1 opposite ways, 0 undecided."""
    same, opposite = 1 in directions, -1 in directions
    if trend == "falls" or (opposite and not same):
        return "not reproduced"
    if trend == "undecided" or not matches or (opposite and same):
        return "inconclusive"
    return "reproduced" if same else "partly"
