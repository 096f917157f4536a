"""Image folders and tar archives of them, good and bad."""

import gzip
import io
import struct
import subprocess
import sys
import tarfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asgd.data import load_data, prepare_data, read_meta
from asgd.data.image_folder import FORMATS, read_image_folder
from asgd.errors import AsgdError
from asgd.settings.data import DataConfig
from tests.data.folders import CLASSES, make_folder, pack, read_image, save_image

HOW_TO = Path(__file__).parents[2] / "docs/how-to/images.md"
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
    alone = make_folder(tmp_path / "b", classes=CLASSES[:1])
    assert f"only the class {CLASSES[0]}; give at least two" in read_error(alone)
    eleven = make_folder(tmp_path / "c", classes=(*CLASSES, "kea"))
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


PNG = io.BytesIO()
Image.new("RGB", (32, 32)).save(PNG, "PNG")


def add(archive: Path, name: str, kind: bytes = tarfile.REGTYPE, content: bytes = PNG.getvalue()) -> None:
    with tarfile.open(archive, "a") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, "train/ant/001.png", len(content)
        tar.addfile(member, io.BytesIO(content))


def test_members_outside_the_classes_are_ignored(tmp_path: Path) -> None:
    archive = pack(make_folder(tmp_path / "images"), tmp_path / "strange.tar")
    whole = read_image_folder(archive, progress=False)
    for name in ("/train/ant/x.png", "../train/ant/x.png", "train/../ant", "train/x.png", "train/ant/._000.png"):
        add(archive, name)
    add(archive, "link", tarfile.SYMTYPE, b"")
    np.testing.assert_array_equal(read_image_folder(archive, progress=False).train_images, whole.train_images)


KINDS = {
    "a symbolic link": (tarfile.SYMTYPE, "link or a device; pack the file itself"),
    "a hard link": (tarfile.LNKTYPE, "link or a device; pack the file itself"),
    "a device": (tarfile.CHRTYPE, "link or a device; pack the file itself"),
    "a folder": (tarfile.DIRTYPE, "is a folder"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_that_is_no_file_is_not_left_out_in_silence(tmp_path: Path, kind: str) -> None:
    archive = pack(make_folder(tmp_path / "images"), tmp_path / "strange.tar")
    add(archive, "train/ant/x.png", KINDS[kind][0], b"")
    message = read_error(archive)
    assert "train/ant/x.png is a" in message
    assert KINDS[kind][1] in message


@pytest.mark.parametrize("name", ["train/ant/000.png", "./train/ant/000.png", "train/./ant/000.png"])
def test_two_members_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    archive = pack(make_folder(tmp_path / "images"), tmp_path / "twice.tar")
    add(archive, name)
    assert "train/ant/000.png is there twice" in read_error(archive)


def test_images_that_lie_too_deep_are_refused(tmp_path: Path) -> None:
    archive = pack(make_folder(tmp_path / "images"), tmp_path / "deep.tar")
    add(archive, "train/ant/more/x.png")
    assert "train/ant/more/x.png lies too deep; the layout must be train/<class>/*" in read_error(archive)
    save_image(tmp_path / "images/train/ant/more/x.png", np.zeros((32, 32, 3), np.uint8))
    assert "train/ant/more is no file; the layout must be" in read_error(tmp_path / "images")


def test_a_link_to_nothing_is_not_left_out_in_silence(tmp_path: Path) -> None:
    (make_folder(tmp_path) / "train/ant/x.png").symlink_to("nowhere.png")
    assert "train/ant/x.png is no file" in read_error(tmp_path)


def test_names_never_break_the_line(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "images")
    (folder / "train/ant/a\nb.png").write_bytes(b"no image")
    assert r"train/ant/a\nb.png' is not an image" in read_error(folder)
    assert r"train/ant/a\nb.png' is not an image" in read_error(pack(folder, tmp_path / "a.tar"))
    (folder / "train/ant/a\nb.png").unlink()
    for split in ("train", "test"):
        (folder / split / "bee").rename(folder / split / "be\udce9")
    assert r"class 'be\udce9' has no printable name" in read_error(folder)


def encode(form: str, width: int, height: int) -> bytes:
    """The beginning of an image of this size, and no pixels."""
    size = struct.pack(">II", width, height)
    small = io.BytesIO()
    Image.new("RGB", (32, 32)).save(small, "JPEG")
    jpeg, frame = bytearray(small.getvalue()), small.getvalue().index(b"\xff\xc0") + 5
    jpeg[frame : frame + 4] = struct.pack(">HH", height, width)
    header = b"IHDR" + size + bytes([8, 2, 0, 0, 0])
    return {
        "PNG": b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">II", zlib.crc32(header), 9)
        + b"IDAT",
        "JPEG": bytes(jpeg),
        "BMP": b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0),
        "PPM": f"P6 {width} {height} 255\n".encode(),
    }[form] + bytes(100)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "PPM"])
def test_a_header_of_huge_images_is_one_line(tmp_path: Path, form: str) -> None:
    file = make_folder(tmp_path) / "train/ant/x"
    file.write_bytes(encode(form, 60_000, 60_000))
    assert "train/ant/x is far too large; every image must be 32x32 RGB" in read_error(tmp_path)
    file.write_bytes(encode(form, 12_000, 12_000))  # of this size Pillow only warns
    assert "train/ant/x is 12000x12000 RGB; every image must be 32x32 RGB" in read_error(tmp_path)


