"""C6: whether delay acts like dropout."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.claims.claim import Claim
from asgd.claims.comparisons import Trend, compare_areas, difference_after_first_epoch, judge_trend
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Curves, Evidence, pair
from asgd.tables.statistics import Estimate, estimate_paired_difference

CLAIM = Claim(
    id="C6",
    statement="raising the dropout rate looks like raising m; delay may regularise",
    rule="""(a) The areas of C1 rise with p at m = 1: it holds if all lower limits are above 0, and fails if any upper
        limit is below 0. (b) For some m > 1 and p > 0, all of whose runs trained, the {{ (2 * margins.confidence - 1) |
        percent("g") }} interval of the difference in accuracy lies inside +-{{ margins.equivalence_points | num("g") }}
        points at {{ margins.gap_share | percent("g") }} or more of the evaluations after the first epoch and at the
        last one; this searches over pairs and is not adjusted for the search. (c) Each run's train-test gap (test loss
        minus loss on the training subset, both without dropout) is taken where its training-subset loss first falls to
        the lowest level that all compared runs reach; its change against m = 1, p = 0 has the same sign for m as for p,
        both intervals without 0. The runs are the longest, of at least the reference length, that a pair of (b) and m =
        1, p = 0 have; of several pairs, one that matches is preferred, then the largest m, then the closest p.
        Reproduced: all three. Partly (both slow training, but delay is not shown to regularise): (a) and (b). Not
        reproduced: (a) fails, or (c) has opposite signs.""",
    effect="change of the train-test gap with delay, at matched training loss",
    reason="""
        {%- if not found.areas -%}
            the rule needs m > 1, and dropout 0 and above at m = 1; there are
            {{ say.values("m", found.workers) if found.workers else "no m > 1" }} and
            {{ say.values("p", found.rates) if found.rates else "no p" }}
        {%- else -%}
            (a) the mean training loss
            {% if found.trend == "rises" %} rises from each p to the next, least surely
            {% else %} {{ "falls" if found.trend == "falls" else "does not clearly rise" }} {% endif %}
            from p = {{ found.decisive.from | num("g") }} to {{ found.decisive.to | num("g") }}:
            {{ say.size(found.decisive, "nats") }}; (b)
            {% if not found.match -%} no arms that all trained have evaluations after the first epoch to compare
            {%- elif not found.match.matches -%} no m > 1 has a p whose accuracy curve matches
            {%- else -%}
                m = {{ found.match.num_workers }} matches p = {{ found.match.dropout | num("g") }},
                {{ found.match.difference | num(".1f") }} points apart
            {%- endif %}; (c)
            {% if not found.gap -%} no train-test gaps to compare
            {%- else -%}
                over {{ found.gap.epochs | num("g") }} epochs, at training loss
                {{ found.gap.train_loss_level | num(".2f") }},
                the train-test gap
                {% if found.gap.direction > 0 -%}
                    {{ "widens" if found.gap.by_delay.low > 0 else "narrows" }} with both
                {%- else -%}
                    {{ "moves in opposite directions" if found.gap.direction else "has no clear common direction" }}
                {%- endif %}: {{ found.gap.by_delay.mean | num("+z.3f") }} nats with m = {{ found.gap.num_workers }} and
                {{ found.gap.by_dropout.mean | num("+z.3f") }} with p = {{ found.gap.dropout | num("g") }}
            {%- endif -%}
            {%- if verdict == "partly" -%} ; both slow training, but delay is not shown to regularise {%- endif -%}
        {%- endif %}""",
    figure="regulariser",
)


@dataclass(frozen=True)
class Match:
    """A delay and a dropout rate whose test-accuracy curves were compared."""

    num_workers: int
    dropout: float
    matches: bool
    share_inside: float  #: share of the evaluations after the first epoch whose interval lies inside the margin
    difference: float  #: mean absolute difference of the mean curves, points


@dataclass(frozen=True)
class GapShift:
    """Change of the train-test gap against plain SGD at one common training loss."""

    num_workers: int
    dropout: float
    epochs: float  #: length of the compared runs
    level: float  #: training loss without dropout at which the gaps were taken, nats
    by_delay: Estimate  #: nats
    by_dropout: Estimate  #: nats

    @property
    def direction(self) -> int:
        """+1 if delay and dropout move the gap the same way, -1 if opposite ways, 0 if either interval contains 0."""
        return _sign(self.by_delay) * _sign(self.by_dropout)


def judge(evidence: Evidence) -> list[Verdict]:
    """(a) dropout slows too, (b) some rate matches some delay, (c) the train-test gap moves the same way."""
    return [_judge(evidence)]


def _judge(evidence: Evidence) -> Verdict:
    rates = evidence.values_of("dropout", num_workers=1)
    workers = [m for m in evidence.values_of("num_workers", dropout=0.0) if m > 1]
    if 0 not in rates or len(rates) < 2 or not workers:
        return Verdict(claim=CLAIM.id, verdict="not applicable", details={"workers": workers, "rates": rates})
    areas = compare_areas(evidence, "dropout", rates, num_workers=1)
    trend, decisive = judge_trend(areas)
    matches = _match_curves(evidence, workers, rates)
    chosen = _choose(matches)
    compared, epochs = _choose_long(evidence, matches)
    shift = _compare_gaps(evidence, compared, epochs) if compared else None
    by_delay = shift.by_delay if shift else None
    return Verdict(
        claim=CLAIM.id,
        verdict=_decide(trend, chosen, shift),
        effect=by_delay.mean if by_delay else None,
        unit="nats",
        interval=(by_delay.low, by_delay.high) if by_delay else None,
        confidence=evidence.margins.confidence,
        n=min(found["n"] for found in areas),
        details={
            "areas": areas,
            "trend": trend,
            "decisive": decisive,
            "matches": [vars(match) for match in matches],
            "match": vars(chosen) if chosen else None,
            "gap": _describe_shift(shift),
        },
    )


def _match_curves(evidence: Evidence, workers: Sequence[int], rates: Sequence[float]) -> list[Match]:
    """Every m > 1 with every p > 0, of the arms all of whose runs trained: two failed arms match, and mean nothing."""
    delayed = {m: _trained_curves(evidence, m, 0.0) for m in workers}
    dropped = {p: _trained_curves(evidence, 1, p) for p in rates if p > 0}
    pairs = itertools.product(delayed.items(), dropped.items())
    found = [_match(evidence, m, p, first, second) for (m, first), (p, second) in pairs if first and second]
    return [match for match in found if match is not None]


def _trained_curves(evidence: Evidence, num_workers: int, dropout: float) -> Curves | None:
    arm: dict[str, Any] = {"num_workers": num_workers, "dropout": dropout}
    trained = (evidence.runs_of(**arm)["outcome"] == "trained").all()
    return evidence.curves_of("test_accuracy", **arm) if trained else None


def _match(evidence: Evidence, m: int, p: float, first: Curves, second: Curves) -> Match | None:
    margins = evidence.margins
    curve = difference_after_first_epoch(first, second, 2 * margins.confidence - 1)
    if curve.empty:
        return None
    inside = (curve["low"] > -margins.equivalence_points) & (curve["high"] < margins.equivalence_points)
    share = float(inside.mean())
    matches = share >= margins.gap_share and bool(inside.iloc[-1])
    return Match(m, p, matches, share, float(curve["mean"].abs().mean()))


def _choose(matches: Sequence[Match]) -> Match | None:
    """The pair to compare the gap of: matching before not, then the largest delay, then the closest dropout rate."""
    return max(matches, key=lambda match: (match.matches, match.num_workers, -match.difference), default=None)


def _choose_long(evidence: Evidence, matches: Sequence[Match]) -> tuple[Match | None, float]:
    """The pair whose gaps are compared and for how many epochs: the longest runs that a pair and plain SGD have."""
    lengths = evidence.values_of("epochs", num_workers=1, dropout=0.0)
    for epochs in sorted((length for length in lengths if length >= evidence.base.epochs), reverse=True):
        if chosen := _choose([match for match in matches if _has_runs(evidence, match, epochs)]):
            return chosen, epochs
    return None, evidence.base.epochs


def _has_runs(evidence: Evidence, match: Match, epochs: float) -> bool:
    return all(len(evidence.runs_of(**arm)) for arm in _gap_arms(match, epochs))


def _gap_arms(match: Match, epochs: float) -> list[dict[str, Any]]:
    """Plain SGD, the delay and the dropout rate, in runs of this length."""
    return [
        {"num_workers": 1, "dropout": 0.0, "epochs": epochs},
        {"num_workers": match.num_workers, "dropout": 0.0, "epochs": epochs},
        {"num_workers": 1, "dropout": match.dropout, "epochs": epochs},
    ]


def _compare_gaps(evidence: Evidence, compared: Match, epochs: float) -> GapShift | None:
    """The gap of plain SGD, of the delay and of the dropout rate, at the lowest training loss that all runs reach."""
    losses = [_losses(evidence, arm) for arm in _gap_arms(compared, epochs)]
    seeds = sorted(set.intersection(*(set(found) for found in losses)))
    if not seeds:
        return None
    level = max(float(found[seed][0].min()) for found in losses for seed in seeds)
    plain, delayed, dropped = ([_gap_at(level, *found[seed]) for seed in seeds] for found in losses)
    by_delay, by_dropout = (
        estimate_paired_difference(plain, other, evidence.margins.confidence) for other in (delayed, dropped)
    )
    return GapShift(compared.num_workers, compared.dropout, epochs, level, by_delay, by_dropout)


def _losses(evidence: Evidence, arm: dict[str, Any]) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Loss on the training subset and on the test set, each [evaluations], of every seed that has both."""
    train, test = pair(*(evidence.curves_of(metric, **arm) for metric in ("train_eval_loss", "test_loss")))
    return dict(zip(train.seeds.tolist(), zip(train.values, test.values, strict=True), strict=True))


