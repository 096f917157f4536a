"""What updates do with a whole gradient before it is applied, element by element: the fused form of
``asgd.simulator.updates``, in explicit vectors for both sets of kernels.

A gradient is corrected where it was collected and then applied as any other. So the stale weights are still there: a
step writes the new weights over them.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from asgd.settings.run import RunConfig
from asgd.simulator.fused.layout import LANES, aligned
from asgd.simulator.fused.options import INNER
from asgd.simulator.fused.vectors import (
    add,
    divide,
    load,
    multiply,
    multiply_add,
    root,
    scalar,
    size,
    store,
    subtract,
    zeros,
)
from asgd.simulator.updates.rule import Rule

#: The updates that do more with a gradient than scale the rate. What has another number is plain.
PLAIN, DC_CONSTANT, DC_ADAPTIVE, GAP_AWARE, ADAGRAD, LOOK_AHEAD = range(6)
CODES = {
    "dc_constant": DC_CONSTANT,
    "dc_adaptive": DC_ADAPTIVE,
    "gap_aware": GAP_AWARE,
    "adagrad": ADAGRAD,
    "look_ahead": LOOK_AHEAD,
}


class Update(NamedTuple):
    """What the compiled program is told of an update."""

    code: int
    strength: np.float32  #: lambda of the compensations; eta times the scale, of gap_aware
    memory: NDArray[np.float32]  #: moving averages, or a sum, of squares; of look_ahead the sum of velocities
    own: bool  #: whether each worker has a memory of its own
    momentum: np.float32
    decay: np.float32  #: of the moving averages
    share: np.float32  #: 1 - decay
    small: np.float32  #: what keeps them from 0
    sums: NDArray[np.float32]  #: two vectors, to measure a correction in


def make_update(config: RunConfig, rule: Rule, num_weights: int) -> Update:
    """The update of a run, at its start; ``rule`` is PyTorch's form of it."""
    code = CODES.get(config.update, PLAIN)
    strength = {
        DC_CONSTANT: config.dc_strength,
        DC_ADAPTIVE: config.dc_adaptive_strength,
        GAP_AWARE: config.learning_rate * config.gap_scale,
    }
    count = {PLAIN: 0, DC_CONSTANT: 0, DC_ADAPTIVE: config.num_workers}.get(code, 1)
    memory = aligned(count * num_weights)
    if code == ADAGRAD:
        memory[:] = config.adagrad_initial
    return Update(
        code=code,
        strength=np.float32(strength.get(code, 0.0)),
        memory=memory,
        own=code == DC_ADAPTIVE,
        momentum=np.float32(config.momentum),
        decay=np.float32(rule.decay),
        share=np.float32(1 - rule.decay),
        small=np.float32(rule.small),
        sums=aligned(2 * LANES),
    )


def make_plain() -> Update:
    """That of plain SGD."""
    none = np.float32(0)
    return Update(PLAIN, none, aligned(0), False, none, none, none, none, aligned(2 * LANES))


def find_biases(update: Update, rule: Rule, steps: NDArray[np.int64]) -> NDArray[np.float32]:
    """What the moving average of gap_aware is multiplied by at the steps that are number 1, 2, ..., if it is that."""
    if update.code != GAP_AWARE:
        return np.zeros(len(steps), np.float32)
    return (1 / (1 - rule.decay ** np.maximum(steps, 1))).astype(np.float32)


inline = njit(**INNER, forceinline=True)
kernel = njit(**INNER)


@kernel
def correct(update, worker, bias, gradient, num_weights, ring, current, stale):  # type: ignore[no-untyped-def]
    """Correct ``gradient`` [num_weights] in place; ``current`` and ``stale`` are where W and U start in ``ring``.

    ``bias``: 1 / (1 - decay^n) of the moving average of gap_aware. Returns ||correction|| / ||gradient||.
    """
    memory = worker * num_weights if update.own else 0
    corrections, gradients = zeros(1)[0], zeros(1)[0]
    for i in range(0, num_weights, LANES):
        g = load(gradient, i)
        gap = subtract(load(ring, current + i), load(ring, stale + i))
        used = g
        if update.code == DC_CONSTANT:
            used = _compensate(g, gap, multiply(g, update.strength))
        elif update.code == DC_ADAPTIVE:
            square = _average(update.memory, memory + i, g, update)
            usual = root(add(square, update.small))
            used = _compensate(g, gap, multiply(g, divide(update.strength, usual)))
        elif update.code == GAP_AWARE:
            square = _average(update.memory, memory + i, g, update)
            usual = add(root(multiply(square, bias)), update.small)
            used = divide(g, add(divide(size(gap), multiply(usual, update.strength)), np.float32(1)))
        else:
            total = multiply_add(g, g, load(update.memory, memory + i))
            store(update.memory, memory + i, total)
            used = divide(g, root(total))
        store(gradient, i, used)
        change = subtract(used, g)
        corrections = multiply_add(change, change, corrections)
        gradients = multiply_add(g, g, gradients)
    store(update.sums, 0, corrections)
    store(update.sums, LANES, gradients)
    return measure(update.sums)


@inline
def _compensate(g, gap, strength):  # type: ignore[no-untyped-def]
    """g + lambda g g (W - U), with ``strength`` = lambda g."""
    return multiply_add(multiply(strength, g), gap, g)


@inline
def _average(memory, at, g, update):  # type: ignore[no-untyped-def]
    """The moving average of g g, this gradient included."""
    found = multiply_add(multiply(g, update.share), g, multiply(load(memory, at), update.decay))
    store(memory, at, found)
    return found


@kernel
def measure(sums):  # type: ignore[no-untyped-def]
    """The root of the ratio of two vectors' sums; the order of the lanes is fixed."""
    top, bottom = np.float64(0), np.float64(0)
    for i in range(LANES):
        top += scalar(sums, i)
        bottom += scalar(sums, LANES + i)
    return np.sqrt(top / bottom)


@kernel
def step_ahead(update, gradient, num_weights, ring, current, velocities, velocity, rate):  # type: ignore[no-untyped-def]
    """A step of look_ahead: the worker's velocity, the sum of all velocities, and the server's weights in their place.

    With v' = b v + g the sum grows by v' - v = (b - 1) v + g.
    """
    for i in range(0, num_weights, LANES):
        g, v = load(gradient, i), load(velocities, velocity + i)
        total = add(multiply_add(v, update.momentum - np.float32(1), load(update.memory, i)), g)
        store(update.memory, i, total)
        v = multiply_add(v, update.momentum, g)
        store(velocities, velocity + i, v)
        store(ring, current + i, multiply_add(v, rate, load(ring, current + i)))


@kernel
def send(update, num_weights, ring, current, target, rate):  # type: ignore[no-untyped-def]
    """The weights that a worker is sent: the server's, or for look_ahead W - eta b (sum of velocities)."""
    if update.code == LOOK_AHEAD:
        for i in range(0, num_weights, LANES):
            ahead = multiply_add(load(update.memory, i), rate * update.momentum, load(ring, current + i))
            store(ring, target + i, ahead)
    elif current != target:
        for i in range(0, num_weights, LANES):
            store(ring, target + i, load(ring, current + i))
