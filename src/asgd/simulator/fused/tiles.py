"""How large the tiles are that the vector kernels keep in registers, in vectors of 16 floats.

AVX-512 has 32 registers of one such vector. AVX2 has 16 of half a vector, and a tile that does not fit there is
written to memory and read back at every step of the inner loop. A tile is a block of outputs, never of the terms of
their sums: results are the same in every bit.
"""

import llvmlite.binding

_IS_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))

#: First convolution: filters, and vectors of a row of seven.
FILTERS1, VECTORS1 = (3, 7) if _IS_WIDE else (6, 1)
#: Second convolution: pixels of a row of ten.
PIXELS2 = 10 if _IS_WIDE else 5
#: Fully connected layers: outputs (of four samples) forward, and vectors of inputs (of four samples) backward.
OUTPUTS, INPUTS = (4, 5) if _IS_WIDE else (1, 1)
#: Half vectors of the 27 of a window's gradient.
WINDOW_HALVES = 27 if _IS_WIDE else 9
#: Gradients of the filters: first convolution, filters; second, half vectors of a row of four, of one filter.
PATCHES1, COLUMNS2 = (3, 4) if _IS_WIDE else (1, 2)
