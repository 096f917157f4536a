"""What becomes of a gradient: it is applied to the weights at once, or collected."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STORE, ADD, MOMENTUM, DESCEND = 0, 1, 2, 3


class Sink(NamedTuple):
    """Where gradients go, and how; offsets are those of a whole weight vector inside its array."""

    mode: np.int64  #: STORE or ADD to `gradient`; or step at once: MOMENTUM (with a velocity) or DESCEND (without)
    gradient: NDArray[np.float32]
    velocities: NDArray[np.float32]
    velocity: int  #: offset of the velocity in `velocities`
    ring: NDArray[np.float32]
    source: int  #: offset in `ring` of the server's weights W_t ...
    target: int  #: ... and of the place where W_{t+1} goes
    momentum: np.float32  #: v <- momentum * v + g
    rate: np.float32  #: W <- W + rate * v: minus the learning rate
