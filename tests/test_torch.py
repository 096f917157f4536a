"""The optimizer that delays other people's training: against a simulation that keeps every state of the server."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.simulator.networks.paper import normalize_images
from asgd.simulator.reference import ReferenceEngine
from asgd.simulator.streams import BatchStream
from asgd.torch import DelayedOptimizer

Make = Callable[[Any], Optimizer]

OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda parameters: SGD(parameters, lr=0.05),
    "momentum": lambda parameters: SGD(parameters, lr=0.02, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adam": lambda parameters: Adam(parameters, lr=0.01),
    "adamw": lambda parameters: AdamW(parameters, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda parameters: RMSprop(parameters, lr=0.01, momentum=0.5),
    "adagrad": lambda parameters: Adagrad(parameters, lr=0.1),
}
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
REPLAYED = [2, 2, 0, 1, 6, 2, 2, 5, 3, 4, 0, 1, 1, 1, 6, 5, 0, 2, 3, 4]


def make_model(seed: int = 0, dtype: torch.dtype = torch.float32, device: str = "cpu") -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1)).to(device, dtype)


def draw_batches(num_steps: int, like: nn.Module) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    (first, *_) = like.parameters()
    inputs = torch.randn(num_steps, 16, 5, generator=generator).to(first)
    return [(batch, batch.prod(1, keepdim=True) + batch[:, :1]) for batch in inputs]


def copy_weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def take_steps(model: nn.Module, optimizer: Optimizer, batches: list[tuple[Tensor, Tensor]]) -> list[float]:
    losses = []
    for inputs, targets in batches:
        loss = F.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def is_equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(one.dtype == two.dtype and torch.equal(one, two) for one, two in zip(first, second, strict=True))


def keep_history(model: nn.Module, make: Make, batches: list[tuple[Tensor, Tensor]], turns: list[int]) -> Any:
    """The server's weights at every step, by its definition: the worker has those of the step when it was last heard.

    Returns them, and the steps between.
    """
    server, worker = copy.deepcopy(model), copy.deepcopy(model)
    optimizer = make(server.parameters())
    history, staleness = [copy_weights(server)], []
    sent = dict.fromkeys(turns, 0)
    for step, ((inputs, targets), turn) in enumerate(zip(batches, turns, strict=True)):
        with torch.no_grad():
            for parameter, weights in zip(worker.parameters(), history[sent[turn]], strict=True):
                parameter.copy_(weights)
        gradients = torch.autograd.grad(F.mse_loss(worker(inputs), targets), list(worker.parameters()))
        for parameter, gradient in zip(server.parameters(), gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        history.append(copy_weights(server))
        staleness.append(step - sent[turn])
        sent[turn] = step + 1
    return history, staleness


@every_optimizer
@pytest.mark.parametrize("schedule", ["round_robin", "random", REPLAYED])
@pytest.mark.parametrize("num_workers", [7, 2, 1])
def test_every_step_is_that_of_the_whole_history(make: Make, schedule: Any, num_workers: int) -> None:
    if schedule is REPLAYED:
        schedule = [turn % num_workers for turn in REPLAYED]
    model = make_model()
    batches = draw_batches(len(REPLAYED), model)
    start = copy.deepcopy(model)
    optimizer = DelayedOptimizer(make(model.parameters()), num_workers, schedule, seed=3)
    served, staleness, turns = [copy_weights(model)], [], []
    for inputs, targets in batches:
        assert optimizer.worker is not None
        turns.append(optimizer.worker)
        staleness.append(optimizer.staleness)
        take_steps(model, optimizer, [(inputs, targets)])
        with optimizer.server_weights():
            served.append(copy_weights(model))
    expected, steps_between = keep_history(start, make, batches, turns)
    assert all(map(is_equal, served, expected))
    assert staleness == steps_between
    if schedule == "round_robin":
        assert turns == [step % num_workers for step in range(len(turns))]
        assert staleness == [min(step, num_workers - 1) for step in range(len(turns))]
    assert max(staleness) > 0 or num_workers == 1


@every_optimizer
def test_one_worker_has_the_bits_of_the_wrapped_optimizer_alone(make: Make) -> None:
    alone, delayed = make_model(), make_model()
    batches = draw_batches(30, alone)
    losses = take_steps(alone, make(alone.parameters()), batches)
    assert take_steps(delayed, DelayedOptimizer(make(delayed.parameters()), 1, "random"), batches) == losses
    assert is_equal(copy_weights(alone), copy_weights(delayed))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("num_workers", [1, 7])
def test_sgd_has_the_bits_of_the_reference_engine(num_workers: int, momentum: float) -> None:
    config = RunConfig(num_workers=num_workers, learning_rate=0.05, momentum=momentum, batch_size=8, seed=2)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (64, 32, 32, 3), np.uint8)
    labels = generator.integers(0, 10, 64)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 21), nn.ReLU(), nn.Linear(21, 10))
    engine = ReferenceEngine(config, images, labels, module=copy.deepcopy(model))
    optimizer = DelayedOptimizer(SGD(model.parameters(), lr=0.05, momentum=momentum), num_workers)
    for step, indices in enumerate(BatchStream(config.seed, len(images), 8).indices(np.arange(30))):
        assert torch.equal(parameters_to_vector(model.parameters()), engine.server.stale(step % num_workers))
        assert optimizer.staleness == min(step, num_workers - 1)
        engine.advance(1)
        inputs = normalize_images(images[indices], torch.float32, "cpu")
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), torch.from_numpy(labels[indices])).backward()
        optimizer.step()
        with optimizer.server_weights():
            assert torch.equal(parameters_to_vector(model.parameters()), engine.server.weights)


def test_random_turns_are_uniform_and_leave_torchs_own_generator_alone() -> None:
    """Each worker's share of 4,000 turns is within 5 standard deviations of a quarter (a false alarm in 400,000)."""
    weight = nn.Parameter(torch.zeros(1))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    turns = {}
    for seed in (0, 1):
        optimizer = DelayedOptimizer(SGD([weight], lr=0.1), 4, "random", seed)
        turns[seed] = []
        for _ in range(4000):
            turns[seed].append(optimizer.worker)
            optimizer.step()
        assert np.bincount(turns[seed], minlength=4) == pytest.approx([1000] * 4, abs=5 * (4000 * 3 / 16) ** 0.5)
    assert turns[0] != turns[1]
    assert torch.equal(torch.get_rng_state(), state)
    with torch.device("meta"):  # a user's default device
        assert DelayedOptimizer(SGD([weight], lr=0.1), 4, "random").worker == turns[0][0]


