"""The kernels in explicit vectors: every inner loop is a tile that stays in registers.

docs/engine.md has the pictures. ``plain`` has the same functions as ordinary loops; read those first.
"""

import numpy as np
from numba import njit

from asgd.simulator.fused.blocks import pull, store_blocks
from asgd.simulator.fused.layout import (
    CHANNELS1,
    CHANNELS2,
    CONV1,
    CONV1_BIAS,
    CONV1_FILTER,
    CONV1_ROW,
    CONV2,
    CONV2_BIAS,
    CONV2_FILTER,
    CONV2_ROW,
    FC1,
    IMAGE,
    IMAGE_CHANNELS,
    IMAGE_ROW,
    IMAGE_SIDE,
    KERNEL,
    LANES,
    MAP,
    MAP_ROW,
    PATCH_ROW,
    PATCHES,
    PLANE,
    PLANE_ROW,
    POSITIONS,
    SIDE1,
    SPREAD,
    SPREAD_MARGIN,
    SPREAD_ROW,
    TILE,
    WINDOW_SIDE,
    WINDOWS,
)
from asgd.simulator.fused.minimal_filtering import POINTS, transform_inputs, transform_products, transform_taps
from asgd.simulator.fused.options import INNER
from asgd.simulator.fused.tiles import COLUMNS2, FILTERS1, PATCHES1, PIXELS2, VECTORS1, WINDOW_HALVES
from asgd.simulator.fused.vector_dense import (
    apply,
    apply_row,
    dense_backward,
    dense_forward,
    dense_gradient,
    sum_samples,
)
from asgd.simulator.fused.vectors import (
    HALF,
    add,
    even_quads,
    every_third,
    half_zeros,
    keep_lanes,
    larger,
    load,
    load_half_rows,
    load_rows,
    multiply_add,
    odd_quads,
    outer,
    prefetch,
    put,
    relu,
    repeat_each,
    scalar,
    scalars,
    scale,
    store,
    store_block,
    where_positive,
    zeros,
)

__all__ = [
    "APPLIES_AT_ONCE",
    "NAME",
    "apply_row",
    "conv1_forward",
    "conv1_gradient",
    "conv2_backward",
    "conv2_forward",
    "conv2_gradient",
    "dense_backward",
    "dense_forward",
    "dense_gradient",
    "load_planes",
    "spread_filters",
    "sum_samples",
    "transform_filters",
]

NAME = "vector"
#: Whether a gradient may be applied where it arises, without a trip through memory.
APPLIES_AT_ONCE = True

kernel = njit(**INNER)
inline = njit(**INNER, forceinline=True)


#: Vectors of a row of the first convolution's outputs; half vectors of a window's inputs.
ROW1, SPREAD_HALVES = 2 * SIDE1 * TILE // LANES, WINDOW_SIDE * SPREAD_ROW // HALF
# Numba takes a name for a literal number, not a product.
_PATCH_TILE1, _PATCH_TILE2 = PATCHES1 * 2 * KERNEL, COLUMNS2 * KERNEL

