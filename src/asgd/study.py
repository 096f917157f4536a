"""A study: what a preset of params.yaml asks for, resolved to folders. It plans; it does not run anything."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asgd.config import Params, Run, expand_experiments
from asgd.data import prepared_folder, source_fingerprint
from asgd.files import read_json, write_json
from asgd.job import identify_run


@dataclass(frozen=True)
class Study:
    """A preset, resolved: its runs are those of ``experiments``, shared ones once."""

    params: Params
    data_folder: Path  #: the prepared images
    experiments: Mapping[str, list[Run]]

    @property
    def runs(self) -> dict[str, Run]:
        """Every run, once, by name, in the order of the experiments."""
        return {run.name: run for runs in self.experiments.values() for run in runs}

    def manifest(self) -> dict[str, Any]:
        """All that decides what is made from the runs: a change of it is a change of the results."""
        preset = self.params.selected
        return {
            "preset": self.params.preset,
            "description": preset.description,
            "demonstration": preset.demonstration,
            "data": preset.data.model_dump(),
            "data_folder": self.data_folder.name,
            "run": preset.run,
            "claims": self.params.claims.model_dump(mode="json"),
            "experiments": {name: [run.name for run in runs] for name, runs in self.experiments.items()},
        }


def plan_study(params: Params, data_root: Path) -> Study:
    """Resolve the selected preset. Raises AsgdError where its data or a run cannot be named."""
    data = params.selected.data
    fingerprint = source_fingerprint(data)
    experiments = {
        name: [identify_run(config, fingerprint) for config in configs]
        for name, configs in expand_experiments(params.selected).items()
    }
    return Study(params, prepared_folder(data, data_root), experiments)


def write_manifest(study: Study, path: Path, made_from: Path) -> None:
    """Write the manifest to ``path`` if it differs from the file there, so that the file is as old as its contents.

    ``made_from`` is the manifest that the present results were made from. Going back to it, after a dry run of
    something else say, gives the file its old time again: nothing has to be made anew.
    """
    manifest = json.loads(json.dumps(study.manifest()))
    if path.exists() and read_json(path) == manifest:
        return
    write_json(path, manifest)
    if made_from.exists() and read_json(made_from) == manifest:
        shutil.copystat(made_from, path)
