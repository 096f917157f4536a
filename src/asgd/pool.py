"""The pool of runs: packed into one file, so that results can travel without a store, put back, and pruned."""

import io
import lzma
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

from asgd.config import Params
from asgd.errors import AsgdError
from asgd.files import atomic_folder, atomic_path
from asgd.run_folder import FILES, is_finished
from asgd.study import plan_study


def pack_runs(names: Iterable[str], pool: Path, archive: Path) -> int:
    """Pack the finished ones of the runs ``names`` into ``archive`` (.tar.xz); returns their number.

    The same runs give the same bytes. Raises AsgdError if none is finished.
    """
    finished = sorted(name for name in set(names) if is_finished(pool / name))
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
    runs = read_archive(archive)
    new = [name for name in runs if not (pool / name).exists()]
    for name in new:
        with atomic_folder(pool / name) as folder:
            for file in FILES:
                (folder / file).write_bytes(runs[name][file])
    return len(new)


def read_archive(archive: Path) -> dict[str, dict[str, bytes]]:
    """The contents of a packed pool, by run and file, runs in order of their names.

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
    return {name: {file: contents[f"{name}/{file}"] for file in FILES} for name in sorted(names)}


def find_unused(params: Params, pools: Iterable[Path], checkpoints: Path, data_root: Path) -> list[Path]:
    """The runs in ``pools``, and the files of ``checkpoints``, that no preset of ``params`` asks for; sorted."""
    wanted = {
        name
        for preset in params.presets
        for name in plan_study(params.model_copy(update={"preset": preset}), data_root).runs
    }
    folders = [path for pool in pools for path in pool.glob("*") if path.name not in wanted]
    files = [path for path in checkpoints.glob("*.npz") if path.stem not in wanted]
    return sorted(folders) + sorted(files)


def measure_size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def remove_unused(paths: Iterable[Path]) -> None:
    """Delete ``paths``, files and folders. Raises AsgdError where that is refused."""
    for path in paths:
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as error:
            raise AsgdError(f"{path}: cannot be deleted ({error.strerror}); fix its permissions") from error


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # without owner and time
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""
