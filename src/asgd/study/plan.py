"""A study: what a preset of params.yaml asks for, resolved to folders. It plans; it does not run anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asgd.data import prepared_folder, source_fingerprint
from asgd.runs.sources import identify_run
from asgd.settings.run import Run, RunConfig
from asgd.settings.study import Params, expand_experiments
from asgd.settings.subjects import Subject, find_subject

#: The experiment whose runs each analysis with settings of its own is about.
ANALYSED = {"sharpness": "map", "death": "readings"}


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

    @property
    def configs(self) -> dict[str, list[RunConfig]]:
        """The configurations of every experiment's runs."""
        return {name: [run.config for run in runs] for name, runs in self.experiments.items()}

    def find_subject(self, name: str, subject: Subject) -> str | None:
        """The experiment that the figure or analysis ``name`` is about; None if the study has none."""
        return find_subject(self.params.selected, name, subject, self.configs)

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
            "analyses": {
                name: getattr(self.params.selected.analyses, name).model_dump(mode="json")
                for name, experiment in ANALYSED.items()
                if experiment in self.experiments
            },
            "experiments": {name: [run.name for run in runs] for name, runs in self.experiments.items()},
        }

    def table_manifest(self) -> dict[str, Any]:
        """The part of the manifest that the tables depend on: the contents of tables/study.json."""
        manifest = self.manifest()
        kept = {key: manifest[key] for key in ("data_folder", "experiments", "analyses")}
        return {**kept, "claims": {"confidence": manifest["claims"]["confidence"]}}


def plan_study(params: Params, data_root: Path) -> Study:
    """Resolve the selected preset. Raises AsgdError where its data or a run cannot be named."""
    data = params.selected.data
    fingerprint = source_fingerprint(data)
    experiments = {
        name: [identify_run(config, fingerprint) for config in configs]
        for name, configs in expand_experiments(params.selected).items()
    }
    return Study(params, prepared_folder(data, data_root), experiments)
