"""The paper's network as shapes: what both engines and the initial weights agree on. NumPy only.

Section II of the paper: conv 6@5x5, max-pool 2x2, conv 16@5x5, fully connected 120, 84, 10, "each layer is followed
by a ReLU". Whether the pooling is applied once or after both convolutions is left open (``pools``), and so is
whether the ReLU sits on the logits too (``output_relu``).
"""

import math

import numpy as np
from numpy.typing import NDArray

NUM_CLASSES = 10
IMAGE_SHAPE = (32, 32, 3)  # height, width, channel: as the data are stored

#: Pixels 0..255 become (pixel - PIXEL_CENTRE) / PIXEL_CENTRE, in [-1, 1]: the PyTorch tutorial's normalisation.
PIXEL_CENTRE = 127.5

#: Units under dropout, per sample: the outputs of the first and of the second fully connected layer.
HIDDEN_UNITS = (120, 84)
NUM_DROPOUT_UNITS = sum(HIDDEN_UNITS)

_FLAT_FEATURES = {1: 16 * 10 * 10, 2: 16 * 5 * 5}


def parameter_shapes(pools: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter, in PyTorch's order: the flat weight vector is their concatenation."""
    return {
        "conv1.weight": (6, 3, 5, 5),
        "conv1.bias": (6,),
        "conv2.weight": (16, 6, 5, 5),
        "conv2.bias": (16,),
        "fc1.weight": (120, _FLAT_FEATURES[pools]),
        "fc1.bias": (120,),
        "fc2.weight": (84, 120),
        "fc2.bias": (84,),
        "fc3.weight": (NUM_CLASSES, 84),
        "fc3.bias": (NUM_CLASSES,),
    }


def num_parameters(pools: int) -> int:
    """Length of the flat weight vector: 62,006 with two poolings."""
    return sum(math.prod(shape) for shape in parameter_shapes(pools).values())


def draw_initial_weights(generator: np.random.Generator, pools: int) -> NDArray[np.float32]:
    """PyTorch's default initial distribution: U(-k, k), k = 1 / sqrt(fan-in), for weights and biases alike.

    Returns the flat weight vector [num_parameters] float32.
    """
    parts = []
    bound = 0.0
    for shape in parameter_shapes(pools).values():
        if len(shape) > 1:  # a bias has the bound of its weight, which precedes it
            bound = 1 / math.sqrt(math.prod(shape[1:]))
        parts.append((generator.random(math.prod(shape)) * 2 - 1) * bound)
    return np.concatenate(parts).astype(np.float32)
