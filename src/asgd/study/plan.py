"""A study: what a preset of params.yaml asks for, resolved to folders. It plans; it does not run anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

from asgd.analyses.analysis import Chosen, list_analyses
from asgd.data import prepared_folder, source_fingerprint
from asgd.errors import AsgdError
from asgd.figures.plot import list_plots
from asgd.runs.sources import fingerprint_run, identify_arm
from asgd.settings.run import Run, RunConfig
from asgd.settings.study import Params, list_calibrated
from asgd.settings.subjects import Subject, Varying, find_subject, find_varying
from asgd.settings.validation import validate

#: What of an experiment changes none of its runs.
_NO_MATTER = {"description", "calibrated"}


@dataclass(frozen=True)
class Study:
    """A preset, resolved: its runs are those of ``experiments``, shared ones once."""

    params: Params
    data_folder: Path  #: the prepared images
    experiments: Mapping[str, list[Run]]

    @cached_property
    def analyses(self) -> dict[str, Chosen]:
        """The analyses that the study has, by name, each with the experiment that it is about."""
        editions = None, self.params.claims.edition
        had = {name: one for name, one in list_analyses().items() if one.edition in editions}
        found = {name: (one, self.find_subject(name, one.about)) for name, one in had.items()}
        return {name: Chosen(analysis, experiment) for name, (analysis, experiment) in found.items() if experiment}

    def describe_analysis(self, name: str) -> dict[str, Any]:
        """What decides an analysis beside the tables that it reads: plain values, for ``asgd.analyses``."""
        about, analysis = self._choose_analysis(name), self.analyses[name].analysis
        if not analysis.trains:
            return about
        preset = self.params.selected
        probed = {**preset.run, "probes": {probe: {} for probe in analysis.probes}}
        sources: Any = fingerprint_run(validate(RunConfig, probed, f"analysis {name}"))
        if "calibrated" in analysis.needs:  # whose arms have members of their own
            calibrated = [key for key, one in preset.experiments.items() if one.calibrated]
            sources = sorted({fingerprint_run(arm) for key in calibrated for arm in preset.arms[key]})
        return {**about, "data": preset.data.model_dump(mode="json"), "sources": sources}

    def _choose_analysis(self, name: str) -> dict[str, Any]:
        """What of the parameters decides an analysis, but for the data."""
        analysis, experiment = self.analyses[name]
        preset = self.params.selected
        parts: dict[str, Callable[[], Any]] = {
            "run": lambda: preset.run,
            "seeds": lambda: preset.seeds,
            "claims": lambda: self.params.claims.model_dump(mode="json"),
            "configs": lambda: preset.experiments[experiment].model_dump(mode="json", exclude=_NO_MATTER),
            "calibrated": lambda: list_calibrated(preset),
            "settings": lambda: getattr(preset.analyses, name).model_dump(mode="json"),
        }
        chosen = {key: parts[key]() for key in analysis.needs}
        if analysis.margins:
            chosen["margins"] = {key: attrgetter(key)(self.params.claims) for key in analysis.margins}
        return {"name": name, "experiment": experiment, "study": chosen}

    def _record_analysis(self, name: str) -> dict[str, Any]:
        """What decides an analysis as a manifest has it, which holds all margins already."""
        about = self._choose_analysis(name)
        decided = {key: value for key, value in about["study"].items() if key != "claims"}
        return {"experiment": about["experiment"], **decided}

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Every run, once, by name, in the order of the experiments."""
        return {run.name: run for runs in self.experiments.values() for run in runs}

    def is_batched(self, run: Run) -> bool:
        """Whether the run is stored in a batch, if it is trained now. One with real workers has a job of its own."""
        return self.params.selected.runs_per_batch is not None and run.config.execution == "simulated"

    @cached_property
    def varying(self) -> Varying:
        """The parameters in which the runs of each experiment differ."""
        return find_varying(self.params.selected.arms)

    def find_subject(self, name: str, subject: Subject) -> str | None:
        """The experiment that the figure or analysis ``name`` is about; None if the study has none."""
        return find_subject(self.params.selected, name, subject, self.varying)

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
            "analyses": {name: self._record_analysis(name) for name in self.analyses},
            "experiments": {name: [run.name for run in runs] for name, runs in self.experiments.items()},
        }

    def table_manifest(self) -> dict[str, Any]:
        """The part of the manifest that the tables depend on: the contents of tables/study.json."""
        manifest = self.manifest()
        trained = [name for name, chosen in self.analyses.items() if chosen.analysis.trains]
        return {
            "data_folder": manifest["data_folder"],
            "experiments": manifest["experiments"],
            # The tables of the others are made again where results are shipped.
            "analyses": {name: manifest["analyses"][name] for name in trained},
        }


def plan_study(params: Params, data_root: Path) -> Study:
    """Resolve the selected preset. Raises AsgdError where its data, a run or a subject cannot be named."""
    known = [*list_plots(), *list_analyses()]
    if unknown := [name for name in params.selected.subjects if name not in known]:
        about = f"presets.{params.preset}.subjects.{unknown[0]}"
        raise AsgdError(f"{about}: no figure or analysis has this name; they have {', '.join(known)}")
    preset = params.selected
    fingerprint = source_fingerprint(preset.data)
    experiments = {
        name: [run for arm in arms for run in identify_arm(arm, preset.seeds_of(name), fingerprint)]
        for name, arms in preset.arms.items()
    }
    study = Study(params, prepared_folder(preset.data, data_root), experiments)
    _check_recordings(study, fingerprint)
    return study


def _check_recordings(study: Study, fingerprint: str) -> None:
    """Raise AsgdError where a run is a replay of one that the study has not."""
    preset = study.params.selected
    for name, arms in preset.arms.items():
        for arm in (arm for arm in arms if arm.execution == "replayed"):
            recorded = identify_arm(arm.recorded_run(), preset.seeds_of(name), fingerprint)
            if any(run.name not in study.runs for run in recorded):
                where = f"presets.{study.params.preset}.experiments.{name}"
                raise AsgdError(
                    f"{where}: execution = replayed needs the same runs with execution = real; give [real, replayed]"
                )
