"""Delayed SGD on a quadratic written out whole: a matrix for each worker, on the weights and all that workers hold."""

import numpy as np
from numpy.typing import NDArray


def step_matrices(
    x: float, num_workers: int, momentum: float = 0.0, where: str = "server"
) -> list[NDArray[np.float64]]:
    """What a gradient of each worker does to (W, U_1 .. U_m, velocities); PyTorch's convention."""
    m, keeps = num_workers, bool(momentum) and where == "worker"
    matrices = []
    for worker in range(m):
        matrix = np.eye(1 + m + (m if keeps else 1))
        velocity = 1 + m + (worker if keeps else 0)
        matrix[velocity] = 0
        matrix[velocity, velocity], matrix[velocity, 1 + worker] = momentum, x
        matrix[0] -= matrix[velocity]
        matrix[1 + worker] = matrix[0]
        matrices.append(matrix)
    return matrices