@pytest.mark.parametrize("on_wrapped", [False, True])
def test_schedulers_of_the_learning_rate_work_on_either(on_wrapped: bool) -> None:
    models = make_model(), make_model()
    batches = draw_batches(12, models[0])
    wrapped = Adam(models[1].parameters(), lr=0.01)
    optimizers = Adam(models[0].parameters(), lr=0.01), DelayedOptimizer(wrapped, 1)
    schedulers = [
        torch.optim.lr_scheduler.OneCycleLR(each, max_lr=0.1, total_steps=20)
        for each in (optimizers[0], wrapped if on_wrapped else optimizers[1])
    ]
    for batch in batches:
        for model, optimizer, scheduler in zip(models, optimizers, schedulers, strict=True):
            take_steps(model, optimizer, [batch])
            scheduler.step()
    assert is_equal(copy_weights(models[0]), copy_weights(models[1]))
    assert optimizers[1].param_groups is wrapped.param_groups
    assert optimizers[1].param_groups[0]["lr"] == optimizers[0].param_groups[0]["lr"] != 0.01
    assert optimizers[1].state is wrapped.state
    assert len(wrapped.state) == 4


@every_optimizer
@pytest.mark.parametrize("schedule", ["round_robin", "random", REPLAYED])
@pytest.mark.parametrize("num_before", [0, 11])
def test_a_run_resumed_from_a_file_has_the_same_bits(
    make: Make, schedule: Any, num_before: int, tmp_path: Path
) -> None:
    model = make_model()
    batches = draw_batches(20, model)
    optimizer = DelayedOptimizer(make(model.parameters()), 7, schedule, seed=4)
    take_steps(model, optimizer, batches[:num_before])
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state.pt")
    other = make_model(seed=9)
    resumed = DelayedOptimizer(make(other.parameters()), 7, schedule, seed=99)
    take_steps(other, resumed, draw_batches(3, other))  # what it did before is forgotten
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    other.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["optimizer"])
    assert (resumed.worker, resumed.staleness) == (optimizer.worker, optimizer.staleness)
    expected = take_steps(model, optimizer, batches[num_before:])
    assert take_steps(other, resumed, batches[num_before:]) == expected
    assert is_equal(copy_weights(model), copy_weights(other))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_copies_and_pickles_go_on_with_the_same_bits(duplicate: Callable[[Any], Any]) -> None:
    model = make_model()
    batches = draw_batches(20, model)
    optimizer = DelayedOptimizer(Adam(model.parameters(), lr=0.01), 7, "random")
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer)  # it puts a step() of its own on the optimizer
    take_steps(model, optimizer, batches[:11])
    scheduler.step()
    other, resumed = duplicate((model, optimizer))
    expected = take_steps(model, optimizer, batches[11:])
    assert take_steps(other, resumed, batches[11:]) == expected


