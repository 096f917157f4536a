"""Delay in any PyTorch training loop: an optimizer that lets m simulated workers take turns at one model."""

import inspect
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

from asgd.errors import AsgdError
from asgd.extras import explain_missing

with explain_missing("asgd.torch"):
    import torch
    from torch import Tensor
    from torch.optim import Optimizer

#: From a step (the first is 0) to the worker whose gradient it applies; to None where the schedule has ended.
Turns = Callable[[int], int | None]


def _shared(name: str) -> Any:
    """An attribute that is the wrapped optimizer's."""
    return property(lambda self: getattr(self.wrapped, name), lambda self, value: setattr(self.wrapped, name, value))


class DelayedOptimizer(Optimizer):
    """Asynchronous training with ``optimizer``, simulated: each gradient is taken at weights that are out of date.

    A server holds the weights; each of ``num_workers`` workers holds a copy of those that it was last sent. Before
    ``step`` the model's parameters are the copy of the worker whose turn it is, so forward and backward pass give its
    stale gradient. ``step`` applies ``.grad`` to the server's weights by ``optimizer``, whose state (momentum, moments)
    lives at the server, sends that worker the new weights, and loads the next worker's into the parameters.

    ``schedule`` says whose turn it is: "round_robin" (worker t mod m at step t: staleness min(t, m - 1)), "random" (a
    worker drawn uniformly for each gradient, by a generator of its own from ``seed``), a function of the step, or an
    iterable of workers. It may end (the iterable does, or the function returns None): the parameters are then the
    server's weights, and another step is an error.

    Memory beyond that of ``optimizer``: m copies of every parameter that has had a gradient, on its device and in its
    dtype: ``num_workers * sum(p.numel() * p.element_size())`` bytes. They are made by the first step that finds a
    gradient, so a model may be loaded or moved until then. Buffers (the statistics of batch normalisation) are not
    parameters: all workers share them, without delay.

    With one worker a run has the bits of ``optimizer`` alone. Raises AsgdError on an optimizer that it cannot delay and
    on a ``num_workers``, ``schedule`` or ``seed`` that means nothing.
    """

    wrapped: Optimizer
    num_steps: int  #: server steps taken
    worker: int | None  #: whose turn it is, from 0; None: the schedule has ended

    defaults: dict[str, Any] = _shared("defaults")
    param_groups: list[dict[str, Any]] = _shared("param_groups")
    state: defaultdict[Tensor, Any] = _shared("state")

    def __init__(
        self,
        optimizer: Optimizer,
        num_workers: int,
        schedule: str | Turns | Iterable[int] = "round_robin",
        seed: int = 0,
    ) -> None:
        _check_optimizer(optimizer)
        count = _as_whole(num_workers)
        if count is None or count < 1:
            raise AsgdError(f"num_workers = {num_workers!r}: must be a whole number from 1")
        # Not Optimizer.__init__: it would make groups and a state of its own, and these are the wrapped optimizer's.
        self.__setstate__({"wrapped": optimizer})
        self.num_workers = count
        self.num_steps = 0
        self._schedule = schedule if isinstance(schedule, str) else "given"
        self._generator = _make_generator(seed)
        self._turns = _make_turns(schedule, count, self._generator)
        self._copies: dict[Tensor, list[Tensor]] = {}  # of each parameter, one for each worker
        self._received_at = [0] * count  # the step count when each worker was sent its weights
        self._last = 0  # the worker heard last: its copy is the server's weights too
        self._loaded = 0  # the worker whose copy the parameters hold
        self._marks: dict[Tensor, tuple[int, int]] = {}  # as the parameters were then; see _mark
        self._in_block = False  # of server_weights()
        self.worker = self._ask_schedule()

    def __getstate__(self) -> dict[str, Any]:
        # As in every optimizer: without hooks, and without the step() that a scheduler of the learning rate puts here.
        return {name: v for name, v in vars(self).items() if name != "step" and not name.startswith("_optimizer_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for kind in ("state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post"):
            hooks = f"_optimizer_{kind}_hooks"
            self.__dict__[hooks] = getattr(self.wrapped, hooks)  # run by the wrapped optimizer, on its part
        super().__setstate__({})  # the hooks of step()

    @property
    def staleness(self) -> int:
        """Server steps taken since the worker whose turn it is was sent its weights. AsgdError if it is nobody's."""
        return self.num_steps - self._received_at[self._expect_worker()]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimize more parameters; all workers hold their present values."""
        self.wrapped.add_param_group(param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients, as the wrapped optimizer does."""
        self.wrapped.zero_grad(set_to_none)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Apply the gradient of the worker whose turn it is at the server, and load the next worker's weights.

        Raises AsgdError if there is a ``closure``, if the schedule has ended or names no worker, within
        ``server_weights()``, in the capture of a CUDA graph, and if something else has changed the weights since the
        last step (seen by the parameters' versions and addresses: writes through ``.data`` go unseen).
        """
        if closure is not None:
            raise AsgdError(
                "step: does not take a closure, which would compute the gradient at the weights of the server"
            )
        if torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing():  # type: ignore[no-untyped-call]
            raise AsgdError("step: cannot be captured in a CUDA graph, which would repeat the turn of one worker")
        self._refuse_in_block("step")
        worker = self._expect_worker()
        self._refuse_changes()
        for parameter in self._list_parameters():
            # Optimizers pass over what has no gradient, so until its first it is what every worker was sent.
            if parameter.grad is not None and parameter not in self._copies:
                self._copies[parameter] = [parameter.detach().clone() for _ in range(self.num_workers)]
        if worker != self._last:
            self._load(self._last)
        try:
            self.wrapped.step()
        except BaseException:
            self._load(worker)
            raise
        self._save(worker)
        self.num_steps += 1
        self._received_at[worker] = self.num_steps
        self._last, self.worker = worker, None
        self.worker = self._ask_schedule()
        if self.worker is not None and self.worker != worker:
            self._load(self.worker)

    @contextmanager
    def server_weights(self) -> Iterator[None]:
        """Within the block the parameters are the server's weights: to evaluate, or to save the model.

        They are for reading. Raises AsgdError at the end of a block that changed them; the change is undone.
        """
        self._refuse_in_block("server_weights()")
        self._refuse_changes()
        loaded = self._loaded
        self._load(self._last)
        self._in_block = True
        try:
            yield
            self._refuse_changes()
        finally:
            self._in_block = False
            self._load(loaded)

    def state_dict(self) -> dict[str, Any]:
        """The wrapped optimizer's, with ``delay`` beside it: all copies, whose turn it is, the generator.

        As in every optimizer, tensors are not copied. With the model's own it continues a run bit for bit.
        """
        parameters = enumerate(self._list_parameters())
        delay = {
            "schedule": self._schedule,
            "num_workers": self.num_workers,
            "num_steps": self.num_steps,
            "worker": self.worker,
            "last": self._last,
            "received_at": list(self._received_at),
            "generator": self._generator.get_state(),
            "copies": {index: list(self._copies[each]) for index, each in parameters if each in self._copies},
        }
        return {**self.wrapped.state_dict(), "delay": delay}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned: the parameters become the weights of whose turn it is.

        Load the model first, if its weights were saved within ``server_weights()``. Raises AsgdError, and changes
        nothing, on the state of another number of workers, schedule, model, or kind of optimizer.
        """
        self._refuse_in_block("load_state_dict")
        wrapped = dict(state_dict)
        delay = wrapped.pop("delay", None)
        parameters = self._list_parameters()
        self._check_state(delay, parameters)
        self.wrapped.load_state_dict(wrapped)
        self.num_steps, self.worker, self._last = delay["num_steps"], delay["worker"], delay["last"]
        self._received_at = list(delay["received_at"])
        self._generator.set_state(delay["generator"].cpu())
        self._copies = {
            parameters[index]: [torch.empty_like(parameters[index]).copy_(copy) for copy in copies]
            for index, copies in delay["copies"].items()
        }
        self._load(self._last if self.worker is None else self.worker)

    def _list_parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    @torch.no_grad()
    def _load(self, worker: int) -> None:
        """Make the parameters the copy of ``worker``."""
        for parameter, copies in self._copies.items():
            parameter.copy_(copies[worker])
        self._mark(worker)

    def _save(self, worker: int) -> None:
        """Make the copy of ``worker`` the parameters."""
        for parameter, copies in self._copies.items():
            copies[worker].copy_(parameter)
        self._mark(worker)

    def _mark(self, worker: int) -> None:
        """Note that the parameters are the copy of ``worker``."""
        self._loaded = worker
        # The version of a tensor counts its changes in place; the address changes when it is given other data.
        self._marks = {parameter: (parameter._version, parameter.data_ptr()) for parameter in self._copies}

    def _refuse_changes(self) -> None:
        """Raise AsgdError if the parameters are not the copy that was loaded."""
        for parameter, mark in self._marks.items():
            copy = self._copies[parameter][self._loaded]
            if mark != (parameter._version, parameter.data_ptr()) and not _is_same(parameter, copy):
                raise AsgdError(
                    f"a parameter of shape {tuple(parameter.shape)} was changed since it was loaded: set weights "
                    "before the first step, or in a step hook of the wrapped optimizer, where they are the server's"
                )

    def _refuse_in_block(self, what: str) -> None:
        if self._in_block:
            raise AsgdError(f"{what}: not within server_weights(); leave that block first")

    def _expect_worker(self) -> int:
        if self.worker is None:
            raise AsgdError(f"schedule: ends before step {self.num_steps}; give a longer one")
        return self.worker

    def _ask_schedule(self) -> int | None:
        answer = self._turns(self.num_steps)
        worker = _as_whole(answer)
        if answer is not None and (worker is None or not 0 <= worker < self.num_workers):
            raise AsgdError(
                f"schedule: {answer!r} at step {self.num_steps}; a worker is a whole number from 0 to "
                f"{self.num_workers - 1}"
            )
        return worker

    def _check_state(self, delay: Any, parameters: list[Tensor]) -> None:
        if not isinstance(delay, dict):
            raise AsgdError(
                "state_dict: has no key delay, so it does not belong to a DelayedOptimizer; load it into the wrapped "
                "optimizer"
            )
        for name, own in (("num_workers", self.num_workers), ("schedule", self._schedule)):
            if delay[name] != own:
                raise AsgdError(f"state_dict: of {name} = {delay[name]}, but this optimizer's is {own}")
        for index, (first, *_) in delay["copies"].items():
            if index >= len(parameters) or first.shape != parameters[index].shape:
                raise AsgdError(f"state_dict: parameter {index} of shape {tuple(first.shape)} is not in this model")


class _Listed:
    """The turns in an iterable of workers. An iterator can only go on: it cannot be asked for an earlier step."""

    def __init__(self, workers: Iterable[int]) -> None:
        self.workers = workers
        self.rest = iter(workers)
        self.position = 0

    def __call__(self, step: int) -> int | None:
        if step < self.position:
            if self.rest is self.workers:
                raise AsgdError(f"schedule: an iterator that is past step {step}; give a new one, or a list")
            self.rest, self.position = iter(self.workers), 0
        worker = next(islice(self.rest, step - self.position, None), None)
        self.position = step + 1
        return worker


def _take_in_turn(num_workers: int, step: int) -> int:
    return step % num_workers


def _draw(num_workers: int, generator: torch.Generator, step: int) -> int:
    return int(torch.randint(num_workers, (), generator=generator, device="cpu"))


def _make_turns(schedule: str | Turns | Iterable[int], num_workers: int, generator: torch.Generator) -> Turns:
    named: dict[str, Turns] = {
        "round_robin": partial(_take_in_turn, num_workers),
        "random": partial(_draw, num_workers, generator),
    }
    if isinstance(schedule, str) and schedule in named:
        return named[schedule]
    if callable(schedule):
        return schedule
    if isinstance(schedule, Iterable) and not isinstance(schedule, str):
        return _Listed(schedule)
    raise AsgdError(
        f"schedule = {schedule!r}: must be {', '.join(named)}, a function of the step, or an iterable of workers"
    )


def _make_generator(seed: int) -> torch.Generator:
    whole = _as_whole(seed)
    if whole is None or not 0 <= whole < 1 << 63:
        raise AsgdError(f"seed = {seed!r}: must be a whole number from 0 to 2^63 - 1")
    return torch.Generator("cpu").manual_seed(whole)


def _check_optimizer(optimizer: object) -> None:
    name = type(optimizer).__name__
    if not isinstance(optimizer, Optimizer):
        raise AsgdError(f"optimizer: a {name}; must be a torch.optim.Optimizer, such as torch.optim.SGD(...)")
    if isinstance(optimizer, DelayedOptimizer):
        raise AsgdError("optimizer: is delayed already; wrap it once, with the number of workers that you want")
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise AsgdError(f"optimizer: {name} takes gradients by itself in step(closure), so none of them can be delayed")
    if any(group.get("differentiable") for group in optimizer.param_groups):
        raise AsgdError(f"optimizer: {name} with differentiable=True; loading weights would cut the graph of its steps")


def _is_same(parameter: Tensor, copy: Tensor) -> bool:
    kinds = [(tensor.shape, tensor.dtype, tensor.device) for tensor in (parameter, copy)]
    return kinds[0] == kinds[1] and torch.equal(parameter, copy)


def _as_whole(value: Any) -> int | None:
    """``value`` as an int, or None if it is no whole number."""
    try:
        return operator.index(value)
    except TypeError:
        return None
