"""How large eta * lambda may be: the linear stability of delayed SGD near a minimum of curvature lambda.

Round robin has a characteristic polynomial (``thresholds``), the random worker recursions of its mean and of its mean
square (``random_worker``), and any other schedule is simulated (``lyapunov``).
``limits`` puts the right one to a schedule, and ``advice`` judges a learning rate by it.
"""

from asgd.analyses.stability.thresholds import characteristic_polynomial, find_threshold, spectral_radius

__all__ = ["characteristic_polynomial", "find_threshold", "spectral_radius"]
