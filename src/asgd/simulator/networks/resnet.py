"""Residual networks for CIFAR: 6 n + 2 layers, shortcuts without weights (He et al., 2016, section 4.2)."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from asgd.simulator.networks.batch_norm import BatchNorm
from asgd.simulator.networks.paper import load_weights
from asgd.simulator.streams import stream

_WIDTHS = (16, 32, 64)


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


def build_resnet(blocks: int, seed: int, num_classes: int) -> ResNet:
    """With the initial weights of ``seed``."""
    network = ResNet(blocks, num_classes)
    load_weights(network, draw_weights(stream(seed, "weights"), network))
    return network
