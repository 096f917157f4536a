"""Independent named random streams of a run.

Every arm derives its streams from the seed alone, so runs of the same seed start from the same weights and see the
same mini-batches and dropout masks: they are paired. Every engine consumes these streams, in this order.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A stream's number is part of every result: append, never renumber.
_STREAMS = {"weights": 0, "order": 1, "dropout": 2, "schedule": 3}

#: Dropout draws 16-bit numbers, so a rate is rounded to a multiple of 1/65536.
MASK_LEVELS = 1 << 16


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator of one named stream (``weights``, ``order`` or ``dropout``) of ``seed`` (>= 0)."""
    sequence = np.random.SeedSequence(seed, spawn_key=(_STREAMS[name],))
    return np.random.Generator(np.random.PCG64(sequence))


@dataclass
class BatchStream:
    """The mini-batches of a run, in the order in which the server hands them out; mini-batch t is used at step t.

    An epoch is a random permutation of the training set cut into mini-batches; a remainder smaller than
    ``batch_size`` is left out of that epoch. ``num_dropout_units`` is the number of units under dropout per sample
    (0 without dropout; it must be a multiple of 4, so that a step takes whole 64-bit words from the stream).
    """

    seed: int
    num_images: int
    batch_size: int
    num_dropout_units: int = 0
    _order: np.random.Generator = field(init=False, repr=False)
    _dropout: np.random.Generator = field(init=False, repr=False)
    _epoch: NDArray[np.int32] = field(init=False, repr=False)
    _position: int = field(init=False, default=0, repr=False)

    def __post_init__(self) -> None:
        self._order = stream(self.seed, "order")
        self._dropout = stream(self.seed, "dropout")
        self._epoch = np.empty((0, self.batch_size), np.int32)

    def take_indices(self, num_steps: int) -> NDArray[np.int32]:
        """Indices into the training set of the next ``num_steps`` mini-batches: [num_steps, batch_size] int32."""
        parts = []
        while num_steps > 0:
            if self._position == len(self._epoch):
                self._start_epoch()
            part = self._epoch[self._position : self._position + num_steps]
            self._position += len(part)
            num_steps -= len(part)
            parts.append(part)
        return np.concatenate(parts) if parts else self._epoch[:0]

    def take_masks(self, num_steps: int) -> NDArray[np.uint16]:
        """Uniform 16-bit numbers [num_steps, batch_size, num_dropout_units]; a unit is dropped where < p * 65536."""
        words = num_steps * self.batch_size * self.num_dropout_units // 4
        raw: NDArray[np.uint64] = self._dropout.bit_generator.random_raw(words)
        # Little-endian on every machine, so that a word splits into the same four numbers everywhere.
        return raw.astype("<u8", copy=False).view("<u2").reshape(num_steps, self.batch_size, self.num_dropout_units)

    def state(self) -> dict[str, Any]:
        """Everything needed to continue: plain numbers, dictionaries and one array."""
        return {
            "order": self._order.bit_generator.state,
            "dropout": self._dropout.bit_generator.state,
            "epoch": self._epoch.copy(),
            "position": self._position,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what ``state`` returned."""
        self._order.bit_generator.state = state["order"]
        self._dropout.bit_generator.state = state["dropout"]
        self._epoch = np.array(state["epoch"], np.int32)
        self._position = int(state["position"])

    def _start_epoch(self) -> None:
        steps = self.num_images // self.batch_size
        order = self._order.permutation(self.num_images)[: steps * self.batch_size]
        self._epoch = order.astype(np.int32).reshape(steps, self.batch_size)
        self._position = 0


def dropout_threshold(rate: float) -> int:
    """The 16-bit number below which a unit is dropped, for a dropout ``rate`` in [0, 1)."""
    return round(rate * MASK_LEVELS)


def dropout_scale(rate: float) -> float:
    """What a kept unit is multiplied by: 1 / (share kept), so that the expectation is unchanged."""
    return MASK_LEVELS / (MASK_LEVELS - dropout_threshold(rate))
