"""Whether workers are simulated, or processes of their own."""

from typing import Literal

from asgd.settings.keys import Keys, parameter


class ExecutionKeys(Keys):
    """Who computes the gradients."""

    execution: Literal["simulated", "real"] = parameter(
        "simulated",
        as_before="simulated",
        words={"simulated": "simulated", "real": "real workers"},
        description="simulated: one process plays all workers; real: `num_workers` processes of their own (needs Ray), "
        "heard as they come",
    )
