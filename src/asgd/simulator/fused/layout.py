"""Where every number lies: the engine's own order of the weights, and the scratch memory of a step.

The kernels never see PyTorch's order. Each parameter is stored so that the vector loops read it in a straight line,
padded with zeros to whole vectors. Conversion happens at the border, and padding never leaves the engine.

=============  =====================  ======================================================
parameter      PyTorch                here
=============  =====================  ======================================================
conv1.weight   [6][c 3][ky 5][kx 5]   [6][ky 5][16]: lane 3 kx + c, one lane of padding
conv2.weight   [16][c 6][ky 5][kx 5]  [16][ky 5][32]: lane 6 kx + c, two lanes of padding
fc1.weight     [120][c 16][y][x]      [120][y][x][c 16]
fc2.weight     [84][120]              [84][128]
fc3.weight     [10][84]               [12][96]
biases         [n]                    [n, rounded up to whole vectors]
=============  =====================  ======================================================
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asgd.simulator.networks import shapes as architecture

LANES = 16
#: Samples that the kernels take together: a mini-batch is cut into tiles of four.
TILE = 4
KERNEL = 5  # both convolutions

# The image. Pixels: a sample's bytes as they are stored, [y][x][c]. Planes: the tile as floats, [c][y][x][sample].
IMAGE_SIDE, IMAGE_CHANNELS = 32, 3
IMAGE_ROW = IMAGE_SIDE * IMAGE_CHANNELS
IMAGE = IMAGE_SIDE * IMAGE_ROW
PLANE_ROW = IMAGE_SIDE * TILE
PLANE = IMAGE_SIDE * PLANE_ROW

# The first convolution, pooled. Maps: [c][y][x][sample], for the second convolution's forward pass.
# Patches: [sample][y][x][c], for its backward pass. Rows are padded to whole vectors.
CHANNELS1, SIDE1 = 6, 14
MAP_ROW = 64
MAP = SIDE1 * MAP_ROW
PATCH_ROW = 96
PATCHES = SIDE1 * PATCH_ROW

# The second convolution: 5 x 5 windows of 2 x 2 positions, 16 channels. Features: [sample][y][x][c 16].
CHANNELS2, WINDOWS = 16, 5
POSITIONS = 4 * WINDOWS * WINDOWS
WINDOW_SIDE = KERNEL + 1  # inputs of a window: 6 x 6
TAPS = CHANNELS1 * KERNEL * KERNEL

# A filter of the second convolution spread out over its window: rows of 6 x 6 inputs, zeros around them. Shifting the
# filter by (dy, dx) inside the window is then only another offset: see docs/engine.md.
SPREAD_ROW = WINDOW_SIDE * CHANNELS1
SPREAD_MARGIN = SPREAD_ROW + CHANNELS1
WINDOW_VECTORS = 14
SPREAD = WINDOW_VECTORS * LANES
#: Offsets of a window's four positions (dy, dx) = (0,0), (0,1), (1,0), (1,1): in patches, and of the spread filter.
PATCH_SHIFTS = (0, CHANNELS1, PATCH_ROW, PATCH_ROW + CHANNELS1)
SPREAD_SHIFTS = (0, -CHANNELS1, -SPREAD_ROW, -SPREAD_ROW - CHANNELS1)

# The fully connected layers, and their widths as inputs of the next one.
HIDDEN1, HIDDEN2 = architecture.HIDDEN_UNITS
CLASSES = architecture.NUM_CLASSES
WIDTH1, WIDTH2, WIDTH3 = 128, 96, 16

# Offsets of the parameters in a weight vector, up to the first fully connected layer.
CONV1 = 0
CONV1_ROW, CONV1_FILTER = LANES, KERNEL * LANES
CONV1_BIAS = CONV1 + CHANNELS1 * CONV1_FILTER
CONV2 = CONV1_BIAS + LANES
CONV2_ROW, CONV2_FILTER = 2 * LANES, KERNEL * 2 * LANES
CONV2_BIAS = CONV2 + CHANNELS2 * CONV2_FILTER
FC1 = CONV2_BIAS + CHANNELS2


class Dense(NamedTuple):
    """A fully connected layer: its offsets in a weight vector and its dimensions."""

    weights: int  #: rows of `width`
    bias: int
    size: int  #: outputs
    rows: int  #: outputs rounded up to whole groups of four
    width: int  #: inputs rounded up to whole vectors
    bias_width: int  #: outputs rounded up to whole vectors
    unit: int  #: first of its outputs among the units under dropout


def dense_layers(num_features: int) -> tuple[Dense, Dense, Dense]:
    """The three fully connected layers of a network with so many features, one behind the other."""
    layers, at, unit = [], FC1, 0
    for size, width, bias_width in (
        (HIDDEN1, num_features, WIDTH1),
        (HIDDEN2, WIDTH1, WIDTH2),
        (CLASSES, WIDTH2, WIDTH3),
    ):
        rows = -(-size // TILE) * TILE
        layers.append(Dense(at, at + rows * width, size, rows, width, bias_width, unit))
        at, unit = at + rows * width + bias_width, unit + size
    return layers[0], layers[1], layers[2]


class Scratch(NamedTuple):
    """Memory of one tile in flight; every array is one-dimensional and starts on a cache line."""

    pixels: NDArray[np.int8]  #: [sample][y][x][c], pixel - 128
    image: NDArray[np.float32]  #: the same, normalised (vector)
    planes: NDArray[np.float32]  #: [c][y][x][sample], normalised
    corners: NDArray[np.int32]  #: [y][x][sample]: the pixel at the corner of a pooling window; constant
    maps: NDArray[np.float32]  #: [c][y][x][sample]
    sources: NDArray[np.int32]  #: [c][y][x][sample]: first pixel of the patch that the pooling chose
    patches: NDArray[np.float32]  #: [sample][y][x][c]
    patch_gradients: NDArray[np.float32]
    taps: NDArray[np.float32]  #: [c][ky][kx][16 filters]
    taps1: NDArray[np.float32]  #: taps, inputs and products of either convolution at the six points (vector)
    taps2: NDArray[np.float32]
    values: NDArray[np.float32]
    products: NDArray[np.float32]
    spread: NDArray[np.float32]  #: [16 filters][SPREAD]
    features: NDArray[np.float32]  #: [sample][F]
    feature_gradients: NDArray[np.float32]
    choices: NDArray[np.int32]  #: [sample][400]: which of its four positions the pooling chose
    windows: NDArray[np.float32]  #: [5 windows][6][6][c]: gradients of a row of windows
    window_counts: NDArray[np.int64]  #: [sample][25 windows]: length of each of the lists that follow
    window_gradients: NDArray[np.float32]  #: [sample][25 windows][64]: the gradients that are not zero ...
    window_sources: NDArray[np.int32]  #: ... and where the filter of each starts in `spread`
    filter_counts: NDArray[np.int64]  #: [16 filters]
    filter_gradients: NDArray[np.float32]  #: [16 filters][4 * 100]: the same gradients by filter ...
    filter_sources: NDArray[np.int32]  #: ... and where the input of each starts in `patches`
    hidden1: NDArray[np.float32]  #: [sample][128]
    hidden1_gradients: NDArray[np.float32]
    hidden2: NDArray[np.float32]  #: [sample][96]
    hidden2_gradients: NDArray[np.float32]
    logit_gradients: NDArray[np.float32]  #: [sample][16]
    outputs: NDArray[np.float32]  #: [output][sample], of the layer in flight
    deltas: NDArray[np.float32]  #: [output][sample]: their gradients
    unpooled: NDArray[np.float32]  #: gradients of a convolution's whole output, in rows of planes or maps (plain)
    filters: NDArray[np.float32]  #: the gradient of a convolution's filters in the making, as in a weight vector
    bias: NDArray[np.float32]  #: a bias gradient in the making
    gradient: NDArray[np.float32]  #: a whole gradient, where it is not applied at once


def num_weights(num_features: int) -> int:
    """Length of a weight vector in the engine's own order, padding included."""
    last = dense_layers(num_features)[-1]
    return last.bias + last.bias_width


