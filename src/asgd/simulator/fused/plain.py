"""The kernels as ordinary loops, for any machine: the same functions as ``vector``, and their specification.

Innermost loops run over contiguous memory and a fixed number of elements, which is what compilers vectorise by
themselves. Gradients always go through memory (`Sink.gradient`); only `apply_row` takes the server's step.
"""

import numpy as np
from numba import njit

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
from asgd.simulator.fused.options import FAST_SUMS, INNER
from asgd.simulator.fused.plain_dense import (
    apply_row,
    dense_backward,
    dense_forward,
    dense_gradient,
    sum_samples,
)
from asgd.simulator.fused.vectors import put, read, scalar

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

NAME = "plain"
APPLIES_AT_ONCE = False

kernel = njit(**INNER, fastmath=FAST_SUMS)
inline = njit(**INNER, fastmath=FAST_SUMS, forceinline=True)

_ROW1 = 2 * SIDE1 * TILE  # a row of the first convolution before pooling


# ---------------------------------------------------------------- first convolution


@kernel
def load_planes(s):  # type: ignore[no-untyped-def]
    """Pixels to normalised floats with the samples innermost."""
    for c in range(IMAGE_CHANNELS):
        for y in range(IMAGE_SIDE):
            for x in range(IMAGE_SIDE):
                for sample in range(TILE):
                    pixel = read(s.pixels, sample * IMAGE + y * IMAGE_ROW + x * IMAGE_CHANNELS + c)
                    value = (pixel + np.float32(0.5)) / np.float32(127.5)
                    put(s.planes, c * PLANE + y * PLANE_ROW + x * TILE + sample, value)


@kernel
def conv1_forward(weights, at, s):  # type: ignore[no-untyped-def]
    """Convolve and pool: two rows of two filters at a time, in `s.windows`."""
    for y in range(SIDE1):
        for o in range(0, CHANNELS1, 2):
            _conv1_row(weights, at, s, o, 2 * y, 0)
            _conv1_row(weights, at, s, o, 2 * y + 1, _ROW1)
            for filter in range(2):
                for i in range(SIDE1 * TILE):
                    x = i // TILE * 2 * TILE + i % TILE
                    _pool_pixel(s, (o + filter) * MAP, y * MAP_ROW + i, filter * 2 * _ROW1 + x)


@inline
def _conv1_row(weights, at, s, o, y, to):  # type: ignore[no-untyped-def]
    """Row y of filters o and o + 1, which share every pixel that is loaded."""
    for filter in range(2):
        for i in range(_ROW1):
            put(s.windows, to + filter * 2 * _ROW1 + i, read(weights, at + CONV1_BIAS + o + filter))
    for c in range(IMAGE_CHANNELS):
        for ky in range(KERNEL):
            a = at + CONV1 + o * CONV1_FILTER + ky * CONV1_ROW + c
            b = a + CONV1_FILTER
            a0, a1, a2, a3, a4 = _five(weights, a)
            b0, b1, b2, b3, b4 = _five(weights, b)
            row = c * PLANE + (y + ky) * PLANE_ROW
            for i in range(_ROW1):
                p0, p1, p2 = read(s.planes, row + i), read(s.planes, row + i + 4), read(s.planes, row + i + 8)
                p3, p4 = read(s.planes, row + i + 12), read(s.planes, row + i + 16)
                first = scalar(s.windows, to + i) + a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3 + a4 * p4
                second = scalar(s.windows, to + 2 * _ROW1 + i) + b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3 + b4 * p4
                put(s.windows, to + i, first)
                put(s.windows, to + 2 * _ROW1 + i, second)


@inline
def _five(weights, at):  # type: ignore[no-untyped-def]
    """A row of taps of one input channel."""
    return (
        read(weights, at),
        read(weights, at + IMAGE_CHANNELS),
        read(weights, at + 2 * IMAGE_CHANNELS),
        read(weights, at + 3 * IMAGE_CHANNELS),
        read(weights, at + 4 * IMAGE_CHANNELS),
    )


@inline
def _pool_pixel(s, channel, to, x):  # type: ignore[no-untyped-def]
    """The first largest of four neighbours, and the pixel at the corner of its patch."""
    value, tag = read(s.windows, x), 0
    if read(s.windows, x + TILE) > value:
        value, tag = read(s.windows, x + TILE), IMAGE_CHANNELS
    if read(s.windows, _ROW1 + x) > value:
        value, tag = read(s.windows, _ROW1 + x), IMAGE_ROW
    if read(s.windows, _ROW1 + x + TILE) > value:
        value, tag = read(s.windows, _ROW1 + x + TILE), IMAGE_ROW + IMAGE_CHANNELS
    put(s.maps, channel + to, np.float32(0) if value <= 0 else value)
    put(s.sources, channel + to, read(s.corners, to) + tag)


