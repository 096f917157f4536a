"""One tile through the network: forward, loss, backward. The same for explicit vectors and for plain loops.

``program`` compiles these functions once with the kernels of ``vector`` and once with those of ``plain``: ``kernels``
stands for either module. They are compiled code, written to be called by each other.
"""

import math

import numpy as np

from asgd.simulator.fused import vector as kernels
from asgd.simulator.fused.layout import (
    CHANNELS1,
    CHANNELS2,
    CLASSES,
    CONV2,
    CONV2_FILTER,
    CONV2_ROW,
    IMAGE,
    KERNEL,
    MAP,
    MAP_ROW,
    PATCH_ROW,
    PATCH_SHIFTS,
    PATCHES,
    POSITIONS,
    SIDE1,
    SPREAD,
    SPREAD_MARGIN,
    SPREAD_SHIFTS,
    TILE,
    WIDTH3,
    WINDOWS,
)
from asgd.simulator.fused.vectors import put, scalar

# ---------------------------------------------------------------- forward


def forward(weights, at, data, first, count, s, settings):  # type: ignore[no-untyped-def]
    """Logits of the samples ``first``, ... (``count`` of them, at most a tile) into ``s.outputs``, without bias."""
    copy_pixels(data, first, count, s)
    kernels.load_planes(s)
    kernels.conv1_forward(weights, at, s)
    kernels.conv2_forward(weights, at, s, settings.pools, settings.num_features)
    fc1, fc2, fc3 = settings.layers
    kernels.dense_forward(weights, at, fc1, s.features, s.outputs)
    activate(weights, at, fc1, data, first, count, s.outputs, s.hidden1, fc2.width, settings)
    kernels.dense_forward(weights, at, fc2, s.hidden1, s.outputs)
    activate(weights, at, fc2, data, first, count, s.outputs, s.hidden2, fc3.width, settings)
    kernels.dense_forward(weights, at, fc3, s.hidden2, s.outputs)


def copy_pixels(data, first, count, s):  # type: ignore[no-untyped-def]
    """Bytes of the tile's images, centred. Missing samples keep older bytes: their gradients are zero."""
    for sample in range(count):
        image = np.int64(scalar(data.indices, first + sample)) * IMAGE
        for i in range(IMAGE):
            put(s.pixels, sample * IMAGE + i, np.int8(scalar(data.images, image + i) ^ np.uint8(128)))


def activate(weights, at, layer, data, first, count, outputs, hidden, width, settings):  # type: ignore[no-untyped-def]
    """Bias, ReLU and dropout: from [output][sample] to [sample][width]. A NaN stays a NaN."""
    for sample in range(TILE):
        for i in range(layer.size):
            value = scalar(outputs, i * TILE + sample) + scalar(weights, at + layer.bias + i)
            put(hidden, sample * width + i, np.float32(0) if value <= 0 else value)
    if settings.dropout_threshold > 0:
        for sample in range(count):
            mask = (first + sample) * settings.num_masks + layer.unit
            for i in range(layer.size):
                unit = sample * width + i
                kept = scalar(data.masks, mask + i) >= settings.dropout_threshold
                put(hidden, unit, scalar(hidden, unit) * settings.dropout_scale if kept else np.float32(0))


def prepare_taps(weights, at, s):  # type: ignore[no-untyped-def]
    """The second convolution's filters as [c][ky][kx][filter]."""
    for c in range(CHANNELS1):
        for ky in range(KERNEL):
            for kx in range(KERNEL):
                target = ((c * KERNEL + ky) * KERNEL + kx) * CHANNELS2
                source = at + CONV2 + ky * CONV2_ROW + kx * CHANNELS1 + c
                for o in range(CHANNELS2):
                    put(s.taps, target + o, scalar(weights, source + o * CONV2_FILTER))
    kernels.transform_filters(s)


def transpose_maps(s):  # type: ignore[no-untyped-def]
    """`maps` [c][y][x][sample] to `patches` [sample][y][x][c]."""
    for y in range(SIDE1):
        for x in range(SIDE1):
            for sample in range(TILE):
                target = sample * PATCHES + y * PATCH_ROW + x * CHANNELS1
                source = y * MAP_ROW + x * TILE + sample
                for c in range(CHANNELS1):
                    put(s.patches, target + c, scalar(s.maps, source + c * MAP))


# ---------------------------------------------------------------- head


def head(weights, bias, data, first, count, s, settings):  # type: ignore[no-untyped-def]
    """Cross-entropy of the tile, and its gradients into ``s.deltas`` [logit][sample] and ``s.logit_gradients``.

    Returns the sum of the losses, the number of correct samples and that of samples whose logits are all zero.
    """
    s.deltas[:] = 0
    s.logit_gradients[:] = 0
    loss, correct, silent = 0.0, 0, 0
    for sample in range(count):
        label = scalar(data.labels, np.int64(scalar(data.indices, first + sample)))
        best, zero_logits = 0, 0
        for i in range(CLASSES):
            logit = scalar(s.outputs, i * TILE + sample) + scalar(weights, bias + i)
            if settings.output_relu and logit <= 0:
                logit = np.float32(0)
            put(s.outputs, i * TILE + sample, logit)
            best = i if logit > scalar(s.outputs, best * TILE + sample) else best
            zero_logits += logit == 0
        largest = scalar(s.outputs, best * TILE + sample)
        total = np.float32(0)
        for i in range(CLASSES):
            share = math.exp(scalar(s.outputs, i * TILE + sample) - largest)
            put(s.logit_gradients, sample * WIDTH3 + i, share)
            total += share
        loss += math.log(np.float64(total)) - (scalar(s.outputs, label * TILE + sample) - largest)
        correct += best == label
        silent += zero_logits == CLASSES
        for i in range(CLASSES):
            gradient = scalar(s.logit_gradients, sample * WIDTH3 + i) / total - np.float32(i == label)
            gradient = gradient / np.float32(settings.divisor)
            if settings.output_relu and scalar(s.outputs, i * TILE + sample) <= 0:
                gradient = np.float32(0)
            put(s.logit_gradients, sample * WIDTH3 + i, gradient)
            put(s.deltas, i * TILE + sample, gradient)
    return loss, correct, silent


