"""Sixteen floats as one Numba value, and the few operations that the kernels are written in.

Numba compiles loops; whether LLVM turns them into vector code is its own decision. Here the vector is explicit: a
Numba type that *is* LLVM's ``<16 x float>``, and intrinsics that emit generic LLVM instructions on it. LLVM maps them
to whatever the machine has (one AVX-512 register, two AVX registers, four NEON registers), so they are correct
everywhere and fast where a register holds 16 floats. Nothing here knows of images or layers.

A *tile* is a tuple of vectors that stays in registers: ``outer`` updates one, all kernels are loops around it.
Arrays are one-dimensional and contiguous; offsets count elements and are not checked.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from asgd.simulator.fused.generation import (
    FLOAT,
    INT,
    LANES,
    broadcast,
    emit_multiply_add,
    interleave_blocks,
    load_vector,
    make_tuple,
    narrow,
    parts,
    point_to,
    shuffle,
    written_here,
)

#: Floats in half a vector.
HALF = 8


class Vector(types.Type):
    """The Numba type of a vector of ``lanes`` numbers."""

    def __init__(self, name: str, element: ir.Type, lanes: int) -> None:
        super().__init__(name=f"{name}x{lanes}")
        self.llvm = ir.VectorType(element, lanes)


floats = Vector("float32", FLOAT, LANES)
ints = Vector("int32", INT, LANES)
#: For unaligned data: half a vector crosses a cache line less than half as often, and a crossing costs a second load.
halves = Vector("float32", FLOAT, HALF)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        super().__init__(manager, vector, vector.llvm)


# ---------------------------------------------------------------- memory


@intrinsic
def load(typing, array, offset):  # type: ignore[no-untyped-def]
    """The vector at ``array[offset : offset + 16]``; int8 numbers become floats, int32 stay integers."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return load_vector(builder, point_to(context, builder, signature, arguments))

    return (ints if array.dtype == types.int32 else floats)(array, offset), generate


@intrinsic
def store(typing, array, offset, vector):  # type: ignore[no-untyped-def]
    """Write ``vector`` to ``array[offset : offset + 16]``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = point_to(context, builder, signature, arguments)
        target = builder.bitcast(pointer, arguments[2].type.as_pointer())
        builder.store(arguments[2], target, align=4)
        return context.get_dummy_value()

    return types.void(array, offset, vector), generate


@intrinsic(prefer_literal=True)
def store_block(typing, array, offset, stride, count, tile):  # type: ignore[no-untyped-def]
    """Write a tile as rows of ``count`` (literal) contiguous vectors; the rows are ``stride`` elements apart."""
    number = count.literal_value

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = point_to(context, builder, signature, arguments)
        step = arguments[2]
        for i, vector in enumerate(parts(builder, tile, arguments[4])):
            row, column = divmod(i, number)
            start = builder.mul(step, ir.Constant(step.type, row))
            at = builder.add(start, ir.Constant(step.type, column * vector.type.count))
            builder.store(vector, builder.bitcast(builder.gep(pointer, [at]), vector.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, offset, types.int64, count, tile), generate


@intrinsic
def scalar(typing, array, offset):  # type: ignore[no-untyped-def]
    """``array[offset]`` without Numba's test for a negative index, which costs as much as the load."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.load(point_to(context, builder, signature, arguments))

    return array.dtype(array, offset), generate


@intrinsic
def read(typing, array, offset):  # type: ignore[no-untyped-def]
    """`scalar`, for an array that the calling function never writes by `put`.

    The compiler cannot know that two arrays do not overlap, and without it turns few loops into vector code. This is
    the promise: it holds between the `read` and the `put` of one function, wherever that is inlined.
    """

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        loaded = builder.load(point_to(context, builder, signature, arguments))
        loaded.set_metadata("noalias", written_here(builder))
        return loaded

    return array.dtype(array, offset), generate


