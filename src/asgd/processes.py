"""Work shared by processes, which end, and remove what they were writing, where the one that started them ends."""

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import active_children, get_context
from typing import NoReturn, TypeVar

from asgd.errors import AsgdError
from asgd.logs import show_warning, tolerate_output

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_processes(function: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """Yield ``function`` of each of ``items``, in their order, computed by ``jobs`` processes: by this one if it is 1.

    ``function`` is one of the package, and it, ``items`` and results can be pickled. A script that calls this does so
    under ``if __name__ == "__main__"``, since each process imports it. An exception of ``function`` is raised here, and
    then, as after Ctrl-C, no process goes on. Raises AsgdError where a process was killed.
    """
    jobs = min(jobs, len(items))
    if jobs <= 1:
        yield from map(function, items)
        return
    before = set(active_children())
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin) as pool:
        try:
            yield from pool.map(partial(_call, function), items)
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(active_children()) - before:
                child.terminate()
            if isinstance(error, BrokenProcessPool):
                raise AsgdError(
                    "a process was killed, perhaps because memory ran out; finished runs are kept; try fewer jobs"
                ) from error
            raise


def _begin() -> None:
    """What a process does first: it leaves Ctrl-C to the one that started it, which then sends SIGTERM."""
    tolerate_output()
    warnings.showwarning = show_warning
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # the pool sends it too: a second one would interrupt the removal
    sys.exit(128 + number)  # as an exception, so that files in the making are removed


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    try:
        return function(item)
    except SystemExit:
        os._exit(128 + signal.SIGTERM)  # the pool would pass it on, and begin with the next item
