"""A working copy of the project with a tiny study, for tests of the workflow as a whole."""

import contextlib
import copy
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]

#: Five arms, of ten steps each.
TINY: dict[str, Any] = {
    "preset": "tiny",
    "presets": {
        "tiny": {
            "demonstration": True,
            "data": {"source": "synthetic", "num_train": 40, "num_test": 20},
            "run": {"learning_rate": 0.01, "epochs": 2, "evaluations_per_epoch": 2, "train_eval_images": 20},
            "seeds": [0],
            "experiments": {
                "delay": {"num_workers": [1, 2]},
                "momentum": {"num_workers": [1, 2], "variants": [{"momentum": 0.0}, {"momentum": 0.9}]},
                "dropout": {"dropout": [0.0, 0.5]},
            },
        }
    },
}
TINY_RUNS = 5


#: What the environment is made from.
ENVIRONMENT = ("pyproject.toml", "requirements.lock", "workflow/scripts/make_environment.sh")


def documented_command(profile: str, *config: str) -> list[str]:
    """The command that docs/how-to/cluster.md gives for a profile, with its --config replaced."""
    lines = (ROOT / "docs/how-to/cluster.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"snakemake --profile profiles/{profile} ")]
    return [*line.partition("--config")[0].split(), "--config", *config]


def borrow_environment(folder: Path) -> None:
    """Give the copy of the project in ``folder`` this environment, which its Makefile must not make again."""
    (folder / ".venv").symlink_to(sys.prefix)
    for name in ENVIRONMENT:
        os.utime(folder / name, (0, 0))  # older than the environment


class Project:
    """The project's own files, copied to ``folder``, with the shipped params.yaml or one of its own."""

    def __init__(self, folder: Path, params: dict[str, Any] | None = None) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for name in ("workflow", "profiles", "src", "report", "examples", ".dvc"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        files = ("Snakefile", "Makefile", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", *ENVIRONMENT[:2])
        for name in files:
            shutil.copy2(ROOT / name, folder)
        if params is not None:
            self.write_params(params)

    def copy_to(self, folder: Path) -> "Project":
        """A copy in ``folder``, which must not exist yet; times of files are kept."""
        copied = copy.copy(self)
        copied.folder = Path(shutil.copytree(self.folder, folder))
        return copied

    def write_params(self, params: dict[str, Any]) -> None:
        """Replace params.yaml."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder, with the programs of this environment."""
        process = self.start(*command)
        output, _ = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command as ``run`` does, as the leader of a group of its own, as in a terminal."""
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=_make_environment(),
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_mind_interrupts,
        )

    def processes(self) -> list[str]:
        """The command lines of all processes that work in the folder."""
        return find_processes(self.folder)

    def snakemake(self, *arguments: str) -> str:
        """Run Snakemake without the PDF; returns its output, and fails with it if the run failed."""
        done = self.run("snakemake", "--cores", "2", "--config", "pdf=False", *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def planned_jobs(self, *arguments: str) -> dict[str, int]:
        """What a dry run says would run: {rule: number of jobs}, targets left out; of `train_run` the number of runs.

        AssertionError where its output is not what is understood here.
        """
        cut = arguments.index("--") if "--" in arguments else len(arguments)
        return read_plan(self.snakemake(*arguments[:cut], "--dry-run", *arguments[cut:]))


def read_plan(output: str) -> dict[str, int]:
    """The jobs in the output of a dry run, as ``Project.planned_jobs`` has them."""
    if "Nothing to be done" in output:
        assert "Job stats:" not in output, output
        return {}
    table = re.search(r"^Job stats:\njob +count\n-+  -+\n((?:\S+ +\d+\n)+?)total +(\d+)$", output, re.MULTILINE)
    assert table, f"no table of jobs in what Snakemake printed:\n{output}"
    jobs = {rule: int(count) for rule, count in map(str.split, table[1].splitlines())}
    assert sum(jobs.values()) == int(table[2]), f"the jobs do not add up:\n{output}"
    trained = [int(number) for number in re.findall(r"^Job \d+: Training runs: (\d+),", output, re.MULTILINE)]
    batches = [rule for rule in jobs if rule.startswith("train_runs_")]
    assert len(trained) == len(batches), f"not every training job says how many runs it has:\n{output}"
    others = {rule: count for rule, count in jobs.items() if rule not in (*batches, "all")}
    return others | ({"train_run": sum(trained)} if trained else {})


def find_processes(folder: Path) -> list[str]:
    """The command lines of all processes that work in ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if (entry / "cwd").resolve().is_relative_to(folder):
                found.append((entry / "cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " "))
    return found


def _make_environment() -> dict[str, str]:
    """Variables with which commands find the programs of this environment, and the sources of where they run."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    # Without git's own, which in a hook name the repository that is committed to.
    return {name: value for name, value in environment.items() if name != "PYTHONPATH" and not name.startswith("GIT_")}


def wait_for(condition: Callable[[], object], what: str, seconds: float = 300) -> None:
    """Wait until ``condition`` holds; TimeoutError names ``what`` was waited for."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.1)


def _mind_interrupts() -> None:
    """As in a terminal: what a shell starts in the background ignores Ctrl-C, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(command: Sequence[str], folder: Path) -> str:
    """Run a command of this environment in ``folder``; returns what it printed, or fails with that."""
    done = subprocess.run(
        command, cwd=folder, env=_make_environment(), capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def commit(folder: Path, message: str) -> None:
    """Commit everything in ``folder``."""
    run(["git", "add", "--all"], folder)
    run(["git", "commit", "--quiet", "--message", message], folder)


def copy_repository(folder: Path, params: dict[str, Any], pdf: bool = False) -> None:
    """The working tree as a repository of its own, with other parameters, and without results."""
    for name in run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], ROOT).split("\0"):
        if (ROOT / name).is_file() and not name.startswith(("results/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    profile = folder / "profiles/default/config.yaml"
    if not pdf:
        profile.write_text(profile.read_text(encoding="utf-8") + "\nconfig: [pdf=False]\n", encoding="utf-8")
    run(["git", "init", "--quiet", "--initial-branch", "main"], folder)
    run(["git", "config", "user.name", "Tester"], folder)
    run(["git", "config", "user.email", "tester@example.org"], folder)
    commit(folder, "A tiny study")
    run(["python", "workflow/scripts/build_plots_page.py"], folder)
    run(["dvc", "config", "--local", "plots.html_template", "plots/page.html"], folder)
