"""The official archive: from a file, from a server, and everything that can be wrong with either."""

import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from asgd.data import load_data, prepare_data
from asgd.data.cifar10 import fetch_archive, read_cifar10
from asgd.data.dataset import store_images
from asgd.errors import AsgdError
from asgd.settings.data import DataConfig
from tests.data.folders import CLASSES, make_official

FILENAME = "cifar-10-python.tar.gz"


class _Handler(BaseHTTPRequestHandler):
    """Announces ``content`` and sends only its first ``num_sent`` bytes."""

    def __init__(self, content: bytes, num_sent: int, *args: object) -> None:
        self.content, self.num_sent = content, num_sent
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if not self.content:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: self.num_sent])

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(content: bytes, num_sent: int | None = None) -> Iterator[str]:
    """A local server of one file; yields its URL."""
    handler = partial(_Handler, content, len(content) if num_sent is None else num_sent)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{FILENAME}"
        server.shutdown()
        thread.join()


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.iterdir()] if root.exists() else []


@pytest.mark.parametrize("where", ["archive", "folder of the archive", "unpacked"])
def test_reads_the_official_format_class_by_class_in_turn(tmp_path: Path, where: str) -> None:
    labels = [3, 3, 0, 9, 1, 2, 4, 5, 6, 7, 8, 3, 0, 9, 1, 2, 4, 5, 6, 7]  # of one batch, in no order
    archive, batches = make_official(tmp_path / FILENAME, labels)
    path = tmp_path if where == "folder of the archive" else tmp_path / FILENAME
    if where == "unpacked":
        path = tmp_path / "unpacked"
        with tarfile.open(tmp_path / FILENAME) as tar:
            tar.extractall(path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))

    images = read_cifar10(path, tmp_path / "data", archive)

    official = np.concatenate(batches[:5])
    third = [2, 12, 20 + 2]  # where class 0 stands in the official order, up to its third image
    # The first 50 are the first five of each class: class 8, the rarest, has five. Class 3, the commonest, has 15.
    assert images.train_labels[:50].tolist() == list(range(10)) * 5
    assert images.train_labels[-5:].tolist() == [3] * 5
    for rank, position in enumerate(third):
        np.testing.assert_array_equal(images.train_images[10 * rank], official[position])
    np.testing.assert_array_equal(images.train_images[-1], official[4 * 20 + 11])
    np.testing.assert_array_equal(images.test_images[:2], batches[5][[2, 4]])
    assert images.test_labels.tolist() == [*range(10), *(label for label in range(10) if label != 8), 3]
    assert sorted(map(bytes, images.train_images)) == sorted(map(bytes, official))
    assert images.classes == CLASSES
    store_images(images, tmp_path / "cifar10-ffffffffffff", "cifar10", "f" * 64)
    loaded = load_data(tmp_path / "cifar10-ffffffffffff")
    np.testing.assert_array_equal(loaded.train_images, images.train_images)
    assert loaded.train_labels.dtype == np.int64


def test_downloads_once_and_keeps_the_archive(tmp_path: Path) -> None:
    archive, _ = make_official(tmp_path / FILENAME)
    content = (tmp_path / FILENAME).read_bytes()
    with serve(content) as url:
        path = fetch_archive(tmp_path / "data", progress=False, archive=replace(archive, url=url))
    assert path.read_bytes() == content
    # The server is gone: a second call that asked it would fail.
    assert fetch_archive(tmp_path / "data", progress=False, archive=replace(archive, url=url)) == path
    assert leftovers(tmp_path / "data") == [FILENAME]


@pytest.mark.parametrize("fault", ["wrong", "truncated"])
def test_a_bad_download_is_thrown_away_and_the_next_one_starts_over(tmp_path: Path, fault: str) -> None:
    archive, _ = make_official(tmp_path / FILENAME)
    content = (tmp_path / FILENAME).read_bytes()
    bad = content[:-1] + b"?" if fault == "wrong" else content
    with (
        serve(bad, len(content) // 2 if fault == "truncated" else None) as url,
        pytest.raises(AsgdError, match="incomplete or not the official CIFAR-10 archive") as caught,
    ):
        fetch_archive(tmp_path / "data", progress=False, archive=replace(archive, url=url))
    assert "\n" not in str(caught.value)
    assert leftovers(tmp_path / "data") == []
    with serve(content) as url:
        assert fetch_archive(tmp_path / "data", progress=False, archive=replace(archive, url=url)).exists()


def test_a_corrupt_archive_from_earlier_is_replaced(tmp_path: Path) -> None:
    archive, _ = make_official(tmp_path / FILENAME)
    content = (tmp_path / FILENAME).read_bytes()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILENAME).write_bytes(content[:100])
    with serve(content) as url:
        path = fetch_archive(tmp_path / "data", progress=False, archive=replace(archive, url=url))
    assert path.read_bytes() == content


def test_offline_names_the_alternatives(tmp_path: Path) -> None:
    archive, _ = make_official(tmp_path / FILENAME)
    with pytest.raises(AsgdError) as caught:
        fetch_archive(tmp_path / "data", progress=False, archive=archive)
    message = str(caught.value)
    assert "\n" not in message
    for part in (archive.url, "CIFAR-10 cannot be downloaded", "data.path", "image_folder", "synthetic"):
        assert part in message


def test_a_missing_page_is_a_network_error(tmp_path: Path) -> None:
    archive, _ = make_official(tmp_path / FILENAME)
    with serve(b"") as url, pytest.raises(AsgdError, match=r"cannot be downloaded \(Not Found\)"):
        fetch_archive(tmp_path / "data", progress=False, archive=replace(archive, url=url))


def test_progress_of_a_download_is_shown_only_when_asked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archive, _ = make_official(tmp_path / FILENAME)
    for progress in (False, True):
        with serve((tmp_path / FILENAME).read_bytes()) as url:
            fetch_archive(tmp_path / f"data-{progress}", progress, replace(archive, url=url))
        assert ("100%" in capfd.readouterr().err) == progress


def test_another_local_archive_is_refused_and_left_alone(tmp_path: Path) -> None:
    make_official(tmp_path / FILENAME)
    config = DataConfig(source="cifar10", path=str(tmp_path / FILENAME))
    with pytest.raises(AsgdError, match=r"data\.path = .*not the official CIFAR-10 archive"):
        prepare_data(config, tmp_path / "data", progress=False)
    assert (tmp_path / FILENAME).exists()


def test_missing_local_copies(tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match=r"nowhere\.tar\.gz: cannot be read"):
        read_cifar10(tmp_path / "nowhere.tar.gz", tmp_path)
    with pytest.raises(AsgdError, match="neither cifar-10-python"):
        read_cifar10(tmp_path, tmp_path)


def test_a_changed_batch_is_never_unpickled(tmp_path: Path) -> None:
    archive, _ = make_official(tmp_path / FILENAME)
    wrong = replace(archive, train_files=(("data_batch_1", "0" * 32),))
    with pytest.raises(AsgdError, match="not whole CIFAR-10 batches"):
        read_cifar10(tmp_path / FILENAME, tmp_path / "data", wrong)
