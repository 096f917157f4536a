"""What a schedule is: whose gradient reaches the server next, and when.

Time is simulated, in units of the mean time of a gradient on an ordinary worker.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Arrivals(Protocol):
    """The gradients in flight. All workers are started once, at time 0 and in order, before the first is heard."""

    def start(self, worker: int, time: float) -> None:
        """``worker`` has received weights at ``time`` and starts a gradient."""
        ...

    def hear(self) -> tuple[int, float]:
        """The worker whose gradient the server hears next, and when. It is not in flight any more."""
        ...

    def stream(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """``number`` times: hear a worker, and start it again at once. Workers and times: [number] each."""
        ...

    def list_running(self, time: float) -> list[int]:
        """The workers that still compute at ``time``, in the order in which they were started."""
        ...

    def cancel(self, worker: int) -> None:
        """``worker`` gives up the gradient that it computes."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything needed to continue: plain numbers, lists and dictionaries."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        ...
