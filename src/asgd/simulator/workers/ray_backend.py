"""Real workers as Ray actors: processes on this machine, or on the nodes of a cluster that runs already.

Ray is an optional extra. What is set here was learned the hard way: gradients of 250 kB travel with the call and not
through the object store; a wait follows the order of its list, so references are kept in order of dispatch; Ray listens
on every interface unless it is told that there is no cluster.
"""

import os
import secrets
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.machine import describe_versions, find_processor
from asgd.settings.run import RunConfig
from asgd.simulator.engine import Computed
from asgd.simulator.workers.core import Dispatch
from asgd.simulator.workers.real import Heard, LocalEngine

#: From its arguments, which travel to the workers, the engine that a worker computes with.
MakeEngine = Callable[[], LocalEngine]

#: Seconds without any answer of a worker before a warning says so.
PATIENCE = 30.0

#: Processes that may be started in place of ones that died.
MOST_REPLACEMENTS = 20

_LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listen on loopback
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_max_direct_call_object_size": "2000000",
    "RAY_worker_niceness": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def import_ray() -> Any:
    """Ray. Raises AsgdError, which says how to install it, where it is not there."""
    try:
        import ray
    except ImportError as error:
        raise AsgdError("execution = real needs Ray: install it with `pip install asgd[ray]`") from error
    return ray


@contextmanager
def open_cluster(num_workers: int) -> Iterator[Any]:
    """Ray with room for so many workers: the cluster that $RAY_ADDRESS names, or one on this machine and loopback.

    The latter needs a token that only this process and its children know, and leaves no file and no process behind.
    """
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="asgd-", ignore_cleanup_errors=True) as folder:
        try:
            if not os.environ.get("RAY_ADDRESS"):
                token = Path(folder, "token")
                token.touch(mode=0o600)
                token.write_text(secrets.token_hex(32))
                os.environ.update(_LOCAL, RAY_AUTH_TOKEN_PATH=str(token))
            ray = import_ray()
            own = {
                "num_cpus": num_workers,
                "object_store_memory": 100_000_000,
                "_temp_dir": folder,
                "_node_ip_address": "127.0.0.1",
            }
            ray.init(
                include_dashboard=False,
                configure_logging=False,
                log_to_driver=False,
                **({} if os.environ.get("RAY_ADDRESS") else own),
            )
            try:
                yield ray
            finally:
                ray.shutdown()
        finally:
            os.environ.clear()
            os.environ.update(before)


class Worker:
    """The process of one worker."""

    def __init__(self, make_engine: MakeEngine) -> None:
        self._engine = make_engine()

    def describe(self) -> dict[str, Any]:
        """What it computes on and with: bits are the same only where this is."""
        return {"processor": find_processor(), "kernels": self._engine.backend, "versions": describe_versions()}

    def compute(self, weights: NDArray[np.float32], batch: int) -> tuple[float, NDArray[np.float32], bool]:
        """A gradient."""
        found = self._engine.compute(weights, batch)
        return found.loss, found.gradient, found.is_zero


class RayTransport:
    """Weights and gradients between the server, which is this process, and the workers."""

    def __init__(self, ray: Any, config: RunConfig, make_engine: MakeEngine) -> None:
        self._ray, self._make_engine = ray, make_engine
        self._actor = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(Worker)
        actors = [self._start() for _ in range(config.num_workers)]
        self._actors = dict(enumerate(actors))
        self._waiting: dict[Any, int] = {}  #: workers by what they compute, in order of dispatch
        self._coming: dict[Any, Any] = {}  #: processes that start, by what they say when they are ready
        self._ready: list[Any] = []
        self._replaced, self._warned = 0, set[int]()
        self.about: list[dict[str, Any]] = self._get([actor.describe.remote() for actor in actors])
        self._sent_at: dict[int, float] = {}
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
                self._replace()
                return Heard(worker, None)
            loss, gradient, is_zero = found
            self._warned.discard(worker)
            return Heard(worker, Computed(loss, gradient, is_zero))

    def _start(self) -> Any:
        return self._actor.remote(self._make_engine)

    def _replace(self) -> None:
        self._replaced += 1
        if self._replaced <= MOST_REPLACEMENTS:
            actor = self._start()
            self._coming[actor.describe.remote()] = actor

    def _take(self, reference: Any) -> Any:
        """What a process answered; None if it died. A fault in its code stops the run."""
        try:
            return self._get(reference)
        except self._ray.exceptions.RayActorError:
            return None

    def _get(self, references: Any) -> Any:
        try:
            return self._ray.get(references)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(getattr(error, "cause", None), Exception) else error
            raise AsgdError(f"a worker failed: {' '.join(str(cause).split())}") from error

    def _warn_of_silence(self) -> None:
        now = time.monotonic()
        for worker in set(self._waiting.values()) - self._warned:
            if now - self._sent_at[worker] > PATIENCE:
                self._warned.add(worker)
                warnings.warn(f"worker {worker}: no answer for {PATIENCE:.0f} s; the others go on", stacklevel=2)

    def _compare(self) -> None:
        if len(processors := sorted({about["processor"] for about in self.about})) > 1:
            warnings.warn(
                f"workers on several processors ({', '.join(processors)}): a replay may differ in the last bits",
                stacklevel=2,
            )
