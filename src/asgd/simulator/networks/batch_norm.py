"""Batch normalisation without running statistics.

It trains on the statistics of the mini-batch. For an evaluation they are estimated at the weights that are evaluated,
on a fixed set of training images, so an evaluation is a function of the weights alone, and nothing but weights travels
between server and workers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

#: Training images, the first ones, that statistics are estimated on.
SAMPLE = 2048


class BatchNorm(nn.Module):
    """Normalises with the statistics of its input in training, and with those that were estimated in evaluation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.statistics: tuple[Tensor, Tensor] | None = None  #: mean and variance [channels]; None: the input's own

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.statistics is None:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True)
        return F.batch_norm(x, *self.statistics, self.weight, self.bias, training=False)


def has_statistics(module: nn.Module) -> bool:
    """Whether there is batch normalisation in it."""
    return any(isinstance(layer, BatchNorm) for layer in module.modules())


@torch.no_grad()
def estimate_statistics(
    module: nn.Module, call: Callable[[NDArray[np.uint8]], Tensor], images: NDArray[np.uint8]
) -> None:
    """Set the statistics of all ``BatchNorm`` of ``module`` from one ``call`` on the first of ``images``."""
    layers = [layer for layer in module.modules() if isinstance(layer, BatchNorm)]
    if layers:
        with _watching(layers):
            call(images[:SAMPLE])


@contextmanager
def _watching(layers: list[BatchNorm]) -> Iterator[None]:
    def remember(layer: nn.Module, arguments: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(arguments[0], (0, 2, 3), correction=0)
        layer.statistics = mean, variance  # type: ignore[assignment]

    for layer in layers:
        layer.statistics = None
    hooks = [layer.register_forward_pre_hook(remember) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
