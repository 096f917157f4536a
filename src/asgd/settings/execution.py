"""Whether workers are simulated, processes of their own, or simulated as those were recorded."""

from typing import Literal

from asgd.settings.keys import Keys, parameter


class ExecutionKeys(Keys):
    """Who computes the gradients."""

    execution: Literal["simulated", "real", "replayed"] = parameter(
        "simulated",
        as_before="simulated",
        words={"simulated": "simulated", "real": "real workers", "replayed": "replayed"},
        description="simulated: one process plays all workers; real: `num_workers` processes of their own (needs Ray), "
        "heard as they come; replayed: one process plays what the same run with real workers has recorded",
    )
