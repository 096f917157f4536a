"""What the server does with a gradient, as PyTorch says it: the specification of every update.

g is the gradient taken at the stale weights U that the worker was sent, W the server's weights, eta the learning rate.
A step is W <- W - eta factor(tau) v, where v is the velocity of the corrected gradients, or the corrected gradient
itself without momentum. All is elementwise.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the fused engine asks for factors, and does without PyTorch
    from torch import Tensor


@dataclass(frozen=True)
class Arrived:
    """A gradient at the server, and what a rule may know of it."""

    gradient: "Tensor"  #: g [num_parameters]
    stale: "Tensor"  #: U [num_parameters], the weights that it was taken at
    weights: "Tensor"  #: W [num_parameters], the server's before the step
    worker: int
    staleness: int  #: tau, server steps between the sending of U and now
    learning_rate: float


class Rule:
    """Plain SGD; a rule overrides what it does otherwise. ``memory`` holds its state: tensors by name."""

    #: Whether the size of its correction says something: that of Adagrad, say, does not.
    corrects = False
    #: Whether workers are sent the weights where they are expected to be when the gradients in flight have come.
    looks_ahead = False
    #: Of the moving average of g g, and what is added to its root or to itself, for rules that have one.
    decay, small = 0.0, 0.0

    def __init__(self) -> None:
        self.memory: dict[str, Tensor] = {}

    def start(self, weights: "Tensor", num_workers: int) -> None:
        """Set up ``memory`` for weights like these."""

    def correct(self, arrived: Arrived) -> "Tensor":
        """The gradient that is used in place of ``arrived.gradient``, which must not be changed."""
        return arrived.gradient

    def factor(self, staleness: int) -> float:
        """What the learning rate is multiplied by."""
        return 1.0


def like(weights: "Tensor", *sizes: int, fill: float = 0.0) -> "Tensor":
    """A tensor [*sizes, num_parameters] full of one number, of the type of ``weights``."""
    return weights.new_full((*sizes, len(weights)), fill)
