"""The engines by name: which module simulates a run, imported only when it is needed."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.machine import measure_free_memory
from asgd.members import load_member
from asgd.settings.probes import describe_columns
from asgd.settings.run import RunConfig
from asgd.simulator.networks.shapes import num_parameters

if TYPE_CHECKING:
    from asgd.simulator.engine import Engine
    from asgd.simulator.probes.probed import ProbedEngine
    from asgd.simulator.simulate import Images

#: The module of each engine, and what it starts as a process of its own.
ENGINES = {
    "fused": ("asgd.simulator.fused.engine", "asgd.simulator.fused.compiler"),
    "reference": ("asgd.simulator.reference",),
}

PROBES = "asgd.simulator.probes"


def check_memory(config: RunConfig) -> None:
    """Raise AsgdError where the workers' copies of the weights need more memory than the machine has left."""
    # The reference engine keeps a velocity for each worker whether it has momentum or not.
    at_workers = config.resolved_engine()[0] == "reference" or (config.momentum and config.momentum_where == "worker")
    needed = config.num_workers * num_parameters(config.pools) * 4 * (2 if at_workers else 1)
    free = measure_free_memory()
    if config.device == "cpu" and needed > free:
        raise AsgdError(
            f"num_workers = {config.num_workers:,}: their weights take {needed / 1e9:,.1f} GB of memory, and "
            f"{free / 1e9:,.1f} GB are free; take fewer, or a machine with more"
        )


def build_engine(
    config: RunConfig, images: NDArray[np.uint8], labels: NDArray[np.int64], kernels: str = "auto"
) -> "Engine":
    """The engine that the configuration asks for, at step 0, on these training images; ``kernels`` forces one of the
    fused engine's."""
    check_memory(config)
    # PyTorch takes seconds to import, and the fused engine does without it.
    if config.resolved_engine()[0] == "fused":
        from asgd.simulator.fused import FusedEngine, compile_once

        compile_once(kernels)
        return FusedEngine(config, images, labels, kernels=kernels)
    import torch

    from asgd.simulator.reference import ReferenceEngine

    if config.device != "cpu" and not torch.cuda.is_available():
        raise AsgdError(f"device = {config.device}: PyTorch finds no such device here; use cpu")
    torch.set_num_threads(1)  # runs are parallel, not the 62,006 weights of one
    return ReferenceEngine(config, images, labels)


def attach_probes(engine: "Engine", config: RunConfig, images: "Images") -> "ProbedEngine | None":
    """``engine``, new, with the probes that ``config`` asks for; None if it asks for none."""
    if not config.probes:
        return None
    from asgd.simulator.probes.probed import ProbedEngine

    measures = {name: load_member(PROBES, name).measure for name in config.probes}
    return ProbedEngine(engine, config, images, measures, describe_columns(measures))


def probe_modules(config: RunConfig) -> list[str]:
    """The modules that the probes of ``config`` are computed by, beside the engine's."""
    return [f"{PROBES}.{name}" for name in (*config.probes, "probed")] if config.probes else []
