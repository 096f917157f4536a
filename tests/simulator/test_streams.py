"""Random streams: independent, paired across arms, and cut into calls without effect."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgd.simulator.networks.shapes import draw_initial_weights, num_parameters, parameter_shapes
from asgd.simulator.streams import BatchStream, dropout_scale, dropout_threshold, stream


def test_streams_of_one_seed_differ_and_repeat() -> None:
    draws = {name: stream(3, name).random(4).tolist() for name in ("weights", "order", "dropout")}
    assert len({tuple(values) for values in draws.values()}) == 3
    assert stream(3, "order").random(4).tolist() == draws["order"]
    assert stream(4, "order").random(4).tolist() != draws["order"]


def test_an_epoch_uses_every_image_once() -> None:
    batches = BatchStream(seed=0, num_images=12, batch_size=4).indices(np.arange(6))
    assert batches.shape == (6, 4)
    for epoch in (batches[:3], batches[3:]):
        assert sorted(epoch.ravel()) == list(range(12))
    assert not np.array_equal(batches[:3], batches[3:])


def test_a_remainder_is_left_out_of_its_epoch() -> None:
    batches = BatchStream(seed=0, num_images=10, batch_size=4).indices(np.arange(2))
    assert len(np.unique(batches)) == 8


@given(cuts=st.lists(st.integers(1, 7), min_size=1, max_size=6), units=st.sampled_from([0, 4, 204]))
def test_how_steps_are_cut_into_calls_changes_nothing(cuts: list[int], units: int) -> None:
    whole, parts = (BatchStream(5, 11, 2, units) for _ in range(2))
    numbers = np.arange(sum(cuts))
    cut = np.split(numbers, np.cumsum(cuts)[:-1])
    assert np.array_equal(whole.indices(numbers), np.concatenate([parts.indices(part) for part in cut]))
    assert np.array_equal(whole.masks(numbers), np.concatenate([parts.masks(part) for part in cut]))


@given(order=st.permutations(range(12)), units=st.sampled_from([0, 4, 204]))
def test_a_number_means_the_same_mini_batch_in_any_order(order: list[int], units: int) -> None:
    in_turn, mixed = (BatchStream(5, 11, 2, units) for _ in range(2))
    numbers = np.array(order)
    assert np.array_equal(in_turn.indices(np.arange(12))[numbers], mixed.indices(numbers))
    assert np.array_equal(in_turn.masks(np.arange(12))[numbers], mixed.masks(numbers))
    assert np.array_equal(in_turn.masks(np.array([7]), 1, 2), mixed.masks(np.array([7]))[:, 1:2])


def test_what_is_forgotten_is_not_kept_and_what_follows_is_the_same() -> None:
    kept, forgetful = BatchStream(3, 8, 4), BatchStream(3, 8, 4)
    for number in range(20):
        assert np.array_equal(kept.indices(np.array([number])), forgetful.indices(np.array([number])))
        forgetful.forget(number)
        assert len(forgetful._epochs) <= 1


def test_a_mini_batch_of_all_images_has_them_in_their_order() -> None:
    assert np.array_equal(BatchStream(1, 6, 6).indices(np.array([4])), np.arange(6)[None])


def test_arms_share_the_order_whatever_their_dropout() -> None:
    plain, dropped = BatchStream(1, 20, 4), BatchStream(1, 20, 4, 204)
    dropped.masks(np.arange(3))
    assert np.array_equal(plain.indices(np.arange(8)), dropped.indices(np.arange(8)))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.7])
def test_masks_drop_the_rate_and_keep_the_expectation(rate: float) -> None:
    masks = BatchStream(0, 8, 4, 204).masks(np.arange(500))
    dropped = (masks < dropout_threshold(rate)).mean()
    assert abs(dropped - rate) < 4 * np.sqrt(rate * (1 - rate) / masks.size)
    assert np.isclose((1 - dropout_threshold(rate) / 65536) * dropout_scale(rate), 1)


@pytest.mark.parametrize(("pools", "expected"), [(1, 206006), (2, 62006)])
def test_initial_weights_have_pytorchs_bounds(pools: int, expected: int) -> None:
    weights = draw_initial_weights(stream(0, "weights"), pools)
    assert len(weights) == num_parameters(pools) == expected
    bounds = {"conv1": (3 * 25) ** -0.5, "conv2": (6 * 25) ** -0.5, "fc2": 120**-0.5, "fc3": 84**-0.5}
    bounds["fc1"] = {1: 1600, 2: 400}[pools] ** -0.5
    first = 0
    for name, shape in parameter_shapes(pools).items():
        part = weights[first : first + int(np.prod(shape))]
        first += len(part)
        bound = bounds[name.split(".")[0]]
        assert np.abs(part).max() <= bound
        if len(part) > 50:
            assert np.abs(part).max() > 0.9 * bound
            assert abs(part.mean()) < 4 * bound / np.sqrt(3 * len(part))
