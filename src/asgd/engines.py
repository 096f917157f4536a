"""The engines by name: which module simulates a run, imported only when it is needed."""

from typing import TYPE_CHECKING

from asgd.config import RunConfig
from asgd.errors import AsgdError

if TYPE_CHECKING:
    from asgd.data import Dataset
    from asgd.simulator.engine import Engine

#: The module of each engine.
ENGINES = {"fused": "asgd.simulator.fused.engine", "reference": "asgd.simulator.reference"}


def build_engine(config: RunConfig, dataset: "Dataset", variant: str = "auto") -> "Engine":
    """The engine that the configuration asks for, at step 0; ``variant`` forces one of the fused engine's."""
    # PyTorch takes seconds to import, and the fused engine does without it.
    if config.resolved_engine()[0] == "fused":
        from asgd.simulator.fused import FusedEngine, compile_once

        compile_once(variant)
        return FusedEngine(config, dataset.train_images, dataset.train_labels, variant=variant)
    import torch

    from asgd.simulator.reference import ReferenceEngine

    if config.device != "cpu" and not torch.cuda.is_available():
        raise AsgdError(f"device = {config.device}: PyTorch finds no such device here; use cpu")
    torch.set_num_threads(1)  # runs are parallel, not the 62,006 weights of one
    return ReferenceEngine(config, dataset.train_images, dataset.train_labels)
