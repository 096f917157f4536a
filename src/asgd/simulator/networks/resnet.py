"""Residual networks for CIFAR (He, Zhang, Ren and Sun, 2016, section 4.2): 6 n + 2 layers, shortcuts without weights.

Batch normalisation trains on the statistics of the mini-batch and keeps no running ones. For an evaluation they are
estimated at the weights that are evaluated, on a fixed set of training images, so an evaluation is a function of the
weights alone, and nothing but weights travels between server and workers.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

_WIDTHS = (16, 32, 64)


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


class Block(nn.Module):
    """Two convolutions and a shortcut, which leaves out pixels and pads channels with zeros where the shape changes."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.stride = 1 if channels == width else 2
        self.conv1 = nn.Conv2d(channels, width, 3, self.stride, 1, bias=False)
        self.norm1 = BatchNorm(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = BatchNorm(width)
        self.padding = width - channels

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        if self.padding:
            before = self.padding // 2
            shortcut = F.pad(shortcut, (0, 0, 0, 0, before, self.padding - before))
        return F.relu(y + shortcut)


class ResNet(nn.Module):
    """``blocks`` blocks at each of three resolutions: 1 gives ResNet-8, 3 gives ResNet-20."""

    def __init__(self, blocks: int, num_classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, _WIDTHS[0], 3, 1, 1, bias=False)
        self.norm = BatchNorm(_WIDTHS[0])
        widths = [width for width in _WIDTHS for _ in range(blocks)]
        self.blocks = nn.Sequential(*map(Block, [_WIDTHS[0], *widths], widths))
        self.linear = nn.Linear(_WIDTHS[-1], num_classes)
        # A CPU convolves, and above all normalises, 1.3 times faster in this order.
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, num_classes] of normalised ``images`` [n, 3, 32, 32]."""
        x = images.contiguous(memory_format=torch.channels_last)
        x = self.blocks(F.relu(self.norm(self.conv(x))))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


@torch.no_grad()
def estimate_statistics(module: nn.Module, inputs: Tensor) -> None:
    """Set the statistics of all ``BatchNorm`` of ``module`` from one pass over ``inputs`` [n, 3, 32, 32]."""
    layers = [layer for layer in module.modules() if isinstance(layer, BatchNorm)]
    with _watching(layers):
        module(inputs)


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


def draw_weights(generator: np.random.Generator, module: nn.Module) -> NDArray[np.float32]:
    """Initial weights [num_parameters] in the order of ``module.parameters()``.

    Convolutions: normal with variance 2 / (k k out) (He et al., 2015, by outputs); normalisations: 1 and 0; the linear
    layer: uniform in +- 1 / sqrt(inputs), as PyTorch's.
    """
    parts = []
    for name, parameter in module.named_parameters():
        shape = tuple(parameter.shape)
        if len(shape) == 4:
            values = generator.standard_normal(shape) * math.sqrt(2 / (shape[0] * shape[2] * shape[3]))
        elif name.startswith("linear"):
            values = (generator.random(shape) * 2 - 1) / math.sqrt(_WIDTHS[-1])
        else:
            values = np.full(shape, 1.0 if name.endswith("weight") else 0.0)
        parts.append(values.reshape(-1))
    return np.concatenate(parts).astype(np.float32)
