"""No edit goes unseen: Python's compiled files of this package are checked against the contents of their sources.

Python takes a compiled file for that of a source by time and size, so an edit of the same length whose time was put
back, or that was made within a second, would run the code from before it. Compiled files of the other kind carry a hash
of the source. Importing the package turns the first kind into the second, wherever its folder can be written.
"""

import importlib.util
import py_compile
import sys
from contextlib import suppress
from pathlib import Path

_BY_CONTENTS = (3).to_bytes(4, "little")  # the flags of a compiled file that Python checks by a hash


def check_bytecode(package: Path) -> None:
    """Compile again, to be checked by contents, each file of ``package`` that is compiled to be checked by time."""
    for source in package.rglob("*.py"):
        compiled = Path(importlib.util.cache_from_source(str(source)))
        with suppress(OSError, py_compile.PyCompileError), compiled.open("rb") as file:
            if file.read(8)[4:] != _BY_CONTENTS:
                if sys.dont_write_bytecode:
                    compiled.unlink()
                else:
                    mode = py_compile.PycInvalidationMode.CHECKED_HASH
                    py_compile.compile(str(source), str(compiled), doraise=True, invalidation_mode=mode)


with suppress(NotImplementedError):  # an interpreter that keeps no compiled files
    check_bytecode(Path(__file__).parent)
