"""What a subcommand of ``asgd`` is."""

from dataclasses import dataclass

#: What commands are for, in the order in which ``asgd`` lists them, each with its heading.
PURPOSES = {
    "train": "Train and look at a run",
    "study": "Follow a study",
    "real": "Real workers",
    "results": "Results",
    "maintenance": "Maintenance",
}


@dataclass(frozen=True)
class Command:
    """A subcommand, named after its file (with - for _), which declares one and has two functions.

    ``add_flags(parser)`` adds the flags. ``run(options)`` does the work with what was given. It imports the libraries
    that take long to load, because every command's file is imported at each start. It raises AsgdError for what the
    user must put right. Raises ValueError where ``purpose`` is not one of ``PURPOSES``.
    """

    purpose: str  #: under which heading ``asgd`` lists it: a key of ``PURPOSES``
    help: str  #: in the list of commands
    description: str  #: above its flags
    examples: tuple[str, ...] = ()  #: command lines, below its flags

    def __post_init__(self) -> None:
        if self.purpose not in PURPOSES:
            raise ValueError(f"purpose = {self.purpose!r}; give one of {', '.join(PURPOSES)}")
