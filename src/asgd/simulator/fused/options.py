"""How Numba compiles the kernels."""

#: For every compiled function. Without Numba's reference counts, which are atomic and spill every vector register;
#: a division by zero gives infinity, as in NumPy.
OPTIONS = {"error_model": "numpy", "_nrt": False}
#: For those that Python never calls: no code for it.
INNER = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: For plain loops: sums in any order and fused multiply-adds, without which no sum becomes vector code. NaN and
#: infinity keep their meaning.
FAST_SUMS = {"reassoc", "contract", "nsz"}
