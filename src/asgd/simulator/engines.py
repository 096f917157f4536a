"""The engines by name: which module simulates a run, imported only when it is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.extras import explain_missing
from asgd.machine import measure_free_memory
from asgd.members import load_member
from asgd.settings.choice import is_file
from asgd.settings.probes import describe_columns
from asgd.settings.rooms import ROOMS
from asgd.settings.run import RunConfig
from asgd.simulator.networks.shapes import NUM_CLASSES, num_parameters

if TYPE_CHECKING:
    from asgd.simulator.engine import Engine
    from asgd.simulator.probes.probed import ProbedEngine
    from asgd.simulator.simulate import Images

#: The module of each engine, and what else computes in it: a process of its own, or the paper's network.
ENGINES = {
    "fused": ("asgd.simulator.fused.engine", "asgd.simulator.fused.compiler"),
    "reference": ("asgd.simulator.reference", "asgd.simulator.networks.paper"),
}

PROBES = "asgd.simulator.probes"

_REAL = ["asgd.simulator.workers.ray_backend", "asgd.simulator.workers.real"]
#: What each way to execute a run adds; a replay is named after its real run, so it has the modules of that too.
_EXECUTION = {
    "simulated": [],
    "real": _REAL,
    "replayed": [*_REAL, "asgd.simulator.workers.logged", f"{ROOMS['schedule']}.replay"],
}


def check_memory(config: RunConfig) -> None:
    """Raise AsgdError where the workers' copies of the weights need more memory than the machine has left."""
    vectors = 1 if config.averages else config.num_workers
    vectors += config.num_workers if config.momentum and config.momentum_where == "worker" else 0
    vectors += config.num_workers if config.update == "dc_adaptive" else 0
    needed = vectors * num_parameters(config.pools) * 4  # other networks have about as many
    free = measure_free_memory()
    if config.device == "cpu" and needed > free:
        raise AsgdError(
            f"num_workers = {config.num_workers:,}: the weights of the workers take {needed / 1e9:,.1f} GB of memory, "
            f"and {free / 1e9:,.1f} GB are free; take fewer workers, or a machine with more memory"
        )


def build_engine(
    config: RunConfig,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    kernels: str = "auto",
    num_classes: int = NUM_CLASSES,
) -> "Engine":
    """The engine that the configuration asks for, before its first gradient, on these training images.

    ``kernels`` forces one of the fused engine's.
    """
    check_memory(config)
    # PyTorch takes seconds to import, and the fused engine does without it.
    if config.resolved_engine()[0] == "fused":
        from asgd.simulator.fused import FusedEngine, compile_once

        if num_classes != NUM_CLASSES:
            raise AsgdError(
                f"network = {config.network} has {NUM_CLASSES} outputs, and the images have {num_classes} classes; "
                "take another network"
            )
        compile_once(kernels)
        return FusedEngine(config, images, labels, kernels=kernels)
    torch = import_torch(config)
    from asgd.simulator.reference import ReferenceEngine

    if config.device != "cpu" and not torch.cuda.is_available():
        raise AsgdError(f"device = {config.device}: PyTorch does not find this device; use cpu")
    torch.set_num_threads(1)  # runs are parallel, not the weights of one
    return ReferenceEngine(config, images, labels, num_classes=num_classes)


def import_torch(config: RunConfig) -> ModuleType:
    """PyTorch, which the reference engine computes with. Raises AsgdError where it is not installed."""
    with explain_missing(f"engine = reference ({config.resolved_engine()[1]})"):
        import torch
    return torch


@contextmanager
def open_engine(
    config: RunConfig, images: "Images", kernels: str = "auto", recorded: RunConfig | None = None
) -> "Iterator[Engine]":
    """The engine that the configuration asks for, before its first gradient; within the block its real workers live.

    ``images``: their arrays are mapped from files, which the workers open too. ``recorded``: what simulates a replay.
    """
    arrays = images.train_images, images.train_labels
    engine = build_engine(recorded or config, *arrays, kernels, len(images.classes))
    if config.execution == "simulated":
        yield engine
        return
    if config.execution == "replayed":
        from asgd.simulator.workers.logged import LoggedEngine

        yield LoggedEngine(engine)
        return
    from asgd.simulator.workers.ray_backend import RayTransport
    from asgd.simulator.workers.real import RealEngine
    from asgd.simulator.workers.startup import start_cluster

    files = _file_of(images.train_images), _file_of(images.train_labels)
    make = partial(_build_worker, config.model_dump(), files, kernels, len(images.classes))
    with start_cluster(config.num_workers) as ray:
        yield RealEngine(config, engine, RayTransport(ray, config, make))  # type: ignore[arg-type]


def _file_of(array: NDArray[Any]) -> str:
    if not isinstance(array, np.memmap):
        raise AsgdError("execution = real needs images in files, as `load_data` opens them")
    return str(array.filename)


def describe_execution(config: RunConfig, engine: "Engine") -> tuple[dict[str, Any], str]:
    """What run.json says beside of a run with real workers, or of its replay, and its schedule.csv."""
    if config.execution == "simulated":
        return {}, ""
    from asgd.simulator.workers.logged import LoggedEngine

    assert isinstance(engine, LoggedEngine)
    return engine.describe()


def _build_worker(settings: dict[str, Any], arrays: tuple[str, str], kernels: str, num_classes: int) -> "Engine":
    """The engine in a worker's own process."""
    images, labels = (np.load(array, mmap_mode="r") for array in arrays)
    return build_engine(RunConfig(**settings), images, labels, kernels, num_classes)


def attach_probes(engine: "Engine", config: RunConfig, images: "Images") -> "ProbedEngine | None":
    """``engine``, new, with the probes that ``config`` asks for; None if it asks for none."""
    if not config.probes:
        return None
    from asgd.simulator.probes.probed import ProbedEngine

    measures = {}
    for name in config.probes:
        with explain_missing(f"probes = {name}"):
            measures[name] = load_member(PROBES, name).measure
    return ProbedEngine(engine, config, images, measures, describe_columns(measures))


def member_modules(config: RunConfig) -> list[str]:
    """The modules that ``config`` adds to those of every run: of its schedule, policy, update, network and probes.

    Beside those of the paper, which belong to every run. Of a user's own the path.
    """
    chosen = [name if is_file(name) else f"{ROOMS[key]}.{name}" for key, name in config.list_choices().items()]
    probes = [f"{PROBES}.{name}" for name in (*config.probes, "probed")] if config.probes else []
    return chosen + probes + _EXECUTION[config.execution]


def paper_modules() -> list[str]:
    """The modules of schedule, policy and update of the paper, which either engine has; each has its own network."""
    return [f"{ROOMS[key]}.{RunConfig.model_fields[key].default}" for key in ("schedule", "policy", "update")]
