"""Whether workers are simulated, processes of their own, or simulated as those were recorded."""

from typing import Literal

from asgd.settings.keys import Keys, parameter


class ExecutionKeys(Keys):
    """Who computes the gradients."""

    execution: Literal["simulated", "real", "replayed"] = parameter(
        "simulated",
        as_before="simulated",
        words={"simulated": "simulated", "real": "real workers", "replayed": "replayed"},
        description="simulated: one process simulates all workers; real: each worker is a process (needs Ray); "
        "replayed: one process simulates the recorded order of the same run with real workers",
    )
