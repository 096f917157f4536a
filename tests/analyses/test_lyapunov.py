"""The limit of any schedule, from the simulated recursion: against limits that are known exactly."""

import numpy as np
import pytest
from numpy.typing import NDArray

from asgd.analyses.stability import find_threshold, lyapunov
from asgd.analyses.stability.limits import find_limit
from asgd.analyses.stability.lyapunov import Order, find_simulated_threshold, lyapunov_exponent
from asgd.analyses.stability.random_worker import find_mean_square_threshold
from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from tests.analyses.recursions import step_matrices

KINDS = [
    (0.0, "server", "pytorch"),
    *[(0.9, where, kind) for where in ("server", "worker") for kind in ("pytorch", "ema")],
]


@pytest.fixture(autouse=True)
def _short_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lyapunov, "NUM_GRADIENTS", 20_000)


def in_turn(num_workers: int) -> Order:
    return lambda seed, number: np.arange(number) % num_workers


def at_random(num_workers: int) -> Order:
    def order(seed: int, number: int) -> NDArray[np.int64]:
        return np.random.default_rng(seed).integers(num_workers, size=number)

    return order


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_workers", [2, 10, 100])
def test_round_robin_has_its_exact_limit(num_workers: int, kind: tuple[float, str, str]) -> None:
    found = find_simulated_threshold(in_turn(num_workers), num_workers, *kind)
    assert found.threshold == pytest.approx(find_threshold(num_workers, *kind), rel=2e-3)
    assert found.error == 0


@pytest.mark.parametrize(("momentum", "where"), [(0.0, "server"), (0.9, "server"), (0.9, "worker")])
def test_the_exponent_is_that_of_the_product_of_matrices(momentum: float, where: str) -> None:
    m, x = 3, 0.4
    workers = np.random.default_rng(2).integers(m, size=3000)
    matrices = step_matrices(x, m, momentum, where)
    state, growth = np.array([1.0] * (1 + m) + [0.0] * (len(matrices[0]) - 1 - m)), []
    for worker in workers:
        state = matrices[worker] @ state
        size = np.linalg.norm(state)
        state = state / size
        growth.append(np.log(size))
    kept = np.cumsum(growth)[m - 1 :: m][100:]
    expected = np.polyfit(np.arange(len(kept)), kept, 1)[0] / m
    assert lyapunov_exponent(workers, x, m, momentum, where) == pytest.approx(expected, rel=1e-9)


def test_a_path_that_arrives_exactly_is_stable_and_one_that_overflows_is_not() -> None:
    workers = np.zeros(200, np.int64)
    assert lyapunov_exponent(workers, 1.0, 1) == -np.inf
    assert lyapunov_exponent(workers, 1e200, 1) == np.inf


def test_a_single_path_is_stable_beyond_the_mean_square() -> None:
    for m in (2, 10, 100):
        found = find_simulated_threshold(at_random(m), m)
        assert find_mean_square_threshold(m) < found.threshold - found.error


def test_exponential_times_have_the_limit_of_random_workers() -> None:
    """At twice the sum of both 95 % intervals."""
    m = 10
    drawn = find_simulated_threshold(at_random(m), m)
    timed = find_limit(RunConfig(num_workers=m, schedule="latency", latency_cv=1.0))
    assert abs(timed.threshold - drawn.threshold) < 2 * (timed.error + drawn.error)
    assert 0 < timed.error < 0.05 * timed.threshold


def test_equal_times_are_round_robin_and_spread_out_times_are_less_harmful() -> None:
    limits = [find_limit(RunConfig(num_workers=10, schedule="latency", latency_cv=cv)).threshold for cv in (0.0, 0.3)]
    assert limits[0] == pytest.approx(find_threshold(10), rel=1e-3)
    assert limits[1] > 1.1 * limits[0]


def test_one_worker_needs_no_simulation() -> None:
    for schedule in ("round_robin", "random", "latency"):
        limit = find_limit(RunConfig(schedule=schedule))
        assert (limit.threshold, limit.error) == (pytest.approx(2), 0)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"num_workers": 2001}, r"num_workers = 2,001: .* for at most 2,000 workers; take fewer"),
        (
            {"num_workers": 30, "momentum": 0.999, "momentum_where": "worker"},
            r"momentum = 0.999: a velocity lasts 30,000 gradients, too long for the simulated paths of 20,000",
        ),
    ],
)
def test_what_paths_cannot_tell_is_refused(run: dict[str, object], message: str) -> None:
    with pytest.raises(AsgdError, match=message):
        find_limit(RunConfig.model_validate({"schedule": "latency", **run}))


def test_a_worker_that_is_never_heard_leaves_no_limit() -> None:
    with pytest.raises(AsgdError, match="some workers are hardly heard"):
        find_simulated_threshold(lambda seed, number: np.zeros(number, np.int64), 2)


@pytest.mark.parametrize("schedule", [{"latency_cv": 30}, {"slow_share": 0.5, "slow_factor": 1000}])
def test_very_uneven_times_have_a_limit_below_that_of_one_worker(schedule: dict[str, float]) -> None:
    """Where one worker is so fast that it works alone, nearly that."""
    limit = find_limit(RunConfig.model_validate({"num_workers": 10, "schedule": "latency", **schedule}))
    assert find_threshold(10) < limit.threshold < 2


def test_a_server_that_is_always_busy_makes_round_robin() -> None:
    limit = find_limit(RunConfig(num_workers=10, schedule="latency", server_time=50.0))
    assert limit.threshold == pytest.approx(find_threshold(10), rel=2e-3)
