"""The fused engine: the paper's network and the whole server step in one compiled program, without PyTorch.

Start with docs/engine.md. ``layout`` says where numbers lie, ``vectors`` what a vector is, ``tiles`` how many stay in
registers, ``plain`` and ``vector`` hold the kernels, ``network`` a tile's way through them, ``program`` the
simulation, ``kernels`` which kernels a machine takes, ``cache`` the compiled code, ``compiling`` who compiles it,
``compiler`` how, ``engine`` the class.
"""

from asgd.simulator.fused.cache import cache_directory
from asgd.simulator.fused.compiling import compile_once
from asgd.simulator.fused.engine import FusedEngine
from asgd.simulator.fused.kernels import choose_kernels

__all__ = ["FusedEngine", "cache_directory", "choose_kernels", "compile_once"]
