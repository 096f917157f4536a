"""C6: whether delay acts like dropout. The rule is in ``asgd.claims.first``."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.claims.comparisons import Trend, compare_areas, difference_after_first_epoch, judge_trend, list_values
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Curves, Study, pair
from asgd.tables.statistics import Estimate, estimate_paired_difference


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


def judge_regulariser(study: Study) -> Verdict:
    """C6: (a) dropout slows too, (b) some rate matches some delay, (c) the train-test gap moves the same way."""
    about: dict[str, Any] = {"id": "C6", "claim": "raising the dropout rate looks like raising m; delay may regularise"}
    rates = study.values_of("dropout", num_workers=1)
    workers = [m for m in study.values_of("num_workers", dropout=0.0) if m > 1]
    if 0 not in rates or len(rates) < 2 or not workers:
        reason = f"it needs m > 1, and dropout 0 and more at m = 1; there are {_list_arms(workers, rates)}"
        return Verdict(**about, verdict="not applicable", reason=reason)
    areas = compare_areas(study, "dropout", rates, num_workers=1)
    trend, weakest = judge_trend(areas)
    matches = _match_curves(study, workers, rates)
    chosen = _choose(matches)
    compared, epochs = _choose_long(study, matches)
    shift = _compare_gaps(study, compared, epochs) if compared else None
    by_delay = shift.by_delay if shift else None
    return Verdict(
        **about,
        verdict=_decide(trend, chosen, shift),
        effect=by_delay.mean if by_delay else None,
        unit="nats",
        effect_name="change of the train-test gap with delay, at matched training loss",
        interval=(by_delay.low, by_delay.high) if by_delay else None,
        confidence=study.margins.confidence,
        n=min(found["n"] for found in areas),
        reason=_explain(trend, weakest, chosen, shift),
        details={"areas": areas, "matches": [vars(match) for match in matches], "gap": _describe_shift(shift)},
    )


def _list_arms(workers: Sequence[int], rates: Sequence[float]) -> str:
    return f"{list_values('m', workers or ['none'])} and {list_values('p', rates or ['none'])}"


def _match_curves(study: Study, workers: Sequence[int], rates: Sequence[float]) -> list[Match]:
    """Every m > 1 with every p > 0, of the arms all of whose runs trained: two failed arms match, and mean nothing."""
    delayed = {m: _trained_curves(study, m, 0.0) for m in workers}
    dropped = {p: _trained_curves(study, 1, p) for p in rates if p > 0}
    pairs = itertools.product(delayed.items(), dropped.items())
    found = [_match(study, m, p, first, second) for (m, first), (p, second) in pairs if first and second]
    return [match for match in found if match is not None]


def _trained_curves(study: Study, num_workers: int, dropout: float) -> Curves | None:
    arm: dict[str, Any] = {"num_workers": num_workers, "dropout": dropout}
    trained = (study.runs_of(**arm)["outcome"] == "trained").all()
    return study.curves_of("test_accuracy", **arm) if trained else None


def _match(study: Study, m: int, p: float, first: Curves, second: Curves) -> Match | None:
    margins = study.margins
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


def _choose_long(study: Study, matches: Sequence[Match]) -> tuple[Match | None, float]:
    """The pair whose gaps are compared and for how many epochs: the longest runs that a pair and plain SGD have."""
    lengths = study.values_of("epochs", num_workers=1, dropout=0.0)
    for epochs in sorted((length for length in lengths if length >= study.base.epochs), reverse=True):
        if chosen := _choose([match for match in matches if _has_runs(study, match, epochs)]):
            return chosen, epochs
    return None, study.base.epochs


def _has_runs(study: Study, match: Match, epochs: float) -> bool:
    return all(len(study.runs_of(**arm)) for arm in _gap_arms(match, epochs))


def _gap_arms(match: Match, epochs: float) -> list[dict[str, Any]]:
    """Plain SGD, the delay and the dropout rate, in runs of this length."""
    return [
        {"num_workers": 1, "dropout": 0.0, "epochs": epochs},
        {"num_workers": match.num_workers, "dropout": 0.0, "epochs": epochs},
        {"num_workers": 1, "dropout": match.dropout, "epochs": epochs},
    ]


def _compare_gaps(study: Study, compared: Match, epochs: float) -> GapShift | None:
    """The gap of plain SGD, of the delay and of the dropout rate, at the lowest training loss that all runs reach."""
    losses = [_losses(study, arm) for arm in _gap_arms(compared, epochs)]
    seeds = sorted(set.intersection(*(set(found) for found in losses)))
    if not seeds:
        return None
    level = max(float(found[seed][0].min()) for found in losses for seed in seeds)
    plain, delayed, dropped = ([_gap_at(level, *found[seed]) for seed in seeds] for found in losses)
    by_delay, by_dropout = (
        estimate_paired_difference(plain, other, study.margins.confidence) for other in (delayed, dropped)
    )
    return GapShift(compared.num_workers, compared.dropout, epochs, level, by_delay, by_dropout)


def _losses(study: Study, arm: dict[str, Any]) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Loss on the training subset and on the test set, each [evaluations], of every seed that has both."""
    train, test = pair(*(study.curves_of(metric, **arm) for metric in ("train_eval_loss", "test_loss")))
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


def _explain(trend: Trend, weakest: dict[str, Any], chosen: Match | None, shift: GapShift | None) -> str:
    size = f"{weakest['mean']:+z.3f} nats [{weakest['low']:+z.3f}, {weakest['high']:+z.3f}]"
    words = {"rises": "rises at every step of p, least", "falls": "falls", "undecided": "does not surely rise"}
    slowing = f"(a) the mean training loss {words[trend]} from p = {weakest['from']} to {weakest['to']}: {size}"
    parts = [slowing, _explain_match(chosen), _explain_shift(shift)]
    if _decide(trend, chosen, shift) == "partly":
        parts.append("slows alike, not shown to regularise")
    return "; ".join(parts)


def _explain_match(chosen: Match | None) -> str:
    if chosen is None:
        return "(b) no arms that all trained have evaluations after the first epoch to compare"
    if not chosen.matches:
        return "(b) no m > 1 has a p whose accuracy curve matches"
    return f"(b) m = {chosen.num_workers} matches p = {chosen.dropout:g}, {chosen.difference:.1f} points apart"


def _explain_shift(shift: GapShift | None) -> str:
    if shift is None:
        return "(c) no train-test gaps to compare"
    sizes = f"{shift.by_delay.mean:+z.3f} nats with m = {shift.num_workers}"
    sizes += f" and {shift.by_dropout.mean:+z.3f} with p = {shift.dropout:g}"
    where = f"over {shift.epochs:g} epochs, at training loss {shift.level:.2f}"
    return f"(c) {where}, the train-test gap {_describe_move(shift)}, {sizes}"


def _describe_move(shift: GapShift) -> str:
    if shift.direction > 0:
        return "widens with both" if _sign(shift.by_delay) > 0 else "narrows with both"
    return "moves opposite ways" if shift.direction < 0 else "moves in no sure common direction"


def _describe_shift(shift: GapShift | None) -> dict[str, Any] | None:
    if shift is None:
        return None
    about = {"num_workers": shift.num_workers, "dropout": shift.dropout, "epochs": shift.epochs}
    gaps = {"by_delay": shift.by_delay._asdict(), "by_dropout": shift.by_dropout._asdict()}
    return {**about, "train_loss_level": shift.level, **gaps}