def test_two_runs_may_continue_from_one_state() -> None:
    models = [make_model() for _ in range(3)]
    first, *others = [DelayedOptimizer(SGD(model.parameters(), lr=0.1), 3) for model in models]
    batches = draw_batches(10, models[0])
    take_steps(models[0], first, batches[:5])
    saved = copy.deepcopy(first.state_dict())
    for optimizer in others:
        optimizer.load_state_dict(saved)
    losses = [take_steps(model, each, batches[5:]) for model, each in zip(models[1:], others, strict=True)]
    others[0].load_state_dict(saved)  # what it was loaded from has not been trained
    assert losses[0] == losses[1] == take_steps(models[1], others[0], batches[5:])


def test_an_iterator_goes_on_and_does_not_go_back() -> None:
    def make(turns: Iterator[int]) -> DelayedOptimizer:
        return DelayedOptimizer(SGD([nn.Parameter(torch.ones(2))], lr=0.1), 3, turns)

    optimizer = make(cycle([0, 2, 1, 1]))
    start = optimizer.state_dict()
    for expected in islice(cycle([0, 2, 1, 1]), 6):
        assert optimizer.worker == expected
        optimizer.step()
    resumed = make(cycle([0, 2, 1, 1]))
    resumed.load_state_dict(optimizer.state_dict())
    resumed.step()
    assert (resumed.worker, resumed.num_steps) == (1, 7)
    optimizer.load_state_dict(start)
    with pytest.raises(AsgdError, match="an iterator that is past step 1"):
        optimizer.step()


def test_a_schedule_may_end_and_leaves_the_servers_weights() -> None:
    model = make_model()
    batches = draw_batches(5, model)
    optimizer = DelayedOptimizer(SGD(model.parameters(), lr=0.1), 3, [0, 1, 2, 0, 1])
    take_steps(model, optimizer, batches)
    at_the_end = copy_weights(model)
    with optimizer.server_weights():
        assert is_equal(copy_weights(model), at_the_end)
    assert optimizer.worker is None
    with pytest.raises(AsgdError, match="ends before step 5"):
        optimizer.step()
    with pytest.raises(AsgdError, match="ends before step 5"):
        _ = optimizer.staleness