@kernel
def conv1_gradient(s, sink):  # type: ignore[no-untyped-def]
    """Undo the pooling, then correlate with the planes."""
    size = (2 * SIDE1 - 1) * PLANE_ROW + _ROW1  # of a filter's output, with rows as long as those of the planes
    for i in range(CHANNELS1 * size):
        put(s.unpooled, i, 0.0)
    for o in range(CHANNELS1):
        for y in range(SIDE1):
            for i in range(SIDE1 * TILE):
                _unpool(s, o, y, i // TILE, i % TILE, o * size)
    for o in range(0, CHANNELS1, 2):
        for c in range(IMAGE_CHANNELS):
            for ky in range(KERNEL):
                to = o * CONV1_FILTER + ky * CONV1_ROW + c
                _correlate(s, o * size, size, s.planes, c * PLANE + ky * PLANE_ROW, to, IMAGE_CHANNELS, CONV1_FILTER)
    for row in range(0, CHANNELS1 * CONV1_FILTER, CONV1_ROW):
        put(s.filters, row + CONV1_ROW - 1, 0.0)
    _sum_rows(s, CHANNELS1, size)
    apply_row(s.filters, 0, CONV1, CHANNELS1 * CONV1_FILTER, sink)
    apply_row(s.bias, 0, CONV1_BIAS, LANES, sink)


@inline
def _unpool(s, o, y, x, sample, to):  # type: ignore[no-untyped-def]
    """Through the ReLU and the pooling: a gradient of `patches` to the position that the pooling chose."""
    pooled = y * MAP_ROW + x * TILE + sample
    chosen = read(s.sources, o * MAP + pooled) - read(s.corners, pooled)
    dy, dx = chosen // IMAGE_ROW, chosen % IMAGE_ROW // IMAGE_CHANNELS
    patch = sample * PATCHES + y * PATCH_ROW + x * CHANNELS1 + o
    gradient = read(s.patch_gradients, patch) if read(s.patches, patch) > 0 else np.float32(0)
    put(s.unpooled, to + (2 * y + dy) * PLANE_ROW + (2 * x + dx) * TILE + sample, gradient)


@inline
def _correlate(s, first, size, inputs, at, to, tap, filter):  # type: ignore[no-untyped-def]
    """Five taps of a row of two filters: products of output gradients and inputs, shifted by kx pixels."""
    a = b = c = d = e = f = g = h = k = m = np.float32(0)
    for i in range(size):
        p0, p1, p2 = read(inputs, at + i), read(inputs, at + i + TILE), read(inputs, at + i + 2 * TILE)
        p3, p4 = read(inputs, at + i + 3 * TILE), read(inputs, at + i + 4 * TILE)
        one, two = read(s.unpooled, first + i), read(s.unpooled, first + size + i)
        a, b, c, d, e = a + one * p0, b + one * p1, c + one * p2, d + one * p3, e + one * p4
        f, g, h, k, m = f + two * p0, g + two * p1, h + two * p2, k + two * p3, m + two * p4
    _put_five(s.filters, to, tap, a, b, c, d, e)
    _put_five(s.filters, to + filter, tap, f, g, h, k, m)


@inline
def _put_five(array, to, step, a, b, c, d, e):  # type: ignore[no-untyped-def]
    put(array, to, a)
    put(array, to + step, b)
    put(array, to + 2 * step, c)
    put(array, to + 3 * step, d)
    put(array, to + 4 * step, e)


@inline
def _sum_rows(s, count, size):  # type: ignore[no-untyped-def]
    """Bias gradients: the sums of the filters' output gradients."""
    for o in range(LANES):
        total = np.float32(0)
        for i in range(size if o < count else 0):
            total += read(s.unpooled, o * size + i)
        put(s.bias, o, total)


# ---------------------------------------------------------------- second convolution


@kernel
def conv2_forward(weights, at, s, pools, num_features):  # type: ignore[no-untyped-def]
    """Convolve and, with two poolings, pool: a window's four positions of four samples, in `s.windows`."""
    for y in range(WINDOWS):
        for x in range(WINDOWS):
            for choice in range(4):
                corner = (2 * y + choice // 2) * MAP_ROW + (2 * x + choice % 2) * TILE
                _conv2_position(weights, at, s, corner, choice * TILE * CHANNELS2)
            for sample in range(TILE):
                if pools == 2:
                    to = (y * WINDOWS + x) * CHANNELS2
                    _pool_window(s, sample * CHANNELS2, sample * num_features + to, sample * 400 + to)
                else:
                    to = sample * num_features + (2 * y * 2 * WINDOWS + 2 * x) * CHANNELS2
                    _store_window(s, sample * CHANNELS2, to)


@inline
def _conv2_position(weights, at, s, corner, to):  # type: ignore[no-untyped-def]
    for sample in range(TILE):
        for o in range(CHANNELS2):
            put(s.windows, to + sample * CHANNELS2 + o, read(weights, at + CONV2_BIAS + o))
    for c in range(CHANNELS1):
        for ky in range(KERNEL):
            tap = (c * KERNEL + ky) * KERNEL * CHANNELS2
            for sample in range(TILE):
                pixel = corner + c * MAP + ky * MAP_ROW + sample
                a, b, d = read(s.maps, pixel), read(s.maps, pixel + 4), read(s.maps, pixel + 8)
                e, f = read(s.maps, pixel + 12), read(s.maps, pixel + 16)
                for o in range(CHANNELS2):
                    near = a * read(s.taps, tap + o) + b * read(s.taps, tap + 16 + o)
                    far = d * read(s.taps, tap + 32 + o) + e * read(s.taps, tap + 48 + o)
                    last = f * read(s.taps, tap + 64 + o)
                    i = to + sample * CHANNELS2 + o
                    put(s.windows, i, scalar(s.windows, i) + near + far + last)


@inline
def _pool_window(s, first, to, choice):  # type: ignore[no-untyped-def]
    for o in range(CHANNELS2):
        value, tag = read(s.windows, first + o), 0
        for position in range(1, 4):
            other = read(s.windows, first + position * TILE * CHANNELS2 + o)
            if other > value:
                value, tag = other, position
        put(s.features, to + o, np.float32(0) if value <= 0 else value)
        put(s.choices, choice + o, tag)


@inline
def _store_window(s, first, to):  # type: ignore[no-untyped-def]
    for position in range(4):
        target = to + (position // 2 * 2 * WINDOWS + position % 2) * CHANNELS2
        for o in range(CHANNELS2):
            value = read(s.windows, first + position * TILE * CHANNELS2 + o)
            put(s.features, target + o, np.float32(0) if value <= 0 else value)


@kernel
def transform_filters(s):  # type: ignore[no-untyped-def]
    """Nothing: these loops take the taps as they are."""


@kernel
def spread_filters(weights, at, s):  # type: ignore[no-untyped-def]
    """The filters with zeros around them, [filter][ky][6 kx + c] in rows of 36."""
    for o in range(CHANNELS2):
        for ky in range(KERNEL):
            row = at + CONV2 + o * CONV2_FILTER + ky * CONV2_ROW
            to = o * SPREAD + SPREAD_MARGIN + ky * SPREAD_ROW
            for i in range(KERNEL * CHANNELS1):
                put(s.spread, to + i, read(weights, row + i))


@kernel
def conv2_backward(s):  # type: ignore[no-untyped-def]
    """Gradients of `patches`: for each window, the filters of the gradients that are not zero."""
    for i in range(TILE * PATCHES):
        put(s.patch_gradients, i, 0.0)
    for window in range(TILE * WINDOWS * WINDOWS):
        for i in range(WINDOW_SIDE * SPREAD_ROW):
            put(s.windows, i, 0.0)
        for entry in range(window * 64, window * 64 + read(s.window_counts, window)):
            gradient, source = read(s.window_gradients, entry), read(s.window_sources, entry)
            for i in range(WINDOW_SIDE * SPREAD_ROW):
                put(s.windows, i, scalar(s.windows, i) + gradient * read(s.spread, source + i))
        sample, y, x = window // (WINDOWS * WINDOWS), window // WINDOWS % WINDOWS, window % WINDOWS
        corner = sample * PATCHES + 2 * y * PATCH_ROW + 2 * x * CHANNELS1
        for row in range(WINDOW_SIDE):
            for i in range(SPREAD_ROW):
                to = corner + row * PATCH_ROW + i
                put(s.patch_gradients, to, scalar(s.patch_gradients, to) + scalar(s.windows, row * SPREAD_ROW + i))


@kernel
def conv2_gradient(s, sink):  # type: ignore[no-untyped-def]
    """Spread the listed gradients out again, then correlate with the maps."""
    size = (2 * WINDOWS - 1) * MAP_ROW + 2 * WINDOWS * TILE
    for i in range(CHANNELS2 * size):
        put(s.unpooled, i, 0.0)
    for o in range(CHANNELS2):
        first = o * TILE * POSITIONS
        for i in range(first, first + read(s.filter_counts, o)):
            source = read(s.filter_sources, i)
            sample, y, x = source // PATCHES, source % PATCHES // PATCH_ROW, source % PATCH_ROW // CHANNELS1
            put(s.unpooled, o * size + y * MAP_ROW + x * TILE + sample, read(s.filter_gradients, i))
    for o in range(0, CHANNELS2, 2):
        for c in range(CHANNELS1):
            for ky in range(KERNEL):
                to = o * CONV2_FILTER + ky * CONV2_ROW + c
                _correlate(s, o * size, size, s.maps, c * MAP + ky * MAP_ROW, to, CHANNELS1, CONV2_FILTER)
    for row in range(0, CHANNELS2 * CONV2_FILTER, CONV2_ROW):
        put(s.filters, row + CONV2_ROW - 2, 0.0)
        put(s.filters, row + CONV2_ROW - 1, 0.0)
    _sum_rows(s, CHANNELS2, size)
    apply_row(s.filters, 0, CONV2, CHANNELS2 * CONV2_FILTER, sink)
    apply_row(s.bias, 0, CONV2_BIAS, LANES, sink)
