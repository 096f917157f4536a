"""The sharpness: the largest eigenvalue of the loss's Hessian, the lambda of the limits of stability.

By Lanczos (ARPACK, through SciPy) on Hessian-vector products from PyTorch's second derivatives (Pearlmutter 1994, "Fast
exact multiplication by the Hessian"). The loss is the mean cross-entropy on a fixed sample of training images, without
dropout, in the network that the run trains; batch normalisation takes the statistics of the sample.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn import functional as F

from asgd.settings.probes import Probe
from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine
from asgd.simulator.probes.network import load_network, sample_images
from asgd.simulator.simulate import Images

PROBE = Probe(
    measures="the largest eigenvalue of the loss's Hessian",
    columns={"sharpness": "largest eigenvalue of the Hessian of the loss on the images"},
    images="training images",
)

TOLERANCE = 1e-3  #: relative, of the eigenvalue

# Lanczos vectors: at least as many Hessian-vector products. ARPACK's default, 20, costs twice as many here.
_NUM_VECTORS = 10


def largest_eigenvalue(loss: Tensor, parameters: Iterable[Tensor], tolerance: float = TOLERANCE) -> float:
    """The largest (algebraic) eigenvalue of the Hessian of the scalar ``loss``, to a relative ``tolerance``.

    A Hessian of zero, as in a dead network, has 0. The start vector is fixed, so the result is reproducible. Needs more
    than ten parameters in all.
    """
    leaves = list(parameters)
    gradients = torch.autograd.grad(loss, leaves, create_graph=True)
    gradient = torch.cat([part.reshape(-1) for part in gradients])
    if not gradient.requires_grad:  # the loss is linear
        return 0.0

    def multiply(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        direction = torch.from_numpy(vector.reshape(-1)).to(gradient)
        parts = torch.autograd.grad(gradient, leaves, direction, retain_graph=True, materialize_grads=True)
        product: NDArray[np.float64] = torch.cat([part.reshape(-1) for part in parts]).double().cpu().numpy()
        return product

    start = np.random.default_rng(0).normal(size=len(gradient))
    if not multiply(start).any():  # ARPACK refuses the zero matrix
        return 0.0
    operator = LinearOperator((len(start), len(start)), matvec=multiply, dtype=np.float64)
    found = eigsh(operator, 1, which="LA", v0=start, ncv=_NUM_VECTORS, tol=tolerance, return_eigenvectors=False)
    return float(found[0])


def measure_sharpness(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sharpness of the mean cross-entropy of ``network`` on ``images`` (its input) and ``labels`` [n].

    Not-a-number if the loss overflowed. Takes seconds for the paper's network and 500 images.
    """
    loss = F.cross_entropy(network(images), labels)
    return largest_eigenvalue(loss, network.parameters()) if torch.isfinite(loss) else float("nan")


def measure(engine: Engine, config: RunConfig, images: Images, num_images: int | None) -> dict[str, float]:
    """The sharpness at the server's weights."""
    network = load_network(engine, config, images)
    return {"sharpness": measure_sharpness(network, *sample_images(images, num_images))}
