"""Image folders and tar archives of them, good and bad."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asgd.config import DataConfig
from asgd.data import load_data, prepare_data, read_meta
from asgd.data.image_folder import read_image_folder
from asgd.errors import AsgdError
from tests.data.folders import CLASSES, make_folder, pack, read_image, save_image

REAL = Path(__file__).parents[2] / "../shared/data/cifar10-images.tar.xz"


def read_error(path: Path) -> str:
    with pytest.raises(AsgdError) as caught:
        read_image_folder(path, progress=False)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["folder", ".tar", ".tar.gz", ".tar.xz"])
def test_reads_pixels_labels_and_classes_in_turn(tmp_path: Path, kind: str) -> None:
    folder = make_folder(tmp_path / "images")
    images = read_image_folder(folder if kind == "folder" else pack(folder, tmp_path / f"a{kind}"), progress=False)

    assert images.classes == CLASSES
    assert images.train_labels.tolist() == list(range(10)) * 3
    assert images.test_labels.tolist() == list(range(10)) * 2
    np.testing.assert_array_equal(images.train_images[24], read_image(folder / "train/eel/002.png"))
    np.testing.assert_array_equal(images.test_images[13], read_image(folder / "test/dog/001.png"))
    assert images.train_images.dtype == np.uint8


def test_classes_of_unequal_size_keep_every_image(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, num_train=1)
    save_image(folder / "train/dog/001.png", np.zeros((32, 32, 3), np.uint8))
    save_image(folder / "train/dog/002.png", np.zeros((32, 32, 3), np.uint8))
    assert read_image_folder(folder, progress=False).train_labels.tolist() == [*range(10), 3, 3]


def test_lossy_formats_are_a_caveat(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "images")
    assert "lossy" not in read_image_folder(folder, progress=False).description
    (folder / "train/ant/000.png").unlink()
    save_image(folder / "train/ant/000.jpg", np.zeros((32, 32, 3), np.uint8))
    assert "50 JPEG and PNG images" in read_image_folder(folder, progress=False).description
    assert "JPEG is a lossy format" in read_image_folder(folder, progress=False).description


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("shape", "found"), [((32, 33, 3), "33x32 RGB"), ((32, 32), "32x32 L"), ((32, 32, 4), "32x32 RGBA")]
)
def test_the_first_bad_image_is_named_with_its_size_and_mode(
    tmp_path: Path, packed: bool, shape: tuple[int, ...], found: str
) -> None:
    folder = make_folder(tmp_path / "images")
    save_image(folder / "train/cat/001.png", np.zeros(shape, np.uint8))
    message = read_error(pack(folder, tmp_path / "images.tar") if packed else folder)
    assert f"train/cat/001.png is {found}; every image must be 32x32 RGB" in message


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty"), (b"not an image", "is not an image"), (None, "truncated")]
)
def test_a_file_that_is_no_image_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = make_folder(tmp_path) / "test/hen/001.png"
    file.write_bytes(file.read_bytes()[:500] if content is None else content)
    message = read_error(tmp_path)
    assert "test/hen/001.png" in message
    assert reason in message


def test_the_layout_is_checked(tmp_path: Path) -> None:
    assert "does not exist" in read_error(tmp_path / "nowhere")
    assert "no images in train/<class>/" in read_error(tmp_path)
    only_train = make_folder(tmp_path / "a", num_test=0)
    assert "no images in test/<class>/" in read_error(only_train)
    assert "9 classes, but the network has 10 outputs" in read_error(make_folder(tmp_path / "b", classes=CLASSES[:9]))
    eleven = make_folder(tmp_path / "c", classes=(*CLASSES, "kea"))
    assert "11 classes" in read_error(eleven)
    save_image(eleven / "test/owl/0.png", np.zeros((32, 32, 3), np.uint8))
    assert "class owl is in test/ but not in train/" in read_error(eleven)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz"])
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, suffix: str) -> None:
    whole = pack(make_folder(tmp_path / "images"), tmp_path / f"whole{suffix}")
    size = len(whole.read_bytes())
    # A plain archive ends with up to 10 kB of zeros, so a smaller cut takes nothing away.
    cuts = [0, 100, 512 * 100, size // 2, size - 11_000] if suffix == ".tar" else [0, 100, size // 2, size - 20]
    for cut in cuts:
        part = tmp_path / f"part{suffix}"
        part.write_bytes(whole.read_bytes()[:cut])
        assert "truncated or corrupt" in read_error(part)


def test_a_plain_archive_cut_between_two_files_is_refused(tmp_path: Path) -> None:
    whole = pack(make_folder(tmp_path / "images"), tmp_path / "whole.tar")
    with tarfile.open(whole) as tar:
        last = tar.getmembers()[-1]
    part = tmp_path / "part.tar"
    for extra in (0, 100):
        part.write_bytes(whole.read_bytes()[: last.offset + extra])
        assert "truncated or corrupt" in read_error(part)


def test_something_else_than_an_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("hello " * 1000)
    assert "not a tar archive" in read_error(tmp_path / "text.tar")


def test_strange_members_of_an_archive_are_ignored(tmp_path: Path) -> None:
    archive = pack(make_folder(tmp_path / "images"), tmp_path / "strange.tar")
    whole = read_image_folder(archive, progress=False)
    picture = io.BytesIO()
    Image.new("RGB", (32, 32)).save(picture, "PNG")
    with tarfile.open(archive, "a") as tar:
        for name in ("/train/ant/x.png", "../train/ant/x.png", "train/../ant", "train/x.png", "train/ant/._000.png"):
            member = tarfile.TarInfo(name)
            member.size = len(picture.getvalue())
            tar.addfile(member, io.BytesIO(picture.getvalue()))
        link = tarfile.TarInfo("train/ant/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    np.testing.assert_array_equal(read_image_folder(archive, progress=False).train_images, whole.train_images)


@pytest.mark.skipif(not REAL.exists(), reason="skipped: no CIFAR-10 images")
def test_the_real_images(tmp_path: Path) -> None:
    folder = prepare_data(DataConfig(source="image_folder", path=str(REAL)), tmp_path, progress=False)
    data = load_data(folder)
    assert len(data.train_images) == 50_000
    assert len(data.test_images) == 10_000
    counts = read_meta(folder)["counts"]
    assert set(counts["train"].values()) == {5000}
    assert set(counts["test"].values()) == {1000}
    assert data.classes == ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    # The published channel means of the training set are 0.4914, 0.4822, 0.4465; JPEG hardly moves them.
    np.testing.assert_allclose(data.train_images.mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=0.002)
