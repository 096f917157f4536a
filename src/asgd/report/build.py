"""From LaTeX sources and generated files to the PDF."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from asgd.errors import AsgdError
from asgd.files import atomic_path

#: All that TeX sees of the user's variables: any other may be a setting of TeX's, which reads hundreds (`TEXINPUTS`,
#: `TEXMFHOME`, `openout_any`), or of latexmk's Perl.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
#: No clock in the PDF: the same sources give the same bytes. No attempt to make fonts that are not installed.
_ENVIRONMENT = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "MKTEXTFM": "0", "MKTEXPK": "0", "TZ": "UTC"}
_ENVIRONMENT |= {"LC_ALL": "C"}
_WHOLE_LINES = {"max_print_line": "1000"}  # or LaTeX breaks its messages
#: Without the user's settings (-norc), which may put the PDF elsewhere.
_COMMAND = ("latexmk", "-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error", "report.tex")
_ERROR = re.compile(r"\S+\.\w+:\d+: |! ")
#: What does not fit on its page is cut off, which is only a warning to LaTeX.
_CUT_OFF = re.compile(r"Float too large for page by \S+ on input line \d+")


def build_report(report_folder: str | Path, generated: Iterable[str | Path], output_pdf: str | Path) -> None:
    """Compile ``report.tex`` of ``report_folder`` with the generated tables and figures; write the PDF atomically.

    Only the files named in ``generated`` take part (as ``generated/<name>``), so one left over from an earlier study
    cannot slip in. On failure raises AsgdError with LaTeX's first error, or what of a figure or table the page would
    cut off; its log is then beside the PDF, as ``.log``.
    """
    if shutil.which("latexmk") is None:
        raise AsgdError(
            "latexmk is not installed; install texlive-latex-recommended texlive-publishers latexmk, "
            "or leave the report out with --config pdf=False"
        )
    with tempfile.TemporaryDirectory(prefix="asgd-report-") as name:
        folder = Path(name)
        _gather(Path(report_folder), [Path(file) for file in generated], folder)
        done = subprocess.run(
            _COMMAND,
            cwd=folder,
            env={name: os.environ[name] for name in _INHERITED if name in os.environ} | _ENVIRONMENT | _WHOLE_LINES,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        output = done.stdout.decode(errors="replace")
        if done.returncode:
            _fail(folder, Path(output_pdf), output, find_first_error(output))
        if cut_off := _CUT_OFF.search(output):
            _fail(folder, Path(output_pdf), output, f"{cut_off[0]}, so that it would be cut off; make it smaller")
        with atomic_path(output_pdf) as temporary:
            shutil.copyfile(folder / "report.pdf", temporary)
    Path(output_pdf).with_suffix(".log").unlink(missing_ok=True)  # of an earlier failure


def _gather(report_folder: Path, generated: list[Path], folder: Path) -> None:
    target = folder / "generated"
    target.mkdir()
    sources = [path for pattern in ("*.tex", "*.bib") for path in report_folder.glob(pattern)]
    for files, destination in ((sources, folder), (generated, target)):
        for path in files:
            try:
                shutil.copy(path, destination)
            except OSError as error:
                raise AsgdError(f"{path}: cannot be read for the report ({error.strerror}); make it again") from error


def _fail(folder: Path, output_pdf: Path, output: str, reason: str) -> None:
    log = folder / "report.log"
    kept = output_pdf.with_suffix(".log")
    with atomic_path(kept) as temporary:
        temporary.write_bytes(log.read_bytes() if log.exists() else output.encode())
    raise AsgdError(f"{output_pdf}: LaTeX failed: {reason}; the log is {kept}")


def find_first_error(output: str) -> str:
    """The first error in LaTeX's output, ``file:line: message`` or ``! message``; without one, the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines[-1:] or ["no output"])[0]
