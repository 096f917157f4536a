"""Real workers as Ray actors: processes on this machine, or on the nodes of a cluster that runs already.

Ray is an optional extra. What is set here was learned the hard way: gradients of 250 kB travel with the call and not
through the object store; a wait follows the order of its list, so references are kept in order of dispatch; Ray listens
on every interface unless it is told that there is no cluster.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.machine import describe_versions, find_processor
from asgd.settings.run import RunConfig
from asgd.simulator.engine import Computed
from asgd.simulator.workers.core import Dispatch
from asgd.simulator.workers.interrupts import keep_interrupts, raise_kept
from asgd.simulator.workers.real import Heard, LocalEngine
from asgd.simulator.workers.sweep import open_folder

#: From its arguments, which travel to the workers, the engine that a worker computes with.
MakeEngine = Callable[[], LocalEngine]

#: Names the seconds without any answer of a worker before a warning says so.
PATIENCE = "ASGD_PATIENCE"

#: Seconds within which all workers must be ready, and the head of a cluster must answer.
_STARTUP, _KNOCK = 300.0, 30.0

#: Processes that may be started in place of ones that died.
MOST_REPLACEMENTS = 20

#: Only this program speaks to its user, and nobody else hears of it.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "1", "RAY_DEDUP_LOGS_SKIP_REGEX": "^"}

_LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listen on loopback
    "RAY_max_direct_call_object_size": "2000000",
    "RAY_worker_niceness": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def open_cluster(num_workers: int) -> Iterator[Any]:
    """Ray with room for so many workers: the cluster that $RAY_ADDRESS names, or one on this machine and loopback.

    The latter needs a token that only this process and its children know, and leaves no file and no process behind.
    An interrupt within the block ends it, wherever it comes.
    Raises AsgdError where there is no Ray, or it does not start, or the cluster does not answer or let us in.
    """
    address = os.environ.get("RAY_ADDRESS") or "local"
    with keep_interrupts(), ExitStack() as stack:
        stack.callback(_set_environment, dict(os.environ))
        os.environ.update(_QUIET)
        options: dict[str, Any] = {}
        if find_spec("ray") is None:
            raise AsgdError("execution = real needs Ray, of the extra ray: in a clone, pip install '.[ray]'")
        if address == "local":
            folder = stack.enter_context(open_folder())
            os.environ.update(_LOCAL, RAY_AUTH_TOKEN_PATH=_write_token(folder))
            options = {
                "num_cpus": num_workers,
                "object_store_memory": 100_000_000,
                "include_dashboard": False,
                "_temp_dir": folder,
                "_node_ip_address": "127.0.0.1",
            }
        else:
            _knock(address)
        import ray  # it reads its environment now

        handler = signal.getsignal(signal.SIGTERM)
        stack.callback(ray.shutdown)
        try:
            ray.init(address, configure_logging=False, log_to_driver=False, **options)
        except SystemExit:
            raise_kept()
            signal.signal(signal.SIGTERM, handler)  # Ray's own raised it, with a status of its own
            signal.raise_signal(signal.SIGTERM)
            raise
        except Exception as error:  # Ray raises all kinds
            failed = "Ray does not start" if address == "local" else f"RAY_ADDRESS = {address}: cannot be joined"
            raise AsgdError(f"{failed}: {_shorten(error)}") from error
        if current_thread() is main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray's own prints a stack and ends all at once
        yield ray


def _set_environment(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


@cache  # Ray remembers it as long as the process lives
def _make_token() -> str:
    return secrets.token_hex(32)


def _write_token(folder: str) -> str:
    token = Path(folder, "token")
    token.touch(mode=0o600)
    token.write_text(_make_token(), encoding="utf-8")
    return str(token)


def _knock(address: str) -> None:
    """Ray itself would try for minutes."""
    if address == "auto":
        return
    place, (host, _, port) = f"RAY_ADDRESS = {address}", address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK).close()
        ask = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
        answer = subprocess.run(ask, timeout=_KNOCK, capture_output=True, encoding="utf-8", check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = f"within {_KNOCK:.0f} s" if isinstance(error, subprocess.TimeoutExpired) else f"({error})"
        raise AsgdError(
            f"{place}: no cluster answers there {reason}; give host:port of its head, or unset it"
        ) from error
    if answer.returncode:
        raise AsgdError(f"{place}: cannot be joined: {_shorten(answer.stderr.strip().rpartition(chr(10))[2])}")


def _shorten(error: object) -> str:
    """An error's own words, or the beginning of many, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."


class Worker:
    """The process of one worker."""

    def __init__(self, make_engine: MakeEngine) -> None:
        self._make_engine = make_engine

    def prepare(self) -> dict[str, Any]:
        """Get ready; what it computes on and with: bits are the same only where this is."""
        self._engine = self._make_engine()
        return {"processor": find_processor(), "kernels": self._engine.backend, "versions": describe_versions()}

    def compute(self, weights: NDArray[np.float32], batch: int) -> tuple[float, NDArray[np.float32], bool]:
        """A gradient."""
        found = self._engine.compute(weights, batch)
        return found.loss, found.gradient, found.is_zero


