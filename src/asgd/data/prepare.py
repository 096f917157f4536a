"""From a source to a prepared folder: made once, whole or absent."""

from pathlib import Path

from asgd.data.dataset import store_images
from asgd.data.fingerprint import check_sha256, data_path, folder_name, prepared_folder, source_fingerprint
from asgd.data.images import SourceImages
from asgd.errors import AsgdError
from asgd.extras import explain_missing
from asgd.settings.data import DataConfig
from asgd.settings.folders import DATA_ROOT


def prepare_data(data: DataConfig, root: Path = DATA_ROOT, progress: bool = True) -> Path:
    """Make the prepared folder of ``data`` under ``root`` unless it is there, and return it.

    It holds train_images.npy, train_labels.npy, test_images.npy, test_labels.npy and meta.json. Progress goes to
    standard error. Several processes may prepare the same folder at once; a killed one leaves nothing that passes for
    data. A folder that is there is not looked into: `load_data` does that. Raises AsgdError for bad images, a bad
    archive, no network, a full disk.
    """
    root = Path(root)
    folder = prepared_folder(data, root)
    if not folder.is_dir() or not any(folder.iterdir()):  # Snakemake makes the folder of an output beforehand
        images = read_source(data, root, progress)
        fingerprint = source_fingerprint(data, root, read_again=True)
        if folder.name != folder_name(data.source, fingerprint):
            raise AsgdError(f"data.path = {data.path}: the images changed while they were prepared; start again")
        store_images(images, folder, data.source, fingerprint)
    return folder


def read_source(data: DataConfig, root: Path, progress: bool = True) -> SourceImages:
    """All images of ``data.source``, in memory. A download is kept in ``root``."""
    # Imported here: one source never pays for the libraries of another.
    if data.source == "synthetic":
        from asgd.data.synthetic import draw_synthetic

        return draw_synthetic(data.num_train, data.num_test, data.seed)
    if data.path is not None:
        check_sha256(data_path(data), data.sha256)
    if data.source == "image_folder":
        from asgd.data.image_folder import read_image_folder

        return read_image_folder(data_path(data), progress)
    from asgd.data.cifar10 import fetch_archive, read_cifar10

    with explain_missing("data.source = cifar10"):
        return read_cifar10(fetch_archive(root, progress) if data.path is None else data_path(data), root)
