"""A working copy of the project with a tiny study, for tests of the workflow as a whole."""

import os
import re
import shutil
import subprocess
import sys
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


class Project:
    """The project's own files, copied to ``folder``, with a params.yaml of its own."""

    def __init__(self, folder: Path, params: dict[str, Any]) -> None:
        self.folder = folder
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for name in ("workflow", "profiles", "src", "report"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        shutil.copy(ROOT / "Snakefile", folder)
        self.write_params(params)

    def write_params(self, params: dict[str, Any]) -> None:
        """Replace params.yaml."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder, with the programs of this environment."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONPATH", None)
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    def snakemake(self, *arguments: str) -> str:
        """Run Snakemake without the PDF; returns its output, and fails with it if the run failed."""
        done = self.run("snakemake", "--cores", "2", "--config", "pdf=False", *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def planned_jobs(self) -> dict[str, int]:
        """What a dry run says would run: {rule: number of jobs}, targets left out."""
        output = self.snakemake("--dry-run")
        table = output.partition("Job stats:")[2].partition("total")[0]
        jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}
        return {rule: count for rule, count in jobs.items() if rule != "all"}
