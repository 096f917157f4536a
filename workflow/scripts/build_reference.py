"""Write docs/reference.md: `make reference`."""

from pathlib import Path

from asgd.commands.documentation import make_reference
from asgd.files import write_text

write_text(Path("docs/reference.md"), make_reference())
