"""Imports Matplotlib with whatever backend the environment names: figures are only saved, so none is needed.

A notebook sets ``MPLBACKEND`` for all that it starts; where that backend is not installed Matplotlib's import fails.
"""

import os
from contextlib import suppress

_wanted = os.environ.pop("MPLBACKEND", None)
import matplotlib  # noqa: E402

if _wanted is not None:
    os.environ["MPLBACKEND"] = _wanted
    with suppress(ValueError):  # in the notebook itself it stays what it is
        matplotlib.rcParams["backend"] = _wanted
