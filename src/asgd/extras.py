"""What the package loads late or does without: names that are imported at first use, libraries that extras bring."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from asgd.errors import AsgdError

#: The libraries that the package is installed without, by the name that is imported: how to call it, and its extra.
LIBRARIES = {
    "torch": ("PyTorch", "torch"),
    "torchvision": ("torchvision", "torch"),
    "ray": ("Ray", "ray"),
    "jinja2": ("Jinja", "pipeline"),
    "pyarrow": ("PyArrow", "pipeline"),
    "matplotlib": ("Matplotlib", "pipeline"),
    "statsmodels": ("statsmodels", "pipeline"),
    "vl_convert": ("vl-convert", "pipeline"),
}


class MissingLibraryError(AsgdError, ImportError):
    """A library is not installed that one of the package's extras brings. The message says which extra."""


@contextmanager
def explain_missing(what: str = "") -> Iterator[None]:
    """Within the block, or the function that it decorates, say how to install a missing library.

    ``what``: what needs the library, in the words of a user. Raises MissingLibraryError, which is both an AsgdError and
    an ImportError, for a library in ``LIBRARIES``; any other missing module stays a ModuleNotFoundError.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in LIBRARIES:
            raise
        library, extra = LIBRARIES[name]
        message = f"{what} needs {library}, of the extra {extra}: in a clone, pip install '.[{extra}]'".lstrip()
        raise MissingLibraryError(message, name=name) from None


def hand_on(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A ``__getattr__`` (PEP 562) for ``package`` that imports each of ``names`` (name: module) at its first use.

    So importing the package does not load what only these names need.
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(names[name]), name)

    return find