class RayTransport:
    """Weights and gradients between the server, which is this process, and the workers."""

    def __init__(self, ray: Any, config: RunConfig, make_engine: MakeEngine) -> None:
        self._ray, self._make_engine = ray, make_engine
        self._patience = _read_patience()
        gone = ray.exceptions
        self._gone = (gone.RayActorError, gone.OutOfMemoryError, gone.ObjectLostError, gone.NodeDiedError)
        self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
        self._actors = {worker: self._start() for worker in range(config.num_workers)}
        self._waiting: dict[Any, int] = {}  #: workers by what they compute, in order of dispatch
        self._coming: dict[Any, Any] = {}  #: processes that start, by what they say when they are ready
        self._ready: list[Any] = []
        self._replaced, self._warned = 0, set[int]()
        self._sent_at: dict[int, float] = {}
        self.about = self._prepare()
        self._compare()

    def send(self, dispatch: Dispatch) -> None:
        """Have a worker compute."""
        actor = self._actors[dispatch.worker]
        self._waiting[actor.compute.remote(dispatch.weights, dispatch.batch)] = dispatch.worker
        self._sent_at[dispatch.worker] = time.monotonic()

    def admit(self, worker: int) -> None:
        """The process that is ready is ``worker`` from now on."""
        self._actors[worker] = self._ready.pop(0)

    def hear(self) -> Heard:
        """Wait for what comes next: a gradient, the end of a worker, or a process that is ready."""
        while True:
            raise_kept()
            ready, _ = self._ray.wait([*self._waiting, *self._coming], num_returns=1, timeout=1.0)
            self._warn_of_silence()
            if not ready:
                continue
            (reference,) = ready
            if reference in self._coming:
                actor = self._coming.pop(reference)
                if (about := self._take(reference)) is not None:
                    self._ready.append(actor)
                    self.about.append(about)
                    return Heard(None, None)
                continue
            worker = self._waiting.pop(reference)
            found = self._take(reference)
            if found is None:
                self._replace(worker)
                return Heard(worker, None)
            loss, gradient, is_zero = found
            self._warned.discard(worker)
            return Heard(worker, Computed(loss, gradient, is_zero))

    def _start(self) -> Any:
        return self._actor.remote(self._make_engine)

    def _prepare(self) -> list[dict[str, Any]]:
        """Wait until all workers are ready, and hear what they say of themselves."""
        answers = [actor.prepare.remote() for actor in self._actors.values()]
        start, warned, missing = time.monotonic(), False, answers
        while missing:
            raise_kept()
            _, missing = self._ray.wait(answers, num_returns=len(answers), timeout=1.0)
            waited = time.monotonic() - start
            state = f"{len(answers) - len(missing)} of {len(answers)} workers are ready after {waited:.0f} s"
            state += f", on {self._ray.cluster_resources().get('CPU', 0):.0f} processors" if missing else ""
            if missing and waited > _STARTUP:
                raise AsgdError(f"{state}; ask for fewer workers, or for more nodes")
            if missing and waited > self._patience and not warned:
                warned = True
                warnings.warn(f"{state}; waiting for the others", stacklevel=2)
        about = [self._take(answer) for answer in answers]
        if None in about:
            raise AsgdError(f"worker {about.index(None)} died as it started, perhaps for want of memory")
        return about

    def _replace(self, worker: int) -> None:
        self._ray.kill(self._actors[worker])  # it may only have been out of reach
        self._replaced += 1
        replaced = self._replaced <= MOST_REPLACEMENTS
        warnings.warn(
            f"worker {worker} is lost; {'another process takes its place' if replaced else 'too many were'}",
            stacklevel=2,
        )
        if replaced:
            actor = self._start()
            self._coming[actor.prepare.remote()] = actor

    def _take(self, reference: Any) -> Any:
        """What a process answered; None if it died. Raises AsgdError for a fault in its code."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            kind = "" if isinstance(cause, AsgdError) else f"{type(cause).__name__}: "
            raise AsgdError(f"a worker failed: {kind}{_shorten(cause)}") from error
        except self._gone:
            return None

    def _warn_of_silence(self) -> None:
        now = time.monotonic()
        for worker in set(self._waiting.values()) - self._warned:
            if now - self._sent_at[worker] > self._patience:
                self._warned.add(worker)
                warnings.warn(f"worker {worker}: no answer for {self._patience:g} s; the others go on", stacklevel=2)

    def _compare(self) -> None:
        if len(processors := sorted({about["processor"] for about in self.about})) > 1:
            warnings.warn(
                f"workers on several processors ({', '.join(processors)}): a replay may differ in the last bits",
                stacklevel=2,
            )


def _read_patience() -> float:
    text = os.environ.get(PATIENCE) or "30"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise AsgdError(f"{PATIENCE} = {text}: give a number of seconds above 0")
    return seconds
