"""The two sets of kernels, and which of them a machine takes."""

from types import ModuleType

import llvmlite.binding

from asgd.errors import AsgdError
from asgd.simulator.fused import plain, vector

KERNELS: dict[str, ModuleType] = {"vector": vector, "plain": plain}


def choose_kernels(asked: str = "auto") -> str:
    """``vector`` or ``plain``. ``auto`` takes explicit vectors on x86 with AVX-512 or with AVX2 and FMA.

    With AVX2 a vector is two registers, and the tiles are smaller (see ``tiles``). With four floats in a register
    (NEON, SSE) it was not measured, and plain loops are taken. Raises AsgdError for another name.
    """
    if asked in KERNELS:
        return asked
    if asked != "auto":
        raise AsgdError(f"variant '{asked}' does not exist; choose auto, {' or '.join(KERNELS)}")
    features = llvmlite.binding.get_host_cpu_features()
    wide = features.get("avx512f") or (features.get("avx2") and features.get("fma"))
    return "vector" if wide else "plain"
