"""Round robin: the threshold from its characteristic polynomial, exactly.

On a quadratic of curvature lambda the protocol is a linear recursion. With x = eta * lambda, b the momentum and
tau = m - 1, the characteristic equations of round robin are

    none, server momentum   z^tau (z - 1) (z - b) + s x z = 0
    worker momentum         (z - 1) (z^m - b)     + s x z = 0

with s = 1 in PyTorch's convention and s = 1 - b for EMA; b = 0 is plain delayed descent, stable for
x < 2 sin(pi / (2 (2 tau + 1))). The recursion is stable while all roots lie inside the unit circle.
"""

import cmath
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

_POINTS_PER_TURN = 64
_PIECE = 8192  # grid points at a time


def characteristic_polynomial(
    x: float, num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> NDArray[np.float64]:
    """Coefficients of round robin's characteristic polynomial, highest power first."""
    power = num_workers if where == "worker" else 1
    decay = np.zeros(power + 1)
    decay[0], decay[-1] = 1, -momentum  # z^power - b
    polynomial = np.asarray(np.polymul([1.0, -1.0], decay), np.float64)
    if where == "server":
        polynomial = np.concatenate([polynomial, np.zeros(num_workers - 1)])  # times z^tau
    polynomial[-2] += gradient_share(momentum, convention) * x
    return polynomial


def spectral_radius(
    x: float, num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> float:
    """Largest modulus of a characteristic root: the factor by which the error changes in a step, in the long run."""
    return float(np.abs(np.roots(characteristic_polynomial(x, num_workers, momentum, where, convention))).max())


def find_threshold(
    num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> float:
    """The smallest x = eta * lambda > 0 at which round robin has a characteristic root on the unit circle.

    Below it the recursion is stable.
    """

    share = gradient_share(momentum, convention)

    def x_at(z: Any) -> Any:
        """x as a function of z, a complex number or an array of them; a threshold where it is real."""
        if where == "worker":
            return -((z - 1) * (z**num_workers - momentum) / z) / share
        return -((z - 1) * (z - momentum) * z ** (num_workers - 2)) / share

    def x_of(theta: float) -> complex:
        return complex(x_at(cmath.exp(1j * theta)))

    smallest = min((x for x in (x_of(math.pi).real,) if x > 0), default=math.inf)
    spacing = math.pi / (_POINTS_PER_TURN * (num_workers + 1) - 1)
    for first in range(1, _POINTS_PER_TURN * (num_workers + 1), _PIECE):
        # x is at least this further on: with many workers the search ends early.
        if 2 * math.sin(first * spacing / 2) * (1 - momentum) / share > smallest:
            break
        last = min(first + _PIECE, _POINTS_PER_TURN * (num_workers + 1) - 1)
        grid = np.arange(first, last + 1) * spacing
        imaginary = x_at(np.exp(1j * grid)).imag
        changes = np.flatnonzero(imaginary[:-1] * imaginary[1:] <= 0)
        # NumPy rounds otherwise than cmath, so a root on a grid point may lie in the interval beside.
        near = np.unique(np.concatenate([changes - 1, changes, changes + 1]).clip(0, len(grid) - 2))
        for low, high in zip(grid[near].tolist(), grid[near + 1].tolist(), strict=True):
            if x_of(low).imag * x_of(high).imag < 0:
                found = x_of(brentq(lambda theta: x_of(theta).imag, low, high, xtol=1e-15)).real
                smallest = min(smallest, found) if found > 0 else smallest
    return smallest


def gradient_share(momentum: float, convention: str) -> float:
    """How much of a gradient enters the velocity."""
    return 1 - momentum if convention == "ema" else 1.0
