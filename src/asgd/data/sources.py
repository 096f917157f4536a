"""Which sources decide what a reader of images gives, and the name that they go by."""

from functools import cache
from pathlib import Path

from asgd.accepted import name_sources
from asgd.closure import find_closure

#: The module of each `data.source`.
READERS = {source: f"asgd.data.{source}" for source in ("cifar10", "image_folder", "synthetic")}

_WITHIN = ("asgd.data", "asgd.archives")
#: Modules of the room that decide neither a pixel nor a label nor their order.
_OUTSIDE = {f"asgd.data.{name}" for name in ("fingerprint", "prepare", "show", "sources", "working")}


def reader_family(source: str) -> str:
    """The family of sources that decides what `data.source` gives."""
    return f"data/{source}"


def find_reader(source: str) -> dict[str, Path]:
    """The modules (name: path) that decide which pixels and labels `data.source` gives, in which order."""
    return find_closure([READERS[source], "asgd.data.dataset"], _WITHIN, _OUTSIDE)


@cache
def fingerprint_reader(source: str) -> str:
    """What stands for these modules in the names of images."""
    return name_sources(reader_family(source), find_reader(source))
