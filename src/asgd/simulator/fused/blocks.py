"""Tiles of blocks, for the gradients of convolutions: a block is a piece of a patch of inputs.

It is a tuple of half vectors, column by column: the rows of the first column, then those of the next. Blocks stand one
behind the other in a tile.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from asgd.simulator.fused.generation import broadcast, emit_multiply_add, load_vector, make_tuple, parts, point_to
from asgd.simulator.fused.vectors import HALF


@intrinsic(prefer_literal=True)
def pull(typing, tile, values, array, offsets, stride, count):  # type: ignore[no-untyped-def]
    """The tile plus, for each of its blocks, one of ``values`` times the block of ``array`` at one of ``offsets``.

    ``count`` (literal): rows of a block, ``stride`` elements apart in ``array``. Each is one FMA.
    """
    number = count.literal_value

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        sums, factors, offsets = (parts(builder, signature.args[i], arguments[i]) for i in (0, 1, 3))
        step, size = arguments[4], len(tile) // len(values)
        found = []
        for i, (factor, offset) in enumerate(zip(factors, offsets, strict=True)):
            block = []
            for column in range(size // number):
                at = point_to(context, builder, types.void(array), (arguments[2], offset))
                at = builder.gep(at, [ir.Constant(step.type, column * HALF)])
                places = [builder.gep(at, [builder.mul(step, ir.Constant(step.type, row))]) for row in range(number)]
                block += [load_vector(builder, place, HALF) for place in places]
            factor = broadcast(builder, factor, HALF)
            totals = sums[i * size : (i + 1) * size]
            found += [emit_multiply_add(builder, factor, *pair) for pair in zip(block, totals, strict=True)]
        return make_tuple(context, builder, signature, found)

    return tile(tile, values, array, offsets, types.int64, count), generate


@intrinsic(prefer_literal=True)
def store_blocks(typing, array, offset, stride, count, blocks, tile):  # type: ignore[no-untyped-def]
    """Write ``blocks`` (literal) blocks of a tile, one below the other: the rows are ``stride`` elements apart.

    ``count`` (literal): rows of a block.
    """
    rows, number = count.literal_value, blocks.literal_value

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        pointer, step = point_to(context, builder, signature, arguments), arguments[2]
        vectors = parts(builder, tile, arguments[5])
        columns = len(vectors) // (rows * number)
        for column in range(columns):
            for i in range(number * rows):
                block, row = divmod(i, rows)
                vector = vectors[(block * columns + column) * rows + row]
                start = builder.mul(step, ir.Constant(step.type, i))
                at = builder.add(start, ir.Constant(step.type, column * vector.type.count))
                builder.store(vector, builder.bitcast(builder.gep(pointer, [at]), vector.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, offset, types.int64, count, blocks, tile), generate