@pytest.mark.parametrize("form", ["PNG", "BMP", "PPM", "JPEG", "WEBP"])
def test_the_formats_that_are_documented_are_read(tmp_path: Path, form: str) -> None:
    assert form in FORMATS
    assert form in HOW_TO.read_text()
    (make_folder(tmp_path) / "train/ant/000.png").unlink()
    Image.new("RGB", (32, 32), "red").save(tmp_path / "train/ant/000.x", form, quality=90)
    read = read_image_folder(tmp_path, progress=False)
    assert np.abs(read.train_images[0].astype(int) - [255, 0, 0]).max() <= 2
    assert form in read.description


@pytest.mark.parametrize("form", ["EPS", "PDF", "GIF", "TIFF", "PCX", "ICO", "TGA"])
def test_other_formats_are_refused_by_name(tmp_path: Path, form: str) -> None:
    file = make_folder(tmp_path) / "test/jay/x.png"
    Image.new("RGB", (32, 32)).save(file, form)
    message = read_error(tmp_path)
    assert "test/jay/x.png is not an image in one of the formats PNG, JPEG, WEBP, BMP, PPM, or truncated" in message


def test_damage_of_any_kind_is_an_error_of_ours(tmp_path: Path) -> None:
    generator, file = np.random.default_rng(0), make_folder(tmp_path, 1, 1) / "train/ant/000.png"
    for form in FORMATS:
        whole = io.BytesIO()
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), np.uint8)).save(whole, form)
        for _ in range(30):
            damaged = bytearray(whole.getvalue())
            for position in generator.integers(0, min(200, len(damaged)), 3):
                damaged[position] = generator.integers(256)
            file.write_bytes(damaged)
            with suppress(AsgdError):  # any other exception fails the test
                read_image_folder(tmp_path, progress=False)


#: Reads the archive with at most 200 MB of memory beyond what the libraries take.
BOUNDED = """
import resource, sys
from pathlib import Path
from asgd.errors import AsgdError
from asgd.data.image_folder import read_image_folder
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 200_000_000,) * 2)
try:
    print(len(read_image_folder(Path(sys.argv[1]), progress=False).train_images))
except AsgdError as error:
    print(error)
"""


def read_bounded(path: Path) -> str:
    done = subprocess.run([sys.executable, "-c", BOUNDED, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    return done.stdout


def write_zeros(archive: Path, name: str, size: int, kind: bytes = tarfile.REGTYPE) -> None:
    """An archive that begins with a member of so many zeros, which take no space, then holds the images."""
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    images = pack(make_folder(archive.parent / "images"), archive.parent / "whole.tar").read_bytes()
    parts = [member.tobuf(tarfile.GNU_FORMAT), bytes(1 << 20), images]
    begin, block, end = (gzip.compress(part, compresslevel=1) for part in parts)
    archive.write_bytes(begin + block * (size >> 20) + end)


def test_a_huge_member_takes_no_memory(tmp_path: Path) -> None:
    size = 512 << 20
    write_zeros(tmp_path / "a.tar.gz", "notes", size)
    assert read_bounded(tmp_path / "a.tar.gz") == "30\n"
    write_zeros(tmp_path / "b.tar.gz", "train/ant/x.png", size)
    assert "train/ant/x.png has 536,870,912 bytes, the limit is 1,048,576" in read_bounded(tmp_path / "b.tar.gz")
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        write_zeros(tmp_path / "c.tar.gz", "header", size, kind)
        assert "c.tar.gz: not a tar archive, truncated or corrupt" in read_bounded(tmp_path / "c.tar.gz")


def test_a_huge_file_in_a_folder_takes_no_memory(tmp_path: Path) -> None:
    with (make_folder(tmp_path) / "train/ant/x.png").open("wb") as file:
        file.truncate(4 << 30)  # sparse
    assert "train/ant/x.png has 4,294,967,296 bytes, the limit is 1,048,576" in read_bounded(tmp_path)


def test_a_sparse_member_has_the_size_that_it_unpacks_to(tmp_path: Path) -> None:
    archive = pack(make_folder(tmp_path / "images"), tmp_path / "sparse.tar")
    with tarfile.open(archive, "a") as tar:
        member = tarfile.TarInfo("train/ant/x.png")
        member.size = 512
        member.pax_headers = {"GNU.sparse.map": "0,512", "GNU.sparse.size": str(1 << 40)}
        tar.addfile(member, io.BytesIO(bytes(512)))
    assert "train/ant/x.png has 1,099,511,627,776 bytes, the limit is" in read_bounded(archive)


def test_an_archive_that_runs_in_circles_ends(tmp_path: Path) -> None:
    archive = tmp_path / "circle.tar"
    first = tarfile.TarInfo("first")
    second = tarfile.TarInfo("second")
    second.pax_headers = {"size": "-2048"}
    archive.write_bytes(first.tobuf(tarfile.PAX_FORMAT) + second.tobuf(tarfile.PAX_FORMAT) + bytes(10_240))
    assert "circle.tar: not a tar archive, truncated or corrupt" in read_error(archive)


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
