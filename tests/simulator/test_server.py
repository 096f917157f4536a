"""The protocol of Section II: copies, and the delayed recursion."""

import math
from collections.abc import Callable

import pytest
import torch

from asgd.simulator.server import Server

KINDS = [
    (0.0, "server", "pytorch"),
    *[(0.9, where, kind) for where in ("server", "worker") for kind in ("pytorch", "ema")],
]


def step(server: Server, t: int, gradient: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Step t of the paper's protocol."""
    num_workers = len(server.sent)
    worker = t % num_workers
    server.apply(gradient(server.stale(worker)), worker, min(t, num_workers - 1))
    server.send(worker)


def run_quadratic(server: Server, curvature: float, steps: int) -> list[float]:
    """Weights W_0 ... W_steps of delayed descent on curvature * w^2 / 2."""
    history = [float(server.weights)]
    for t in range(steps):
        step(server, t, lambda weights: curvature * weights)
        history.append(float(server.weights))
    return history


@pytest.mark.parametrize(("momentum", "where", "convention"), KINDS)
@pytest.mark.parametrize("num_workers", [1, 3, 8])
def test_the_delayed_recursion_on_a_quadratic(num_workers: int, momentum: float, where: str, convention: str) -> None:
    """W_{t+1} = W_t - eta v_t, with v_t of the server's steps or of the worker's own (t - m)."""
    curvature, eta, start = 0.7, 0.05, 1.5
    server = Server(torch.tensor([start], dtype=torch.float64), num_workers, eta, momentum, where, convention)
    got = run_quadratic(server, curvature, 60)

    share = 1 - momentum if convention == "ema" else 1.0
    back = num_workers if where == "worker" else 1
    weights, velocities = [start], []
    for t in range(60):
        gradient = curvature * weights[max(0, t - (num_workers - 1))]
        previous = velocities[t - back] if t >= back else 0.0
        velocities.append(momentum * previous + share * gradient)
        weights.append(weights[t] - eta * velocities[t])
    assert got == pytest.approx(weights, rel=1e-13)


def test_plain_delayed_descent_matches_its_closed_form() -> None:
    """W_t = sum_k (-x)^k C(t - tau k, k) while t - tau k >= k, the delayed exponential (x = eta lambda, tau >= 0).

    It solves W_{t+1} = W_t - x W_{t-tau} with W_t = 1 for t <= 0, so it starts tau steps before the simulation's W_0,
    whose first round uses W_0 throughout.
    """
    num_workers, x = 5, 0.08
    tau = num_workers - 1
    server = Server(torch.ones(1, dtype=torch.float64), num_workers, x)
    got = run_quadratic(server, 1.0, 80)
    expected = [
        sum((-x) ** k * math.comb(t - tau * (k - 1), k) for k in range(80) if t - tau * (k - 1) >= k) for t in range(81)
    ]
    assert got == pytest.approx(expected, rel=1e-12)


def test_ema_at_the_server_is_the_pytorch_convention_at_a_smaller_rate() -> None:
    weights = torch.ones(3, dtype=torch.float64)
    ema = Server(weights, 4, 0.1, 0.9, "server", "ema")
    pytorch = Server(weights, 4, 0.1 * (1 - 0.9), 0.9, "server", "pytorch")
    for t in range(50):
        for server in (ema, pytorch):
            step(server, t, lambda weights: 0.5 * weights)
    assert torch.allclose(ema.weights, pytorch.weights, rtol=1e-13)


def test_stale_weights_are_copies() -> None:
    start = torch.ones(4)
    server = Server(start, 3, 0.5)
    storages = {tensor.data_ptr() for tensor in (start, server.weights, *server.sent)}
    assert len(storages) == 5
    step(server, 0, torch.ones_like)
    assert torch.equal(server.stale(0), server.weights)
    assert torch.equal(server.stale(1), torch.ones(4))
    step(server, 1, torch.ones_like)
    assert torch.equal(server.stale(0), torch.full((4,), 0.5))
    assert torch.equal(start, torch.ones(4))


@pytest.mark.parametrize("where", ["server", "worker"])
@pytest.mark.parametrize("convention", ["pytorch", "ema"])
def test_momentum_0_changes_nothing(where: str, convention: str) -> None:
    plain, zero = Server(torch.ones(2), 3, 0.1), Server(torch.ones(2), 3, 0.1, 0.0, where, convention)
    for t in range(9):
        for server in (plain, zero):
            step(server, t, lambda weights: weights**3)
    assert torch.equal(plain.weights, zero.weights)


@pytest.mark.parametrize("tau", [0, 1, 9, 29])
def test_the_stability_threshold_of_delayed_descent(tau: int) -> None:
    """Stable for x < 2 sin(pi / (2 (2 tau + 1))), unstable above."""
    threshold = 2 * math.sin(math.pi / (2 * (2 * tau + 1)))
    last = []
    for factor in (0.95, 1.05):
        server = Server(torch.ones(1, dtype=torch.float64), tau + 1, factor * threshold)
        last.append(max(map(abs, run_quadratic(server, 1.0, 200 * (tau + 1))[-2 * (tau + 1) :])))
    assert last[0] < 0.5 < 5 < last[1]