# ---------------------------------------------------------------- backward


def backward(weights, at, s, settings, sink):  # type: ignore[no-untyped-def]
    """From ``s.deltas`` of the logits to the gradient of every parameter, last layer first, each given to ``sink``.

    A layer's stale weights are not read again once its gradient is given away: the sink may overwrite them.
    """
    fc1, fc2, fc3 = settings.layers
    kernels.dense_backward(weights, at, fc3, s.deltas, s.hidden2_gradients)
    dense_gradients(fc3, s.hidden2, s.logit_gradients, s, sink)
    deactivate(fc2, fc3.width, s.hidden2, s.hidden2_gradients, s.deltas, settings)
    kernels.dense_backward(weights, at, fc2, s.deltas, s.hidden1_gradients)
    dense_gradients(fc2, s.hidden1, s.hidden2_gradients, s, sink)
    deactivate(fc1, fc2.width, s.hidden1, s.hidden1_gradients, s.deltas, settings)
    kernels.dense_backward(weights, at, fc1, s.deltas, s.feature_gradients)
    dense_gradients(fc1, s.features, s.hidden1_gradients, s, sink)
    if settings.pools == 2:
        list_pooled_gradients(settings.num_features, s)
    else:
        list_all_gradients(settings.num_features, s)
    kernels.conv2_backward(s)
    kernels.conv2_gradient(s, sink)
    kernels.conv1_gradient(s, sink)


def dense_gradients(layer, inputs, gradients, s, sink):  # type: ignore[no-untyped-def]
    """Gradients of a fully connected layer's weights and bias."""
    kernels.dense_gradient(layer, s.deltas, inputs, sink)
    kernels.sum_samples(gradients, layer.bias_width, s.bias)
    kernels.apply_row(s.bias, 0, layer.bias, layer.bias_width, sink)


def deactivate(layer, width, hidden, gradients, deltas, settings):  # type: ignore[no-untyped-def]
    """Through dropout and ReLU: a unit passes its gradient where its output is positive. In both orders."""
    for sample in range(TILE):
        for i in range(layer.size):
            at = sample * width + i
            passed = scalar(gradients, at) * settings.dropout_scale if scalar(hidden, at) > 0 else np.float32(0)
            put(gradients, at, passed)
            put(deltas, i * TILE + sample, passed)


def list_pooled_gradients(num_features, s):  # type: ignore[no-untyped-def]
    """The gradients of the second convolution that are not zero, by window and by filter: one of four positions."""
    for o in range(CHANNELS2):
        put(s.filter_counts, o, 0)
    for sample in range(TILE):
        for window in range(WINDOWS * WINDOWS):
            at = sample * num_features + window * CHANNELS2
            entry = sample * WINDOWS * WINDOWS + window
            end = entry * 64
            patch = window_patch(sample, window)
            for o in range(CHANNELS2):
                choice = scalar(s.choices, entry * CHANNELS2 + o)
                end = list_gradient(s, at + o, end, o, patch, choice)
            put(s.window_counts, entry, end - entry * 64)


def list_all_gradients(num_features, s):  # type: ignore[no-untyped-def]
    """The same without pooling: all four positions of a window."""
    for o in range(CHANNELS2):
        put(s.filter_counts, o, 0)
    for sample in range(TILE):
        for window in range(WINDOWS * WINDOWS):
            y, x = window // WINDOWS, window % WINDOWS
            entry = sample * WINDOWS * WINDOWS + window
            end = entry * 64
            patch = window_patch(sample, window)
            for choice in range(4):
                position = (2 * y + choice // 2) * 2 * WINDOWS + 2 * x + choice % 2
                for o in range(CHANNELS2):
                    end = list_gradient(s, sample * num_features + position * CHANNELS2 + o, end, o, patch, choice)
            put(s.window_counts, entry, end - entry * 64)


def window_patch(sample, window):  # type: ignore[no-untyped-def]
    """Where a window's 6 x 6 inputs start in ``patches``."""
    return sample * PATCHES + 2 * (window // WINDOWS) * PATCH_ROW + 2 * (window % WINDOWS) * CHANNELS1


def list_gradient(s, at, end, o, patch, choice):  # type: ignore[no-untyped-def]
    """Append the gradient of feature ``at`` to both lists. Written always and counted if not zero: no branch."""
    gradient = scalar(s.feature_gradients, at) if scalar(s.features, at) > 0 else np.float32(0)
    put(s.window_gradients, end, gradient)
    put(s.window_sources, end, o * SPREAD + SPREAD_MARGIN + SPREAD_SHIFTS[choice])
    count = scalar(s.filter_counts, o)
    put(s.filter_gradients, o * TILE * POSITIONS + count, gradient)
    put(s.filter_sources, o * TILE * POSITIONS + count, patch + PATCH_SHIFTS[choice])
    alive = np.int64(gradient != 0)
    put(s.filter_counts, o, count + alive)
    return end + alive


#: Every function above, those that it calls before it; and those that belong into their callers' loops.
INLINED = (window_patch, list_gradient)
FUNCTIONS = (
    *INLINED,
    copy_pixels,
    activate,
    prepare_taps,
    transpose_maps,
    head,
    forward,
    deactivate,
    dense_gradients,
    list_pooled_gradients,
    list_all_gradients,
    backward,
)
