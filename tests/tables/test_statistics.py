"""Statistics against SciPy, closed forms, and the definitions of degenerate input."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from asgd.tables.statistics import (
    adjust_holm,
    average_over_steps,
    describe,
    describe_paired,
    equivalence_test,
    estimate_paired_difference,
    majority_test,
    mcnemar_test,
    ranking_probability,
    sign_flip_test,
    wilson_interval,
)

FIRST = np.array([1.0, 2.5, 0.3, 4.1, 2.2, 3.3])
SECOND = np.array([1.4, 2.9, 0.1, 5.0, 2.9, 3.6])


def estimate_mean(values, confidence=0.95):
    """The estimate of differences that are given themselves."""
    return estimate_paired_difference(np.zeros(len(values)), values, confidence)


quarters = st.integers(-400, 400).map(lambda k: k / 4)  # sums and differences of these are exact


def test_paired_difference_is_that_of_scipy():
    found = estimate_paired_difference(FIRST, SECOND, 0.9)
    reference = stats.ttest_rel(SECOND, FIRST).confidence_interval(0.9)
    assert found.mean == pytest.approx(np.mean(SECOND - FIRST))
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high))
    assert found.n == 6


@given(st.lists(st.tuples(quarters, quarters), min_size=2, max_size=8), quarters)
def test_adding_a_constant_to_both_arms_changes_no_paired_effect(pairs, constant):
    first, second = np.array(pairs).T
    before, after = (estimate_paired_difference(first + c, second + c) for c in (0, constant))
    assert str(before) == str(after)  # a limit may be not-a-number
    shifted = sign_flip_test(second + constant - (first + constant))
    assert shifted == sign_flip_test(second - first)
    p_value = equivalence_test(first, second, -2, 2)
    assert equivalence_test(first + constant, second + constant, -2, 2) == pytest.approx(p_value, nan_ok=True, abs=0)


@given(st.lists(quarters, min_size=1, max_size=8))
def test_exchanging_the_arms_turns_the_effect_around(differences):
    forward, back = estimate_mean(differences), estimate_mean([-d for d in differences])
    assert forward.mean == -back.mean
    assert sign_flip_test(differences, "greater") == sign_flip_test([-d for d in differences], "less")


def test_describe_treats_columns_apart_and_leaves_out_missing_values():
    found = describe([[1.0, 5.0], [2.0, 5.0], [4.0, np.nan]])
    assert found.n.tolist() == [3, 2]
    assert found.mean == pytest.approx([7 / 3, 5])
    assert found.variance == pytest.approx([7 / 3, 0])
    assert found.std == pytest.approx(np.sqrt(found.variance))
    half = stats.t.ppf(0.975, 2) * math.sqrt(7 / 3 / 3)
    assert (found.low[0], found.high[0]) == pytest.approx((7 / 3 - half, 7 / 3 + half))


def test_one_seed_has_a_mean_and_no_interval():
    found = estimate_mean([0.7])
    assert found.mean == 0.7
    assert found.n == 1
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert math.isnan(equivalence_test([1.0], [1.0], -2, 2))
    assert sign_flip_test([3.0]) == 1
    assert sign_flip_test([3.0], "greater") == 0.5
    assert sign_flip_test([-3.0], "greater") == 1


def test_no_seed_has_no_mean():
    assert math.isnan(estimate_mean([]).mean)
    assert math.isnan(sign_flip_test([]))


@pytest.mark.parametrize("seeds", [2, 10])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3, 5.0])
def test_equal_differences_are_no_sample(seeds, shift):
    # Added to other numbers the shift is rounded otherwise each time: that must not make a variance.
    first = np.random.default_rng(seeds).uniform(10, 60, seeds)
    found = estimate_paired_difference(first, first + shift)
    assert found.mean == pytest.approx(shift)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert math.isnan(equivalence_test(first, first + shift, -1, 1))


def test_sums_that_tie_as_decimals_count_as_ties():
    """Accuracies of ten seeds with two decimals: 718 of the 1,024 sign patterns have a sum at least as large."""
    first = np.array([6131, 6129, 6140, 5838, 6085, 6020, 6085, 5912, 5970, 6024])
    second = np.array([6033, 6155, 6133, 5915, 5990, 5917, 6179, 6073, 5812, 5956])
    signs = np.array(list(itertools.product((-1, 1), repeat=10)))
    assert np.count_nonzero(signs @ (second - first) >= (second - first).sum()) == 718
    points = 100 * (second / 10_000) - 100 * (first / 10_000)
    assert sign_flip_test(points, "greater") == 718 / 1024


def test_equal_differences_are_worth_their_signs():
    assert sign_flip_test([0.0, 0.0, 0.0]) == 1
    assert sign_flip_test([0.2, 0.2], "greater") == 1 / 4


def test_the_smallest_difference_of_differences_counts():
    # One image of 10,000, in points.
    found = estimate_paired_difference([51.32, 50.31], [51.42, 50.42])
    assert found.low < 0.105 < found.high
    assert 0 < equivalence_test([51.32, 50.31], [51.42, 50.42], -2, 2) < 0.01


def test_columns_of_equal_differences_have_no_interval_and_others_do():
    found = describe_paired([[1.0, 1.0], [2.0, 2.0]], [[1.5, 1.5], [2.5, 2.6]], scale=100)
    assert np.isnan(found.low).tolist() == [True, False]
    assert found.mean == pytest.approx([50, 55])


def test_a_curve_that_all_runs_share_has_a_band_without_width():
    # 0.1 summed three times and divided by three is not 0.1: rounding must not make a variance.
    found = describe([0.1, 0.1, 0.1])
    assert found.low == found.mean == found.high


def test_sign_flip_test_enumerates_all_signs():
    assert sign_flip_test(np.arange(1.0, 11.0), "greater") == 1 / 1024
    assert sign_flip_test(np.arange(1.0, 11.0)) == 2 / 1024
    # of the 8 sign patterns of (1, 1, -1), 4 have a sum of at least 1
    assert sign_flip_test([1.0, 1.0, -1.0], "greater") == 4 / 8


def test_sign_flip_test_of_many_seeds_is_reproducible():
    differences = np.random.default_rng(1).normal(0.3, 1, 25)
    assert sign_flip_test(differences) == sign_flip_test(differences)
    assert sign_flip_test(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


@pytest.mark.parametrize("margin", [0.5, 0.8, 2.0])
def test_equivalence_is_the_larger_of_two_one_sided_t_tests(margin):
    differences = SECOND - FIRST
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    p_value = equivalence_test(FIRST, SECOND, -margin, margin)
    assert p_value == pytest.approx(max(above, below))
    interval = estimate_mean(differences, 0.9)
    assert (p_value < 0.05) == (-margin < interval.low and interval.high < margin)


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 10), (10, 10), (1, 2)])
def test_wilson_interval_is_that_of_scipy(count, n):
    reference = stats.binomtest(count, n).proportion_ci(0.95, method="wilson")
    assert wilson_interval(count, n) == pytest.approx((reference.low, reference.high))


def test_probabilities_of_nothing_are_unknown():
    assert wilson_interval(0, 0) == (0, 1)
    assert majority_test(0, 0) == 1


def test_majority_is_an_exact_binomial_test():
    assert majority_test(10, 10) == 1 / 1024
    assert majority_test(0, 10) == 1


def test_mcnemar_counts_the_pairs_that_differ():
    fails, trains = [True] * 6, [False] * 6
    assert mcnemar_test(fails, trains) == pytest.approx(2 / 2**6)
    assert mcnemar_test(fails, fails) == 1
    assert mcnemar_test([True, True, False, True], [False, False, True, True]) == pytest.approx(1.0)


def test_mcnemar_one_sided_asks_which_is_true_more_often():
    first, second = [True] * 5 + [False] * 3, [False] * 4 + [True, True, False, False]  # four against one
    assert mcnemar_test(first, second, "greater") == pytest.approx((5 + 1) / 2**5)
    assert mcnemar_test(first, second, "less") == mcnemar_test(second, first, "greater") == pytest.approx(31 / 2**5)
    assert mcnemar_test(first, first, "greater") == 1


def test_holm_multiplies_by_the_number_of_tests_left():
    assert adjust_holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    adjusted = adjust_holm([0.01, math.nan, 0.04])
    assert adjusted[0::2] == pytest.approx([0.02, 0.04])
    assert math.isnan(adjusted[1])
    assert adjust_holm([]) == []


def test_area_is_a_mean_over_uneven_steps():
    assert average_over_steps([0, 10, 40], [[1, 1, 1], [0, 10, 10]]) == pytest.approx([1, (50 + 300) / 40])
    assert average_over_steps([7], [[2.5]]) == pytest.approx([2.5])
    steps = np.linspace(0, 3, 400)
    assert average_over_steps(steps, steps**2) == pytest.approx(3, abs=1e-4)


def test_ranking_probability_counts_the_pairs_won_and_half_the_ties():
    assert ranking_probability([3, 1], [2, 1]) == (2 + 0.5) / 4
    assert ranking_probability([2], [1, 0]) == 1
    assert np.isnan(ranking_probability([], [1]))
