"""Starting Ray: a second time where it does not start, and so that a signal meanwhile ends it in any case."""

import os
import signal
import sys
import warnings
from _thread import interrupt_main
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Timer, current_thread, main_thread
from typing import Any

from asgd.errors import AsgdError
from asgd.simulator.workers.ray_backend import open_cluster

#: Seconds after which an exception that Python has dropped is raised again.
_AGAIN = 0.1


@contextmanager
def start_cluster(num_workers: int) -> Iterator[Any]:
    """Ray, as ``open_cluster`` gives it. On a busy machine Ray's own 30 s may not be enough, so it has two of them."""
    with ExitStack() as stack:
        with _raise_dropped():
            try:
                ray = stack.enter_context(open_cluster(num_workers))
            except AsgdError as error:
                if error.__cause__ is None or os.environ.get("RAY_ADDRESS"):
                    raise
                warnings.warn(f"{str(error).rstrip('.')}; starting it once more", stacklevel=3)
                ray = stack.enter_context(open_cluster(num_workers))
        yield ray


@contextmanager
def _raise_dropped() -> Iterator[None]:
    """Raise what a signal's handler raised again, where Python has dropped it.

    Python only prints what is raised in the hooks of a fork. Ray forks several times as it starts, and has a handler of
    SIGTERM meanwhile. It would go on, or wait for a process that the signal has ended, and end without clearing up.
    """
    hook, timers = sys.unraisablehook, list[Timer]()

    def raise_again(dropped: "sys.UnraisableHookArgs") -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt | SystemExit) or current_thread() is not main_thread():
            hook(dropped)
            return
        number = signal.SIGINT if isinstance(dropped.exc_value, KeyboardInterrupt) else signal.SIGTERM
        timers.append(Timer(_AGAIN, interrupt_main, [number]))
        timers[-1].start()

    sys.unraisablehook = raise_again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for timer in timers:
            timer.cancel()
