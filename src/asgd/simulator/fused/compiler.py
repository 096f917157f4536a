"""What the process does that compiles a program: ``compiling`` starts it with `main`, and reads what it writes.

The entry points are compiled in one order, and then stored as machine code.
"""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numba.core.serialize import dumps

from asgd.settings.run import RunConfig
from asgd.simulator.fused import layout
from asgd.simulator.fused.engine import first_events, make_settings
from asgd.simulator.fused.kernels import KERNELS
from asgd.simulator.fused.program import Data, Part, build
from asgd.simulator.fused.updates import make_plain


def main(kernels: str) -> None:
    """Compile the program of ``kernels`` and write it to standard output."""
    output = os.dup(1)
    os.dup2(2, 1)  # whatever Numba prints, when told to, is no part of the program
    with os.fdopen(output, "wb") as stream:
        stream.write(compile_program(kernels))


def compile_program(kernels: str) -> bytes:
    """The program of ``kernels``: its entry points, compiled for the arguments that the engine gives them.

    One compilation serves every configuration, so it takes a step with four black images.
    """
    program, settings = build(KERNELS[kernels]), make_settings(RunConfig(), 4)
    data = Data(
        np.zeros(4 * layout.IMAGE, np.uint8),
        np.zeros(4, np.int64),
        np.arange(4, dtype=np.int32),
        np.zeros(0, np.uint16),
    )
    weights, velocities = layout.aligned(settings.num_weights), layout.aligned(0)
    scratch = layout.allocate_scratch(settings.num_features)
    start = first_events(), 0, 0, 0.0, weights, velocities, layout.aligned(0), make_plain()
    program.take_steps(data, Part(4, True, True), *start, scratch, settings)
    program.evaluate(data, 4, weights, 0, scratch, settings)
    functions: Iterable[Any] = program
    compiled = [next(iter(function.overloads.values())) for function in functions]
    # Without the annotation, which holds addresses and the sources' path, equal sources give equal bytes.
    content: bytes = dumps([result._replace(type_annotation="")._reduce() for result in compiled])
    return content
