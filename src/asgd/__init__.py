"""Simulation of asynchronous SGD with constant staleness, and the statistics that judge the paper's claims.

Reference: Xu, Wu and Wang, "The effect of delay and momentum in Asynchronous Stochastic Gradient Descent".
"""

__version__ = "0.1.0"
