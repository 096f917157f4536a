"""The images: three sources behind one function, prepared once into arrays that parallel jobs share.

Importing this package loads neither PyTorch nor torchvision: Snakemake asks for fingerprints at every start.
"""

from asgd.data.dataset import Dataset, load_data, read_meta, verify_data
from asgd.data.fingerprint import prepared_folder, source_fingerprint
from asgd.data.prepare import prepare_data
from asgd.data.show import format_data, write_contact_sheet

__all__ = [
    "Dataset",
    "format_data",
    "load_data",
    "prepare_data",
    "prepared_folder",
    "read_meta",
    "source_fingerprint",
    "verify_data",
    "write_contact_sheet",
]
