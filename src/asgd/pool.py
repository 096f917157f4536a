"""The pool of runs as one file, so that results can travel without a store: packed, and put back where they belong."""

import io
import lzma
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from asgd.errors import AsgdError
from asgd.files import atomic_path

FILES = ("metrics.csv", "run.json")


def pack_runs(names: Iterable[str], pool: Path, archive: Path) -> int:
    """Pack the finished ones of the runs ``names`` into ``archive`` (.tar.xz); returns their number.

    The same runs give the same bytes. Raises AsgdError if none is finished.
    """
    finished = sorted(name for name in set(names) if all((pool / name / file).exists() for file in FILES))
    if not finished:
        raise AsgdError(f"{pool}: none of the runs is there yet; run snakemake first")
    with atomic_path(archive) as temporary, tarfile.open(temporary, "w:xz", preset=9) as tar:
        for name in finished:
            for file in FILES:
                _add(tar, f"{name}/{file}", (pool / name / file).read_bytes())
    return len(finished)


def unpack_runs(archive: Path, pool: Path) -> int:
    """Put the runs of ``archive`` that ``pool`` lacks into it, each whole; returns their number.

    Raises AsgdError for a file that is missing, damaged or not such an archive.
    """
    try:
        with tarfile.open(archive) as tar:
            contents = {member.name: _read(tar, member) for member in tar if member.isfile()}
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError) as error:
        raise AsgdError(f"{archive}: not a readable archive of runs ({error}); get it again") from error
    names = {name.partition("/")[0] for name in contents}
    if set(contents) != {f"{name}/{file}" for name in names for file in FILES} or names & {"", ".", ".."}:
        raise AsgdError(f"{archive}: holds other files than {' and '.join(FILES)} of runs; it was not packed by asgd")
    new = [name for name in sorted(names) if not (pool / name).exists()]
    for name in new:
        _place(pool, name, {file: contents[f"{name}/{file}"] for file in FILES})
    return len(new)


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # without owner and time
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""


def _place(pool: Path, name: str, contents: dict[str, bytes]) -> None:
    pool.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=pool) as temporary:
        folder = Path(temporary, name)
        folder.mkdir()
        for file, content in contents.items():
            (folder / file).write_bytes(content)
        folder.rename(pool / name)
