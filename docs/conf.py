"""How `make docs` makes a site from these pages.

They are plain Markdown, so that a code host shows them too, links to files outside docs/ included.
"""

from typing import Any

from sphinx.application import Sphinx

project = "asgd"
extensions = ["myst_nb"]
exclude_patterns = ["**/.ipynb_checkpoints"]
# A missing page, anchor or file is a warning, and `make docs` makes warnings errors.
myst_heading_anchors = 4
smartquotes = False  # -- stays -- in what is copied from a page
highlight_language = "none"  # of a block that names none: they are output
nb_execution_mode = "off"  # notebooks are stored with their output
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # of a network

html_theme = "furo"
html_title = "asgd"
html_copy_source = False
html_show_copyright = False
html_show_search_summary = False  # it reads pages again, which a browser refuses for files


def _open_files(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
    """Links to files outside docs/, which Sphinx copies into the site, open in the browser."""
    context["body"] = context.get("body", "").replace(' download=""', "")


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", _open_files)
