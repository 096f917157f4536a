"""The largest Hessian eigenvalue, against Hessians known in closed form or built whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector

from asgd.data import Dataset, load_data, prepare_data
from asgd.settings.data import DataConfig
from asgd.simulator.networks.paper import PaperNetwork
from asgd.simulator.probes.network import sample_images
from asgd.simulator.probes.sharpness import TOLERANCE, largest_eigenvalue, measure_sharpness


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    data = DataConfig(source="synthetic", num_train=80, num_test=20)
    return load_data(prepare_data(data, tmp_path_factory.mktemp("data"), progress=False))


@pytest.mark.parametrize("signs", [(1.0, 1.0), (-1.0, 0.5)])
def test_a_quadratic_has_the_eigenvalue_of_its_matrix(signs: tuple[float, float]) -> None:
    """Also if the eigenvalue of largest modulus is negative: the largest, not the largest in modulus."""
    eigenvalues = np.linspace(0.1, 3, 40) * np.where(np.arange(40) % 2, *signs)
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(40, 40)))[0]
    matrix = torch.from_numpy(basis @ np.diag(eigenvalues) @ basis.T)
    x = torch.ones(40, dtype=torch.float64, requires_grad=True)
    found = largest_eigenvalue(0.5 * x @ matrix @ x, [x], tolerance=1e-8)
    assert found == pytest.approx(eigenvalues.max(), rel=1e-6)


def test_logistic_regression_at_zero_weights_has_a_closed_form() -> None:
    """At zero weights all classes are equally likely, and the Hessian is (I - 1 1^T / k) / k (x) X^T X / n."""
    random = np.random.default_rng(2)
    images = torch.from_numpy(random.normal(size=(60, 8)))
    labels = torch.from_numpy(random.integers(0, 4, 60))
    network = nn.Linear(8, 4, bias=False).double()
    nn.init.zeros_(network.weight)
    expected = np.linalg.eigvalsh((images.T @ images / 60).numpy()).max() / 4
    assert measure_sharpness(network, images, labels) == pytest.approx(expected, rel=TOLERANCE)


def test_a_network_in_float32_matches_its_whole_hessian() -> None:
    torch.manual_seed(0)
    images, labels = torch.randn(50, 1, 6, 6), torch.randint(0, 3, (50,))
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    names = [name for name, _ in network.named_parameters()]
    sizes = [parameter.numel() for parameter in network.parameters()]

    def loss_of(flat: torch.Tensor) -> torch.Tensor:
        parts = zip(names, flat.split(sizes), network.parameters(), strict=True)
        weights = {name: part.reshape(shape.shape) for name, part, shape in parts}
        return F.cross_entropy(torch.func.functional_call(network, weights, (images,)), labels)

    whole = torch.autograd.functional.hessian(loss_of, parameters_to_vector(network.parameters()).detach())
    expected = float(torch.linalg.eigvalsh(whole.double()).max())
    assert measure_sharpness(network, images, labels) == pytest.approx(expected, rel=2 * TOLERANCE)


def test_a_dead_network_is_flat_and_an_overflowed_one_has_none(dataset: Dataset) -> None:
    images, labels = sample_images(dataset, 20)
    network = PaperNetwork()
    nn.init.constant_(network.fc3.bias, -100.0)
    assert measure_sharpness(network, images, labels) == 0
    nn.init.constant_(network.fc3.bias, float("nan"))
    assert np.isnan(measure_sharpness(network, images, labels))
    x = torch.ones(20, requires_grad=True)
    assert largest_eigenvalue(x.sum(), [x]) == 0  # linear


def test_preparing_images_for_torch_leaves_the_file_alone(dataset: Dataset) -> None:
    images, _ = sample_images(dataset, 10)
    before = np.array(dataset.train_images[:10])
    images += 1
    assert np.array_equal(dataset.train_images[:10], before)
    assert isinstance(dataset.train_images, np.memmap)
    assert Path(str(dataset.train_images.filename)).is_file()
