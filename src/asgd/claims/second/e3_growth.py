"""E3: Downpour's Adagrad extends the number of workers that can work."""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from asgd.claims.claim import Claim
from asgd.claims.second.calibrated import check_lengths, find_calibrated
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Evidence

CLAIM = Claim(
    id="E3",
    statement="Adagrad, as in Downpour SGD, raises the number of workers that can be used",
    rule="""For each method the largest of {{ say.values("m", margins.second.statements.growing_workers) }} whose mean
        final accuracy is at least {{ margins.second.statements.kept_accuracy | percent("g") }} of that method's at m =
        {{ margins.second.statements.growing_workers[0] }}, every arm at its own calibrated rate. The interval of the
        logarithm (base 10) of the ratio, Adagrad's over plain SGD's, is the percentile bootstrap's over seeds.
        Supported: its lower limit is above 0. Contradicted: its upper limit is below 0. Ceiling: both reach m =
        {{ margins.second.statements.growing_workers[-1] }}.""",
    effect="largest m with Adagrad over the largest m of plain SGD",
    reason="""
        {%- if not found.largest -%}
            not every one of {{ say.values("m", margins.second.statements.growing_workers) }} has paired runs of both
            methods at calibrated rates
        {%- else -%}
            {%- set workers = margins.second.statements.growing_workers -%}
            {%- for method, name in (("adagrad", "Adagrad"), ("sgd", "plain SGD")) -%}
                {%- set accuracies, m = found.accuracy[method], found.largest[method] -%}
                {{ name }} works up to m = {{ m }} ({{ accuracies[workers.index(m)] | percent(".1f") }}, at
                m = {{ workers[0] }} {{ accuracies[0] | percent(".1f") }}){{ "" if loop.last else ", " }}
            {%- endfor -%}
            {{- "; no larger m was tried" if verdict == "ceiling" }}
        {%- endif %}""",
    figure="remedies",
)

METHODS = ("sgd", "adagrad")

RESAMPLES = 9999


def judge(evidence: Evidence) -> list[Verdict]:
    """The largest m of both methods, with a bootstrap over seeds."""
    margins = evidence.margins.second.statements
    table = _tabulate(evidence)
    if table is None:
        return [Verdict(claim=CLAIM.id, verdict="not applicable")]
    workers, confidence = np.array(margins.growing_workers), evidence.margins.confidence
    plain, adagrad = (find_largest(table[name], workers, margins.kept_accuracy) for name in METHODS)
    low, high = _bootstrap(table, workers, margins.kept_accuracy, confidence)
    return [
        Verdict(
            claim=CLAIM.id,
            verdict=_decide(low, high, bool(plain == adagrad == workers[-1])),
            effect=math.log10(adagrad / plain),
            unit="log10 ratio",
            interval=(low, high),
            confidence=confidence,
            n=table["sgd"].shape[0],
            details={
                "largest": {"sgd": int(plain), "adagrad": int(adagrad)},
                "accuracy": {name: table[name].mean(axis=0) for name in METHODS},
            },
        )
    ]


def find_largest(accuracies: NDArray[np.float64], workers: NDArray[np.int64], kept: float) -> NDArray[np.int64]:
    """The largest of ``workers`` whose mean accuracy is at least ``kept`` of that of the first.

    ``accuracies`` [..., seeds, workers]; returns [...].
    """
    means = accuracies.mean(axis=-2)
    works = means >= kept * means[..., :1]
    return np.asarray(np.where(works, workers, 0).max(axis=-1))


def _tabulate(evidence: Evidence) -> dict[str, NDArray[np.float64]] | None:
    """Final accuracies [seeds, workers] of both methods, of the seeds that all arms have; None where one has none."""
    workers = evidence.margins.second.statements.growing_workers
    arms = {
        (name, m): config
        for name in METHODS
        for m in workers
        if (config := find_calibrated(evidence, num_workers=m, update=name)) is not None
    }
    if len(arms) < len(METHODS) * len(workers):
        return None
    check_lengths(*arms.values())
    accuracies = {place: evidence.runs_of(config)["final_test_accuracy"] for place, config in arms.items()}
    table = pd.concat(accuracies, axis="columns", join="inner")
    return {name: table[name].to_numpy(dtype=float) for name in METHODS} if len(table) else None


def _bootstrap(
    table: dict[str, NDArray[np.float64]], workers: NDArray[np.int64], kept: float, confidence: float
) -> tuple[float, float]:
    """Interval of the logarithm of the ratio; a seed is drawn with all its runs. nan for a single seed."""

    def ratio(drawn: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
        plain, adagrad = (find_largest(table[name][drawn], workers, kept) for name in METHODS)
        return np.log10(adagrad / plain)

    seeds = np.arange(table["sgd"].shape[0])
    if len(seeds) < 2:
        return math.nan, math.nan
    found = stats.bootstrap(
        (seeds,),
        ratio,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def _decide(low: float, high: float, ceiling: bool) -> VerdictName:
    if ceiling:
        return "ceiling"
    return "supported" if low > 0 else "contradicted" if high < 0 else "inconclusive"
