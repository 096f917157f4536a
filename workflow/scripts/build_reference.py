"""Write docs/reference.md: `make reference`."""

from pathlib import Path

from asgd.files import write_text
from asgd.reference import make_reference

write_text(Path("docs/reference.md"), make_reference())
