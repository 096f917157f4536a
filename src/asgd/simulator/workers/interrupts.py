"""Ctrl-C and SIGTERM, which end a block even where the exception that they raise is lost on its way.

A handler's exception is raised wherever the program happens to be, and code that is called from C may not pass it on:
Python only prints what a destructor raises, and NumPy, for one, drops all errors of the look-ups in an enumeration's
class that it makes where an array is compared with a member. What was raised is therefore kept, and raised again.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

_kept: list[BaseException] = []


@contextmanager
def keep_interrupts() -> Iterator[None]:
    """Keep what the handlers of SIGINT and SIGTERM raise within the block, and raise it at its end at the latest.

    It replaces another exception that leaves the block. Signals that have no handler in Python stay as they are.
    """
    numbers = (signal.SIGINT, signal.SIGTERM) if current_thread() is main_thread() else ()
    handlers = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    for number, handler in handlers.items():
        signal.signal(number, partial(_keep, handler))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if signal.getsignal(number) != signal.SIG_IGN:  # by the handler itself
                signal.signal(number, handler)
        try:
            raise_kept()
        finally:
            _kept.clear()  # no name is left for it: what its frames hold is Ray's, and must not outlive the program


def raise_kept() -> None:
    """Raise the last exception that was kept, if any: the block goes on, so that it was lost."""
    if _kept:
        raise _kept[-1]


def _keep(handler: Any, number: int, frame: FrameType | None) -> None:
    try:
        handler(number, frame)
    except BaseException as error:
        _kept.append(error)
        raise