def test_a_function_of_the_step_is_a_schedule() -> None:
    optimizer = DelayedOptimizer(SGD([nn.Parameter(torch.ones(2))], lr=0.1), 3, lambda step: step // 2 % 3)
    turns = []
    for _ in range(7):
        turns.append(optimizer.worker)
        optimizer.step()
    assert turns == [0, 0, 1, 1, 2, 2, 0]


@pytest.mark.parametrize("set_to_none", [True, False])
def test_gradients_may_be_accumulated_clipped_and_reset(set_to_none: bool) -> None:
    model = make_model()
    optimizer = DelayedOptimizer(Adam(model.parameters(), lr=0.01), 3)
    other = make_model()
    batches = draw_batches(24, model)
    whole = [tuple(map(torch.cat, zip(*batches[first : first + 2], strict=True))) for first in range(0, 24, 2)]
    halves = DelayedOptimizer(Adam(other.parameters(), lr=0.01), 3)
    for index, (inputs, targets) in enumerate(whole):
        for parts, net, delayed in (([(inputs, targets)], model, optimizer), (batches[2 * index :][:2], other, halves)):
            delayed.zero_grad(set_to_none=set_to_none)
            if index > 0:
                gradients = [p.grad for p in net.parameters()]
                assert all(each is None if set_to_none else each is not None and not each.any() for each in gradients)
            for part in parts:
                (F.mse_loss(net(part[0]), part[1]) / len(parts)).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            delayed.step()
    assert optimizer.num_steps == halves.num_steps == 12
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-5)
        assert one.grad is not None
        assert one.grad.norm() <= 0.1 + 1e-6


def test_parameters_without_gradient_are_left_as_the_wrapped_optimizer_leaves_them() -> None:
    """One is frozen, one has a gradient at every third step only; AdamW would decay what it updates."""
    frozen, rare, often = (nn.Parameter(torch.full((3,), value)) for value in (1.0, 2.0, 3.0))
    frozen.requires_grad_(False)
    start = [p.detach().clone() for p in (frozen, rare, often)]
    optimizer = DelayedOptimizer(AdamW([frozen, rare, often], lr=0.1, weight_decay=0.5), 4)
    servers = [torch.nn.Parameter(value.clone()) for value in start[1:]]
    plain = AdamW(servers, lr=0.1, weight_decay=0.5)
    history = [start[1:]]
    for step in range(20):
        stale = history[max(0, step - 3)]
        assert is_equal([rare, often], stale)
        optimizer.zero_grad()
        (((rare**2).sum() if step % 3 == 2 else 0) + (often**3).sum()).backward()
        optimizer.step()
        servers[0].grad = 2 * stale[0] if step % 3 == 2 else None
        servers[1].grad = 3 * stale[1] ** 2
        plain.step()
        history.append([p.detach().clone() for p in servers])
    assert torch.equal(frozen, start[0])
    assert len(optimizer.state_dict()["delay"]["copies"]) == 2  # no memory for what never had a gradient
    with optimizer.server_weights():
        assert is_equal([rare, often], history[-1])


def test_groups_keep_their_settings_and_may_be_added_later() -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    groups = [{"params": [first]}, {"params": [second], "lr": 0.01}]
    optimizer = DelayedOptimizer(SGD(groups, lr=0.1), 3)
    history = [[1.0, 1.0, 1.0]]
    for step in range(12):
        if step == 5:
            third = nn.Parameter(torch.ones(2))
            optimizer.add_param_group({"params": [third], "lr": 0.001})
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        stale = history[max(0, step - 2)]
        optimizer.zero_grad()
        sum(((p**2).sum() / 2 for p in parameters), torch.zeros(())).backward()
        optimizer.step()
        steps = [0.1 * stale[0], 0.01 * stale[1], 0.001 * stale[2] if step >= 5 else 0.0]
        history.append([now - change for now, change in zip(history[-1], steps, strict=True)])
    with optimizer.server_weights():
        assert [p[0].item() for p in parameters] == pytest.approx(history[-1], rel=1e-5)


def decay(rate: float, num_steps: int) -> float:
    """W_t / W_0 where W_{t+1} = W_t - rate W_{t-2}: descent on W^2 / 2 with three workers in turn."""
    factors = [1.0]
    for step in range(num_steps):
        factors.append(factors[-1] - rate * factors[max(0, step - 2)])
    return factors[-1]


def descend(parameters: list[nn.Parameter]) -> DelayedOptimizer:
    """Six steps down the sum of all W^2 / 2."""
    optimizer = DelayedOptimizer(SGD(parameters, lr=0.1), 3)
    for _ in range(6):
        optimizer.zero_grad()
        torch.stack([(p**2).sum() / 2 for p in parameters]).sum().backward()
        optimizer.step()
    return optimizer


