"""Gradients of every parameter against float64 autograd: max |d| / max |g| <= 1e-5, tensor by tensor."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asgd.settings.run import RunConfig
from asgd.simulator.fused import FusedEngine
from asgd.simulator.networks import shapes as architecture
from tests.simulator.fused_cases import (
    KERNELS,
    compute_exact_gradients,
    constant_images,
    draw_images,
    worst_error,
)

TOLERANCE = 1e-5
#: Closer decisions of a ReLU or a pooling may fall otherwise in float32, in any engine.
MARGIN = 3e-6


def check_gradient(
    config: RunConfig,
    kernels: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    weights: NDArray[np.float32] | None = None,
    loss_tolerance: float = 1e-6,
) -> NDArray[np.float32]:
    engine = FusedEngine(config, images, labels, weights=weights, kernels=kernels)
    before = engine.weights
    masks = None
    if config.dropout:
        generator = np.random.default_rng(config.seed)
        masks = generator.integers(0, 1 << 16, (config.batch_size, architecture.NUM_DROPOUT_UNITS)).astype(np.uint16)
    indices = np.arange(config.batch_size, dtype=np.int32)
    loss, gradient = engine.gradient(indices, masks)
    exact_loss, exact, margin = compute_exact_gradients(config, before, images[indices], labels[indices], masks)
    assert loss == pytest.approx(exact_loss, rel=loss_tolerance)
    assert margin < MARGIN or worst_error(gradient, exact, config.pools) <= TOLERANCE
    assert np.array_equal(engine.weights, before)
    return gradient


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("pools", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 7])
def test_gradients_equal_float64_autograd(kernels: str, pools: int, batch_size: int) -> None:
    images, labels = draw_images(8)
    for output_relu, dropout in itertools.product((False, True), (0.0, 0.3)):
        config = RunConfig(pools=pools, batch_size=batch_size, output_relu=output_relu, dropout=dropout)
        check_gradient(config, kernels, images, labels)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("pools", [1, 2])
@pytest.mark.parametrize("output_relu", [False, True])
def test_gradients_where_every_pooling_window_is_a_tie(kernels: str, pools: int, output_relu: bool) -> None:
    images, labels = constant_images()
    check_gradient(RunConfig(pools=pools, output_relu=output_relu, batch_size=5), kernels, images, labels)


@pytest.mark.parametrize("kernels", KERNELS)
def test_gradients_of_saturated_logits(kernels: str) -> None:
    images, labels = draw_images(4)
    for output_relu in (False, True):
        config = RunConfig(output_relu=output_relu)
        weights = 6 * FusedEngine(config, images, labels, kernels=kernels).weights
        gradient = check_gradient(config, kernels, images, labels, weights, loss_tolerance=1e-5)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("pools", [1, 2])
@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1", "fc2", "fc3"])
def test_gradients_behind_dead_relus(kernels: str, pools: int, layer: str) -> None:
    images, labels = draw_images(4)
    config = RunConfig(pools=pools, output_relu=True)
    weights = FusedEngine(config, images, labels, kernels=kernels).weights
    start = 0
    for name, shape in architecture.parameter_shapes(pools).items():
        if name == f"{layer}.bias":
            weights[start : start + math.prod(shape)] = -100
        start += math.prod(shape)
    gradient = check_gradient(config, kernels, images, labels, weights)
    assert gradient.any() == (layer != "fc3")  # the biases behind a dead layer still learn


@pytest.mark.parametrize("kernels", KERNELS)
@settings(max_examples=40, deadline=None)
@given(
    batch_size=st.integers(1, 10),
    pools=st.sampled_from([1, 2]),
    dropout=st.sampled_from([0.0, 0.05, 0.5, 0.9]),
    output_relu=st.booleans(),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_gradients_of_any_shape(
    kernels: str, batch_size: int, pools: int, dropout: float, output_relu: bool, seed: int, scale: float
) -> None:
    config = RunConfig(batch_size=batch_size, pools=pools, dropout=dropout, output_relu=output_relu, seed=seed)
    images, labels = draw_images(batch_size, seed)
    weights = np.float32(scale) * FusedEngine(config, images, labels, kernels=kernels).weights
    check_gradient(config, kernels, images, labels, weights, loss_tolerance=1e-5)
