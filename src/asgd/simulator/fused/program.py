"""The compiled program: server steps of a whole run, and evaluation. `build` makes it for either set of kernels."""

import math
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from asgd.simulator.fused import network
from asgd.simulator.fused import vector as kernels
from asgd.simulator.fused.floating_point import flush_denormals, restore_control
from asgd.simulator.fused.layout import CLASSES, TILE, Dense
from asgd.simulator.fused.network import backward, forward, head, prepare_taps, transpose_maps
from asgd.simulator.fused.options import INNER, OPTIONS
from asgd.simulator.fused.sink import ADD, DESCEND, MOMENTUM, STORE, Sink
from asgd.simulator.fused.vectors import scalar


class Settings(NamedTuple):
    """What distinguishes runs, as numbers that the kernels take at run time: one compilation serves all."""

    num_workers: int
    batch_size: int
    pools: int
    num_features: int
    layers: tuple[Dense, Dense, Dense]
    num_weights: int  #: distance of two weight vectors in the ring
    output_relu: bool
    momentum: np.float32
    momentum_at_worker: bool
    rate: np.float32  #: minus the learning rate
    dropout_threshold: int  #: a unit is dropped where its 16-bit number is smaller; 0: no dropout
    dropout_scale: np.float32
    num_masks: int  #: 16-bit numbers per sample


class Data(NamedTuple):
    """Images and what a call does with them."""

    images: NDArray[np.uint8]  #: all, flat
    labels: NDArray[np.int64]
    indices: NDArray[np.int32]  #: flat [steps, batch_size]
    masks: NDArray[np.uint16]  #: flat [steps, batch_size, num_masks]


def take_gradient(weights, at, data, step, s, settings, sink):  # type: ignore[no-untyped-def]
    """One mini-batch, tile by tile, into ``sink``. Returns its mean loss and whether its gradient is not zero."""
    prepare_taps(weights, at, s)
    kernels.spread_filters(weights, at, s)
    bias = at + settings.layers[2].bias
    loss, alive = 0.0, False
    for tile in range(0, settings.batch_size, TILE):
        first = step * settings.batch_size + tile
        count = min(TILE, settings.batch_size - tile)
        forward(weights, at, data, first, count, s, settings)
        transpose_maps(s)
        tile_loss, _, _ = head(weights, bias, data, first, count, s, settings)
        loss += tile_loss
        for i in range(CLASSES * TILE):
            alive |= scalar(s.deltas, i) != 0
        backward(weights, at, s, settings, sink if tile == 0 else with_mode(sink, np.int64(ADD)))
    return loss / settings.batch_size, alive


def with_mode(sink, mode):  # type: ignore[no-untyped-def]
    """The same sink in another mode."""
    places = sink.gradient, sink.velocities, sink.velocity, sink.ring, sink.source, sink.target
    return Sink(mode, *places, sink.momentum, sink.rate)


def take_steps(data, num_steps, first_step, loss, ring, velocities, s, settings):  # type: ignore[no-untyped-def]
    """Server steps ``first_step``, ...: ``loss`` and theirs, the steps of zero gradient, the last gradient's norm.

    ``ring`` holds each worker's copy of the weights. The newest copy is the server's: that of the worker served
    last. So W_{t+1} = W_t + ... reads one slot and writes the next, and no weights are ever copied.
    """
    control = flush_denormals()
    num_zero, norm = 0, 0.0
    for step in range(num_steps):
        worker = (first_step + step) % settings.num_workers
        served = (first_step + step - 1) % settings.num_workers
        stepping = np.int64(MOMENTUM if settings.momentum > 0 else DESCEND)
        # The norm needs the whole gradient, and so does a mini-batch of several tiles.
        at_once = kernels.APPLIES_AT_ONCE and settings.batch_size <= TILE and step < num_steps - 1
        sink = Sink(
            stepping if at_once else np.int64(STORE),
            s.gradient,
            velocities,
            worker * settings.num_weights if settings.momentum_at_worker else 0,
            ring,
            served * settings.num_weights,
            worker * settings.num_weights,
            settings.momentum,
            settings.rate,
        )
        step_loss, alive = take_gradient(ring, sink.target, data, step, s, settings, sink)
        loss += step_loss
        num_zero += not alive
        if step == num_steps - 1:
            norm = gradient_norm(s.gradient)
        if not at_once:
            apply_gradient(s.gradient, settings.num_weights, stepping, sink)
    restore_control(control)
    return loss, num_zero, norm


def apply_gradient(gradient, size, mode, sink):  # type: ignore[no-untyped-def]
    """The server's step with a gradient that was collected; the same operations as at once, so the same bits."""
    kernels.apply_row(gradient, 0, 0, size, with_mode(sink, mode))


def gradient_norm(gradient):  # type: ignore[no-untyped-def]
    """Euclidean norm, summed in double precision."""
    total = 0.0
    for i in range(gradient.size):
        total += np.float64(scalar(gradient, i)) ** 2
    return math.sqrt(total)


def evaluate(data, num_images, ring, at, s, settings):  # type: ignore[no-untyped-def]
    """Sum of losses, number of correct images and number of images whose logits are all zero."""
    control = flush_denormals()
    loss, correct, silent = 0.0, 0, 0
    prepare_taps(ring, at, s)
    bias = at + settings.layers[2].bias
    for first in range(0, num_images, TILE):
        count = min(TILE, num_images - first)
        forward(ring, at, data, first, count, s, settings)
        tile_loss, tile_correct, tile_silent = head(ring, bias, data, first, count, s, settings)
        loss += tile_loss
        correct += tile_correct
        silent += tile_silent
    restore_control(control)
    return loss, correct, silent


class Program(NamedTuple):
    """The entry points, compiled."""

    take_steps: Callable[..., tuple[float, int, float]]
    evaluate: Callable[..., tuple[float, int, int]]


def build(chosen: ModuleType) -> Program:
    """The simulation with the kernels of one module. Compiles at the first call."""
    names: dict[str, Any] = {**vars(network), **globals(), "kernels": chosen}
    for function in (*network.FUNCTIONS, with_mode, take_gradient, apply_gradient, gradient_norm):
        inlined = function in network.INLINED or function is with_mode
        names[function.__name__] = njit(_copy(function, names, chosen), **INNER, forceinline=inlined)
    return Program(*(njit(_copy(function, names, chosen), **OPTIONS) for function in (take_steps, evaluate)))


def _copy(function: Any, names: dict[str, Any], chosen: ModuleType) -> FunctionType:
    """The function with other global names. The cache tells functions apart by their qualified names."""
    copy = FunctionType(function.__code__, names, function.__name__)
    copy.__qualname__ = f"{function.__name__}_{chosen.NAME}"
    return copy