def test_tied_and_oddly_laid_out_parameters() -> None:
    """A weight of two layers, a transposed one, one with gaps."""
    embedding, head = nn.Embedding(6, 4), nn.Linear(4, 6, bias=False)
    head.weight = embedding.weight
    transposed, gaps = nn.Parameter(torch.randn(4, 6).t()), nn.Parameter(torch.randn(6, 4)[:, ::2])
    parameters = [*nn.ModuleList([embedding, head]).parameters(), transposed, gaps]
    start, strides = [p.detach().clone() for p in parameters], [p.stride() for p in parameters]
    with descend(parameters).server_weights():
        for parameter, value in zip(parameters, start, strict=True):
            assert torch.allclose(parameter, decay(0.1, 6) * value, rtol=1e-5)
    assert [p.stride() for p in parameters] == strides
    assert len(parameters) == 3
    assert head.weight is embedding.weight


def test_parameters_that_view_the_same_memory() -> None:
    """Both views' steps reach what they share: it moves twice as fast."""
    memory = torch.ones(4)
    with descend([nn.Parameter(memory[:3]), nn.Parameter(memory[1:])]).server_weights():
        expected = [decay(rate, 6) for rate in (0.1, 0.2, 0.2, 0.1)]
        assert memory.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_dtype_is_kept(dtype: torch.dtype) -> None:
    model = make_model(dtype=dtype)
    start, batches = copy.deepcopy(model), draw_batches(12, model)
    optimizer = DelayedOptimizer(Adam(model.parameters(), lr=0.01), 3)
    take_steps(model, optimizer, batches)
    expected, _ = keep_history(start, OPTIMIZERS["adam"], batches, [step % 3 for step in range(12)])
    with optimizer.server_weights():
        assert is_equal(copy_weights(model), expected[-1])
    copies = optimizer.state_dict()["delay"]["copies"]
    assert {each.dtype for workers in copies.values() for each in workers} == {dtype}
    size = sum(each.numel() * each.element_size() for workers in copies.values() for each in workers)
    assert size == 3 * sum(p.numel() * p.element_size() for p in model.parameters())


def test_a_model_may_be_loaded_and_converted_before_the_first_step() -> None:
    model = make_model(seed=1)
    optimizer = DelayedOptimizer(SGD(model.parameters(), lr=0.1), 3)
    model.load_state_dict(make_model().state_dict())
    model.double()
    start, batches = copy.deepcopy(model), draw_batches(7, model)
    take_steps(model, optimizer, batches)
    expected, _ = keep_history(start, lambda p: SGD(p, lr=0.1), batches, [step % 3 for step in range(7)])
    with optimizer.server_weights():
        assert is_equal(copy_weights(model), expected[-1])


def test_a_skipped_step_of_the_grad_scaler_leaves_the_turn() -> None:
    """The worker keeps its weights and its turn, and the next batch is its next try."""
    model = make_model()
    start, batches = copy.deepcopy(model), draw_batches(9, model)
    turns = [step % 3 for step in range(8)]
    optimizer = DelayedOptimizer(SGD(model.parameters(), lr=0.05), 3)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for index, (inputs, targets) in enumerate(batches):
        before = (optimizer.worker, optimizer.num_steps, copy_weights(model))
        optimizer.zero_grad()
        loss = F.mse_loss(model(inputs), targets) * (float("inf") if index == 4 else 1)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if index == 4:
            assert (optimizer.worker, optimizer.num_steps) == before[:2]
            assert is_equal(copy_weights(model), before[2])
    expected, _ = keep_history(start, lambda p: SGD(p, lr=0.05), batches[:4] + batches[5:], turns)
    assert optimizer.num_steps == 8
    with optimizer.server_weights():  # scales are powers of two, so they change no bit
        assert is_equal(copy_weights(model), expected[-1])


def test_buffers_are_shared_and_not_delayed() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer = DelayedOptimizer(SGD(model.parameters(), lr=0.05), 6)
    take_steps(model, optimizer, draw_batches(5, model))
    assert int(model[1].num_batches_tracked) == 5


