"""Wheels made by hand, and a build backend (PEP 660) of the standard library alone, for tests of `make setup`."""

import base64
import hashlib
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path


def write_wheel(
    folder: str | Path, name: str, version: str, files: Mapping[str, str], tag: str = "py3-none-any"
) -> str:
    """Write a wheel of ``files``, all of them executable, into ``folder``; returns the wheel's name."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = f"{info}/RECORD"
    lines = [f"{file},sha256={_digest(text)},{len(text.encode())}" for file, text in contents.items()]
    contents[record] = "\n".join([*lines, f"{record},,", ""])
    path = Path(folder, f"{name}-{version}-{tag}.whl")
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in contents.items():
            entry = zipfile.ZipInfo(file)
            entry.external_attr = (stat.S_IFREG | 0o755) << 16
            archive.writestr(entry, text)
    return path.name


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def build_editable(folder: str, config_settings: object = None, metadata_directory: object = None) -> str:
    """The package `small` in the current folder, with a program `dvc`."""
    programs = "[console_scripts]\ndvc = small:main\n"
    return write_wheel(
        folder, "small", "1", {"small.pth": str(Path.cwd()), "small-1.dist-info/entry_points.txt": programs}
    )
