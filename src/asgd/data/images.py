"""What a source of images delivers, and the order that all sources share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SourceImages:
    """Images are [n, 32, 32, 3] uint8 (height, width, RGB), labels [n] int64 in 0..9.

    In each split the classes take turns (see ``order_in_turn``), so the first n images are a balanced sample for as
    long as no class has run out.
    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    description: str  #: one sentence: what these images are, and any caveat


def order_in_turn(labels: NDArray[np.int64]) -> NDArray[Any]:
    """Indices that put image k of each class, in turn, before image k + 1 of any; within a class the order stays."""
    by_class = np.argsort(labels, kind="stable")
    ranks = np.empty(len(labels), np.int64)
    ranks[by_class] = np.concatenate([np.arange(count) for count in np.bincount(labels)])
    return np.lexsort((labels, ranks))
