"""What intrinsics of ``vectors`` are made of: pieces of LLVM code."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

#: Floats in a vector.
LANES = 16
FLOAT, INT = ir.FloatType(), ir.IntType(32)


def narrow(kind: types.Type) -> types.Type:
    """The type in which a number meets a vector."""
    if isinstance(kind, types.Float):
        return types.float32
    return types.int32 if isinstance(kind, types.Integer) else kind


def point_to(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Address of element ``arguments[1]`` of the array ``arguments[0]``."""
    array = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


def written_here(builder: Any) -> Any:
    """LLVM's name (a list of alias scopes) for what the function under construction writes by `put`."""
    module = builder.module
    domain = module.add_metadata([ir.MetaDataString(module, "asgd")])
    scope = module.add_metadata([ir.MetaDataString(module, builder.function.name), domain])
    return module.add_metadata([scope])


def load_vector(builder: Any, pointer: Any, lanes: int = LANES) -> Any:
    element = pointer.type.pointee
    vector = ir.VectorType(element, lanes)
    loaded = builder.load(builder.bitcast(pointer, vector.as_pointer()), align=1 if element == ir.IntType(8) else 4)
    return builder.sitofp(loaded, ir.VectorType(FLOAT, lanes)) if element == ir.IntType(8) else loaded


def parts(builder: Any, kind: Any, value: Any) -> list[Any]:
    return [builder.extract_value(value, i) for i in range(len(kind))]


def make_tuple(context: Any, builder: Any, signature: Any, values: list[Any]) -> Any:
    return context.make_tuple(builder, signature.return_type, values)


def broadcast(builder: Any, value: Any, lanes: int = LANES) -> Any:
    if isinstance(value.type, ir.VectorType):
        return value
    vector = ir.VectorType(value.type, lanes)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(INT, 0))
    return shuffle(builder, single, single, [0] * lanes)


def emit_multiply_add(builder: Any, left: Any, right: Any, addend: Any) -> Any:
    # fmuladd, not fma: where the machine has no fused instruction, fma is a library call per lane.
    kind = addend.type
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fmuladd.v{kind.count}f32"
    )
    return builder.call(function, [left, right, addend])


def shuffle(builder: Any, first: Any, second: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(INT, len(order)), order))


def interleave_blocks(block: int, half: int) -> list[int]:
    """For a block of 2 * half lanes: its lower half in the first vector, then its lower half in the second."""
    return [*range(block, block + half), *range(LANES + block, LANES + block + half)]
