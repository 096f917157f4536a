"""The figures: each module with a ``PLOT`` draws one from the tidy tables; nothing is computed but selections.

Importing this package does not load Matplotlib: Snakemake asks for the figures at every start.
"""

import importlib.util
import os


def _forget_missing_backend() -> None:
    """A notebook sets ``MPLBACKEND`` for all that it starts; where that is not installed Matplotlib's import fails."""
    name = os.environ.get("MPLBACKEND", "").removeprefix("module://")
    if name and "." in name and importlib.util.find_spec(name.partition(".")[0]) is None:
        del os.environ["MPLBACKEND"]  # figures are only saved: none is needed


_forget_missing_backend()
