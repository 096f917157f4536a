"""The arms at the learning rates that the calibration chose, and how a statement about them is judged."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from asgd.claims.comparisons import find_largest_p, judge_trend
from asgd.claims.verdict import Verdict, VerdictName
from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.settings.statements import Criterion
from asgd.settings.validation import validate
from asgd.tables.arms import Evidence, change
from asgd.tables.statistics import estimate_paired_difference, sign_flip_test

#: The keys that do not say which method is meant: what is calibrated, for how long is trained, and what is looked at.
APART = frozenset({"learning_rate", "epochs", "steps", "evaluations_per_epoch", "train_eval_images"})

_VERDICTS: Mapping[str, VerdictName] = {"rises": "supported", "falls": "contradicted", "undecided": "inconclusive"}


def list_arms(evidence: Evidence, criterion: Criterion = "accuracy") -> list[RunConfig]:
    """All arms that the calibration chose by ``criterion``, each once."""
    entries = evidence.margins.second.statements.calibrated.get(criterion, [])
    arms = (validate(RunConfig, entry, "calibrated") for entry in entries)
    return list({config.arm(): config for config in arms}.values())


def list_calibrated(
    evidence: Evidence, criterion: Criterion = "accuracy", free: Collection[str] = (), **settings: Any
) -> list[RunConfig]:
    """The calibrated arms with the base settings but for ``settings``: of any rate, length and ``free`` keys.

    In the order of params.yaml.
    """
    apart = {*APART, *free, "seed", "engine", "device", "probes"}
    wanted = change(evidence.base, **settings).model_dump(exclude=apart)
    return [config for config in list_arms(evidence, criterion) if config.model_dump(exclude=apart) == wanted]


def find_calibrated(
    evidence: Evidence, criterion: Criterion = "accuracy", free: Collection[str] = (), **settings: Any
) -> RunConfig | None:
    """The calibrated arm with these settings; None without one. Raises AsgdError where there are several."""
    found = list_calibrated(evidence, criterion, free, **settings)
    if len(found) > 1:
        names = " and ".join(config.slug().removesuffix("-seed0") for config in found[:2])
        raise AsgdError(f"calibrated by {criterion}: {names} have the same settings; keep one of them")
    return found[0] if found else None


def compare_accuracies(evidence: Evidence, first: RunConfig | None, second: RunConfig | None) -> dict[str, Any] | None:
    """Paired difference of the final accuracies of two arms, second minus first, in points; None without runs of both.

    Keys: mean, low, high, n, p_value (one-sided, that it is above 0), and the two learning rates as `rates`. Raises
    AsgdError if one arm trains longer than the other.
    """
    if first is None or second is None:
        return None
    check_lengths(first, second)
    accuracies = [evidence.runs_of(config)["final_test_accuracy"] for config in (first, second)]
    both = pd.concat(accuracies, axis="columns", join="inner").to_numpy(dtype=float) * 100
    if not len(both):
        return None
    found = estimate_paired_difference(both[:, 0], both[:, 1], evidence.margins.confidence)
    p_value = sign_flip_test(both[:, 1] - both[:, 0], "greater")
    return {**found._asdict(), "p_value": p_value, "rates": [first.learning_rate, second.learning_rate]}


def check_lengths(*arms: RunConfig) -> None:
    """Raise AsgdError if arms whose final results are compared are of different lengths."""
    for config in arms[1:]:
        if (config.epochs, config.steps) != (arms[0].epochs, arms[0].steps):
            names = " and ".join(arm.slug().removesuffix("-seed0") for arm in (arms[0], config))
            raise AsgdError(f"calibrated: {names} are compared, so give them the same `epochs` or `steps`")


def measure_correction(evidence: Evidence, config: RunConfig) -> float:
    """The size of an arm's correction: the median over its evaluations and runs; nan if none was measured."""
    if "correction" not in evidence.evaluations:
        return math.nan
    runs = set(evidence.runs_of(config)["run"])
    return float(evidence.evaluations.loc[evidence.evaluations["run"].isin(runs), "correction"].median())


def judge_statement(
    claim: str, cells: Sequence[dict[str, Any] | None], confidence: float, unit: str = "points", **about: Any
) -> Verdict:
    """The verdict on a statement that says of each of ``cells`` that its estimate is above 0.

    Supported: all lower limits are above 0. Contradicted: an upper limit is below 0. ``cells``: as of
    ``compare_accuracies``, with names of their own. The weakest one is the verdict's effect; the p-value is the
    largest, for all must hold. Not applicable where a cell is None. ``about``: variant and details.
    """
    if not cells or any(cell is None for cell in cells):
        return Verdict(claim=claim, verdict="not applicable", **about)
    known = [cell for cell in cells if cell is not None]
    trend, weakest = judge_trend(known)
    details = {"cells": known, "weakest": weakest, **about.pop("details", {})}
    return Verdict(
        claim=claim,
        verdict=_VERDICTS[trend],
        effect=weakest["mean"],
        unit=unit,
        interval=(weakest["low"], weakest["high"]),
        confidence=confidence,
        p_value=find_largest_p(known),
        n=min(cell["n"] for cell in known),
        details=details,
        **about,
    )
