"""Prepared folders: made once, whole or absent, checked when opened."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asgd.commands.cli import main
from asgd.data import format_data, load_data, prepare_data, prepared_folder, read_meta, verify_data, write_contact_sheet
from asgd.errors import AsgdError
from asgd.files import read_json, write_json
from asgd.settings.data import DataConfig
from tests.data.folders import CLASSES, make_folder

SMALL = DataConfig(source="synthetic", num_train=100, num_test=20)
TRAIN = shlex.split(
    "train --data-source synthetic --data-num-train 100 --data-num-test 20 --train-eval-images 20 --steps 5"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prepare_data(SMALL, tmp_path / "data", progress=False)


def test_what_is_loaded(folder: Path) -> None:
    data = load_data(folder)
    assert data.train_images.shape == (100, 32, 32, 3)
    assert data.train_images.dtype == np.uint8
    assert data.train_labels.dtype == np.int64
    assert data.train_labels.tolist() == list(range(10)) * 10
    assert len(data.test_images) == len(data.test_labels) == 20
    assert len(data.classes) == 10
    assert folder.name == f"synthetic-{data.fingerprint[:12]}"
    assert verify_data(folder) == data.content


def test_images_are_mapped_and_read_only(folder: Path) -> None:
    data = load_data(folder)
    assert isinstance(data.train_images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.train_images[0] = 0


def test_a_second_preparation_does_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert prepare_data(SMALL, folder.parent, progress=False) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]


def test_an_empty_folder_made_beforehand_is_filled(tmp_path: Path) -> None:
    prepared_folder(SMALL, tmp_path).mkdir()
    assert len(load_data(prepare_data(SMALL, tmp_path, progress=False)).train_labels) == 100


def test_two_preparations_give_the_same_bytes(tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images")
    config = DataConfig(source="image_folder", path=str(images))
    first, second = (prepare_data(config, tmp_path / name, progress=False) for name in ("a", "b"))
    for file in first.iterdir():
        assert file.read_bytes() == (second / file.name).read_bytes()
    assert read_meta(first)["counts"] == {"train": dict.fromkeys(CLASSES, 3), "test": dict.fromkeys(CLASSES, 2)}
    assert str(tmp_path) not in (first / "meta.json").read_text()


def test_synthetic_splits_and_seeds_differ(folder: Path) -> None:
    data = load_data(folder)
    assert not np.array_equal(data.train_images[:20], data.test_images)
    other = prepare_data(SMALL.model_copy(update={"seed": 1}), folder.parent, progress=False)
    assert load_data(other).content != data.content


def test_synthetic_pixels_are_pinned(folder: Path) -> None:
    # If this fails, results on synthetic images change: measure the accuracies again that the generator states.
    assert load_data(folder).content == "5ee0e851dd4ffcc96655038c72fbaf24854b9ac823ac5a7b6e9770a487cbbf2c"


def test_concurrent_preparations_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: prepare_data(SMALL, tmp_path, progress=False), range(8)))
    assert len(set(folders)) == 1
    assert list(tmp_path.iterdir()) == [folders[0]]
    verify_data(folders[0])


def test_a_killed_preparation_leaves_nothing_that_passes_for_data(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from asgd.settings.study import DataConfig; from asgd.data import prepare_data;"
        f"prepare_data(DataConfig(source='synthetic', num_train=8000), Path({str(tmp_path)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while process.poll() is None and not list(tmp_path.glob(".part-*/*/train_images.npy")):
        time.sleep(0.001)
    process.kill()
    process.wait()
    config = DataConfig(source="synthetic", num_train=8000)
    if prepared_folder(config, tmp_path).exists():  # the kill came too late: then the folder is whole
        verify_data(prepared_folder(config, tmp_path))
    verify_data(prepare_data(config, tmp_path, progress=False))


def test_a_disk_that_refuses_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import resource; from pathlib import Path; from asgd.settings.study import DataConfig\n"
        "from asgd.data import prepare_data; from asgd.errors import AsgdError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        f"    prepare_data(DataConfig(source='synthetic'), Path({str(tmp_path)!r}))\n"
        "except AsgdError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "images cannot be written" in done.stdout
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(AsgdError, match="images cannot be written"):
        prepare_data(SMALL, tmp_path / "data", progress=False)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def change_array(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change it and leave no trace: the same size, where it allows that, and the same time."""
    before = path.stat()
    np.save(path, change(np.load(path)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_meta(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def flip_last_bit(pixels: np.ndarray) -> np.ndarray:
    pixels[-1, -1, -1, -1] ^= 1
    return pixels


def swap_first_two(labels: np.ndarray) -> np.ndarray:
    labels[[0, 1]] = labels[[1, 0]]  # as many of each class as before
    return labels


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "missing": ("train_images.npy", Path.unlink),
    "truncated": ("train_images.npy", cut),
    "empty": ("test_images.npy", lambda path: path.write_bytes(b"")),
    "not an array": ("test_labels.npy", lambda path: path.write_bytes(b"hello" * 100)),
    "several arrays": ("test_labels.npy", lambda path: np.savez(path.open("wb"), a=np.zeros(1))),
    "no array but a name": ("test_labels.npy", lambda path: path.unlink() or path.mkdir()),
    "no meta": ("meta.json", Path.unlink),
    "truncated meta": ("meta.json", cut),
    "meta without keys": ("meta.json", lambda path: path.write_text(json.dumps({"classes": []}))),
    "meta that is a list": ("meta.json", lambda path: path.write_text("[]")),
    "other classes": ("meta.json", lambda path: change_meta(path, classes=list(CLASSES))),
    "another fingerprint": ("meta.json", lambda path: change_meta(path, fingerprint="f" * 64)),
    "another content": ("meta.json", lambda path: change_meta(path, content="f" * 64)),
}
#: What only reading all of it finds, and lies in no file more than in another.
CHANGES: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "a bit of a training image": ("train_images.npy", flip_last_bit),
    "a bit of a test image": ("test_images.npy", flip_last_bit),
    "all pixels": ("train_images.npy", np.zeros_like),
    "two labels": ("train_labels.npy", swap_first_two),
    "labels out of range": ("train_labels.npy", lambda labels: labels + 1),
    "too few labels": ("train_labels.npy", lambda labels: labels[:-1]),
    "another type": ("train_images.npy", lambda pixels: pixels.astype(np.int8)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named_with_the_cure(folder: Path, damage: str) -> None:
    name, harm = DAMAGE[damage]
    harm(folder / name)
    with pytest.raises(AsgdError) as caught:
        load_data(prepare_data(SMALL, folder.parent, progress=False))
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder / name) in message
    assert f"delete the folder {folder} and run `asgd data` again" in message


@pytest.mark.parametrize("change", CHANGES)
def test_no_run_is_trained_on_changed_images(
    folder: Path, tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, alter = CHANGES[change]
    change_array(folder / name, alter)
    for read in (load_data, verify_data, format_data):
        with pytest.raises(AsgdError, match="the images have changed since they were prepared"):
            read(folder)
    assert main([*TRAIN, "--data-root", str(folder.parent), "--out", str(tmp_path / "run")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"asgd: error: {folder}: the images have changed since they were prepared (")
    assert line.endswith(f"; delete the folder {folder} and run `asgd data` again")
    assert not (tmp_path / "run").exists()
    shutil.rmtree(folder)
    assert main([*TRAIN, "--data-root", str(folder.parent), "--out", str(tmp_path / "run")]) == 0


def test_a_run_records_the_content_that_was_read(folder: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256()
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        array = np.load(folder / f"{name}.npy")
        digest.update(repr((array.shape, array.dtype.str)).encode() + array.tobytes())
    assert main([*TRAIN, "--data-root", str(folder.parent), "--out", str(tmp_path / "run")]) == 0
    assert json.loads((tmp_path / "run/run.json").read_text())["data"]["content"] == digest.hexdigest()


@pytest.mark.parametrize("what", ["all", "arrays"])
def test_other_images_do_not_pass_under_this_name(folder: Path, tmp_path: Path, what: str) -> None:
    other = prepare_data(SMALL.model_copy(update={"seed": 1}), tmp_path / "other", progress=False)
    if what == "all":
        shutil.copytree(other, folder, dirs_exist_ok=True)
    else:
        for array in other.glob("*.npy"):
            shutil.copy(array, folder)
    said = f"meta.json: of other images, those of {other.name}" if what == "all" else "have changed since"
    with pytest.raises(AsgdError, match=said):
        load_data(prepare_data(SMALL, folder.parent, progress=False))


def test_a_source_that_changed_behind_its_name_is_not_prepared_under_it(tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images")
    config = DataConfig(source="image_folder", path=str(images))
    first = prepared_folder(config, tmp_path)
    (memory,) = (tmp_path / ".fingerprints").iterdir()
    write_json(memory, {**read_json(memory), "digest": "0" * 64})  # as if the images changed a moment ago
    named = prepared_folder(config, tmp_path)
    assert named != first
    with pytest.raises(AsgdError, match="the images changed while they were prepared; start again"):
        prepare_data(config, tmp_path, progress=False)
    assert not named.exists()
    assert prepare_data(config, tmp_path, progress=False) == first


def test_an_absent_folder_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match="no prepared images there; run `asgd data`"):
        load_data(tmp_path / "nothing")


def test_the_summary_names_what_is_there(folder: Path) -> None:
    data = load_data(folder)
    text = format_data(folder)
    assert data.fingerprint in text
    assert data.content in text
    assert "a demonstration, not CIFAR-10" in text
    assert "0.4 MB" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["pattern", "3", "10", "2"] in rows
    assert ["all", "100", "20"] in rows


def test_the_contact_sheet_shows_the_images(folder: Path, tmp_path: Path) -> None:
    write_contact_sheet(folder, tmp_path / "sheet.png", per_class=3)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    data = load_data(folder)
    # Enlarged twice: the first image of class 0 and the third of class 9 are found pixel by pixel.
    height, width, _ = sheet.shape
    left = width - 3 * 68
    np.testing.assert_array_equal(sheet[4:68:2, left : left + 64 : 2], data.train_images[0])
    np.testing.assert_array_equal(
        sheet[height - 68 : height - 4 : 2, left + 136 : left + 200 : 2], data.train_images[29]
    )
    with pytest.raises(AsgdError, match="cannot be written"):
        write_contact_sheet(folder, folder / "meta.json" / "sheet.png")