def weight_positions(pools: int) -> NDArray[np.intp]:
    """Position in the engine's own order of each entry of the flat weight vector: [num_parameters]."""
    side = {1: 10, 2: 5}[pools]
    features = CHANNELS2 * side * side
    fc1, fc2, fc3 = dense_layers(features)
    parts = {
        "conv1.weight": CONV1 + _grid(CONV1_FILTER, 1, CONV1_ROW, IMAGE_CHANNELS, shape=(6, 3, 5, 5)),
        "conv1.bias": CONV1_BIAS + _grid(1, shape=(6,)),
        "conv2.weight": CONV2 + _grid(CONV2_FILTER, 1, CONV2_ROW, CHANNELS1, shape=(16, 6, 5, 5)),
        "conv2.bias": CONV2_BIAS + _grid(1, shape=(16,)),
        "fc1.weight": fc1.weights + _grid(features, 1, side * 16, 16, shape=(fc1.size, 16, side, side)),
        "fc1.bias": fc1.bias + _grid(1, shape=(fc1.size,)),
        "fc2.weight": fc2.weights + _grid(fc2.width, 1, shape=(fc2.size, fc1.size)),
        "fc2.bias": fc2.bias + _grid(1, shape=(fc2.size,)),
        "fc3.weight": fc3.weights + _grid(fc3.width, 1, shape=(fc3.size, fc2.size)),
        "fc3.bias": fc3.bias + _grid(1, shape=(fc3.size,)),
    }
    return np.concatenate([parts[name].ravel() for name in architecture.parameter_shapes(pools)])


