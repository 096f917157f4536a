"""Linear stability: published thresholds, roots on the unit circle, and the simulation itself."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asgd.analyses.stability import characteristic_polynomial, find_threshold, spectral_radius
from asgd.simulator.server import Server

KINDS = [
    (0.0, "server", "pytorch"),
    *[(0.9, where, kind) for where in ("server", "worker") for kind in ("pytorch", "ema")],
]


@pytest.mark.parametrize(
    ("kind", "thresholds"),
    [
        ((0.0, "server", "pytorch"), (0.165159, 0.053241, 0.022601, 0.015787)),
        ((0.9, "server", "pytorch"), (0.012527, 0.004433, 0.002040, 0.001462)),
        ((0.9, "server", "ema"), (0.125273, 0.044326, 0.020397, 0.014621)),
    ],
)
def test_thresholds_at_four_delays(kind: tuple[float, str, str], thresholds: tuple[float, ...]) -> None:
    found = [find_threshold(tau + 1, *kind) for tau in (9, 29, 69, 99)]
    assert found == pytest.approx(thresholds, abs=5e-7)


@pytest.mark.parametrize("tau", [0, 1, 4, 49])
def test_without_momentum_the_threshold_has_a_closed_form(tau: int) -> None:
    assert find_threshold(tau + 1) == pytest.approx(2 * math.sin(math.pi / (2 * (2 * tau + 1))), rel=1e-12)


def test_one_worker_with_momentum_has_the_classical_threshold() -> None:
    """2 (1 + b) for heavy-ball momentum, wherever it lives."""
    for where in ("server", "worker"):
        assert find_threshold(1, 0.9, where) == pytest.approx(3.8)


@pytest.mark.parametrize("num_workers", [1, 2, 10, 30, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_at_the_threshold_the_largest_root_is_on_the_unit_circle(
    num_workers: int, kind: tuple[float, str, str]
) -> None:
    threshold = find_threshold(num_workers, *kind)
    assert spectral_radius(threshold, num_workers, *kind) == pytest.approx(1, abs=1e-9)
    assert spectral_radius(0.9 * threshold, num_workers, *kind) < 1
    assert spectral_radius(1.1 * threshold, num_workers, *kind) > 1


@given(x=st.floats(0.001, 2), num_workers=st.integers(1, 20), kind=st.sampled_from(KINDS))
def test_the_polynomial_is_the_characteristic_equation(
    x: float, num_workers: int, kind: tuple[float, str, str]
) -> None:
    momentum, where, convention = kind
    z, tau = 0.3 - 0.8j, num_workers - 1
    share = 1 - momentum if convention == "ema" else 1
    if where == "worker":
        expected = (z - 1) * (z**num_workers - momentum) + share * x * z
    else:
        expected = z**tau * (z - 1) * (z - momentum) + share * x * z
    assert np.polyval(characteristic_polynomial(x, num_workers, *kind), z) == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_workers", [2, 6])
def test_the_simulation_is_stable_just_below_and_unstable_just_above(
    num_workers: int, kind: tuple[float, str, str]
) -> None:
    """From many starts, in which the workers hold different weights."""
    threshold = find_threshold(num_workers, *kind)
    for factor in (0.97, 1.03):
        starts = torch.randn(num_workers, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        server = Server(starts[0], num_workers, factor * threshold, *kind)
        for sent, start in zip(server.sent, starts, strict=True):
            sent.copy_(start)
        history = []
        for step in range(6000):
            worker = step % num_workers
            server.apply(server.stale(worker).clone(), worker, num_workers - 1)
            server.send(worker)
            history.append(server.weights.abs().numpy())
        early, late = np.max(history[2800:3000], axis=0), np.max(history[-200:], axis=0)
        assert ((late < early) if factor < 1 else (late > early)).all()


@pytest.mark.parametrize("where", ["server", "worker"])
@given(num_workers=st.integers(1, 300), momentum=st.floats(0, 0.99))
def test_the_conventions_differ_by_1_minus_b_in_rate(where: str, num_workers: int, momentum: float) -> None:
    ema, pytorch = (find_threshold(num_workers, momentum, where, kind) for kind in ("ema", "pytorch"))
    assert ema * (1 - momentum) == pytest.approx(pytorch, rel=1e-9)


def test_momentum_at_the_server_never_raises_the_limit_in_effective_rate() -> None:
    """For a staleness of 2 or more; at 0 and 1 it does."""
    for num_workers in (3, 4, 10, 100):
        for momentum in (0.1, 0.5, 0.9, 0.99):
            assert find_threshold(num_workers, momentum, "server", "ema") <= find_threshold(num_workers)
    assert find_threshold(1, 0.9, "server", "ema") > find_threshold(1)


def test_ten_million_workers_have_a_limit_too() -> None:
    m = 10_000_000
    assert find_threshold(m) == pytest.approx(2 * math.sin(math.pi / (2 * (2 * m - 1))), rel=1e-7)


def test_momentum_at_the_workers_raises_the_limit_and_at_the_server_it_does_not() -> None:
    """In effective learning rate, eta / (1 - b): the EMA convention's own."""
    for num_workers in (10, 30, 100):
        none = find_threshold(num_workers)
        assert find_threshold(num_workers, 0.9, "server", "ema") < none
        assert find_threshold(num_workers, 0.9, "worker", "ema") == pytest.approx(1.25 * none, rel=0.1)
