"""`asgd data`: the images."""

import argparse

from asgd.commands.command import Command
from asgd.commands.flags import add_data_flags, add_preset_flags, collect, path
from asgd.errors import AsgdError
from asgd.files import parse_object, read_input
from asgd.settings.data import DataConfig
from asgd.settings.study import load_params
from asgd.settings.validation import validate

COMMAND = Command(
    purpose="train",
    help="prepare the images and describe them",
    description="Prepare the images of a preset, or the images that the flags describe, and print a summary. Images "
    "that were prepared before are checked and kept.",
    examples=("asgd data --preset smoke", "asgd data --data-source synthetic --contact-sheet images.png"),
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Those of the images."""
    add_data_flags(parser)
    add_preset_flags(parser, "prepare the images of this preset (default: the preset that params.yaml names)")
    parser.add_argument(
        "--settings",
        type=path,
        metavar="FILE",
        help="read the keys of `data` from FILE, a JSON object (-: standard input)",
    )
    parser.add_argument(
        "--contact-sheet", type=path, metavar="FILE", help="also write a PNG file with some images of each class"
    )


def run(options: argparse.Namespace) -> None:
    """Prepare the images and print what they are."""
    from asgd.data import format_data, prepare_data, write_contact_sheet

    folder = prepare_data(_choose(options), options.data_root)
    print(format_data(folder))
    if options.contact_sheet:
        write_contact_sheet(folder, options.contact_sheet)
        print(f"contact sheet: {options.contact_sheet}")


def _choose(options: argparse.Namespace) -> DataConfig:
    values = collect(options, DataConfig, "data-")
    if sum(map(bool, (values, options.preset, options.settings))) > 1:
        raise AsgdError("--preset, --settings and --data-... cannot be combined; give one of them")
    if options.settings:
        name, text = read_input(options.settings)
        return validate(DataConfig, parse_object(text, name), name)
    if values:
        return validate(DataConfig, values, "asgd data")
    return load_params(options.params, options.preset).selected.data
