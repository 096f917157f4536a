"""The statistics of the study: thin, exact functions over SciPy and statsmodels, with degenerate input defined.

Layouts: ``differences`` is [seeds], one paired difference a seed; ``values`` is [seeds, ...], seeds first. Where a
single seed leaves an interval or a test undefined the result is not-a-number. So it is where all paired differences are
equal: a sample of runs has a spread, so that is what equal runs look like, and a t-interval of zero width would claim
certainty from two of them. (A sign-flip test says what equal differences are worth: no less than 1 in 2^seeds.)
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

#: Sign patterns that are enumerated exactly (16 seeds); beyond it, as many are drawn from a fixed generator.
MAX_SIGN_PATTERNS = 2**16

#: The level of the intervals that tables and figures show, which say 95 %. The margins have that of the verdicts.
SHOWN = 0.95

Alternative = Literal["two-sided", "greater", "less"]


class Estimate(NamedTuple):
    """A mean with its interval, in the unit of the values; limits that are undefined are not-a-number."""

    mean: float
    low: float
    high: float
    n: int


class Description(NamedTuple):
    """Mean, variance and standard deviation (n - 1 in the denominator) and t-interval of the mean; arrays [...]."""

    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    std: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def describe(values: ArrayLike, confidence: float = SHOWN) -> Description:
    """Describe each column of ``values`` [seeds, ...] over seeds; missing values (nan) do not count.

    A column of equal values has variance 0 and limits that are its mean, as the band around a curve has.
    """
    data = np.asarray(values, dtype=float)
    n = np.sum(~np.isnan(data), axis=0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.nansum(data, axis=0) / n
        # A constant column has no variance at all: rounding of its mean must not invent one.
        deviations = np.where(_is_constant(data), 0.0, data - mean)
        variance = np.where(n > 1, np.nansum(deviations**2, axis=0) / (n - 1.0), np.nan)
        std = np.sqrt(variance)
        half = stats.t.ppf((1 + confidence) / 2, np.maximum(n - 1, 1)) * std / np.sqrt(n)
        return Description(n, mean, variance, std, mean - half, mean + half)


def describe_paired(first: ArrayLike, second: ArrayLike, confidence: float = SHOWN, scale: float = 1.0) -> Description:
    """Describe ``scale`` times ``second - first``, both [seeds, ...] in the same order, with paired t-intervals.

    Where the differences of all seeds are equal there is no interval, and the limits are not-a-number.
    """
    differences, equal = _pair(first, second)
    found = describe(scale * differences, confidence)
    return found._replace(low=np.where(equal, np.nan, found.low), high=np.where(equal, np.nan, found.high))


def estimate_paired_difference(first: ArrayLike, second: ArrayLike, confidence: float = SHOWN) -> Estimate:
    """Mean of ``second - first``, both [seeds] in the same order of seeds, with its paired t-interval."""
    found = describe_paired(first, second, confidence)
    return Estimate(float(found.mean), float(found.low), float(found.high), int(found.n))


def sign_flip_test(differences: ArrayLike, alternative: Alternative = "two-sided") -> float:
    """p-value of the paired sign-flip test of the mean. One seed gives 1 (or 1/2, one-sided).

    Exact up to 16 seeds; of more, a sample of the sign patterns is drawn, the same each time.
    """
    values = np.asarray(differences, dtype=float)
    if len(values) == 0 or not np.isfinite(values).all():
        return float("nan")
    if largest := np.abs(values).max():
        # Whole numbers of 12 digits, whose sums are exact: decimals that tie would else differ by rounding.
        values = np.rint(values * 10.0 ** (11 - math.floor(math.log10(largest))))
    if len(values) == 1:  # SciPy refuses it; the two sign patterns are enumerated here
        signed = {"two-sided": 0.0, "greater": values[0], "less": -values[0]}[alternative]
        return 0.5 if signed > 0 else 1.0
    return float(
        stats.permutation_test(
            (values,),
            lambda data, axis: np.mean(data, axis=axis),
            permutation_type="samples",
            n_resamples=MAX_SIGN_PATTERNS,
            alternative=alternative,
            rng=np.random.default_rng(0),
        ).pvalue
    )


def equivalence_test(first: ArrayLike, second: ArrayLike, low: float, high: float) -> float:
    """p-value of the paired two one-sided t-tests (TOST) that the mean of ``second - first`` lies in (low, high).

    Both [seeds]. nan for fewer than two seeds, and where all differences are equal.
    """
    differences, equal = _pair(first, second)
    if len(differences) < 2 or equal:
        return float("nan")
    return float(ttost_paired(differences, np.zeros_like(differences), low, high)[0])


def wilson_interval(count: int, n: int, confidence: float = SHOWN) -> tuple[float, float]:
    """Wilson interval of a probability from ``count`` of ``n``; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    low, high = proportion_confint(count, n, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def majority_test(count: int, n: int) -> float:
    """p-value of the exact binomial test that a probability, seen ``count`` times in ``n``, exceeds 1/2 (n = 0: 1)."""
    return float(stats.binomtest(count, n, 0.5, alternative="greater").pvalue) if n else 1.0


def mcnemar_test(first: ArrayLike, second: ArrayLike, alternative: Alternative = "two-sided") -> float:
    """p-value of the exact McNemar test on paired outcomes, both boolean [seeds]; 1 if no pair differs.

    ``greater``: one-sided, that ``first`` is true more often than ``second``; ``less``: the opposite.
    """
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    more, less = int(np.sum(a & ~b)), int(np.sum(~a & b))
    if alternative != "two-sided":
        return majority_test(more if alternative == "greater" else less, more + less)
    return float(mcnemar([[np.sum(a & b), more], [less, np.sum(~a & ~b)]], exact=True).pvalue)


def ranking_probability(first: ArrayLike, second: ArrayLike) -> float:
    """Probability that one of ``first`` exceeds one of ``second``, ties half (the area under the ROC curve); or nan."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return float(stats.mannwhitneyu(a, b).statistic / (len(a) * len(b))) if len(a) and len(b) else float("nan")


def adjust_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment of ``p_values``; not-a-number stays so and does not count as a test."""
    values = np.asarray(p_values, dtype=float)
    tested = ~np.isnan(values)
    if tested.any():
        values[tested] = multipletests(values[tested], method="holm")[1]
    return [float(value) for value in values]


def average_over_steps(steps: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
    """Area under each curve, by the trapezoid rule, over the range of steps: a mean value, in the unit of ``values``.

    ``steps`` [evaluations] ascending, ``values`` [..., evaluations]; returns [...]. One evaluation is its own mean.
    """
    x, y = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
    if len(x) == 1:
        return np.asarray(y[..., 0])
    return np.asarray(np.trapezoid(y, x, axis=-1) / (x[-1] - x[0]))


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """``second - first``, [seeds, ...], and in which columns [...] all differences are equal but for their rounding."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    differences = b - a
    if len(differences) == 0:
        return differences, np.ones(differences.shape[1:], dtype=bool)
    size = np.maximum(np.abs(a), np.abs(b)).max(axis=0)
    return differences, np.asarray(np.ptp(differences, axis=0) <= 4 * np.finfo(float).eps * size)


def _is_constant(data: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether all numbers of a column of ``data`` [seeds, ...] are equal."""
    if len(data) == 0:
        return np.ones(data.shape[1:], dtype=bool)
    filled = np.where(np.isnan(data), -np.inf, data)
    return np.asarray(np.all(np.isnan(data) | (data == filled.max(axis=0)), axis=0))
