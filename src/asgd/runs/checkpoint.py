"""Checkpoints: what a killed job needs to go on as if nothing had happened.

One file for each run, beside the results and not among them, named by the run and so by the hash of its configuration,
data and sources. It is written at evaluations, where a run's state is the engine's and the rows so far; the result is
byte for byte that of a run that was not interrupted. It ends with a checksum of its content and its name: one that was
damaged, changed or renamed is not used. That costs time and nothing else: the run starts again, and says why.
"""

import hashlib
import io
import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.files import atomic_path, remove_leftovers
from asgd.simulator.continuation import Checkpoint, may_end
from asgd.simulator.engine import Engine
from asgd.simulator.events import Tally
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.simulate import METRICS_COLUMNS, Row

Arrays = dict[str, NDArray[Any]]
Probes = Callable[[], dict[str, Any]]  #: gives what probes found so far

_PARTS = ("engine", "probes", "tally")  # of a checkpoint, with arrays in them

#: Of the file. Another version's is not used: a run's name may outlive a change of what its engine keeps.
_FORMAT = 2

_CHECKSUM = hashlib.sha256().digest_size


@dataclass
class Checkpointer:
    """Keeps the checkpoint of one run at ``path``, written where ``every_seconds`` have passed since the last."""

    path: Path
    every_seconds: float = 60.0
    num_classes: int = NUM_CLASSES
    _last: float = field(default_factory=time.monotonic)

    def load(self, backend: str) -> Checkpoint:
        """What there is that an engine of this ``backend`` can use; a warning says why a file cannot be used."""
        remove_leftovers(self.path)
        try:
            found = read_checkpoint(self.path)
            if found.backend != backend:
                raise AsgdError(f"{self.path}: a checkpoint of backend {found.backend}, not {backend}")
        except FileNotFoundError:
            return Checkpoint.none(backend)
        except AsgdError as error:
            warnings.warn(f"{error}; the run starts again from the beginning", stacklevel=2)
            return Checkpoint.none(backend)
        return found

    def offer(self, rows: Sequence[Row], engine: Engine, seconds: float, probes: Probes) -> None:
        """Write a checkpoint if it is time for one. Where that fails a warning says so, and the run goes on."""
        if time.monotonic() - self._last >= self.every_seconds and not may_end(rows[-1], self.num_classes):
            self._write(Checkpoint(rows, engine.state(), engine.backend, seconds, probes(), engine.tally.state()))

    def finish(self, rows: Sequence[Row], backend: str, seconds: float, probes: Probes, tally: Tally) -> None:
        """Keep the rows of a run that is over, until its results are safe."""
        self._write(Checkpoint(rows, {}, backend, seconds, probes(), tally.state()))

    def discard(self) -> None:
        """The run's results are written, and safe. A folder that refuses keeps the file, with a warning."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:  # a read-only file system says so before it looks whether there is such a file
            if self.path.exists():
                warnings.warn(f"{self.path}: cannot be removed ({error.strerror}); delete it", stacklevel=2)

    def _write(self, checkpoint: Checkpoint) -> None:
        try:
            write_checkpoint(self.path, checkpoint)
        except AsgdError as error:
            warnings.warn(f"{error}; the run goes on without this checkpoint", stacklevel=3)
        self._last = time.monotonic()


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` atomically: arrays, and all else as JSON. Raises AsgdError where that fails."""
    arrays: Arrays = {"rows": np.array([astuple(row) for row in checkpoint.rows], np.float64)}
    about = {"format": _FORMAT, "variant": checkpoint.backend, "seconds": checkpoint.seconds}
    about |= {part: _take_apart(getattr(checkpoint, part), part, arrays) for part in _PARTS}
    text = json.dumps(about)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, about=np.frombuffer(text.encode(), np.uint8), **arrays)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(buffer.getbuffer())
        file.write(_sign(path, buffer.getbuffer()))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what ``write_checkpoint`` wrote to ``path``.

    Raises FileNotFoundError if it is missing, and AsgdError if it is not what was written there.
    """
    try:
        content = memoryview(path.read_bytes())
        if content[-_CHECKSUM:] != _sign(path, content[:-_CHECKSUM]):
            raise ValueError("its checksum is wrong: damaged, or of another run")
        with np.load(io.BytesIO(content[:-_CHECKSUM]), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
        if about.get("format") != _FORMAT:
            raise ValueError("of another version")
        rows = [Row.of(dict(zip(METRICS_COLUMNS, map(float, values), strict=True))) for values in arrays.pop("rows")]
        engine, probes, tally = (_put_together(about[part], arrays) for part in _PARTS)
        return Checkpoint(rows, engine, about["variant"], about["seconds"], probes, tally)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(path) from error
    except Exception as error:  # readers of archives and arrays raise all kinds
        raise AsgdError(f"{path}: not a usable checkpoint ({' '.join(str(error).split())})") from error


def _sign(path: Path, content: memoryview) -> bytes:
    digest = hashlib.sha256(path.name.encode() + b"\0")
    digest.update(content)
    return digest.digest()


def _take_apart(value: Any, name: str, arrays: Arrays) -> Any:
    """``value`` as JSON, its arrays put into ``arrays`` and replaced by the names that they have there."""
    if isinstance(value, dict):
        return {key: _take_apart(part, f"{name}.{key}", arrays) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    return value


def _put_together(value: Any, arrays: Arrays) -> Any:
    if not isinstance(value, dict):
        return value
    if value.keys() == {"array"}:
        return arrays[value["array"]]
    return {key: _put_together(part, arrays) for key, part in value.items()}
