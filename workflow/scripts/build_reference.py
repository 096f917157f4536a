"""Write the pages of docs/ that are made from code and results: `make reference`."""

from asgd.commands.documentation import make_pages
from asgd.files import write_text

for _path, _text in make_pages().items():
    write_text(_path, _text)
