"""Independent named random streams of a run.

Every arm derives its streams from the seed alone, so runs of the same seed start from the same weights and see the
same mini-batches and dropout masks: they are paired. Every engine consumes these streams, in this order.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# A stream's number is part of every result: append, never renumber.
_STREAMS = {"weights": 0, "order": 1, "dropout": 2, "schedule": 3}

#: Dropout draws 16-bit numbers, so a rate is rounded to a multiple of 1/65536.
MASK_LEVELS = 1 << 16

#: Of the generators.
_PERIOD = 1 << 128


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator of one named stream (``weights``, ``order``, ``dropout`` or ``schedule``) of ``seed`` (>= 0)."""
    return np.random.Generator(_start(seed, name))


def _start(seed: int, name: str) -> np.random.PCG64:
    return np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(_STREAMS[name],)))


class BatchStream:
    """The mini-batches of a run and their dropout masks, by number: they are handed out in that order.

    An epoch is a random permutation of the training set cut into mini-batches; a remainder smaller than
    ``batch_size`` is left out of that epoch. A mini-batch of all images has them in their own order.
    ``num_dropout_units`` is the number of units under dropout per sample (0 without dropout; it must be a multiple of
    4, so that a sample takes whole 64-bit words from the stream). What a number stands for follows from the seed alone,
    so there is no state to keep.
    """

    def __init__(self, seed: int, num_images: int, batch_size: int, num_dropout_units: int = 0) -> None:
        self.num_images, self.batch_size, self.num_dropout_units = num_images, batch_size, num_dropout_units
        self._per_epoch = num_images // batch_size
        self._order, self._dropout = stream(seed, "order"), _start(seed, "dropout")
        self._drawn = 0  #: epochs
        self._epochs: dict[int, NDArray[np.int32]] = {}  #: those that are kept, [steps, batch_size] each
        self._word = 0  #: the 64-bit word that the dropout stream is at

    def indices(self, numbers: NDArray[np.int64]) -> NDArray[np.int32]:
        """Indices into the training set of the mini-batches ``numbers``: [len(numbers), batch_size] int32."""
        if self.batch_size == self.num_images:
            return np.broadcast_to(np.arange(self.num_images, dtype=np.int32), (len(numbers), self.num_images))
        epochs, places = np.divmod(numbers, self._per_epoch)
        found = np.empty((len(numbers), self.batch_size), np.int32)
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            found[here] = self._epoch(epoch)[places[here]]
        return found

    def masks(self, numbers: NDArray[np.int64], first: int = 0, last: int | None = None) -> NDArray[np.uint16]:
        """Uniform 16-bit numbers [len(numbers), samples, num_dropout_units]; a unit is dropped where < p * 65536.

        Of samples ``first`` to ``last`` of each mini-batch; by default of all.
        """
        count = (self.batch_size if last is None else last) - first
        words = self.num_dropout_units // 4
        starts = (numbers * self.batch_size + first) * words
        raw = np.empty((len(numbers), count * words), np.uint64)
        # One draw for each stretch of the stream.
        cuts = (np.flatnonzero(np.diff(starts) != count * words) + 1).tolist()
        for begin, end in pairwise([0, *cuts, len(numbers)] if len(numbers) else ()):
            raw[begin:end] = self._draw(int(starts[begin]), (end - begin) * count * words).reshape(end - begin, -1)
        # Little-endian on every machine, so that a word splits into the same four numbers everywhere.
        return raw.astype("<u8", copy=False).view("<u2").reshape(len(numbers), count, self.num_dropout_units)

    def forget(self, before: int) -> None:
        """No mini-batch whose number is below ``before`` will be asked for."""
        for epoch in [epoch for epoch in self._epochs if epoch < before // self._per_epoch]:
            del self._epochs[epoch]

    def _epoch(self, epoch: int) -> NDArray[np.int32]:
        while self._drawn <= epoch:
            order = self._order.permutation(self.num_images)[: self._per_epoch * self.batch_size]
            self._epochs[self._drawn] = order.astype(np.int32).reshape(self._per_epoch, self.batch_size)
            self._drawn += 1
        return self._epochs[epoch]

    def _draw(self, start: int, words: int) -> NDArray[np.uint64]:
        if start != self._word:
            self._dropout.advance((start - self._word) % _PERIOD)
        self._word = start + words
        found: NDArray[np.uint64] = self._dropout.random_raw(words)
        return found


def dropout_threshold(rate: float) -> int:
    """The 16-bit number below which a unit is dropped, for a dropout ``rate`` in [0, 1)."""
    return round(rate * MASK_LEVELS)


def dropout_scale(rate: float) -> float:
    """What a kept unit is multiplied by: 1 / (share kept), so that the expectation is unchanged."""
    return MASK_LEVELS / (MASK_LEVELS - dropout_threshold(rate))
