from asgd.errors import AsgdError
from asgd.runs.simulated import simulate
from asgd.study.loaded import load_study

__all__ = ["AsgdError", "load_study", "simulate"]
__version__: str
