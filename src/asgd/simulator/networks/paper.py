"""The paper's network as a PyTorch module: the executable specification of ``asgd.simulator.networks.shapes``."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import vector_to_parameters

from asgd.errors import AsgdError
from asgd.settings.network import Network
from asgd.settings.run import RunConfig
from asgd.simulator.networks.shapes import (
    HIDDEN_UNITS,
    NUM_CLASSES,
    NUM_DROPOUT_UNITS,
    PIXEL_CENTRE,
    draw_initial_weights,
    parameter_shapes,
)
from asgd.simulator.streams import dropout_scale, dropout_threshold, stream

NETWORK = Network(
    layers="conv 6@5x5, max-pool, conv 16@5x5, max-pool (unless `pools` is 1), fully connected 120, 84, 10",
    source="the paper",
    fused=True,
)


class PaperNetwork(nn.Module):
    """conv 6@5x5, pool, conv 16@5x5 (, pool), fully connected 120, 84, 10 (Section II of the paper).

    ``dropout`` acts on the two hidden fully connected layers, after their ReLU. Its masks are an input, because they
    come from the run's own random stream.
    """

    def __init__(self, pools: int = 2, output_relu: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.pools = pools
        self.output_relu = output_relu
        self.dropout = dropout
        #: Random numbers that a sample's mask takes; 0 tells the engine to draw none.
        self.num_dropout_units = NUM_DROPOUT_UNITS if dropout else 0
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(parameter_shapes(pools)["fc1.weight"][1], HIDDEN_UNITS[0])
        self.fc2 = nn.Linear(*HIDDEN_UNITS)
        self.fc3 = nn.Linear(HIDDEN_UNITS[1], 10)

    def forward(self, images: Tensor, masks: Tensor | None = None) -> Tensor:
        """Logits [n, 10] of normalised ``images`` [n, 3, 32, 32].

        ``masks`` [n, 204]: uniform numbers 0..65535 (``streams.BatchStream.take_masks``); None switches dropout off.
        """
        x = F.max_pool2d(F.relu(self.conv1(images)), 2)
        x = F.relu(self.conv2(x))
        if self.pools == 2:
            x = F.max_pool2d(x, 2)
        x = self._drop(F.relu(self.fc1(x.flatten(1))), masks, 0)
        x = self._drop(F.relu(self.fc2(x)), masks, HIDDEN_UNITS[0])
        x = self.fc3(x)
        return F.relu(x) if self.output_relu else x

    def _drop(self, x: Tensor, masks: Tensor | None, first: int) -> Tensor:
        if masks is None:
            return x
        kept = masks[:, first : first + x.shape[1]] >= dropout_threshold(self.dropout)
        return x * (kept * dropout_scale(self.dropout)).to(x.dtype)


def load_weights(module: nn.Module, weights: NDArray[np.float32]) -> None:
    """Set all parameters of ``module`` from the flat vector ``weights``, in the module's order."""
    vector_to_parameters(torch.from_numpy(weights.copy()), module.parameters())


def normalize_images(images: NDArray[np.uint8], dtype: torch.dtype = torch.float32, device: str = "cpu") -> Tensor:
    """Images [n, 32, 32, 3] of 0..255 as the network's input [n, 3, 32, 32] in [-1, 1]."""
    pixels = torch.from_numpy(np.array(images)).to(device=device, dtype=dtype)  # copied: they may be mapped read-only
    return ((pixels - PIXEL_CENTRE) / PIXEL_CENTRE).permute(0, 3, 1, 2).contiguous()


def build(config: RunConfig, num_classes: int) -> PaperNetwork:
    """In the configuration's reading, with the initial weights of the run's seed."""
    if num_classes != NUM_CLASSES:
        raise AsgdError(
            f"network = paper has {NUM_CLASSES} outputs, and the images have {num_classes} classes; take another one"
        )
    network = PaperNetwork(config.pools, config.output_relu, config.dropout)
    load_weights(network, draw_initial_weights(stream(config.seed, "weights"), config.pools))
    return network
