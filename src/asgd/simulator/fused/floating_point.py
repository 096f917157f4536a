"""Denormal numbers flushed to zero while the kernels run.

Velocities of weights without gradient decay geometrically. Below 1e-38 they become denormal, and a step then takes up
to three times as long. x86 flushes them to zero on request, by two bits of the control register MXCSR; the request
holds for the thread, so it is taken back when the kernels are done. Elsewhere nothing is changed.
"""

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_FLUSH_TO_ZERO, _DENORMALS_ARE_ZERO = 1 << 15, 1 << 6
_IS_X86 = binding.get_process_triple().startswith(("x86_64", "i686"))


@intrinsic
def flush_denormals(typing):  # type: ignore[no-untyped-def]
    """Flush denormals from now on; returns the control register for `restore_control`."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        if not _IS_X86:
            return ir.Constant(ir.IntType(32), 0)
        slot = cgutils.alloca_once(builder, ir.IntType(32))
        _call(builder, "stmxcsr", slot)
        before = builder.load(slot)
        builder.store(builder.or_(before, ir.Constant(before.type, _FLUSH_TO_ZERO | _DENORMALS_ARE_ZERO)), slot)
        _call(builder, "ldmxcsr", slot)
        return before

    return types.int32(), generate


@intrinsic
def restore_control(typing, control):  # type: ignore[no-untyped-def]
    """Set the control register to what `flush_denormals` returned."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        if _IS_X86:
            slot = cgutils.alloca_once_value(builder, arguments[0])
            _call(builder, "ldmxcsr", slot)
        return context.get_dummy_value()

    return types.void(types.int32), generate


def _call(builder: Any, instruction: str, slot: Any) -> None:
    pointer = builder.bitcast(slot, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{instruction}"), [pointer])
