"""What a subcommand of ``asgd`` is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A subcommand, named after its file (with - for _), which declares one and has two functions.

    ``add_flags(parser)`` adds the flags; ``run(options)`` does the work with what was given, and imports the libraries
    that take long to load: all commands' files are imported for each. Raises AsgdError for what a user must put right.
    """

    help: str  #: in the list of commands
    description: str  #: above its flags
