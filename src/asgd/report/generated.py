"""What templates make. Quick to import: Snakemake asks at every start, and the report's code loads slowly."""

from pathlib import Path

from asgd.errors import AsgdError

SUFFIX = ".j2"
MANUSCRIPT = "report.tex"
EXPLORER = "explorer.html"
#: Its template and what that includes, in the folder of templates.
EXPLORER_PARTS = (f"{EXPLORER}{SUFFIX}", "explorer.css", "explorer.js")


def list_templates(report: str | Path, suffix: str = "") -> list[Path]:
    """The templates of the project's folder ``report``, in order of name; of files with ``suffix``, if one is given.

    Raises AsgdError if there is none.
    """
    folder = Path(report, "templates")
    found = sorted(folder.rglob(f"*{suffix}{SUFFIX}"))
    if not found:
        raise AsgdError(f"{folder}: has no templates *{suffix}{SUFFIX}; restore them from git")
    return found


def list_generated(report: str | Path) -> list[str]:
    """The names of the report's generated files: one for each template of LaTeX."""
    return [path.name.removesuffix(SUFFIX) for path in list_templates(report, ".tex")]


def list_blocks(report: str | Path) -> list[str]:
    """The names of the README's generated blocks: one for each template of Markdown."""
    return [path.name.removesuffix(f".md{SUFFIX}") for path in list_templates(report, ".md")]