def test_hooks_of_steps_and_states_run() -> None:
    weight = nn.Parameter(torch.ones(1))
    optimizer = DelayedOptimizer(SGD([weight], lr=0.25), 2)
    seen: list[Any] = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(weight.item()))
    optimizer.wrapped.register_step_post_hook(lambda *_: seen.append(weight.item()))
    optimizer.register_state_dict_post_hook(lambda _, state: {**state, "seen": len(seen)})
    for _ in range(3):
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()
    # Before each step the worker's weights, after the wrapped optimizer's own the server's.
    assert seen == [1.0, 0.75, 1.0, 0.5, 0.75, 0.25]
    assert optimizer.state_dict()["seen"] == 6


def test_weights_that_something_else_changed_are_refused() -> None:
    model = make_model()
    batches = draw_batches(6, model)
    optimizer = DelayedOptimizer(SGD(model.parameters(), lr=0.1), 3)
    take_steps(model, optimizer, batches[:4])
    stale = copy.deepcopy(model.state_dict())
    model.load_state_dict(stale)  # the same values again are no change
    take_steps(model, optimizer, batches[4:5])
    own = copy_weights(model)
    model[0].weight.data = torch.zeros(8, 5)  # other memory, the same version
    with pytest.raises(AsgdError, match="was changed"):
        optimizer.step()
    model[0].weight.data = own[0].clone()
    nn.init.zeros_(model[0].weight)
    with pytest.raises(AsgdError, match=r"a parameter of shape \(8, 5\) was changed since it was loaded"):
        optimizer.step()
    model[0].weight.data = torch.zeros(8, 5)
    with pytest.raises(AsgdError, match="was changed"), optimizer.server_weights():
        pass
    model[0].weight.data = own[0].clone()
    with pytest.raises(AsgdError, match="was changed"), optimizer.server_weights():
        nn.init.zeros_(model[0].weight)
    assert is_equal(copy_weights(model), own)
    take_steps(model, optimizer, batches[5:])


def test_a_block_of_server_weights_ends_as_it_began() -> None:
    model = make_model()
    optimizer = DelayedOptimizer(SGD(model.parameters(), lr=0.1), 3)
    take_steps(model, optimizer, draw_batches(4, model))
    own = copy_weights(model)
    with pytest.raises(ZeroDivisionError), optimizer.server_weights():
        _ = 1 // 0
    assert is_equal(copy_weights(model), own)
    with optimizer.server_weights():
        assert not is_equal(copy_weights(model), own)
        assert torch.is_grad_enabled()
        for call in (optimizer.step, lambda: optimizer.load_state_dict({}), optimizer.server_weights().__enter__):
            with pytest.raises(AsgdError, match=r"not within server_weights\(\)"):
                call()
    assert is_equal(copy_weights(model), own)


