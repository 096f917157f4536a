"""The residual networks: their size, their statistics in an evaluation, and their initial weights."""

import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from asgd.simulator.networks.batch_norm import BatchNorm, estimate_statistics
from asgd.simulator.networks.resnet import ResNet, draw_weights


def make_network(blocks: int = 1, num_classes: int = 10) -> ResNet:
    network = ResNet(blocks, num_classes)
    weights = draw_weights(np.random.default_rng(3), network)
    vector_to_parameters(torch.from_numpy(weights), network.parameters())
    return network


def estimate(network: ResNet, fixed: torch.Tensor) -> None:
    """The statistics on images that are the network's input already."""
    estimate_statistics(network, lambda _: network(fixed), np.zeros((1, 32, 32, 3), np.uint8))


def images(number: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(number, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("blocks", "layers", "parameters"), [(1, 8, 75_290), (3, 20, 269_722)])
def test_layers_and_parameters_are_those_of_the_paper(blocks: int, layers: int, parameters: int) -> None:
    """He et al. (2016), table 6: ResNet-20 has 0.27 million."""
    network = make_network(blocks)
    weighted = [one for one in network.modules() if isinstance(one, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(weighted) == layers
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert network(images(2)).shape == (2, 10)
    assert make_network(blocks, num_classes=7)(images(2)).shape == (2, 7)


def test_training_normalises_by_the_mini_batch_and_keeps_nothing() -> None:
    network = make_network().train()
    before = parameters_to_vector(network.parameters()).clone()
    network(images(8))
    assert torch.equal(parameters_to_vector(network.parameters()), before)
    assert list(network.buffers()) == []
    assert all(one.statistics is None for one in network.modules() if isinstance(one, BatchNorm))
    norm = BatchNorm(3).train()
    found = norm(5 + 2 * images(50))
    assert found.mean((0, 2, 3)).abs().max() < 1e-5
    assert (found.var((0, 2, 3), correction=0) - 1).abs().max() < 1e-4


def test_an_evaluation_is_a_function_of_the_weights_alone() -> None:
    """Not of the images that are evaluated together, nor of what was estimated before."""
    network, fixed, shown = make_network().eval(), images(64, 1), images(10, 2)
    estimate(network, fixed)
    together = network(shown)
    one_by_one = torch.cat([network(image[None]) for image in shown])
    assert torch.allclose(together, one_by_one, atol=1e-5)
    estimate(network, images(64, 3))
    assert not torch.allclose(network(shown), together, atol=1e-3)
    estimate(network, fixed)
    assert torch.equal(network(shown), together)


def test_on_the_images_of_the_estimate_an_evaluation_is_that_of_training() -> None:
    network, fixed = make_network(), images(32, 4)
    trained = network.train()(fixed)
    network.eval()
    estimate(network, fixed)
    assert torch.allclose(network(fixed), trained, atol=1e-4)


def test_initial_weights_have_the_variance_of_he() -> None:
    network = make_network(3)
    for name, parameter in network.named_parameters():
        values = parameter.detach()
        if values.dim() == 4:
            expected = (2 / (values.shape[0] * 9)) ** 0.5
            assert float(values.std()) == pytest.approx(expected, rel=6 / values.numel() ** 0.5)
        elif name.startswith("linear"):
            assert 0.9 / 8 < float(values.abs().max()) <= 1 / 8
        else:
            assert (values == (1.0 if name.endswith("weight") else 0.0)).all()
    again = draw_weights(np.random.default_rng(3), network)
    assert np.array_equal(again, parameters_to_vector(network.parameters()).detach().numpy())
