"""Other people's machines: their settings of pip, uv, Matplotlib, TeX, git and Python, their folders and links.

What `make setup` does is tried on a small project, with wheels made here, so nothing is fetched.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgd.report import list_generated
from tests.pipeline import ENVIRONMENT, ROOT, TINY, Project, copy_repository, run
from tests.report.test_tables import needs_latex, write_example
from tests.wheels import write_wheel

UV = Path(sys.prefix, "bin/uv")
needs_uv = pytest.mark.skipif(not UV.exists(), reason="skipped: not in the environment that make makes")
#: The backend that a notebook names, from a package that is not among the locked ones.
NOTEBOOK = "module://ipympl.backend_nbagg"
SETUP = ("workflow/scripts/make_environment.sh", ".venv")

# Its backend is tests/wheels.py.
SMALL = """[project]
name = "small"
version = "1"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


class SmallProject:
    """A folder that `make setup` takes for the project, whose lock names one package, beside a home folder."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder, self.home, self.wheels = folder, folder.parent / "home", wheels
        scripts = folder / "workflow/scripts"
        scripts.mkdir(parents=True)
        for name in ("make_environment.sh", "select_registries.py"):
            shutil.copy2(ROOT / "workflow/scripts" / name, scripts)
        shutil.copy2(ROOT / "Makefile", folder)
        (scripts / "build_plots_page.py").touch()
        (folder / "small.py").write_text("def main():\n    pass\n")
        shutil.copy2(ROOT / "tests/wheels.py", folder / "backend.py")
        (folder / "pyproject.toml").write_text(SMALL)
        (folder / "requirements.lock").write_text("locked==1\n")
        # The registries of this user are a folder, for pip and for uv in their own files.
        self.write_settings("pip/pip.conf", f"[global]\nno-index = true\nfind-links = {wheels}\n")
        self.write_settings("uv/uv.toml", f'no-index = true\nfind-links = ["{wheels}"]\n')

    def write_settings(self, name: str, text: str) -> None:
        """Add to a file of the user's settings."""
        file = self.home / ".config" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + text)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHON": sys.executable}
        environment = {name: value for name, value in (kept | variables).items() if value}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def set_up(self, **variables: str) -> None:
        """Run `make setup`'s script; it must succeed and leave what the lock names."""
        done = self.run(*SETUP, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.run(".venv/bin/python", "-c", "import locked, small").returncode == 0


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages that a registry would have: uv, one that is locked, Ray, and one that cannot be installed."""
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder, "uv", "99", {"uv-99.data/scripts/uv": f'#!/bin/sh\nexec {UV} "$@"\n'})
    write_wheel(folder, "locked", "1", {"locked.py": "value = 1\n"})
    write_wheel(folder, "ray", "1", {"ray.py": ""})
    write_wheel(folder, "torch", "1", {"torch.py": ""}, "cp311-cp311-win_amd64")
    return folder


@pytest.fixture
def small(tmp_path: Path, wheels: Path) -> SmallProject:
    return SmallProject(tmp_path / "ü日%a,b=c+d@e~f", wheels)


def list_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@needs_uv
def test_setup_changes_no_other_python(small: SmallProject, tmp_path: Path) -> None:
    """Whatever a container or a user's files say; and where packages come from is still theirs to say."""
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    (site,) = other.glob("lib/python*/site-packages")
    (site / "theirs.py").touch()
    (site / "theirs-1.dist-info").mkdir()
    (site / "theirs-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (site / "theirs-1.dist-info/RECORD").write_text("theirs.py,,\ntheirs-1.dist-info/METADATA,,\n")
    before = list_files(other)
    elsewhere = str(tmp_path / "elsewhere")
    (tmp_path / "odd.txt").write_text("locked==2\n")
    small.write_settings("pip/pip.conf", f"user = true\n[install]\ntarget = {elsewhere}\n")
    small.write_settings("uv/uv.toml", f'[pip]\nsystem = true\ntarget = "{elsewhere}"\nrequire-hashes = true\n')
    small.set_up(
        PATH=f"{other}/bin:{os.environ['PATH']}",
        VIRTUAL_ENV=str(other),
        UV_SYSTEM_PYTHON="1",
        UV_PYTHON=str(other / "bin/python"),
        UV_REQUIRE_HASHES="1",
        UV_CONSTRAINT=str(tmp_path / "odd.txt"),
        UV_WORKING_DIR="/",
        PIP_USER="1",
        PIP_TARGET=elsewhere,
        PIP_PYTHON=str(other / "bin/python"),
        PIP_REQUIRE_VIRTUALENV="0",
        PYTHONUSERBASE=elsewhere,
        CDPATH=str(tmp_path),
    )
    assert list_files(other) == before
    assert not Path(elsewhere).exists()


@needs_uv
def test_setup_needs_no_home_and_takes_the_python_that_is_named(small: SmallProject, tmp_path: Path) -> None:
    settings = small.home.rename(small.home.with_name("settings")) / ".config"
    files = {"PIP_CONFIG_FILE": f"{settings}/pip/pip.conf", "UV_CONFIG_FILE": f"{settings}/uv/uv.toml"}
    chosen = tmp_path / "my python"
    chosen.write_text(f'#!/bin/sh\ntouch "$0.used"\nexec "{sys.executable}" "$@"\n')
    chosen.chmod(0o755)
    done = small.run("make", "setup", **files, HOME="", PYTHON=str(chosen))
    assert done.returncode == 0, done.stderr
    assert chosen.with_name("my python.used").exists()


@needs_uv
def test_ray_is_there_if_it_is_asked_for(small: SmallProject) -> None:
    """And stays, whatever is made; a variable of the user's own that has that name asks for nothing."""
    (small.folder / "requirements.lock").write_text("locked==1\nray==1\n")

    def has_ray(*arguments: str, **variables: str) -> bool:
        done = small.run("make", "setup", *arguments, **variables)
        assert done.returncode == 0, done.stderr
        return small.run(".venv/bin/python", "-c", "import ray").returncode == 0

    assert not has_ray(EXTRAS="ray")
    assert has_ray("EXTRAS=ray")
    os.utime(small.folder / "requirements.lock")
    assert has_ray()
    assert not has_ray("EXTRAS=")
    assert "EXTRAS=dask: there is one, ray" in small.run("make", "setup", "EXTRAS=dask").stderr


@needs_uv
def test_a_half_made_environment_is_made_again(small: SmallProject) -> None:
    """One that a kill left without pip, without a part of a package, or with a Python that was uninstalled since."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", small.folder / ".venv"], check=True)
    small.set_up()
    (package,) = small.folder.glob(".venv/lib/python*/site-packages/locked.py")
    package.unlink()  # the installer takes the package for installed by its other files
    (small.folder / ".venv/.ready").unlink()
    small.set_up()
    (small.folder / ".venv/bin/python").unlink()
    (small.folder / ".venv/bin/python").symlink_to("/nonexistent/python3")
    assert "make_environment" in small.run("make", "--dry-run", "setup").stdout


@needs_uv
def test_a_copied_project_gets_an_environment_of_its_own(small: SmallProject, wheels: Path) -> None:
    """The programs in the copied .venv are the original's: they would run its sources."""
    assert small.run("make", "setup").returncode == 0
    assert small.run("make", "setup").stdout == ""  # there is nothing to do
    original = small.folder
    small.folder = Path(shutil.copytree(original, original.with_name("copy"), symlinks=True))
    done = small.run("make", "setup")
    assert "Making the virtual environment" in done.stdout, done.stderr
    assert str(original) not in (small.folder / ".venv/bin/dvc").read_text()


@needs_uv
def test_a_link_to_something_else_is_not_emptied(small: SmallProject, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").touch()
    (small.folder / ".venv").symlink_to(theirs)
    done = small.run(*SETUP)
    assert done.returncode == 1
    assert done.stderr.startswith("error: .venv is a link to a folder with something else in it")
    assert (theirs / "file").exists()
    (theirs / "file").unlink()
    small.set_up()


@needs_uv
def test_a_machine_without_wheels_is_told_before_anything_is_installed(small: SmallProject) -> None:
    (small.folder / "requirements.lock").write_text("locked==1\ntorch==1\n")
    done = small.run(*SETUP)
    assert done.returncode == 1
    assert "torch" in done.stderr
    assert "Wheels exist for Python 3.11 to 3.14 on Linux with glibc >= 2.28" in done.stderr.splitlines()[-1]
    assert not list(small.folder.glob(".venv/lib/python*/site-packages/locked.py"))


@needs_uv
@pytest.mark.parametrize("name", ["a b", "it's", "a:b", "a$b", 'a"b', "a\\b", "a{b}", "a&b", "a*", "a\nb"])
def test_a_folder_whose_name_programs_misread_is_refused(tmp_path: Path, wheels: Path, name: str) -> None:
    small = SmallProject(tmp_path / name, wheels)
    done = small.run(*SETUP)
    assert done.returncode == 1
    assert "this path has characters" in done.stderr
    assert not (small.folder / ".venv").exists()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree, committed and cloned by somebody whose git converts line endings."""
    folder = tmp_path_factory.mktemp("clones")
    (folder / "origin").mkdir()
    copy_repository(folder / "origin", TINY)
    run(["git", "clone", "--quiet", "--config", "core.autocrlf=true", "origin", "clone"], folder)
    return folder / "clone"


def test_a_clone_has_the_same_bytes_whatever_git_does_to_line_endings(clone: Path) -> None:
    names = run(["git", "ls-files", "-z"], clone).split("\0")[:-1]
    assert {"Makefile", "workflow/scripts/make_environment.sh", "requirements.lock"} <= set(names)
    origin = clone.with_name("origin")
    assert [name for name in names if (clone / name).read_bytes() != (origin / name).read_bytes()] == []
    assert run(["git", "status", "--porcelain"], clone) == ""


def test_results_keep_their_bytes_in_a_clone(clone: Path) -> None:
    """They are checked by their SHA-256, so git must not touch them even if one has other line endings."""
    attributes = run(["git", "check-attr", "text", "results/x/tables/a.csv", "results/x/figures/a.png"], clone)
    assert attributes.count(": text: unset") == 2


def test_links_to_another_disk_are_not_for_git(clone: Path, tmp_path: Path) -> None:
    (clone / "results").mkdir()
    for name in (".venv", ".snakemake", "data", "logs", "results/runs", "results/kept", "results/checkpoints"):
        (clone / name).symlink_to(tmp_path)
    assert run(["git", "status", "--porcelain"], clone) == ""


def test_clean_says_what_becomes_of_a_link(small_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "scratch"
    target.mkdir()
    (target / "file").touch()
    (small_folder / "results").mkdir()
    (small_folder / "results/smoke").symlink_to(target)
    assert "results/smoke is a link" in run(["make", "clean"], small_folder)
    assert not (small_folder / "results/smoke").exists()
    assert (target / "file").exists()
    assert run(["make", "clean"], small_folder) == ""


@pytest.fixture
def small_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "workflow/scripts").mkdir(parents=True)
    for name in ("Makefile", *ENVIRONMENT):
        shutil.copy2(ROOT / name, folder / name)
    return folder


def test_make_passes_on_no_settings_that_change_what_comes_out(small_folder: Path) -> None:
    """As in a hook of git in another repository, from a notebook, with modules loaded, without a home folder."""
    (small_folder / "Makefile").open("a").write("\nshow:\n\tenv\n")
    hostile = {
        "GIT_DIR": "/x",
        "GIT_INDEX_FILE": "/x",
        "PYTHONPATH": "/x",
        "PYTHONHOME": "/x",
        "PYTHONOPTIMIZE": "2",
        "PYTHONWARNINGS": "error",
        "MPLBACKEND": NOTEBOOK,
        "CDPATH": "/x",
        "BASH_ENV": "/x",
    }
    environment = {"PATH": os.environ["PATH"], "PYTHON": "kept", **hostile}
    shown = subprocess.run(
        ["make", "show"], cwd=small_folder, env=environment, capture_output=True, text=True, check=True
    )
    variables = dict(line.split("=", 1) for line in shown.stdout.splitlines())
    assert not hostile.keys() & variables.keys()
    assert variables["PYTHON"] == "kept"
    assert Path(variables["HOME"]).is_dir()


def test_make_prune_asks_whatever_the_environment_says(small_folder: Path) -> None:
    environment = {**os.environ, "YES": "1"}
    command = ["make", "--dry-run", "prune"]
    for arguments, expected in (([], False), (["YES=1"], True)):
        shown = subprocess.run(
            [*command, *arguments], cwd=small_folder, env=environment, capture_output=True, text=True
        )
        assert "asgd prune" in shown.stdout
        assert ("--yes" in shown.stdout) == expected


FIGURE = """
import sys
from asgd.figures.drawing import draw_figure
from asgd.figures.style import use_style
from tests.example_tables import make_tables
use_style("report/asgd.mplstyle")
draw_figure("figure1_delay", make_tables(num_seeds=2), "delay", sys.argv[1])
"""


def test_figures_are_the_same_with_a_users_settings_of_matplotlib(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text(
        "lines.linewidth: 9\nsavefig.dpi: 30\ntimezone: Asia/Tokyo\ntext.usetex: True\nfont.sans-serif: Courier\n"
    )
    hostile = {"MPLBACKEND": NOTEBOOK, "MATPLOTLIBRC": str(tmp_path)}
    for name, variables in (("plain", {}), ("hostile", hostile)):
        command = [sys.executable, "-c", FIGURE, str(tmp_path / name)]
        subprocess.run(command, cwd=ROOT, env={**os.environ, "MPLBACKEND": "agg", **variables}, check=True)
    for suffix in (".pdf", ".png"):
        assert (tmp_path / f"plain{suffix}").read_bytes() == (tmp_path / f"hostile{suffix}").read_bytes()


REPORT = """
import sys
from pathlib import Path
from asgd.report import build_report
folder = Path(sys.argv[1])
build_report("report", sorted(folder.glob("*.tex")), sys.argv[2])
"""


@needs_latex
def test_the_report_is_the_same_with_a_users_settings_of_tex(tmp_path: Path) -> None:
    write_example(tmp_path / "generated")
    assert {path.name for path in (tmp_path / "generated").iterdir()} == set(list_generated(ROOT / "report"))
    home, trees = tmp_path / "home", tmp_path / "trees"
    (home / "out").mkdir(parents=True)
    (home / ".latexmkrc").write_text("$out_dir = '/nonexistent/out';\n$pdf_mode = 4;\n")
    (trees / "tex/latex/x").mkdir(parents=True)
    for name in ("IEEEtran.cls", "booktabs.sty", "article.cls"):
        (trees / "tex/latex/x" / name).write_text(f"\\errmessage{{the wrong {name}}}\n")
    hostile = {
        "HOME": str(home),
        "TEXMFHOME": str(trees),
        "TEXINPUTS": f"{trees}/tex/latex/x:",
        "BIBINPUTS": "/nonexistent",
        "BSTINPUTS": "/nonexistent",
        "TEXMFOUTPUT": str(home),
        "openout_any": "p",
        "max_print_line": "40",
        "PERL5OPT": "-MNonexistent",
        "LATEXMKRCSYS": str(home / ".latexmkrc"),
    }
    for name, variables in (("plain", {}), ("hostile", hostile)):
        command = [sys.executable, "-c", REPORT, str(tmp_path / "generated"), str(tmp_path / f"{name}.pdf")]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=True)
    assert (tmp_path / "plain.pdf").read_bytes() == (tmp_path / "hostile.pdf").read_bytes()


@pytest.fixture(scope="module")
def other_packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What modules of a cluster put on PYTHONPATH: here a Matplotlib that is not the locked one."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "matplotlib").mkdir()
    (folder / "matplotlib/__init__.py").write_text("raise ImportError('the wrong Matplotlib')\n")
    return folder


@pytest.mark.slow
def test_the_workflow_runs_with_a_users_settings(
    tmp_path: Path, other_packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder with an unusual name, from a notebook, with settings of Python and Matplotlib."""
    folder = tmp_path / "ü日%a,b=c+d@e~f"
    folder.mkdir()
    project = Project(folder, TINY)
    (tmp_path / "matplotlibrc").write_bytes(b"lines.linewidth: \xff\n")
    monkeypatch.setenv("MPLBACKEND", NOTEBOOK)
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    command = ["snakemake", "--cores", "2", "--config", "pdf=False"]
    done = project.run("env", f"PYTHONPATH={other_packages}", *command)
    assert done.returncode == 0, done.stdout
    assert (folder / "results/tiny/figures/outcomes.pdf").exists()
