"""The sharpness: the largest eigenvalue of the loss's Hessian, the lambda of the stability thresholds.

By Lanczos (ARPACK, through SciPy) on Hessian-vector products from PyTorch's second derivatives (Pearlmutter 1994, "Fast
exact multiplication by the Hessian"). The loss is the mean cross-entropy on a fixed sample of training images, without
dropout, in the network that the run trains.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn
from torch.nn import functional as F

from asgd.analyses.stability import find_threshold
from asgd.data import Dataset
from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.simulator.engines import build_engine
from asgd.simulator.networks.paper import PaperNetwork, load_weights, normalize_images
from asgd.simulator.simulate import plan_schedule

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


def sample_images(dataset: Dataset, number: int) -> tuple[Tensor, Tensor]:
    """The first ``number`` training images, a balanced sample, as the network's input, and their labels."""
    if number > len(dataset.train_labels):
        raise AsgdError(f"sharpness of {number} images: the training set has only {len(dataset.train_labels)}")
    return normalize_images(dataset.train_images[:number]), torch.from_numpy(np.array(dataset.train_labels[:number]))


def track_sharpness(config: RunConfig, dataset: Dataset, epochs: Sequence[float], num_images: int) -> pd.DataFrame:
    """Train ``config`` and measure the sharpness of the server's weights at each of ``epochs`` (ascending).

    Columns: num_workers, seed, learning_rate, step, epoch, sharpness (nan after an overflow), limit (the largest
    sharpness at which linear theory has the run stable: threshold / learning rate), stability (sharpness / limit).
    """
    momentum = (config.momentum, config.momentum_where, config.momentum_convention)
    limit = find_threshold(config.num_workers, *momentum) / config.learning_rate
    steps_per_epoch = plan_schedule(config, len(dataset.train_images)).steps_per_epoch
    images, labels = sample_images(dataset, num_images)
    engine, network = (
        build_engine(config, dataset.train_images, dataset.train_labels),
        PaperNetwork(config.pools, config.output_relu),
    )
    rows, done = [], 0
    for step in (round(epoch * steps_per_epoch) for epoch in epochs):
        if step > done:
            engine.advance(step - done)
        done = step
        load_weights(network, engine.weights)
        names = {"num_workers": config.num_workers, "seed": config.seed, "learning_rate": config.learning_rate}
        sharpness = measure_sharpness(network, images, labels)
        place = {"step": step, "epoch": step / steps_per_epoch}
        rows.append({**names, **place, "sharpness": sharpness, "limit": limit, "stability": sharpness / limit})
    return pd.DataFrame(rows)