@intrinsic
def put(typing, array, offset, value):  # type: ignore[no-untyped-def]
    """``array[offset] = value`` without Numba's test for a negative index."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        stored = builder.store(arguments[2], point_to(context, builder, signature, arguments))
        stored.set_metadata("alias.scope", written_here(builder))
        return context.get_dummy_value()

    return types.void(array, offset, array.dtype), generate


def _make_load_rows(name: str, vector: Vector, doc: str) -> Any:
    def typer(typing, array, offset, stride, count):  # type: ignore[no-untyped-def]
        number = count.literal_value
        single = types.float32(array, offset)

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            pointer, step = point_to(context, builder, single, arguments), arguments[2]
            places = [builder.gep(pointer, [builder.mul(step, ir.Constant(step.type, row))]) for row in range(number)]
            vectors = [load_vector(builder, place, vector.llvm.count) for place in places]
            return make_tuple(context, builder, signature, vectors)

        return types.UniTuple(vector, number)(array, offset, types.int64, count), generate

    typer.__name__, typer.__doc__ = name, doc
    return intrinsic(prefer_literal=True)(typer)


load_rows = _make_load_rows(
    "load_rows", floats, "A tile of ``count`` (literal) vectors, ``stride`` elements apart: with 16, a contiguous row."
)
load_half_rows = _make_load_rows("load_half_rows", halves, "The same of half vectors.")


@intrinsic(prefer_literal=True)
def scalars(typing, array, offset, stride, count):  # type: ignore[no-untyped-def]
    """``count`` (literal) numbers of ``array``, ``stride`` elements apart."""
    number = count.literal_value
    single = types.float32(array, offset)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = point_to(context, builder, single, arguments)
        step = arguments[2]
        numbers = []
        for row in range(number):
            numbers.append(builder.load(builder.gep(pointer, [builder.mul(step, ir.Constant(step.type, row))])))
        return make_tuple(context, builder, signature, numbers)

    return types.UniTuple(array.dtype, number)(array, offset, types.int64, count), generate


@intrinsic
def prefetch(typing, array, offset):  # type: ignore[no-untyped-def]
    """Start to fetch the cache line of ``array[offset]``; a hint without effect on results."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer = builder.bitcast(point_to(context, builder, signature, arguments), ir.IntType(8).as_pointer())
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer.type, INT, INT, INT]), "llvm.prefetch.p0"
        )
        builder.call(function, [pointer, *(ir.Constant(INT, value) for value in (0, 2, 1))])  # read, to L2, data
        return context.get_dummy_value()

    return types.void(array, offset), generate


# ---------------------------------------------------------------- arithmetic


def _make_zeros(name: str, vector: Vector, doc: str) -> Any:
    def typer(typing, count):  # type: ignore[no-untyped-def]
        number = count.literal_value

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            return make_tuple(context, builder, signature, [ir.Constant(vector.llvm, None)] * number)

        return types.UniTuple(vector, number)(count), generate

    typer.__name__, typer.__doc__ = name, doc
    return intrinsic(prefer_literal=True)(typer)


zeros = _make_zeros("zeros", floats, "A tile of ``count`` (literal) zero vectors.")
half_zeros = _make_zeros("half_zeros", halves, "The same of half vectors.")


@intrinsic(prefer_literal=True)
def repeat_each(typing, values, count):  # type: ignore[no-untyped-def]
    """A tile in which each of ``values`` (vectors, or numbers to broadcast) stands ``count`` (literal) times."""
    number = count.literal_value

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        vectors = [broadcast(builder, value) for value in parts(builder, signature.args[0], arguments[0])]
        return make_tuple(context, builder, signature, [vector for vector in vectors for _ in range(number)])

    return types.UniTuple(floats, number * len(values))(values, count), generate


@intrinsic
def scale(typing, values, factor):  # type: ignore[no-untyped-def]
    """Each of ``values`` (numbers) times ``factor``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        products = [builder.fmul(arguments[1], value) for value in parts(builder, signature.args[0], arguments[0])]
        return make_tuple(context, builder, signature, products)

    return values(values, values.dtype), generate


@intrinsic
def outer(typing, tile, rows, columns):  # type: ignore[no-untyped-def]
    """``tile[i, j] + rows[i] * columns[j]`` for every pair, j fastest; numbers are broadcast. Each is one FMA."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        sums, lefts, rights = (
            parts(builder, kind, value) for kind, value in zip(signature.args, arguments, strict=True)
        )
        lefts = [broadcast(builder, left, rights[0].type.count) for left in lefts]
        pairs = [(left, right) for left in lefts for right in rights]
        products = [emit_multiply_add(builder, *pair, total) for pair, total in zip(pairs, sums, strict=True)]
        return make_tuple(context, builder, signature, products)

    if len(tile) != len(rows) * len(columns):
        raise TypeError(f"a tile of {len(tile)} is not {len(rows)} x {len(columns)}")
    return tile(tile, rows, columns), generate


