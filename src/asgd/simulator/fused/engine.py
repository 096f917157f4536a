"""The fused engine: the simulation of one run on one CPU core, behind the ``Engine`` protocol."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.simulator.engine import Evaluation, Interval, OnPart, cut, ignore_part, measure_distance
from asgd.simulator.fused import layout
from asgd.simulator.fused.compiling import load_program
from asgd.simulator.fused.kernels import choose_kernels
from asgd.simulator.fused.program import Data, Settings
from asgd.simulator.networks import shapes as architecture
from asgd.simulator.streams import BatchStream, dropout_scale, dropout_threshold, stream

#: Server steps in one call of the compiled program. Random numbers are drawn for so many at a time.
CHUNK = 128

_FEATURES = {1: 1600, 2: 400}
_NO_MASKS = np.zeros(0, np.uint16)


class FusedEngine:
    """Simulates one run of the paper's network; see `asgd.simulator.engine.Engine` for the methods.

    ``train_images`` [n, 32, 32, 3] uint8 (C-contiguous, possibly memory-mapped) and ``train_labels`` [n] int64 are
    not copied. ``weights`` [num_parameters] replaces the initial weights that the seed draws. ``kernels`` is
    ``vector``, ``plain`` or ``auto``. Raises AsgdError for images of another shape or type, for labels that are not
    classes, or where there are fewer images than a mini-batch takes.
    """

    def __init__(
        self,
        config: RunConfig,
        train_images: NDArray[np.uint8],
        train_labels: NDArray[np.int64],
        *,
        weights: NDArray[np.float32] | None = None,
        kernels: str = "auto",
    ) -> None:
        self.config = config
        self.backend = choose_kernels(kernels)
        self._images, self._labels = _check_images(train_images, train_labels)
        if len(self._labels) < config.batch_size:
            raise AsgdError(f"batch_size = {config.batch_size}: there are only {len(self._labels)} training images")
        self._program = load_program(self.backend)
        self._settings = make_settings(config)
        self._scratch = layout.allocate_scratch(self._settings.num_features)
        self._positions = layout.weight_positions(config.pools)
        self._stream = BatchStream(config.seed, len(self._labels), config.batch_size, self._settings.num_masks)
        self._step = 0
        size = self._settings.num_weights
        if weights is None:
            weights = architecture.draw_initial_weights(stream(config.seed, "weights"), config.pools)
        self._ring = layout.aligned(config.num_workers * size)
        self._slots = self._ring.reshape(config.num_workers, size)
        self._slots[:, self._positions] = weights
        velocities = config.num_workers if self._settings.momentum_at_worker else 1
        self._velocities = layout.aligned(velocities * size if config.momentum > 0 else 0)

    @property
    def weights(self) -> NDArray[np.float32]:
        """A copy of the server's weights, in PyTorch's order: [num_parameters]."""
        current: NDArray[np.float32] = self._slots[self._served]
        return current[self._positions]

    def advance(self, num_steps: int, stops: Collection[int] = (), on_part: OnPart = ignore_part) -> Interval:
        """Take ``num_steps`` (>= 1) server steps."""
        loss, zeros, norm = 0.0, 0, 0.0
        for start in range(0, num_steps, CHUNK):
            chunk_loss = 0.0  # goes on over stops: the order of a sum decides its last bits
            for first, last in cut(start, min(start + CHUNK, num_steps), stops):
                before = chunk_loss
                chunk_loss, more_zeros, norm = self._take_steps(last - first, before)
                zeros += more_zeros
                on_part(Interval(last - first, chunk_loss - before, more_zeros, norm))
            loss += chunk_loss
        return Interval(num_steps, loss, zeros, norm)

    def _take_steps(self, number: int, loss: float) -> tuple[float, int, float]:
        indices = self._stream.take_indices(number).reshape(-1)
        masks = self._stream.take_masks(number).reshape(-1) if self._settings.num_masks else _NO_MASKS
        data = Data(self._images, self._labels, indices, masks)
        found = self._program.take_steps(
            data, number, self._step, loss, self._ring, self._velocities, self._scratch, self._settings
        )
        self._step += number
        return found

    def evaluate(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Evaluation:
        """Evaluate the server's weights on ``images`` [n >= 1, 32, 32, 3] and ``labels`` [n]."""
        flat, classes = _check_images(images, labels)
        data = Data(flat, classes, np.arange(len(classes), dtype=np.int32), _NO_MASKS)
        settings = self._settings._replace(dropout_threshold=0, num_masks=0)
        at = self._served * settings.num_weights
        loss, correct, silent = self._program.evaluate(data, len(classes), self._ring, at, self._scratch, settings)
        return Evaluation(loss / len(classes), correct / len(classes), silent / len(classes))

    def gradient(
        self, indices: NDArray[np.int32], masks: NDArray[np.uint16] | None = None
    ) -> tuple[float, NDArray[np.float32]]:
        """Loss and gradient [num_parameters], in PyTorch's order, of one mini-batch at the server's weights.

        ``indices`` [batch] are training images; ``masks`` [batch, 204] the numbers that decide on dropout.
        """
        settings = self._settings._replace(num_workers=1, batch_size=len(indices), momentum=np.float32(0))
        settings = settings._replace(momentum_at_worker=False)
        if masks is None:
            settings = settings._replace(dropout_threshold=0, dropout_scale=np.float32(1))
        data = Data(
            self._images,
            self._labels,
            np.array(indices, np.int32),
            _NO_MASKS if masks is None else np.array(masks, np.uint16).reshape(-1),
        )
        weights = layout.aligned(settings.num_weights)  # the step spoils them
        weights[:] = self._slots[self._served]
        loss, _, _ = self._program.take_steps(data, 1, 0, 0.0, weights, layout.aligned(0), self._scratch, settings)
        return loss, self._scratch.gradient[self._positions]

    def staleness_displacement(self) -> float:
        """||W_t - W_s|| of the server's weights and those of the worker whose gradient comes next."""
        stale = self._slots[self._step % self.config.num_workers]
        return measure_distance(self._slots[self._served], stale)

    def state(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit, with either variant's own arithmetic."""
        return {
            "step": self._step,
            "ring": self._ring.copy(),
            "velocities": self._velocities.copy(),
            "stream": self._stream.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from ``state``. Raises AsgdError if it is of another configuration."""
        for name, target in (("ring", self._ring), ("velocities", self._velocities)):
            if np.shape(state[name]) != target.shape:
                raise AsgdError(f"{name}: the saved state is of another configuration; start the run again")
            target[:] = state[name]
        self._step = int(state["step"])
        self._stream.restore(state["stream"])

    @property
    def _served(self) -> int:
        """The worker served last: its copy is the newest, and so the server's weights."""
        return (self._step - 1) % self.config.num_workers


def make_settings(config: RunConfig) -> Settings:
    """The configuration as the numbers that the compiled program takes."""
    features = _FEATURES[config.pools]
    # The velocity of the averaging convention is (1 - b) times that of PyTorch's, with the same b and gradients. So
    # PyTorch's is kept, and the factor goes into the learning rate.
    averaging = 1 - config.momentum if config.momentum_convention == "ema" else 1.0
    return Settings(
        num_workers=config.num_workers,
        batch_size=config.batch_size,
        pools=config.pools,
        num_features=features,
        layers=layout.dense_layers(features),
        num_weights=layout.num_weights(features),
        output_relu=config.output_relu,
        momentum=np.float32(config.momentum),
        momentum_at_worker=config.momentum_where == "worker" and config.momentum > 0,
        rate=np.float32(-config.learning_rate * averaging),
        dropout_threshold=dropout_threshold(config.dropout),
        dropout_scale=np.float32(dropout_scale(config.dropout)),
        num_masks=architecture.NUM_DROPOUT_UNITS if config.dropout > 0 else 0,
    )


def _check_images(images: Any, labels: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images as one flat array, not copied, and labels; AsgdError if the kernels could not take them."""
    if images.dtype != np.uint8 or images.shape[1:] != architecture.IMAGE_SHAPE or not images.flags.c_contiguous:
        raise AsgdError(f"images: must be contiguous uint8 [n, 32, 32, 3], not {images.dtype} {images.shape}")
    classes = np.array(labels, np.int64)
    if classes.shape != images.shape[:1] or not len(classes):
        raise AsgdError(f"labels: {classes.shape} for {len(images)} images; give one label for each image")
    if classes.min() < 0 or classes.max() >= architecture.NUM_CLASSES:
        raise AsgdError(f"labels: must be 0 to {architecture.NUM_CLASSES - 1}, not {classes.min()} to {classes.max()}")
    return np.asarray(_Writable(images)), classes


class _Writable:
    """A flat view of images whose type is 'writable', though nothing writes: Numba would compile twice otherwise."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images  # the view must keep the memory alive
        address = images.__array_interface__["data"][0]
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (images.size,), "data": (address, False)}
