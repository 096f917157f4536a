"""What a fingerprint depends on, and what it must not depend on."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asgd.data import prepare_data, prepared_folder, source_fingerprint
from asgd.errors import AsgdError
from asgd.files import read_json, write_json
from asgd.settings.data import DataConfig
from tests.data.folders import make_folder, pack


def fingerprint(path: Path | str, root: Path, sha256: str | None = None) -> str:
    return source_fingerprint(DataConfig(source="image_folder", path=str(path), sha256=sha256), root)


def test_parameters_of_the_synthetic_images_count() -> None:
    configs = [{}, {"num_train": 100}, {"num_test": 100}, {"seed": 1}]
    found = {source_fingerprint(DataConfig(source="synthetic", **config)) for config in configs}
    assert len(found) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in found)


def test_cifar10_is_the_same_wherever_it_comes_from(tmp_path: Path) -> None:
    local = DataConfig(source="cifar10", path=str(tmp_path / "not there"))
    assert source_fingerprint(local) == source_fingerprint(DataConfig(source="cifar10"))


def test_an_archive_is_known_by_its_content_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(make_folder(tmp_path / "images"), tmp_path / "a.tar")
    first = fingerprint(archive, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert fingerprint("a.tar", tmp_path) == fingerprint("./images/../a.tar", tmp_path) == first
    shutil.copy(archive, tmp_path / "b.tar")
    assert fingerprint("b.tar", tmp_path) == first
    with archive.open("ab") as file:
        file.write(b"\0")
    assert fingerprint(archive, tmp_path) != first


def test_a_pinned_archive_need_not_be_there(tmp_path: Path) -> None:
    archive = pack(make_folder(tmp_path / "images"), tmp_path / "a.tar")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    unpinned = fingerprint(archive, tmp_path)
    archive.unlink()
    assert fingerprint(archive, tmp_path, sha256=digest) == unpinned
    with pytest.raises(AsgdError, match=r"data\.path = .*a\.tar: cannot be read"):
        fingerprint(archive, tmp_path)


def test_a_folder_is_known_by_names_and_contents(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "images")
    first = fingerprint(folder, tmp_path / "data")
    assert fingerprint(make_folder(tmp_path / "elsewhere"), tmp_path / "data") == first
    (folder / "train/ant/.DS_Store").write_text("left by a file manager")
    assert fingerprint(folder, tmp_path / "data") == first
    file = folder / "train/ant/000.png"
    file.rename(file.with_name("renamed.png"))
    renamed = fingerprint(folder, tmp_path / "data")
    assert renamed != first
    shutil.copy(folder / "test/bee/000.png", folder / "test/bee/001.png")
    assert fingerprint(folder, tmp_path / "data") not in {first, renamed}


def test_a_folder_is_read_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "images")
    first = fingerprint(folder, tmp_path / "data")
    (memory,) = (tmp_path / "data/.fingerprints").iterdir()
    write_json(memory, {**read_json(memory), "digest": "0" * 64})
    # Only a second reading would notice.
    assert fingerprint(folder, tmp_path / "data") != first
    assert fingerprint(folder, tmp_path / "other") == first


def test_an_edit_that_puts_the_time_back_is_seen(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "images")
    first = fingerprint(folder, tmp_path / "data")
    file = folder / "train/ant/000.png"
    stamp = file.stat()
    file.write_bytes(b"x" * stamp.st_size)
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert fingerprint(folder, tmp_path / "data") == fingerprint(folder, tmp_path / "other") != first


@pytest.mark.parametrize("damage", ["", "[]", '{"listing"', "{}"])
def test_a_damaged_memory_of_a_folder_only_costs_a_reading(tmp_path: Path, damage: str) -> None:
    folder = make_folder(tmp_path / "images")
    first = fingerprint(folder, tmp_path / "data")
    (memory,) = (tmp_path / "data/.fingerprints").iterdir()
    whole = memory.read_bytes()
    memory.write_text(damage)
    assert fingerprint(folder, tmp_path / "data") == first
    assert memory.read_bytes() == whole


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match="nowhere"):
        fingerprint(tmp_path / "nowhere", tmp_path)


def test_the_prepared_folder_is_named_after_the_fingerprint(tmp_path: Path) -> None:
    config = DataConfig(source="synthetic", num_train=10, num_test=10)
    folder = prepared_folder(config, tmp_path)
    assert folder == tmp_path / f"synthetic-{source_fingerprint(config)[:12]}"
    assert not folder.exists()
    assert prepare_data(config, tmp_path, progress=False) == folder


@pytest.mark.parametrize("what", ["archive", "folder"])
def test_a_pinned_digest_that_does_not_match_is_refused(tmp_path: Path, what: str) -> None:
    path = make_folder(tmp_path / "images")
    path = pack(path, tmp_path / "a.tar") if what == "archive" else path
    config = DataConfig(source="image_folder", path=str(path), sha256="a" * 64)
    with pytest.raises(AsgdError) as caught:
        prepare_data(config, tmp_path / "data", progress=False)
    message = str(caught.value)
    assert "\n" not in message
    if what == "folder":
        assert "is a folder; leave sha256 out" in message
    else:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"SHA-256 is {found[:12]}..." in message
        assert "expects aaaaaaaaaaaa..." in message


def test_fingerprints_need_no_pytorch() -> None:
    code = (
        "import sys; from asgd.settings.study import DataConfig; from asgd.data import source_fingerprint;"
        "source_fingerprint(DataConfig(source='cifar10'));"
        "assert not {'torch', 'torchvision'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