def _grid(*strides: int, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """The offset of every entry of an array of this shape that is stored with these strides."""
    axes = np.indices(shape, dtype=np.intp)
    return sum((axis * stride for axis, stride in zip(axes, strides, strict=True)), np.zeros(shape, np.intp))


def allocate_scratch(num_features: int) -> Scratch:
    """Zeroed scratch memory for networks with ``num_features`` inputs of the first fully connected layer."""
    positions = TILE * POSITIONS
    scratch = Scratch(
        pixels=aligned(TILE * IMAGE, np.int8),
        image=aligned(TILE * IMAGE),
        planes=aligned(IMAGE_CHANNELS * PLANE),
        corners=aligned(MAP, np.int32),
        maps=aligned(CHANNELS1 * MAP),
        sources=aligned(CHANNELS1 * MAP, np.int32),
        patches=aligned(TILE * PATCHES),
        patch_gradients=aligned(TILE * PATCHES),
        taps=aligned(TAPS * CHANNELS2),
        taps1=aligned(6 * CHANNELS1 * LANES),
        taps2=aligned(6 * CHANNELS1 * KERNEL * CHANNELS2),
        values=aligned(6 * IMAGE_CHANNELS * PLANE_ROW),
        products=aligned(6 * CHANNELS1 * 2 * SIDE1 * TILE),
        spread=aligned(CHANNELS2 * SPREAD),
        features=aligned(TILE * num_features),
        feature_gradients=aligned(TILE * num_features),
        choices=aligned(positions * CHANNELS2, np.int32),
        windows=aligned(WINDOWS * SPREAD),
        window_counts=aligned(positions, np.int64),
        window_gradients=aligned(positions * CHANNELS2),
        window_sources=aligned(positions * CHANNELS2, np.int32),
        filter_counts=aligned(CHANNELS2, np.int64),
        filter_gradients=aligned(CHANNELS2 * positions),
        filter_sources=aligned(CHANNELS2 * positions, np.int32),
        hidden1=aligned(TILE * WIDTH1),
        hidden1_gradients=aligned(TILE * WIDTH1),
        hidden2=aligned(TILE * WIDTH2),
        hidden2_gradients=aligned(TILE * WIDTH2),
        logit_gradients=aligned(TILE * WIDTH3),
        outputs=aligned(WIDTH1 * TILE),
        deltas=aligned(WIDTH1 * TILE),
        unpooled=aligned(CHANNELS1 * 2 * SIDE1 * PLANE_ROW),
        filters=aligned(CHANNELS2 * CONV2_FILTER),
        bias=aligned(WIDTH1),
        gradient=aligned(num_weights(num_features)),
    )
    y, x, sample = np.indices((SIDE1, SIDE1, TILE), np.int32)
    corners = sample * IMAGE + 2 * y * IMAGE_ROW + 2 * x * IMAGE_CHANNELS
    scratch.corners.reshape(SIDE1, MAP_ROW)[:, : SIDE1 * TILE] = corners.reshape(SIDE1, -1)
    return scratch


def aligned(size: int, dtype: type = np.float32) -> NDArray:  # type: ignore[type-arg]
    """A zeroed array [size] that starts on a cache line and may be read a little past its end by whole vectors."""
    num_bytes = size * np.dtype(dtype).itemsize
    raw = np.zeros(num_bytes + 4 * 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + num_bytes].view(dtype)
