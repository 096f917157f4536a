"""The network at an engine's weights, for probes that PyTorch computes."""

import numpy as np
import torch
from torch import Tensor, nn

from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine
from asgd.simulator.networks.paper import load_weights, normalize_images
from asgd.simulator.parts import build_network
from asgd.simulator.simulate import Images


def load_network(engine: Engine, config: RunConfig, images: Images) -> nn.Module:
    """The server's weights in the network of ``config``, without dropout."""
    torch.set_num_threads(1)  # runs are parallel
    network = build_network(config.model_copy(update={"dropout": 0.0}), len(images.classes))
    load_weights(network, engine.weights)
    return network


def sample_images(images: Images, number: int | None) -> tuple[Tensor, Tensor]:
    """The first ``number`` training images (None: all), a balanced sample, as the network's input, and their labels."""
    labels = np.array(images.train_labels[:number])
    return normalize_images(images.train_images[:number]), torch.from_numpy(labels)
