"""Simulation of asynchronous SGD, and the statistics that judge the paper's claims.

Reference: Xu, Wu and Wang, "The effect of delay and momentum in Asynchronous Stochastic Gradient Descent".
"""

import asgd.bytecode  # noqa: F401  (it works when it is imported, before anything else of the package)

__version__ = "0.1.0"
