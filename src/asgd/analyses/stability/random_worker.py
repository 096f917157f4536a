"""A worker drawn at random for each gradient: the thresholds of the mean and of the mean square over the draws.

One gradient changes the server's W and V (its velocity) and the U, V of the worker that is drawn, linearly; ``_step``
has the matrix. All workers are alike, so the expectations do not depend on which worker is meant, and neither size nor
number of the equations depends on m:

*Mean.* Workers start alike, so E W, E U and E V follow from the matrix and the probability 1/m. With
h = 1 + m (z - 1) the characteristic equations are those of round robin (``thresholds``) with h in place of z^m.

*Mean square.* With q what the server holds and p what a worker holds, E q q', E q p', E p p' and, for two workers,
E p_i p_j' follow from themselves: 4 numbers without momentum (E W^2, E W U, E U^2, E U_i U_j), 8 with momentum at the
server, 11 with momentum at the workers. Single runs feel the mean square: where it grows, rare long delays make the
error burst however small the mean is.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from asgd.analyses.stability.thresholds import gradient_share

Matrix = NDArray[np.float64]


def find_mean_threshold(
    num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> float:
    """The smallest x = eta * lambda > 0 at which the mean has a root on the unit circle; 4 m - 2 without momentum."""
    heard, decayed = np.array([num_workers, 1.0 - num_workers]), np.array([1.0, -momentum])
    product = np.polymul(heard - [0, momentum], [1, 0]) if where == "worker" else np.polymul(heard, decayed)
    # On the unit circle x = -(a z + b + c / z + d / z^2) / s, which is real at -1 and where 2 d cos(theta) = a - c.
    a, b, c, d = np.polymul([1.0, -1.0], product)
    cosines = [-1.0, *([(a - c) / (2 * d)] if abs(a - c) < 2 * abs(d) else [])]
    found = [-((a + c) * cosine + b + d * (2 * cosine**2 - 1)) for cosine in cosines]
    return float(min(x for x in found if x > 0)) / gradient_share(momentum, convention)


def find_mean_square_threshold(
    num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> float:
    """The x = eta * lambda > 0 up to which the mean square falls: never above the mean's threshold."""
    high = 1.01 * find_mean_threshold(num_workers, momentum, where)
    low = high / 2
    while mean_square_radius(low, num_workers, momentum, where) >= 1:
        low, high = low / 2, low
    x = brentq(lambda x: mean_square_radius(x, num_workers, momentum, where) - 1, low, high, rtol=1e-12)
    return float(x) / gradient_share(momentum, convention)


def mean_square_radius(
    x: float, num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> float:
    """The factor by which the mean square changes in a step, in the long run."""
    matrix = mean_square_matrix(x, num_workers, momentum, where, convention)
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def mean_square_matrix(
    x: float, num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> Matrix:
    """What a step does to the second moments: q q', q p', p p' and p_i p_j', row by row and one after the other."""
    step, size = _step(gradient_share(momentum, convention) * x, momentum, where)
    m, rest = num_workers, len(step) - size
    shapes = [(size, size), (size, rest), (rest, rest), (rest, rest)]
    ends = np.cumsum([rows * columns for rows, columns in shapes])

    def advance(moments: Matrix) -> Matrix:
        parts = np.split(moments, ends[:-1])
        qq, qp, pp, pair = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        drawn = step @ np.block([[qq, qp], [qp.T, pp]]) @ step.T  # of q and the p of the worker drawn
        beside = step @ np.vstack([qp, pair])  # of these with the p of another worker
        after = (
            drawn[:size, :size],
            drawn[:size, size:] / m + beside[:size] * (1 - 1 / m),
            drawn[size:, size:] / m + pp * (1 - 1 / m),
            # A worker alone has no pair.
            (m > 1) * ((beside[size:] + beside[size:].T) / m + pair * (1 - 2 / m)),
        )
        return np.concatenate([part.ravel() for part in after])

    return np.column_stack([advance(basis) for basis in np.eye(ends[-1])])


def _step(x: float, momentum: float, where: str) -> tuple[Matrix, int]:
    """The matrix of one gradient on (q, p), and the length of q.

    (W, U) without momentum, (W, V, U) with momentum at the server, (W, U, V) with momentum at the workers.
    """
    if momentum == 0:
        return np.array([[1, -x], [1, -x]]), 1
    if where == "server":
        return np.array([[1, -momentum, -x], [0, momentum, x], [1, -momentum, -x]]), 2
    return np.array([[1, -x, -momentum], [1, -x, -momentum], [0, x, momentum]]), 1