@intrinsic
def sums(typing, tile):  # type: ignore[no-untyped-def]
    """The vector whose lane i is the sum of the lanes of ``tile[i]``, of as many lanes as the tile has vectors.

    Halving: two vectors become one that holds the half-sums of both, four times over. The lanes of the result
    then stand in bit-reversed order, so the tile is taken in that order to begin with. In a tile of fewer than 16
    vectors (a power of two) each stands there several times, and the compiler takes equal pairs once.
    """
    number = len(tile)

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        vectors = parts(builder, signature.args[0], arguments[0])
        vectors = [vectors[int(f"{i:04b}"[::-1], 2) * number // LANES] for i in range(LANES)]
        half = LANES // 2
        while len(vectors) > 1:
            order = [i for block in range(0, LANES, 2 * half) for i in interleave_blocks(block, half)]
            other = [i ^ half if i < LANES else ((i - LANES) ^ half) + LANES for i in order]
            vectors = [
                builder.fadd(shuffle(builder, a, b, order), shuffle(builder, a, b, other))
                for a, b in zip(vectors[::2], vectors[1::2], strict=True)
            ]
            half //= 2
        return shuffle(builder, vectors[0], vectors[0], list(range(0, LANES, LANES // number)))

    return Vector("float32", FLOAT, number)(tile), generate


@intrinsic
def add(typing, left, right):  # type: ignore[no-untyped-def]
    """``left + right``; a number is broadcast, integers stay integers."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        if signature.return_type == ints:
            return builder.add(*(broadcast(builder, value) for value in arguments))
        return builder.fadd(*(broadcast(builder, value) for value in arguments))

    return left(left, narrow(right)), generate


@intrinsic
def subtract(typing, left, right):  # type: ignore[no-untyped-def]
    """``left - right``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.fsub(*arguments)

    return floats(left, right), generate


@intrinsic
def multiply(typing, left, right):  # type: ignore[no-untyped-def]
    """``left * right``; a number is broadcast."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.fmul(*(broadcast(builder, value) for value in arguments))

    return floats(narrow(left), narrow(right)), generate


@intrinsic
def divide(typing, left, right):  # type: ignore[no-untyped-def]
    """``left / right``; a number is broadcast."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.fdiv(*(broadcast(builder, value) for value in arguments))

    return floats(narrow(left), narrow(right)), generate


def _make_lanewise(name: str, operation: str, doc: str) -> Any:
    """An intrinsic that applies one of LLVM's to each lane."""

    def typer(typing, vector):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            kind = ir.FunctionType(floats.llvm, [floats.llvm])
            function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{operation}.v{LANES}f32")
            return builder.call(function, arguments)

        return floats(vector), generate

    typer.__name__, typer.__doc__ = name, doc
    return intrinsic(typer)


root = _make_lanewise("root", "sqrt", "The square root of each lane.")
size = _make_lanewise("size", "fabs", "The absolute value of each lane.")


@intrinsic
def multiply_add(typing, left, right, addend):  # type: ignore[no-untyped-def]
    """``left * right + addend``; numbers are broadcast."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return emit_multiply_add(builder, *(broadcast(builder, value) for value in arguments))

    return floats(narrow(left), narrow(right), narrow(addend)), generate


@intrinsic
def relu(typing, vector):  # type: ignore[no-untyped-def]
    """``max(vector, 0)``; a NaN stays a NaN."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        zero = ir.Constant(floats.llvm, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered("<=", arguments[0], zero), zero, arguments[0])

    return floats(vector), generate


@intrinsic
def where_positive(typing, condition, vector):  # type: ignore[no-untyped-def]
    """``vector`` where ``condition`` > 0, else 0: the gradient through a ReLU whose output is ``condition``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        zero = ir.Constant(floats.llvm, [0.0] * LANES)
        return builder.select(builder.fcmp_ordered(">", arguments[0], zero), arguments[1], zero)

    return floats(condition, vector), generate


@intrinsic
def larger(typing, first, first_tag, second, second_tag):  # type: ignore[no-untyped-def]
    """The larger of two vectors lane by lane, the first of equals, with its integer tag (a number is broadcast)."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        one, two = arguments[0], arguments[2]
        tags = [broadcast(builder, arguments[i]) for i in (1, 3)]
        replaced = builder.fcmp_ordered(">", two, one)
        pair = [builder.select(replaced, two, one), builder.select(replaced, tags[1], tags[0])]
        return make_tuple(context, builder, signature, pair)

    return types.Tuple((floats, ints))(first, narrow(first_tag), second, narrow(second_tag)), generate


# ---------------------------------------------------------------- lanes


@intrinsic(prefer_literal=True)
def keep_lanes(typing, vector, count):  # type: ignore[no-untyped-def]
    """``vector`` with all lanes from ``count`` (literal) on set to zero."""
    number = count.literal_value

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        zero = ir.Constant(floats.llvm, [0.0] * LANES)
        order = [i if i < number else LANES + i for i in range(LANES)]
        return shuffle(builder, arguments[0], zero, order)

    return floats(vector, count), generate


def _make_shuffle(name: str, order: Callable[[int], int], doc: str) -> Any:
    """An intrinsic of two vectors: lane i of the result is lane ``order(i)`` of the first, or from 16 on the second."""

    def typer(typing, first, second):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            return shuffle(builder, arguments[0], arguments[1], [order(i) for i in range(LANES)])

        return first(first, second), generate

    typer.__name__, typer.__doc__ = name, doc
    return intrinsic(typer)


even_quads = _make_shuffle("even_quads", lambda i: i // 4 * 8 + i % 4, "Quads (4 lanes) 0, 2 of both vectors.")
odd_quads = _make_shuffle("odd_quads", lambda i: i // 4 * 8 + 4 + i % 4, "Quads (4 lanes) 1, 3 of both vectors.")


@intrinsic(prefer_literal=True)
def every_third(typing, rows, start):  # type: ignore[no-untyped-def]
    """Of four vectors, lanes start, start + 3, + 6, + 9 (start literal), interleaved: lane 4 i + j is of vector j."""
    first = start.literal_value

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        vectors = parts(builder, signature.args[0], arguments[0])
        order = [first + 3 * (i // 4) + LANES * (i % 2) for i in range(LANES)]
        pairs = [shuffle(builder, vectors[j], vectors[j + 1], order) for j in (0, 2)]
        return shuffle(builder, pairs[0], pairs[1], [i if i % 4 < 2 else LANES + i for i in range(LANES)])

    return floats(rows, start), generate