def test_a_step_that_fails_leaves_the_weights() -> None:
    model = make_model()
    optimizer = DelayedOptimizer(SGD(model.parameters(), lr=0.1), 3)
    batches = draw_batches(5, model)
    take_steps(model, optimizer, batches[:4])
    own, turn = copy_weights(model), optimizer.worker
    handle = optimizer.wrapped.register_step_post_hook(lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        take_steps(model, optimizer, batches[4:])
    assert is_equal(copy_weights(model), own)
    assert (optimizer.worker, optimizer.num_steps) == (turn, 4)
    handle.remove()
    take_steps(model, optimizer, batches[4:])


WEIGHT = nn.Parameter(torch.ones(1))


@pytest.mark.parametrize(
    ("optimizer", "settings", "message"),
    [
        ([WEIGHT], {}, "optimizer: a list; must be a torch.optim.Optimizer"),
        (torch.optim.LBFGS([WEIGHT]), {}, "optimizer: LBFGS takes gradients by itself"),
        (DelayedOptimizer(SGD([WEIGHT]), 2), {}, "optimizer: is delayed already"),
        (SGD([WEIGHT], differentiable=True), {}, "optimizer: SGD with differentiable=True"),
        *(
            (SGD([WEIGHT]), {"num_workers": value}, rf"num_workers = {value!r}: must be a whole number from 1")
            for value in (0, -3, 2.0, "4", None)
        ),
        (SGD([WEIGHT]), {"schedule": "robin"}, "schedule = 'robin': must be round_robin, random, a function"),
        (SGD([WEIGHT]), {"schedule": 5}, "schedule = 5: must be"),
        (SGD([WEIGHT]), {"schedule": [2]}, "schedule: 2 at step 0; a worker is a whole number from 0 to 1"),
        (SGD([WEIGHT]), {"schedule": lambda _: 0.5}, "schedule: 0.5 at step 0"),
        (SGD([WEIGHT]), {"seed": -1}, "seed = -1: must be a whole number from 0"),
        (SGD([WEIGHT]), {"seed": "a"}, "seed = 'a': must be a whole number from 0"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(optimizer: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AsgdError, match=message) as caught:
        DelayedOptimizer(optimizer, **({"num_workers": 2} | settings))
    assert "\n" not in str(caught.value)


def test_closures_are_refused() -> None:
    with pytest.raises(AsgdError, match="step: does not take a closure"):
        DelayedOptimizer(SGD([WEIGHT]), 2).step(lambda: 0.0)


def test_the_state_of_another_run_is_refused_and_nothing_is_changed() -> None:
    model = make_model()
    optimizer = DelayedOptimizer(Adam(model.parameters(), lr=0.01), 3)
    batches = draw_batches(6, model)
    take_steps(model, optimizer, batches[:4])
    own = copy_weights(model)
    lone = nn.Parameter(torch.ones(4))
    small = DelayedOptimizer(Adam([lone]), 3)
    lone.sum().backward()
    small.step()
    for state, message in [
        (Adam(model.parameters()).state_dict(), "has no key delay"),
        (DelayedOptimizer(Adam(model.parameters()), 4).state_dict(), "num_workers = 4, but this optimizer's is 3"),
        (DelayedOptimizer(Adam([WEIGHT]), 3, "random").state_dict(), "schedule = random, but .* is round_robin"),
        (small.state_dict(), r"parameter 0 of shape \(4,\) is not in this model"),
    ]:
        with pytest.raises(AsgdError, match=message):
            optimizer.load_state_dict(state)
    assert is_equal(copy_weights(model), own)
    assert optimizer.num_steps == 4
    take_steps(model, optimizer, batches[4:])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="skipped: no GPU")
@pytest.mark.parametrize("settings", [{}, {"fused": True}, {"foreach": True}])
def test_parameters_on_a_gpu(settings: dict[str, Any]) -> None:
    model = make_model(device="cuda")
    start, batches = copy.deepcopy(model), draw_batches(25, model)

    def make(parameters: Any) -> Optimizer:
        return Adam(parameters, lr=0.01, **settings)

    optimizer = DelayedOptimizer(make(model.parameters()), 7)
    take_steps(model, optimizer, batches[:20])
    state = copy.deepcopy(optimizer.state_dict())
    expected, _ = keep_history(start, make, batches[:20], [step % 7 for step in range(20)])
    with optimizer.server_weights():
        assert is_equal(copy_weights(model), expected[-1])
    assert {each.device.type for workers in state["delay"]["copies"].values() for each in workers} == {"cuda"}
    losses = take_steps(model, optimizer, batches[20:])
    optimizer.load_state_dict(state)
    assert take_steps(model, optimizer, batches[20:]) == losses
    with pytest.raises(AsgdError, match="CUDA graph"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        optimizer.step()


def run_python(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout


def test_the_package_does_not_import_torch_by_itself() -> None:
    assert run_python("-c", "import asgd, sys; print('torch' in sys.modules)").strip() == "False"


def test_the_example_runs_and_shows_the_price_of_delay() -> None:
    rows = run_python(str(Path(__file__).parents[1] / "examples/delayed_optimizer.py")).splitlines()
    losses = {row.split(":")[0]: float(row.split()[-1]) for row in rows}
    assert losses["1 worker"] < 0.02
    for schedule in ("in turn", "at random"):  # the variance of the heights is 0.18
        assert 0.02 < losses[f"16 workers {schedule}"] < 0.17