def _gap_at(level: float, train: NDArray[np.float64], test: NDArray[np.float64]) -> float:
    """Test minus training loss where the training loss first falls to ``level``; linear between evaluations."""
    gap = test - train
    after = int(np.argmax(train <= level))
    if after == 0:
        return float(gap[0])
    return float(np.interp(-level, -train[after - 1 : after + 1], gap[after - 1 : after + 1]))


def _sign(estimate: Estimate) -> int:
    return int(estimate.low > 0) - int(estimate.high < 0)


def _decide(trend: Trend, chosen: Match | None, shift: GapShift | None) -> VerdictName:
    direction = shift.direction if shift else 0
    if trend == "falls" or direction < 0:
        return "not reproduced"
    if trend == "undecided" or chosen is None or not chosen.matches:
        return "inconclusive"
    return "reproduced" if direction > 0 else "partly"


def _describe_shift(shift: GapShift | None) -> dict[str, Any] | None:
    if shift is None:
        return None
    about = {"num_workers": shift.num_workers, "dropout": shift.dropout, "epochs": shift.epochs}
    about["direction"] = shift.direction
    gaps = {"by_delay": shift.by_delay._asdict(), "by_dropout": shift.by_dropout._asdict()}
    return {**about, "train_loss_level": shift.level, **gaps}
