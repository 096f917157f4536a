"""Linear stability of delayed SGD on a quadratic: how large eta * lambda may be, for each kind of momentum.

On a quadratic of curvature lambda the protocol is a linear recursion. With x = eta * lambda, b the momentum and
tau = m - 1, its characteristic equations are

    none, server momentum   z^tau (z - 1) (z - b) + s x z = 0
    worker momentum         (z - 1) (z^m - b)     + s x z = 0

with s = 1 in PyTorch's convention and s = 1 - b for EMA; b = 0 is plain delayed descent, stable for
x < 2 sin(pi / (2 (2 tau + 1))). The recursion is stable while all roots lie inside the unit circle.
"""

import cmath
import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

_POINTS_PER_TURN = 64


def characteristic_polynomial(
    x: float, num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> NDArray[np.float64]:
    """Coefficients of the characteristic polynomial, highest power first."""
    power = num_workers if where == "worker" else 1
    decay = np.zeros(power + 1)
    decay[0], decay[-1] = 1, -momentum  # z^power - b
    polynomial = np.asarray(np.polymul([1.0, -1.0], decay), np.float64)
    if where == "server":
        polynomial = np.concatenate([polynomial, np.zeros(num_workers - 1)])  # times z^tau
    polynomial[-2] += _gradient_share(momentum, convention) * x
    return polynomial


def spectral_radius(
    x: float, num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> float:
    """Largest modulus of a characteristic root: the factor by which the error changes in a step, in the long run."""
    return float(np.abs(np.roots(characteristic_polynomial(x, num_workers, momentum, where, convention))).max())


def find_threshold(
    num_workers: int, momentum: float = 0.0, where: str = "server", convention: str = "pytorch"
) -> float:
    """The smallest x = eta * lambda > 0 at which a characteristic root lies on the unit circle; below it is stability.

    On z = exp(i theta) the equation gives x as a function of theta, which is a threshold where it is real.
    """

    def x_of(theta: float) -> complex:
        z = cmath.exp(1j * theta)
        if where == "worker":
            product = (z - 1) * (z**num_workers - momentum) / z
        else:
            product = (z - 1) * (z - momentum) * z ** (num_workers - 2)
        return -product / _gradient_share(momentum, convention)

    grid = np.linspace(0, math.pi, _POINTS_PER_TURN * (num_workers + 1))[1:]
    imaginary = [x_of(theta).imag for theta in grid]
    crossings = [
        brentq(lambda theta: x_of(theta).imag, low, high, xtol=1e-15)
        for low, high, before, after in zip(grid, grid[1:], imaginary, imaginary[1:], strict=False)
        if before * after < 0
    ]
    return min(x for x in (x_of(theta).real for theta in [*crossings, math.pi]) if x > 0)


def _gradient_share(momentum: float, convention: str) -> float:
    return 1 - momentum if convention == "ema" else 1.0
