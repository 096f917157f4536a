"""Small files out of a tar archive, in bounded memory whatever the archive says of itself.

Nothing is unpacked to disk here, so links, absolute names and ``..`` lead nowhere.
"""

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from asgd.errors import AsgdError

#: What the headers of one member may take. tarfile reads a name or an extended header at any length that it claims.
_HEADER_BYTES = 1 << 20

_DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError, OverflowError, RecursionError)


def read_members(
    path: Path, is_wanted: Callable[[str, bool], bool], most_bytes: int, opener: Callable[..., Any] = open
) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the members of a tar archive (plain, gz, bz2 or xz) that ``is_wanted``, in their order.

    ``is_wanted(name, is_folder)`` is asked with ``./`` taken off the name. ``opener`` is what opens ``path``.

    Raises AsgdError where the archive cannot be read, is damaged or cut anywhere, or where a wanted member is larger
    than ``most_bytes``, there twice, or no ordinary file: what was asked for is never left out in silence.
    """
    try:
        with opener(path, "rb") as file, _Archive.open(fileobj=file, mode="r:*") as archive:
            yield from _read(archive, path, is_wanted, most_bytes)
    except _DAMAGE as error:
        reason = str(error).split(":\n")[0]  # tarfile goes on to list every compression it tried
        raise AsgdError(f"{path}: not a tar archive, truncated or corrupt ({reason}); fetch it again") from error
    except OSError as error:
        if error.strerror is None:  # of a decompressor
            raise AsgdError(f"{path}: truncated or corrupt ({error}); fetch it again") from error
        raise AsgdError(f"{path}: cannot be read ({error.strerror}); correct the path or its permissions") from error


def show_name(name: str) -> str:
    """A member's name for an error of one line, whatever characters it holds."""
    shown = name if name.isprintable() else ascii(name)
    return shown if len(shown) <= 200 else f"{shown[:200]}..."


class _Meter:
    """A file that refuses to give out more than is allowed until the next ``allow``."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.allow(0)

    def allow(self, content: int) -> None:
        """Let the headers of a member be read from here, and this much of its content."""
        self.left = _HEADER_BYTES + content

    def read(self, size: int) -> bytes:
        self.left -= size
        if self.left < 0:
            raise tarfile.ReadError(f"a header of more than {_HEADER_BYTES >> 20} MiB")
        return self.file.read(size)

    def seek(self, position: int) -> int:
        return self.file.seek(position)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        self.file.close()


class _Archive(tarfile.TarFile):
    """Reads through a meter, beneath which lies whatever decompresses the file."""

    def __init__(self, name: Any = None, mode: Any = "r", fileobj: Any = None, **options: Any) -> None:
        self.meter = _Meter(fileobj)
        super().__init__(name, mode, self.meter, **options)  # type: ignore[arg-type]

    def members_in_turn(self) -> Iterator[tarfile.TarInfo]:
        """Each member once; then the rest of the file, where compressed archives have their checksum."""
        before = 0
        while (member := self.next()) is not None:
            if self.offset <= before:
                raise tarfile.ReadError("a member of negative size")
            before = self.offset
            self.meter.allow(0)
            yield member
            self.members.clear()  # type: ignore[attr-defined]  # each keeps its headers
        # tarfile takes a missing end mark for the end.
        if self.meter.tell() < self.offset + tarfile.BLOCKSIZE:
            raise tarfile.ReadError("no end mark")
        while self.meter.file.read(1 << 16):
            pass


def _read(
    archive: _Archive, path: Path, is_wanted: Callable[[str, bool], bool], most_bytes: int
) -> Iterator[tuple[str, bytes]]:
    seen: set[str] = set()
    for member in archive.members_in_turn():
        name = "/".join(part for part in member.name.split("/") if part != ".")
        if not is_wanted(name, member.isdir()):
            continue
        if fault := "is there twice; pack each file once" if name in seen else _find_fault(member, most_bytes):
            raise AsgdError(f"{path}: {show_name(name)} {fault}")
        seen.add(name)
        archive.meter.allow(member.size)
        content = archive.extractfile(member)
        yield name, content.read() if content else b""


def _find_fault(member: tarfile.TarInfo, most_bytes: int) -> str:
    if member.isdir():
        return "is a folder, where a file is expected"
    if not member.isreg():
        return "is a link or a device; pack the file itself (tar --dereference --hard-dereference)"
    if not 0 <= member.size <= most_bytes:
        return f"has {member.size:,} bytes, the limit is {most_bytes:,}; remove it"
    return ""
