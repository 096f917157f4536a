"""The kernels in explicit vectors, second part: fully connected layers, and what becomes of a gradient."""

from numba import njit

from asgd.simulator.fused.layout import LANES, TILE
from asgd.simulator.fused.options import INNER
from asgd.simulator.fused.sink import ADD, DESCEND, MOMENTUM
from asgd.simulator.fused.tiles import INPUTS, OUTPUTS
from asgd.simulator.fused.vectors import (
    add,
    load,
    load_rows,
    multiply_add,
    outer,
    scalars,
    store,
    store_block,
    sums,
    zeros,
)

kernel = njit(**INNER)
inline = njit(**INNER, forceinline=True)

# Numba takes a name for a literal number, not a product.
_OUTPUT_TILE, _INPUT_TILE = OUTPUTS * TILE, INPUTS * TILE


# ---------------------------------------------------------------- fully connected layers


@kernel
def dense_forward(weights, at, layer, inputs, outputs):  # type: ignore[no-untyped-def]
    """Inputs [sample][width] to outputs [output][sample], without bias: outputs x 4 samples are the tile."""
    for o in range(0, layer.rows, OUTPUTS):
        tile = zeros(_OUTPUT_TILE)
        for j in range(0, layer.width, LANES):
            rows = load_rows(weights, at + layer.weights + o * layer.width + j, layer.width, OUTPUTS)
            tile = outer(tile, rows, load_rows(inputs, j, layer.width, 4))
        store(outputs, o * TILE, sums(tile))


@kernel
def dense_backward(weights, at, layer, deltas, gradients):  # type: ignore[no-untyped-def]
    """Gradients of the inputs [sample][width] from those of the outputs [output][sample]."""
    j = 0
    while j + INPUTS * LANES <= layer.width:
        tile = zeros(_INPUT_TILE)
        for o in range(layer.size):
            row = load_rows(weights, at + layer.weights + o * layer.width + j, LANES, INPUTS)
            tile = outer(tile, scalars(deltas, o * TILE, 1, 4), row)
        store_block(gradients, j, layer.width, INPUTS, tile)
        j += INPUTS * LANES
    while j < layer.width:
        rest = zeros(4)
        for o in range(layer.size):
            row = load(weights, at + layer.weights + o * layer.width + j)
            rest = outer(rest, scalars(deltas, o * TILE, 1, 4), (row,))
        store_block(gradients, j, layer.width, 1, rest)
        j += LANES


@kernel
def dense_gradient(layer, deltas, inputs, sink):  # type: ignore[no-untyped-def]
    """Gradients of the weights: four rows at a time, one vector of each."""
    width = layer.width
    for o in range(0, layer.rows, 4):
        for j in range(0, width, LANES):
            tile = zeros(4)
            tile = outer(tile, scalars(deltas, o * TILE, TILE, 4), (load(inputs, j),))
            tile = outer(tile, scalars(deltas, o * TILE + 1, TILE, 4), (load(inputs, j + width),))
            tile = outer(tile, scalars(deltas, o * TILE + 2, TILE, 4), (load(inputs, j + 2 * width),))
            tile = outer(tile, scalars(deltas, o * TILE + 3, TILE, 4), (load(inputs, j + 3 * width),))
            to = layer.weights + o * width + j
            apply(tile[0], to, sink)
            apply(tile[1], to + width, sink)
            apply(tile[2], to + 2 * width, sink)
            apply(tile[3], to + 3 * width, sink)


@kernel
def sum_samples(gradients, width, sums):  # type: ignore[no-untyped-def]
    """Gradients [sample][width] summed over the samples, into `sums` [width]."""
    for j in range(0, width, LANES):
        pair = add(load(gradients, j), load(gradients, j + width))
        other = add(load(gradients, j + 2 * width), load(gradients, j + 3 * width))
        store(sums, j, add(pair, other))


# ---------------------------------------------------------------- what becomes of a gradient


@inline
def apply_row(gradient, first, at, size, sink):  # type: ignore[no-untyped-def]
    """Give ``gradient[first : first + size]``, that of the weights from ``at`` on, to the sink."""
    for i in range(0, size, LANES):
        apply(load(gradient, first + i), at + i, sink)


@inline
def apply(gradient, at, sink):  # type: ignore[no-untyped-def]
    if sink.mode == MOMENTUM:
        velocity = multiply_add(load(sink.velocities, sink.velocity + at), sink.momentum, gradient)
        store(sink.velocities, sink.velocity + at, velocity)
        weights = multiply_add(velocity, sink.rate, load(sink.ring, sink.source + at))
        store(sink.ring, sink.target + at, weights)
    elif sink.mode == DESCEND:
        store(sink.ring, sink.target + at, multiply_add(gradient, sink.rate, load(sink.ring, sink.source + at)))
    elif sink.mode == ADD:
        store(sink.gradient, at, add(gradient, load(sink.gradient, at)))
    else:
        store(sink.gradient, at, gradient)
