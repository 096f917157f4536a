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
from asgd.simulator.fused.updates import LOOK_AHEAD, PLAIN, correct, send, step_ahead
from asgd.simulator.fused.vectors import put, scalar


class Settings(NamedTuple):
    """What distinguishes runs, as numbers that the kernels take at run time: one compilation serves all."""

    batch_size: int
    divisor: int  #: gradients in a step's mean: ``batch_size``, or some times as many
    pools: int
    num_features: int
    layers: tuple[Dense, Dense, Dense]
    num_weights: int  #: distance of two weight vectors in the ring
    output_relu: bool
    momentum: np.float32
    momentum_at_worker: bool
    dropout_threshold: int  #: a unit is dropped where its 16-bit number is smaller; 0: no dropout
    dropout_scale: np.float32
    num_masks: int  #: 16-bit numbers per sample


class Events(NamedTuple):
    """What happens at the server: arrays [n], a gradient each."""

    slots: NDArray[np.int64]  #: the place in the ring of the worker's weights
    applied: NDArray[np.uint8]  #: see below
    opens: NDArray[np.uint8]  #: whether it is the first since a step
    closes: NDArray[np.uint8]  #: whether a step is taken with it
    rates: NDArray[np.float32]  #: of the step: minus the learning rate
    biases: NDArray[np.float32]  #: see ``updates.correct``
    corrections: NDArray[np.float64]  #: written: ||correction|| / ||gradient||


#: What ``Events.applied`` says: the worker is sent weights, and that is all; its gradient is computed and applied; or
#: it was computed elsewhere, lies in ``Scratch.gradient``, and is applied.
SENT, COMPUTED, GIVEN = range(3)


class Part(NamedTuple):
    """Which samples of its mini-batches a call brings: all, or of a single large one some."""

    size: int
    is_first: bool
    is_last: bool


class Data(NamedTuple):
    """Images and what a call does with them."""

    images: NDArray[np.uint8]  #: all, flat
    labels: NDArray[np.int64]
    indices: NDArray[np.int32]  #: flat [gradients applied, samples]
    masks: NDArray[np.uint16]  #: flat [gradients applied, samples, num_masks]


def take_gradient(weights, at, data, first_sample, size, s, settings, sink):  # type: ignore[no-untyped-def]
    """``size`` samples, tile by tile, into ``sink``. Returns their share of the mean loss and whether any is alive."""
    prepare_taps(weights, at, s)
    kernels.spread_filters(weights, at, s)
    bias = at + settings.layers[2].bias
    loss, alive = 0.0, False
    for tile in range(0, size, TILE):
        first = first_sample + tile
        count = min(TILE, size - tile)
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


def take_steps(  # type: ignore[no-untyped-def]
    data, part, events, last_step, served, loss, ring, velocities, total, update, s, settings
):
    """Consecutive gradients: ``loss`` and theirs, how many are zero, the norm of the last step's, the slot served last.

    ``ring`` holds each worker's copy of the weights. The newest copy is the server's: that of the worker served
    last, in the slot ``served``. So W_{t+1} = W_t + ... reads one slot and writes the next, and no weights are ever
    copied. Only ``look_ahead`` sends other weights than the server's, which have a place of their own there.
    ``last_step``: the last event that closes a step; ``total``: where gradients add up whose mean is a step.
    """
    control = flush_denormals()
    num_zero, norm, sample = 0, math.nan, 0
    averaged = settings.divisor != settings.batch_size
    gradient = total if averaged else s.gradient
    for k in range(len(events.slots)):
        target = scalar(events.slots, k) * settings.num_weights
        source = served * settings.num_weights
        rate = scalar(events.rates, k)
        if scalar(events.applied, k) == SENT:
            send(update, settings.num_weights, ring, source, target, rate)
            continue
        stepping = np.int64(MOMENTUM if settings.momentum > 0 else DESCEND)
        # The norm needs the whole gradient, and so does a mini-batch of several tiles.
        direct = kernels.APPLIES_AT_ONCE and not averaged and update.code == PLAIN and settings.batch_size <= TILE
        at_once = direct and k != last_step and scalar(events.applied, k) == COMPUTED
        sink = Sink(
            stepping if at_once else np.int64(STORE if part.is_first else ADD),
            s.gradient,
            velocities,
            target if settings.momentum_at_worker else 0,
            ring,
            source,
            target,
            settings.momentum,
            rate,
        )
        if scalar(events.applied, k) == COMPUTED:
            share, alive = take_gradient(ring, target, data, sample, part.size, s, settings, sink)
            sample += part.size
            loss += share
            num_zero += not alive
        if averaged and part.is_last:
            collect(total, s.gradient, settings.num_weights, scalar(events.opens, k) != 0)
        if not at_once and part.is_last and scalar(events.closes, k) != 0:
            if k == last_step:
                norm = gradient_norm(gradient)
            if update.code == LOOK_AHEAD:
                step_ahead(update, gradient, settings.num_weights, ring, source, velocities, target, rate)
                send(update, settings.num_weights, ring, source, target, rate)
                continue
            if update.code != PLAIN:
                slot, bias = scalar(events.slots, k), scalar(events.biases, k)
                ratio = correct(update, slot, bias, gradient, settings.num_weights, ring, source, target)
                put(events.corrections, k, ratio)
            apply_gradient(gradient, settings.num_weights, stepping, sink)
        if scalar(events.closes, k) != 0 and part.is_last:
            served = scalar(events.slots, k)
    restore_control(control)
    return loss, num_zero, norm, served


def collect(total, gradient, size, opens):  # type: ignore[no-untyped-def]
    """Add ``gradient`` to those since the step before; with ``opens`` it is the first."""
    for i in range(0, size):
        put(total, i, scalar(gradient, i) + (np.float32(0) if opens else scalar(total, i)))


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

    take_steps: Callable[..., tuple[float, int, float, int]]
    evaluate: Callable[..., tuple[float, int, int]]


def build(chosen: ModuleType) -> Program:
    """The simulation with the kernels of one module. Compiles at the first call."""
    names: dict[str, Any] = {**vars(network), **globals(), "kernels": chosen}
    for function in (*network.FUNCTIONS, with_mode, take_gradient, collect, apply_gradient, gradient_norm):
        inlined = function in network.INLINED or function is with_mode
        names[function.__name__] = njit(_copy(function, names, chosen), **INNER, forceinline=inlined)
    return Program(*(njit(_copy(function, names, chosen), **OPTIONS) for function in (take_steps, evaluate)))


def _copy(function: Any, names: dict[str, Any], chosen: ModuleType) -> FunctionType:
    """The function with other global names. The cache tells functions apart by their qualified names."""
    copy = FunctionType(function.__code__, names, function.__name__)
    copy.__qualname__ = f"{function.__name__}_{chosen.NAME}"
    return copy
