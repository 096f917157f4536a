"""Random workers: mean and mean square against the whole recursion, and against simulated paths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgd.analyses.stability.random_worker import (
    find_mean_square_threshold,
    find_mean_threshold,
    mean_square_radius,
)
from tests.analyses.recursions import step_matrices

KINDS = [(0.0, "server"), (0.9, "server"), (0.9, "worker")]


@pytest.mark.parametrize(("num_workers", "limit"), [(2, 1.281), (10, 0.500), (30, 0.275), (100, 0.147)])
def test_mean_square_limits_without_momentum(num_workers: int, limit: float) -> None:
    assert find_mean_square_threshold(num_workers) == pytest.approx(limit, abs=5e-4)


@pytest.mark.parametrize("num_workers", [1, 2, 10, 1000, 10_000_000])
def test_without_momentum_the_mean_is_stable_up_to_4_m_minus_2(num_workers: int) -> None:
    assert find_mean_threshold(num_workers) == pytest.approx(4 * num_workers - 2)


@pytest.mark.parametrize("where", ["server", "worker"])
def test_one_worker_has_the_classical_limit(where: str) -> None:
    assert find_mean_threshold(1, 0.9, where) == pytest.approx(3.8)
    assert find_mean_square_threshold(1, 0.9, where) == pytest.approx(3.8)


@given(
    x=st.floats(0.01, 3),
    num_workers=st.integers(2, 4),
    momentum=st.sampled_from([0.0, 0.3, 0.9]),
    where=st.sampled_from(["server", "worker"]),
)
def test_the_small_matrix_grows_as_all_second_moments_do(
    x: float, num_workers: int, momentum: float, where: str
) -> None:
    whole = np.mean([np.kron(a, a) for a in step_matrices(x, num_workers, momentum, where)], axis=0)
    growth = np.abs(np.linalg.eigvals(whole)).max()
    assert mean_square_radius(x, num_workers, momentum, where) == pytest.approx(growth, rel=1e-6)


@pytest.mark.parametrize("num_workers", [2, 3, 10, 30])
@pytest.mark.parametrize(("momentum", "where"), KINDS)
def test_at_its_threshold_the_mean_neither_grows_nor_falls(num_workers: int, momentum: float, where: str) -> None:
    threshold = find_mean_threshold(num_workers, momentum, where)

    def radius(factor: float) -> float:
        mean = np.mean(step_matrices(factor * threshold, num_workers, momentum, where), axis=0)
        kinds = np.repeat([0, 1, 2], [1, num_workers, len(mean) - 1 - num_workers])
        alike = np.eye(3)[kinds]  # workers start alike, so their means stay alike
        return float(np.abs(np.linalg.eigvals(np.linalg.pinv(alike) @ mean @ alike)).max())

    assert radius(1.0) == pytest.approx(1, abs=1e-6)
    assert radius(0.97) < 1 < radius(1.03)


def grow_by_splitting(
    x: float, num_workers: int, momentum: float, where: str, num_rounds: int, num_paths: int = 1000
) -> float:
    """Growth of the logarithm of the mean square in a round of m gradients, from simulated paths.

    The mean square is that of a few rare paths. To have them, after each round every path is copied as often, on
    average, as its size is of the mean, and all are given size 1.
    """
    random, rows = np.random.default_rng(7), np.arange(num_paths)
    weights, stale = np.ones(num_paths), np.ones((num_paths, num_workers))
    velocities = np.zeros((num_paths, num_workers if where == "worker" else 1))
    growth = []
    for _ in range(num_rounds):
        for _ in range(num_workers):
            worker = random.integers(num_workers, size=num_paths)
            keeper = worker if where == "worker" else 0
            velocity = momentum * velocities[rows, keeper] + x * stale[rows, worker]
            velocities[rows, keeper] = velocity
            weights = weights - velocity
            stale[rows, worker] = weights
        square = weights**2 + (stale**2).sum(axis=1) + (velocities**2).sum(axis=1)
        growth.append(np.log(square.mean()))
        size, total = np.sqrt(square), np.cumsum(square) / square.sum()
        kept = np.searchsorted(total, (rows + random.random()) / num_paths).clip(0, num_paths - 1)
        weights, stale, velocities = (
            (weights / size)[kept],
            (stale / size[:, None])[kept],
            (velocities / size[:, None])[kept],
        )
    return float(np.mean(growth[num_rounds // 5 :]))


@pytest.mark.parametrize(("momentum", "where"), KINDS)
@pytest.mark.parametrize("num_workers", [2, 10])
def test_simulated_paths_fall_just_below_the_limit_and_grow_just_above(
    num_workers: int, momentum: float, where: str
) -> None:
    limit = find_mean_square_threshold(num_workers, momentum, where)
    for factor in (0.97, 1.03):
        found = grow_by_splitting(factor * limit, num_workers, momentum, where, num_rounds=500)
        expected = num_workers * np.log(mean_square_radius(factor * limit, num_workers, momentum, where))
        assert np.sign(found) == np.sign(expected) == np.sign(factor - 1)
        assert found == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("num_workers", [30, 100])
def test_many_workers_too(num_workers: int) -> None:
    limit = find_mean_square_threshold(num_workers)
    below, above = (
        grow_by_splitting(factor * limit, num_workers, 0.0, "server", num_rounds=50) for factor in (0.97, 1.03)
    )
    assert below < -0.02
    assert above > 0.02
