"""Images, and the network in float64 PyTorch written out once more: what the fused engine is measured against."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from asgd.settings.run import RunConfig
from asgd.simulator.networks import shapes as architecture
from asgd.simulator.streams import dropout_scale, dropout_threshold

KERNELS = ("vector", "plain")


def draw_images(number: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images with coarse structure and noise, some of it clipped to flat areas, and labels."""
    generator = np.random.default_rng(seed)
    coarse = generator.normal(size=(number, 8, 8, 3)).repeat(4, 1).repeat(4, 2)
    pixels = 128 + 70 * coarse + 15 * generator.normal(size=(number, 32, 32, 3))
    return pixels.clip(0, 255).astype(np.uint8), generator.integers(0, 10, number)


def constant_images() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images of one colour: every pooling window is a tie."""
    colours = np.array([[128, 128, 128], [0, 0, 0], [255, 255, 255], [77, 200, 3], [127, 128, 129]], np.uint8)
    return np.broadcast_to(colours[:, None, None], (5, 32, 32, 3)).copy(), np.array([3, 1, 4, 1, 5])


def compute_exact_gradients(
    config: RunConfig,
    weights: NDArray[np.float32],
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    masks: NDArray[np.uint16] | None,
) -> tuple[float, dict[str, NDArray[np.float64]], float]:
    """Loss and gradient of every parameter, by autograd in float64, and the margin of its closest decision."""
    margins = []
    parameters = split_parameters(weights.astype(np.float64), config.pools)
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in parameters.items()}
    inputs = torch.tensor(images).permute(0, 3, 1, 2).double()
    x = (inputs - architecture.PIXEL_CENTRE) / architecture.PIXEL_CENTRE
    x = F.conv2d(x, tensors["conv1.weight"], tensors["conv1.bias"])
    margins.append(measure_margin(x, pooled=True))
    x = F.max_pool2d(F.relu(x), 2)
    x = F.conv2d(x, tensors["conv2.weight"], tensors["conv2.bias"])
    margins.append(measure_margin(x, pooled=config.pools == 2))
    x = (F.max_pool2d(F.relu(x), 2) if config.pools == 2 else F.relu(x)).flatten(1)
    start = 0
    for layer, size in (("fc1", 120), ("fc2", 84)):
        x = F.linear(x, tensors[f"{layer}.weight"], tensors[f"{layer}.bias"])
        margins.append(measure_margin(x))
        x = F.relu(x)
        if masks is not None:
            kept = masks[:, start : start + size] >= dropout_threshold(config.dropout)
            x = x * torch.tensor(kept * dropout_scale(config.dropout))
        start += size
    logits = F.linear(x, tensors["fc3.weight"], tensors["fc3.bias"])
    margins.append(measure_margin(logits) if config.output_relu else 1.0)
    loss = F.cross_entropy(F.relu(logits) if config.output_relu else logits, torch.tensor(labels))
    loss.backward()
    gradients = {name: tensor.grad.numpy() for name, tensor in tensors.items() if tensor.grad is not None}
    return loss.item(), gradients, min(margins)


def measure_margin(z: Tensor, pooled: bool = False) -> float:
    """How far the closest decision of a layer is from falling otherwise, relative to the layer's typical value.

    Decisions are ReLU (the sign) and, where ``pooled``, which of four is the largest. Exact ties are no such decisions.
    """
    z = z.detach()
    scale = float(z.abs().mean())
    distances = z.abs()
    if pooled:
        windows = z.unfold(2, 2, 2).unfold(3, 2, 2).flatten(-2).sort(-1).values
        gaps = (windows[..., 3:] - windows[..., :3])[windows[..., 3] > 0]
        distances = torch.cat([windows[..., 3].abs().flatten(), gaps[gaps > 0]])
    return float(distances.min()) / scale


def split_parameters(flat: NDArray[np.float64], pools: int) -> dict[str, NDArray[np.float64]]:
    """The flat vector as named arrays."""
    shapes = architecture.parameter_shapes(pools)
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
    parts = np.split(flat, ends[:-1])
    return {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def worst_error(found: NDArray[np.float32], exact: dict[str, NDArray[np.float64]], pools: int) -> float:
    """Largest max |d| / max |g| of all parameters; a gradient of zero must be zero."""
    errors = []
    for name, part in split_parameters(found.astype(np.float64), pools).items():
        size = np.abs(exact[name]).max()
        errors.append(np.abs(part - exact[name]).max() / size if size else np.abs(part).max())
    return max(errors)
