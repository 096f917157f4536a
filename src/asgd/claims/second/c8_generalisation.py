"""C8: stochastic descent generalises better than full-batch descent."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asgd.claims.claim import Claim
from asgd.claims.comparisons import find_longest
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Evidence, pair
from asgd.tables.matching import match_values
from asgd.tables.statistics import estimate_paired_difference, sign_flip_test

CLAIM = Claim(
    id="C8",
    statement="SGD generalises better than full-batch gradient descent",
    rule="""SGD with the study's mini-batch and learning rate is compared with full-batch descent at its own rate, of
        at most {{ "{:,}".format(margins.second.generalisation_steps) }} steps; both on
        {{ margins.second.generalisation_images }} training images, with plain logits, at m = 1. For each seed the level
        is the lowest training-subset loss that both runs reach, but at least
        {{ margins.second.generalisation_loss | num("g") }}. The test accuracy of a run is taken where its loss first
        falls to this level, interpolated between evaluations; the difference is SGD minus full-batch descent.
        Reproduced: its lower limit is above 0. Not reproduced: its upper limit is below 0. Not applicable: full-batch
        descent of some seed ends above a loss of {{ margins.second.generalisation_limit | num("g") }}, is cut off
        before it has reached that lowest loss or that many steps, or has no calibrated rate. p-value: one-sided
        sign-flip test. Of several lengths of runs, the longest counts.""",
    effect="test accuracy at matched training loss, SGD minus full batch",
    reason="""
        {%- if not found.rate -%} no calibrated learning rate for full-batch descent
        {%- elif found.absent -%}
            no runs of {{ found.absent | listed }} on {{ margins.second.generalisation_images }} images
        {%- elif not n -%} no seed has runs of both with a training-subset loss
        {%- elif found.cut -%}
            full-batch descent of {{ found.cut | length }} of {{ n }} seeds is cut off above a training loss of
            {{ margins.second.generalisation_loss | num("g") }} before
            {{ "{:,}".format(margins.second.generalisation_steps) }} steps
        {%- elif found.above -%}
            full-batch descent of {{ found.above | length }} of {{ n }} seeds ends above a training loss of
            {{ margins.second.generalisation_limit | num("g") }}
        {%- else -%}
            {%- if not interval -%} {{ say.no_interval(n) }}; {% endif -%}
            compared at a training loss of {{ found.train_loss_level | num(".2f") }} on average: accuracy
            {{ found.sgd | num(".1f") }} % with SGD and {{ found.full_batch | num(".1f") }} % with the full batch at
            learning rate {{ found.rate | num("g") }}
        {%- endif %}""",
)

#: Keys in which the runs compared may differ from the study's: the longest count.
_LENGTH = ("epochs", "steps", "evaluations_per_epoch")


def judge(evidence: Evidence) -> list[Verdict]:
    """Test accuracy at the same training loss, of SGD and of full-batch descent."""
    return [_judge(evidence)]


def _judge(evidence: Evidence) -> Verdict:
    second = evidence.margins.second
    about: dict[str, Any] = {"claim": CLAIM.id, "setting": {"learning_rate": evidence.base.learning_rate}}
    if second.full_batch_rate is None:
        return Verdict(verdict="not applicable", **about)
    details: dict[str, Any] = {"rate": second.full_batch_rate}
    shared = {"num_workers": 1, "num_images": second.generalisation_images, "output_relu": False}
    arms: dict[str, dict[str, Any]] = {
        "SGD": shared,
        "full-batch descent": {**shared, "batch_size": "full", "learning_rate": second.full_batch_rate},
    }
    lengths = {name: find_longest(evidence, [arm], _LENGTH) for name, arm in arms.items()}
    if absent := [name for name, length in lengths.items() if length is None]:
        return Verdict(verdict="not applicable", details={**details, "absent": absent}, **about)
    sgd, full = (_read_curves(evidence, {**arm, **(lengths[name] or {})}) for name, arm in arms.items())
    full = {seed: _end(curve, second.generalisation_steps, second.generalisation_loss) for seed, curve in full.items()}
    seeds = sorted(set(sgd) & set(full))
    higher = [seed for seed in seeds if full[seed].loss[-1] > second.generalisation_loss]
    cut = [seed for seed in higher if full[seed].epochs[-1] < second.generalisation_steps]
    above = [seed for seed in higher if full[seed].loss[-1] > second.generalisation_limit]
    if not seeds or cut or above:
        return Verdict(verdict="not applicable", n=len(seeds), details={**details, "cut": cut, "above": above}, **about)
    matched = [_match(sgd[seed], full[seed], second.generalisation_loss) for seed in seeds]
    by_sgd, by_full = 100 * np.array([accuracies for _, accuracies in matched]).T
    found = estimate_paired_difference(by_full, by_sgd, evidence.margins.confidence)
    details |= {"sgd": float(by_sgd.mean()), "full_batch": float(by_full.mean())}
    return Verdict(
        verdict=_decide(found.low, found.high),
        effect=found.mean,
        unit="points",
        interval=(found.low, found.high),
        confidence=evidence.margins.confidence,
        p_value=sign_flip_test(by_sgd - by_full, "greater"),
        n=len(seeds),
        details={**details, "train_loss_level": float(np.mean([level for level, _ in matched]))},
        **about,
    )


class _Curve(NamedTuple):
    """A run, each [evaluations]."""

    epochs: NDArray[np.float64]
    loss: NDArray[np.float64]  #: of the training subset, nats
    accuracy: NDArray[np.float64]  #: on the test set, in [0, 1]


def _read_curves(evidence: Evidence, arm: dict[str, Any]) -> dict[int, _Curve]:
    """The runs of an arm by seed; none where the training subset was not evaluated."""
    loss, accuracy = pair(*(evidence.curves_of(metric, **arm) for metric in ("train_eval_loss", "test_accuracy")))
    if len(loss.epochs) == 0:
        return {}
    rows = zip(loss.values, accuracy.values, strict=True)
    return {int(seed): _Curve(loss.epochs, *row) for seed, row in zip(loss.seeds, rows, strict=True)}


def _end(curve: _Curve, steps: int, loss: float) -> _Curve:
    """Full-batch descent to this loss or this many steps, whichever comes first: there an epoch is a step."""
    reached = np.flatnonzero(curve.loss <= loss)
    end = min(int(np.searchsorted(curve.epochs, steps, side="right")), *(reached[:1] + 1), len(curve.loss))
    return _Curve(*(column[:end] for column in curve))


def _match(sgd: _Curve, full: _Curve, lowest: float) -> tuple[float, list[float]]:
    return match_values([sgd.loss, full.loss], [sgd.accuracy, full.accuracy], lowest)


def _decide(low: float, high: float) -> VerdictName:
    return "reproduced" if low > 0 else "not reproduced" if high < 0 else "inconclusive"
