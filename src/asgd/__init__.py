"""Simulation of asynchronous SGD, and the statistics that judge the paper's claims.

Reference: Xu, Wu and Wang, "The effect of delay and momentum in Asynchronous Stochastic Gradient Descent".

``asgd.simulate`` trains one run, ``asgd.load_study`` opens the results of a study, and ``asgd.torch`` has the optimizer
that delays any PyTorch training loop. Nothing heavy is imported before it is used.
"""

# Types are in __init__.pyi. Nothing but imports and names with underscores: see asgd.closure on packages that hand on.
import asgd.bytecode  # noqa: F401  (it works when it is imported, before anything else of the package)
from asgd.extras import hand_on

__version__ = "1.0.0"

__all__ = ["AsgdError", "load_study", "simulate"]

__dir__ = __all__.copy  # so that a shell completes names that are not imported yet
__getattr__ = hand_on(
    __name__,
    {"AsgdError": "asgd.errors", "load_study": "asgd.study.loaded", "simulate": "asgd.runs.simulated"},
)
