"""Which of the training images a run sees, and how many in a mini-batch."""

import numpy as np
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig


def select_images(
    config: RunConfig, images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first ``num_images`` of the training set, which are the first of each class in turn; all by default."""
    if config.num_images is None:
        return images, labels
    count = count_images(config, len(labels))
    return images[:count], labels[:count]


def count_images(config: RunConfig, available: int) -> int:
    """How many of ``available`` training images the run sees. Raises AsgdError where there are too few."""
    if config.num_images is not None and config.num_images > available:
        raise AsgdError(f"num_images = {config.num_images}: there are only {available} training images")
    return config.num_images or available


def find_batch_size(config: RunConfig, num_train: int) -> int:
    """Images in a mini-batch of a run that sees ``num_train``. Raises AsgdError where that is too few."""
    if config.batch_size == "full":
        return num_train
    if config.batch_size > num_train:
        raise AsgdError(f"batch_size = {config.batch_size}: larger than the training set of {num_train} images")
    return config.batch_size
