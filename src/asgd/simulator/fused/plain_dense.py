"""The kernels as ordinary loops, second part: fully connected layers, and what becomes of a gradient."""

import numpy as np
from numba import njit

from asgd.simulator.fused.layout import TILE
from asgd.simulator.fused.options import FAST_SUMS, INNER
from asgd.simulator.fused.sink import ADD, DESCEND, MOMENTUM
from asgd.simulator.fused.vectors import put, read, scalar

kernel = njit(**INNER, fastmath=FAST_SUMS)
inline = njit(**INNER, fastmath=FAST_SUMS, forceinline=True)


# ---------------------------------------------------------------- fully connected layers


@kernel
def dense_forward(weights, at, layer, inputs, outputs):  # type: ignore[no-untyped-def]
    """Inputs [sample][width] to outputs [output][sample], without bias."""
    width = layer.width
    for o in range(layer.size):
        row = at + layer.weights + o * width
        a = b = c = d = np.float32(0)
        for i in range(width):
            weight = read(weights, row + i)
            a += weight * read(inputs, i)
            b += weight * read(inputs, width + i)
            c += weight * read(inputs, 2 * width + i)
            d += weight * read(inputs, 3 * width + i)
        put(outputs, o * TILE, a)
        put(outputs, o * TILE + 1, b)
        put(outputs, o * TILE + 2, c)
        put(outputs, o * TILE + 3, d)


@kernel
def dense_backward(weights, at, layer, deltas, gradients):  # type: ignore[no-untyped-def]
    """Gradients of the inputs [sample][width] from those of the outputs [output][sample]; four outputs at a time."""
    width = layer.width
    for i in range(TILE * width):
        put(gradients, i, 0.0)
    for o in range(0, layer.rows, 4):  # rows behind the last output have zero weights and zero deltas
        row = at + layer.weights + o * width
        for sample in range(TILE):
            to, delta = sample * width, o * TILE + sample
            a, b = read(deltas, delta), read(deltas, delta + TILE)
            c, d = read(deltas, delta + 2 * TILE), read(deltas, delta + 3 * TILE)
            for i in range(width):
                first = a * read(weights, row + i) + b * read(weights, row + width + i)
                second = c * read(weights, row + 2 * width + i) + d * read(weights, row + 3 * width + i)
                put(gradients, to + i, scalar(gradients, to + i) + (first + second))


@kernel
def dense_gradient(layer, deltas, inputs, sink):  # type: ignore[no-untyped-def]
    """Gradients of the weights."""
    width = layer.width
    for o in range(layer.size):
        a, b = read(deltas, o * TILE), read(deltas, o * TILE + 1)
        c, d = read(deltas, o * TILE + 2), read(deltas, o * TILE + 3)
        to = layer.weights + o * width
        for i in range(width):
            first = a * read(inputs, i) + b * read(inputs, width + i)
            second = c * read(inputs, 2 * width + i) + d * read(inputs, 3 * width + i)
            before = scalar(sink.gradient, to + i) if sink.mode == ADD else np.float32(0)
            put(sink.gradient, to + i, before + (first + second))


@kernel
def sum_samples(gradients, width, sums):  # type: ignore[no-untyped-def]
    """Gradients [sample][width] summed over the samples, into `sums` [width]."""
    for i in range(width):
        pair = read(gradients, i) + read(gradients, width + i)
        put(sums, i, pair + (read(gradients, 2 * width + i) + read(gradients, 3 * width + i)))


# ---------------------------------------------------------------- what becomes of a gradient


@kernel
def apply_row(gradient, first, at, size, sink):  # type: ignore[no-untyped-def]
    """Give ``gradient[first : first + size]``, that of the weights from ``at`` on, to the sink."""
    if sink.mode == MOMENTUM or sink.mode == DESCEND:
        if sink.source != sink.target:
            for i in range(size):
                put(sink.ring, sink.target + at + i, scalar(sink.ring, sink.source + at + i))
        _step(gradient, first, at, size, sink)
    elif sink.mode == ADD:
        for i in range(size):
            put(sink.gradient, at + i, scalar(sink.gradient, at + i) + read(gradient, first + i))
    else:
        for i in range(size):
            put(sink.gradient, at + i, read(gradient, first + i))


@inline
def _step(gradient, first, at, size, sink):  # type: ignore[no-untyped-def]
    """One step in place."""
    target, velocity = sink.target + at, sink.velocity + at
    if sink.mode == MOMENTUM:
        for i in range(size):
            decayed = scalar(sink.velocities, velocity + i) * sink.momentum
            put(sink.velocities, velocity + i, decayed + read(gradient, first + i))
        for i in range(size):
            moved = scalar(sink.ring, target + i) + scalar(sink.velocities, velocity + i) * sink.rate
            put(sink.ring, target + i, moved)
    else:
        for i in range(size):
            put(sink.ring, target + i, scalar(sink.ring, target + i) + read(gradient, first + i) * sink.rate)