# A worker's weights were last touched m steps ago and have left the nearer caches. The first convolution needs none of
# the memory's bandwidth, so it fetches those of the first fully connected layer: so many cache lines per input channel
# and tile, 6 for a tile of 21.
_LINES = -(-6 * FILTERS1 * VECTORS1 // 21)
_AHEAD = POINTS * (ROW1 // VECTORS1) * IMAGE_CHANNELS * _LINES * LANES

# ---------------------------------------------------------------- first convolution


@kernel
def load_planes(s):  # type: ignore[no-untyped-def]
    """Pixels to normalised floats: as they are, and with the samples innermost (4 pixels of 4 samples a vector)."""
    for i in range(0, TILE * IMAGE, LANES):
        store(s.image, i, multiply_add(add(load(s.pixels, i), 0.5), 1 / 127.5, 0.0))
    for y in range(IMAGE_SIDE):
        for x in range(0, IMAGE_SIDE, 4):
            samples = load_rows(s.image, y * IMAGE_ROW + x * IMAGE_CHANNELS, IMAGE, 4)
            to = y * PLANE_ROW + x * TILE
            store(s.planes, to, every_third(samples, 0))
            store(s.planes, to + PLANE, every_third(samples, 1))
            store(s.planes, to + 2 * PLANE, every_third(samples, 2))


@kernel
def conv1_forward(weights, at, s):  # type: ignore[no-untyped-def]
    """Convolve and pool: the two rows of a row of pooling windows at a time, in tiles of filters and vectors."""
    for o in range(CHANNELS1):
        taps = load_rows(weights, at + CONV1 + o * CONV1_FILTER, CONV1_ROW, KERNEL)
        store_block(s.taps1, o * LANES, CHANNELS1 * LANES, 1, transform_taps(taps))
    for y in range(SIDE1):
        for c in range(IMAGE_CHANNELS):
            for x in range(0, PLANE_ROW, LANES):
                rows = load_rows(s.planes, c * PLANE + 2 * y * PLANE_ROW + x, PLANE_ROW, 6)
                store_block(s.values, c * POINTS * PLANE_ROW + x, PLANE_ROW, 1, transform_inputs(rows))
        for o in range(0, CHANNELS1, FILTERS1):
            ahead = at + FC1 + (y * (CHANNELS1 // FILTERS1) + o // FILTERS1) * _AHEAD
            for point in range(POINTS):
                for x in range(0, ROW1, VECTORS1):
                    line = ahead + (point * (ROW1 // VECTORS1) + x // VECTORS1) * IMAGE_CHANNELS * _LINES * LANES
                    products = _conv1_products(weights, at, s, o, point, x, line)
                    to = (point * FILTERS1 * ROW1 + x) * LANES
                    store_block(s.products, to, ROW1 * LANES, VECTORS1, products)
            for i in range(0, FILTERS1, 3):
                products, to = i * ROW1 * LANES, (o + i) * MAP + y * MAP_ROW
                _pool_row(s, products, to, y * MAP_ROW)
                _pool_row(s, products + ROW1 * LANES, to + MAP, y * MAP_ROW)
                _pool_row(s, products + 2 * ROW1 * LANES, to + 2 * MAP, y * MAP_ROW)


@inline
def _conv1_products(weights, at, s, o, point, x, ahead):  # type: ignore[no-untyped-def]
    """At one point, products of filters with vectors of a row, from ``x`` on; all 7 are 28 pixels of 4 samples."""
    bias = np.float32(point == 0 or point == POINTS - 1)
    tile = repeat_each(scale(scalars(weights, at + CONV1_BIAS + o, 1, FILTERS1), bias), VECTORS1)
    for c in range(IMAGE_CHANNELS):
        for line in range(_LINES):
            prefetch(weights, ahead + (c * _LINES + line) * LANES)
        row = (c * POINTS + point) * PLANE_ROW + x * LANES
        tap = (point * CHANNELS1 + o) * LANES + c
        tile = _conv1_tap(tile, s, tap, row)
        tile = _conv1_tap(tile, s, tap + 3, row + 4)
        tile = _conv1_tap(tile, s, tap + 6, row + 8)
        tile = _conv1_tap(tile, s, tap + 9, row + 12)
        tile = _conv1_tap(tile, s, tap + 12, row + 16)
    return tile


@inline
def _conv1_tap(tile, s, tap, row):  # type: ignore[no-untyped-def]
    return outer(tile, scalars(s.taps1, tap, LANES, FILTERS1), load_rows(s.values, row, LANES, VECTORS1))


@inline
def _pool_row(s, at, to, corner):  # type: ignore[no-untyped-def]
    _pool_quads(s, at, at + 16, to, corner)
    _pool_quads(s, at + 32, at + 48, to + 16, corner + 16)
    _pool_quads(s, at + 64, at + 80, to + 32, corner + 32)
    _pool_quads(s, at + 96, at + 96, to + 48, corner + 48)


@inline
def _pool_quads(s, left, right, to, corner):  # type: ignore[no-untyped-def]
    """Eight pixels of two rows to four; the tag is the chosen pixel's offset from the window's corner."""
    upper0, lower0 = transform_products(load_rows(s.products, left, FILTERS1 * ROW1 * LANES, 6))
    upper1, lower1 = transform_products(load_rows(s.products, right, FILTERS1 * ROW1 * LANES, 6))
    top, top_tag = larger(even_quads(upper0, upper1), 0, odd_quads(upper0, upper1), IMAGE_CHANNELS)
    low, low_tag = larger(even_quads(lower0, lower1), IMAGE_ROW, odd_quads(lower0, lower1), IMAGE_ROW + IMAGE_CHANNELS)
    value, tag = larger(top, top_tag, low, low_tag)
    store(s.maps, to, relu(value))
    store(s.sources, to, add(load(s.corners, corner), tag))


@kernel
def conv1_gradient(s, sink):  # type: ignore[no-untyped-def]
    """Each pooled value pulls one patch of the image, 5 rows of 15 floats: those of some filters are the tile."""
    _mask_patch_gradients(s)
    for o in range(0, CHANNELS1, PATCHES1):
        tile = half_zeros(_PATCH_TILE1)
        for sample in range(TILE):
            for y in range(SIDE1):
                for x in range(SIDE1):
                    patch = sample * PATCHES + y * PATCH_ROW + x * CHANNELS1 + o
                    pixel = o * MAP + y * MAP_ROW + x * TILE + sample
                    gradients = scalars(s.patch_gradients, patch, 1, PATCHES1)
                    tile = pull(tile, gradients, s.image, scalars(s.sources, pixel, MAP, PATCHES1), IMAGE_ROW, KERNEL)
        store_blocks(s.filters, o * CONV1_FILTER, CONV1_ROW, KERNEL, PATCHES1, tile)
    for row in range(0, CHANNELS1 * CONV1_FILTER, CONV1_ROW):
        apply(keep_lanes(load(s.filters, row), 15), CONV1 + row, sink)
    apply_row(s.bias, 0, CONV1_BIAS, LANES, sink)


@inline
def _mask_patch_gradients(s):  # type: ignore[no-untyped-def]
    """Through the ReLU, and into `bias` the sum of each channel: lane i of 3 vectors belongs to channel i mod 6."""
    total = zeros(3)
    for row in range(0, TILE * PATCHES, 3 * LANES):
        gradients = _masked(s, row), _masked(s, row + 16), _masked(s, row + 32)
        total = add(total[0], gradients[0]), add(total[1], gradients[1]), add(total[2], gradients[2])
        store_block(s.patch_gradients, row, 0, 3, gradients)
    store_block(s.bias, 0, 0, 3, total)
    for i in range(CHANNELS1, 3 * LANES):
        put(s.bias, i % CHANNELS1, scalar(s.bias, i % CHANNELS1) + scalar(s.bias, i))
    store(s.bias, 0, keep_lanes(load(s.bias, 0), 6))


@inline
def _masked(s, at):  # type: ignore[no-untyped-def]
    return where_positive(load(s.patches, at), load(s.patch_gradients, at))


# ---------------------------------------------------------------- second convolution


@kernel
def conv2_forward(weights, at, s, pools, num_features):  # type: ignore[no-untyped-def]
    """Convolve and, with two poolings, pool: a row of windows at a time, the filters in the lanes."""
    for y in range(WINDOWS):
        for c in range(CHANNELS1):
            for x in range(0, MAP_ROW, LANES):
                rows = load_rows(s.maps, c * MAP + 2 * y * MAP_ROW + x, MAP_ROW, 6)
                store_block(s.values, c * POINTS * MAP_ROW + x, MAP_ROW, 1, transform_inputs(rows))
        for point in range(POINTS):
            for x in range(0, 2 * WINDOWS * TILE, PIXELS2 * TILE):
                for first in range(x, x + TILE):
                    products = _conv2_products(weights, at, s, first, point)
                    store_block(s.products, (point * 2 * WINDOWS * TILE + first) * LANES, TILE * LANES, 1, products)
        for x in range(WINDOWS):
            for sample in range(TILE):
                products = (2 * x * TILE + sample) * LANES
                if pools == 2:
                    window = (y * WINDOWS + x) * CHANNELS2
                    _pool_window(s, products, sample * num_features + window, sample * 400 + window)
                else:
                    _store_window(s, products, sample * num_features + (2 * y * 2 * WINDOWS + 2 * x) * CHANNELS2)


@inline
def _conv2_products(weights, at, s, first, point):  # type: ignore[no-untyped-def]
    """At one point, the products of all filters with pixels of a sample's row, from ``first`` on: a vector for each."""
    bias = np.float32(point == 0 or point == POINTS - 1)
    tile = repeat_each((multiply_add(load(weights, at + CONV2_BIAS), bias, 0.0),), PIXELS2)
    for c in range(CHANNELS1):
        pixel = (c * POINTS + point) * MAP_ROW + first
        tap = (point * CHANNELS1 + c) * KERNEL * LANES
        tile = _conv2_tap(tile, s, pixel, tap)
        tile = _conv2_tap(tile, s, pixel + 4, tap + 16)
        tile = _conv2_tap(tile, s, pixel + 8, tap + 32)
        tile = _conv2_tap(tile, s, pixel + 12, tap + 48)
        tile = _conv2_tap(tile, s, pixel + 16, tap + 64)
    return tile


@inline
def _conv2_tap(tile, s, pixel, tap):  # type: ignore[no-untyped-def]
    # Neighbouring taps share nine of ten inputs, which the compiler keeps: a larger tile would leave no registers.
    return outer(tile, scalars(s.values, pixel, TILE, PIXELS2), (load(s.taps2, tap),))


@inline
def _window_outputs(s, products):  # type: ignore[no-untyped-def]
    """The four positions of a window, of one sample: (0, 0), (0, 1), (1, 0), (1, 1)."""
    stride = 2 * WINDOWS * TILE * LANES
    upper0, lower0 = transform_products(load_rows(s.products, products, stride, 6))
    upper1, lower1 = transform_products(load_rows(s.products, products + TILE * LANES, stride, 6))
    return upper0, upper1, lower0, lower1


@inline
def _pool_window(s, products, to, choice):  # type: ignore[no-untyped-def]
    first, second, third, fourth = _window_outputs(s, products)
    value, tag = larger(first, 0, second, 1)
    value, tag = larger(value, tag, third, 2)
    value, tag = larger(value, tag, fourth, 3)
    store(s.features, to, relu(value))
    store(s.choices, choice, tag)


@inline
def _store_window(s, products, to):  # type: ignore[no-untyped-def]
    first, second, third, fourth = _window_outputs(s, products)
    upper, lower = (relu(first), relu(second)), (relu(third), relu(fourth))
    store_block(s.features, to, 2 * WINDOWS * CHANNELS2, 2, upper + lower)


@kernel
def transform_filters(s):  # type: ignore[no-untyped-def]
    """The second convolution's taps [c][ky][kx][filter] at the points: [point][c][kx][filter]."""
    for c in range(CHANNELS1):
        for kx in range(KERNEL):
            taps = load_rows(s.taps, (c * KERNEL * KERNEL + kx) * LANES, KERNEL * LANES, KERNEL)
            to = (c * KERNEL + kx) * LANES
            store_block(s.taps2, to, CHANNELS1 * KERNEL * LANES, 1, transform_taps(taps))


@kernel
def spread_filters(weights, at, s):  # type: ignore[no-untyped-def]
    """The filters with zeros around them, [filter][ky][6 kx + c] in rows of 36."""
    for o in range(CHANNELS2):
        for ky in range(KERNEL):
            row = at + CONV2 + o * CONV2_FILTER + ky * CONV2_ROW
            to = o * SPREAD + SPREAD_MARGIN + ky * SPREAD_ROW
            store(s.spread, to, load(weights, row))
            store(s.spread, to + LANES, load(weights, row + LANES))  # its two lanes of padding are zero


@kernel
def conv2_backward(s):  # type: ignore[no-untyped-def]
    """Gradients of `patches`: for each window, the filters of the gradients that are not zero, added in registers."""
    for i in range(0, TILE * PATCHES, LANES):
        store(s.patch_gradients, i, zeros(1)[0])
    for sample in range(TILE):
        for y in range(WINDOWS):
            for x in range(WINDOWS):
                _gather_window(s, (sample * WINDOWS + y) * WINDOWS + x, x * SPREAD)
            # Only now, a row of windows later: reading what was just written would stall.
            for x in range(WINDOWS):
                _add_window(s, x * SPREAD, sample * PATCHES + 2 * y * PATCH_ROW + 2 * x * CHANNELS1)


@inline
def _gather_window(s, window, to):  # type: ignore[no-untyped-def]
    first = window * 64
    for at in range(0, SPREAD_HALVES * HALF, WINDOW_HALVES * HALF):
        tile = half_zeros(WINDOW_HALVES)
        for i in range(first, first + scalar(s.window_counts, window)):
            rows = load_half_rows(s.spread, scalar(s.window_sources, i) + at, HALF, WINDOW_HALVES)
            tile = outer(tile, (scalar(s.window_gradients, i),), rows)
        store_block(s.windows, to + at, 0, WINDOW_HALVES, tile)


@inline
def _add_window(s, at, to):  # type: ignore[no-untyped-def]
    for row in range(WINDOW_SIDE):
        _add_to(s, to + row * PATCH_ROW, load(s.windows, at + row * SPREAD_ROW))
        _add_to(s, to + row * PATCH_ROW + 16, load(s.windows, at + row * SPREAD_ROW + 16))
        _add_to(s, to + row * PATCH_ROW + 32, keep_lanes(load(s.windows, at + row * SPREAD_ROW + 32), 4))


@inline
def _add_to(s, to, vector):  # type: ignore[no-untyped-def]
    store(s.patch_gradients, to, add(vector, load(s.patch_gradients, to)))


@kernel
def conv2_gradient(s, sink):  # type: ignore[no-untyped-def]
    """Each gradient pulls one patch of 5 rows x 30 inputs, 20 half vectors: one filter and some columns at a time."""
    for o in range(CHANNELS2):
        first = o * TILE * POSITIONS
        for x in range(0, CONV2_ROW, COLUMNS2 * HALF):
            tile = half_zeros(_PATCH_TILE2)
            total = 0.0
            for i in range(first, first + scalar(s.filter_counts, o)):
                gradient, at = scalar(s.filter_gradients, i), scalar(s.filter_sources, i)
                tile = pull(tile, (gradient,), s.patches, (at + x,), PATCH_ROW, KERNEL)
                total += gradient
            put(s.bias, o, total)
            store_blocks(s.filters, o * CONV2_FILTER + x, CONV2_ROW, KERNEL, 1, tile)
    for row in range(0, CHANNELS2 * CONV2_FILTER, CONV2_ROW):
        apply(load(s.filters, row), CONV2 + row, sink)
        apply(keep_lanes(load(s.filters, row + LANES), 14), CONV2 + row + LANES, sink)
    apply_row(s.bias, 0, CONV2_BIAS, LANES, sink)
