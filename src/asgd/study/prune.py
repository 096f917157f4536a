"""Runs that nobody asks for: found, measured and deleted."""

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from asgd.errors import AsgdError
from asgd.files import read_json
from asgd.runs.folder import is_finished
from asgd.runs.pool import Pool
from asgd.settings.study import Params
from asgd.study.manifest import name_some
from asgd.study.plan import plan_study
from asgd.study.shipped import Results
from asgd.study.trained import list_trained

#: What is younger may belong to a process at work, which writes its checkpoint again every few minutes.
_LIVE_SECONDS = 24 * 3600.0


def find_unused(
    params: Params, pools: Sequence[Pool], checkpoints: Path, data_root: Path, results: Path = Path("results")
) -> list[Path]:
    """The runs of ``pools``, and the files of ``checkpoints``, that no preset of ``params`` asks for; sorted.

    A batch is one of them if none of its runs is asked for.

    With what killed processes left there. What may be in the making is spared: a folder that is not a finished run, a
    checkpoint, and whatever has a temporary name, changed within the last day. The runs of analyses are those that the
    records in the presets' folders in ``results`` name. Raises AsgdError naming a record that is damaged.
    """
    wanted = set[str]()
    for preset in params.presets:
        study = plan_study(params.model_copy(update={"preset": preset}), data_root)
        wanted |= {*study.runs, *list_trained(Results(study, results / preset, Path()))}
        for record in results.glob(f"{preset}/.made/*.runs.json"):
            wanted |= set(read_json(record))
    wanted |= {pool.batches.name for pool in pools if pool.batches.parent == pool.store}
    folders = [path for pool in pools for path in pool.store.glob("[!.]*") if path.is_dir()]
    runs = [path for path in folders if path.name not in wanted]
    batches = [path for pool in pools for path, runs in pool.list_batches().items() if wanted.isdisjoint(runs)]
    leftovers = [path for pool in pools for path in pool.store.glob(".folder-*")]
    files = [path for path in checkpoints.glob("*.npz") if path.stem not in wanted]
    unused = [path for path in runs if is_finished(path) or _is_old(path)]
    return sorted(unused + batches + list(filter(_is_old, leftovers))) + sorted(filter(_is_old, files))


def measure_size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def remove_unused(paths: Iterable[Path]) -> None:
    """Delete ``paths``, files and folders. Raises AsgdError that says where that is refused, and why, after the rest.

    A symbolic link is left alone: deleting it would free nothing, and what it leads to may be somebody else's.
    """
    refused = [f"{path} ({why})" for path in paths if (why := _remove(path))]
    if refused:
        raise AsgdError(f"{len(refused)} cannot be deleted: {name_some(refused)}; delete them by hand")


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > _LIVE_SECONDS
    except FileNotFoundError:  # its owner was done with it
        return False


def _remove(path: Path) -> str:
    """Delete ``path``; the reason why it is still there, or nothing."""
    if path.is_symlink():
        return f"a symbolic link to {path.readlink()}"
    try:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        return str(error.strerror or error)
    return ""
