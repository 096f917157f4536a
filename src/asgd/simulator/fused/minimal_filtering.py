"""Two outputs of a five-tap filter with six multiplications instead of ten: Winograd's minimal filtering F(2, 5).

    y0 = w0 r0 + w1 r1 + w2 r2 + w3 r3 + w4 r4
    y1 = w0 r1 + w1 r2 + w2 r3 + w3 r4 + w4 r5

are two coefficients of a product of polynomials, found from its values at the points 0, 1, -1, 2, -2 and infinity: six
inputs and five taps are each transformed to six values, multiplied value by value, and the six products transformed
back. Sums over channels and over the filter's other axis are taken before the way back, so the transforms cost little.
Rounding errors are about twice those of the direct sum in float32. (Winograd, Arithmetic Complexity of Computations,
1980; Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.)

The two outputs are the two rows of a pooling window; every value is a whole vector.
"""

from numba import njit

from asgd.simulator.fused.options import INNER
from asgd.simulator.fused.vectors import add, multiply_add, subtract

#: Values per pair of outputs.
POINTS = 6

inline = njit(**INNER, forceinline=True)


@inline
def transform_inputs(r):  # type: ignore[no-untyped-def]
    """Six rows to six values."""
    near, near_odd = multiply_add(r[2], -4.0, r[4]), multiply_add(r[1], -4.0, r[3])
    far, far_odd = subtract(r[4], r[2]), subtract(r[3], r[1])
    return (
        multiply_add(r[0], 4.0, multiply_add(r[2], -5.0, r[4])),
        add(near, near_odd),
        subtract(near, near_odd),
        multiply_add(far_odd, 2.0, far),
        multiply_add(far_odd, -2.0, far),
        multiply_add(r[1], 4.0, multiply_add(r[3], -5.0, r[5])),
    )


@inline
def transform_taps(w):  # type: ignore[no-untyped-def]
    """Five taps to six values."""
    even, odd = add(add(w[0], w[2]), w[4]), add(w[1], w[3])
    even2 = multiply_add(w[0], 1 / 24, multiply_add(w[2], 1 / 6, multiply_add(w[4], 2 / 3, 0.0)))
    odd2 = multiply_add(w[1], 1 / 12, multiply_add(w[3], 1 / 3, 0.0))
    return (
        multiply_add(w[0], 1 / 4, 0.0),
        multiply_add(add(even, odd), -1 / 6, 0.0),
        multiply_add(subtract(even, odd), -1 / 6, 0.0),
        add(even2, odd2),
        subtract(even2, odd2),
        w[4],
    )


@inline
def transform_products(m):  # type: ignore[no-untyped-def]
    """Six products, or sums of such, to the two outputs. Only the first reaches y0 alone, only the last y1 alone."""
    one, two = subtract(m[1], m[2]), subtract(m[3], m[4])
    upper = add(add(m[0], add(m[1], m[2])), add(m[3], m[4]))
    return upper, add(multiply_add(two, 2.0, one), m[5])
