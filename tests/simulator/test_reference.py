"""The reference engine against torch.optim, autograd and itself."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asgd.settings.run import RunConfig
from asgd.simulator.networks.paper import PaperNetwork, load_weights, normalize_images
from asgd.simulator.parts import build_network
from asgd.simulator.reference import ReferenceEngine
from asgd.simulator.streams import BatchStream

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (48, 32, 32, 3), dtype=np.uint8)
LABELS = RNG.integers(0, 10, 48)


def engine_of(**settings: Any) -> ReferenceEngine:
    return ReferenceEngine(RunConfig(**settings), IMAGES, LABELS)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_one_worker_equals_torch_optim_sgd_bit_for_bit(momentum: float) -> None:
    config = RunConfig(momentum=momentum, seed=3, learning_rate=0.05)
    engine = ReferenceEngine(config, IMAGES, LABELS)
    network = build_network(config)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=momentum)
    for indices in BatchStream(3, len(IMAGES), 4).indices(np.arange(30)):
        optimizer.zero_grad()
        F.cross_entropy(network(normalize_images(IMAGES[indices])), torch.from_numpy(LABELS[indices])).backward()
        optimizer.step()
        engine.advance(1)
    expected = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
    assert np.array_equal(engine.weights, expected.numpy())


def test_many_workers_match_separate_networks() -> None:
    """The paper-style simulator: m + 1 networks, an optimiser at the server, weights sent back as a state dict."""
    config = RunConfig(num_workers=3, momentum=0.9, seed=1)
    engine = ReferenceEngine(config, IMAGES, LABELS)
    server, *workers = (build_network(config) for _ in range(4))
    optimizer = torch.optim.SGD(server.parameters(), lr=config.learning_rate, momentum=0.9)
    for step, indices in enumerate(BatchStream(1, len(IMAGES), 4).indices(np.arange(20))):
        worker = workers[step % 3]
        worker.zero_grad()
        F.cross_entropy(worker(normalize_images(IMAGES[indices])), torch.from_numpy(LABELS[indices])).backward()
        for mine, theirs in zip(server.parameters(), worker.parameters(), strict=True):
            mine.grad = theirs.grad
        optimizer.step()
        worker.load_state_dict(server.state_dict())
    engine.advance(20)
    expected = torch.cat([parameter.detach().reshape(-1) for parameter in server.parameters()])
    assert np.array_equal(engine.weights, expected.numpy())


@pytest.mark.parametrize(("where", "convention"), list(itertools.product(["server", "worker"], ["pytorch", "ema"])))
def test_how_steps_are_cut_into_calls_changes_nothing(where: str, convention: str) -> None:
    settings = {
        "num_workers": 3,
        "momentum": 0.9,
        "momentum_where": where,
        "momentum_convention": convention,
        "dropout": 0.5,
    }
    whole, parts = engine_of(**settings), engine_of(**settings)
    one = whole.advance(12)
    two = [parts.advance(cut) for cut in (5, 1, 6)]
    assert np.array_equal(whole.weights, parts.weights)
    assert one.gradient_norm == two[-1].gradient_norm
    assert one.loss_sum == pytest.approx(sum(part.loss_sum for part in two), rel=1e-12)


def test_evaluation_changes_nothing() -> None:
    plain, evaluated = engine_of(num_workers=2, dropout=0.3), engine_of(num_workers=2, dropout=0.3)
    plain.advance(6)
    evaluated.advance(3)
    evaluated.evaluate(IMAGES, LABELS)
    evaluated.advance(3)
    assert np.array_equal(plain.weights, evaluated.weights)


def test_a_restored_engine_continues_bit_for_bit() -> None:
    settings: dict[str, Any] = {"num_workers": 4, "momentum": 0.9, "momentum_where": "worker", "dropout": 0.2}
    one, two = engine_of(**settings), engine_of(**settings)
    one.advance(7)
    two.restore(one.state())
    assert one.advance(5) == two.advance(5)
    assert np.array_equal(one.weights, two.weights)
    assert one.tally.state()["staleness"].tolist() == two.tally.state()["staleness"].tolist()


def test_paired_streams_give_all_arms_the_same_start_and_the_same_batches() -> None:
    engines = [engine_of(num_workers=m, momentum=b, seed=5) for m, b in ((1, 0.0), (10, 0.0), (10, 0.9))]
    assert all(np.array_equal(engines[0].weights, engine.weights) for engine in engines)
    # In the first round every gradient is taken at W_0, so the losses show that the batches are the same.
    losses = [engine.advance(1).loss_sum for engine in engines]
    assert losses[0] == losses[1] == losses[2]
    assert engine_of(seed=6).advance(1).loss_sum != losses[0]


def test_the_gradient_is_that_of_the_stale_weights() -> None:
    engine = engine_of(num_workers=2, seed=2)
    start = engine.weights
    engine.advance(1)
    indices = BatchStream(2, len(IMAGES), 4).indices(np.arange(2))[1]
    _, gradient = engine.compute_gradient(torch.from_numpy(start), indices)
    before = engine.weights
    engine.advance(1)
    # PyTorch may fuse the multiplication and the addition, so the last bit may differ.
    assert np.allclose(engine.weights, before - np.float32(0.01) * gradient.numpy(), rtol=0, atol=1e-8)


def test_dropout_0_changes_nothing_and_dropout_does() -> None:
    plain, zero, half = engine_of(), engine_of(dropout=0.0), engine_of(dropout=0.5)
    losses = [engine.advance(4).loss_sum for engine in (plain, zero, half)]
    assert losses[0] == losses[1] != losses[2]


def test_masks_zero_units_and_rescale_the_rest() -> None:
    network = PaperNetwork(dropout=0.5)
    masks = torch.from_numpy(BatchStream(0, 4, 2, 204).masks(np.arange(1))[0].astype(np.int32))
    hidden = []
    network.fc2.register_forward_pre_hook(lambda module, inputs: hidden.append(inputs[0]))
    images = normalize_images(IMAGES[:2])
    network(images)
    network(images, masks)
    assert torch.allclose(hidden[1], hidden[0] * (masks[:, :120] >= 32768) * 2)


@pytest.mark.parametrize(("pools", "output_relu"), list(itertools.product([1, 2], [True, False])))
def test_the_readings_of_the_network(pools: int, output_relu: bool) -> None:
    config = RunConfig(pools=pools, output_relu=output_relu)
    logits = build_network(config)(normalize_images(IMAGES[:8]))
    assert logits.shape == (8, 10)
    assert bool((logits < 0).any()) != output_relu


def test_evaluation_against_a_direct_computation() -> None:
    engine = engine_of(output_relu=False)
    engine.advance(5)
    network = PaperNetwork(output_relu=False)
    load_weights(network, engine.weights)
    logits = network(normalize_images(IMAGES))
    found = engine.evaluate(IMAGES, LABELS)
    assert found.loss == pytest.approx(F.cross_entropy(logits, torch.from_numpy(LABELS)).item(), rel=1e-6)
    assert found.accuracy == pytest.approx((logits.argmax(1).numpy() == LABELS).mean())
    assert found.zero_logit_share == 0


def test_all_logits_zero_gives_loss_ln_10_and_a_gradient_of_exactly_zero() -> None:
    engine = engine_of()
    weights = engine.server.weights
    weights[-10:] = -1e3  # the bias of the logits, under a ReLU
    engine.server.sent[0].copy_(weights)
    found = engine.evaluate(IMAGES, LABELS)
    assert found.zero_logit_share == 1
    assert found.loss == pytest.approx(np.log(10), rel=1e-12)
    interval = engine.advance(3)
    assert (interval.num_zero_gradients, interval.gradient_norm) == (3, 0.0)


class Linear(nn.Module):
    """A module that is not the paper's, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 32 * 32, 10, dtype=torch.float64)
        nn.init.zeros_(self.layer.weight)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layer(images.flatten(1))
        return logits


def test_any_module_in_any_precision() -> None:
    engine = ReferenceEngine(RunConfig(num_workers=2, learning_rate=0.001), IMAGES, LABELS, Linear())
    before = engine.evaluate(IMAGES, LABELS).loss
    engine.advance(100)
    assert engine.weights.dtype == np.float64
    assert engine.evaluate(IMAGES, LABELS).loss < before - 0.3


def test_the_displacement_is_the_distance_to_the_stale_weights() -> None:
    engine = engine_of(num_workers=3)
    engine.advance(6)
    stale = engine.weights
    engine.advance(2)
    assert engine.staleness_displacement() == pytest.approx(float(np.linalg.norm(engine.weights - stale)), rel=1e-5)
    assert engine_of(num_workers=1).staleness_displacement() == 0
