"""What the handler of a signal raises ends a block, though it is lost where it is raised."""

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType
from typing import NoReturn
from weakref import ReferenceType, ref

import pytest

from asgd.simulator.workers.interrupts import keep_interrupts, raise_kept


class StoppedError(Exception):
    """A handler's."""


def stop(number: int, frame: FrameType | None) -> NoReturn:
    raise StoppedError(number)


@pytest.fixture(autouse=True, params=[signal.SIGINT, signal.SIGTERM])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal, with a handler of its own."""
    before = signal.signal(request.param, stop)
    yield request.param
    signal.signal(request.param, before)


class Held:
    """What a frame holds."""


class Deaf:
    """Sends a signal as it is destroyed."""

    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


def ask(number: signal.Signals) -> None:
    Deaf(number)
    with pytest.raises(StoppedError):
        raise_kept()


def end(number: signal.Signals) -> None:
    Deaf(number)


def fail(number: signal.Signals) -> None:
    Deaf(number)
    raise ValueError("of what was interrupted")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("act", [ask, end, fail])
def test_what_was_lost_is_raised_again(number: signal.Signals, act: Callable[[signal.Signals], None]) -> None:
    with pytest.raises(StoppedError), keep_interrupts():
        act(number)
    raise_kept()
    assert signal.getsignal(number) is stop


def test_a_signal_that_is_ignored_stays_so(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with keep_interrupts():
        signal.raise_signal(number)
        raise_kept()
    assert signal.getsignal(number) == signal.SIG_IGN


def test_nothing_is_held_that_was_at_hand_as_it_was_raised(number: signal.Signals) -> None:
    left: list[ReferenceType[Held]] = []

    def hold() -> None:
        held = Held()
        left.append(ref(held))
        with keep_interrupts():
            try:
                signal.raise_signal(number)
            except StoppedError:
                raise ValueError("of what was interrupted") from None

    with suppress(StoppedError):
        hold()
    assert left[0]() is None
