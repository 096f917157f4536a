"""The study: the one reader of ``params.yaml``, and the expansion of experiments into runs.

Nothing heavy is imported here: Snakemake reads it at every start.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from asgd.errors import AsgdError
from asgd.settings.analyses import AnalysesConfig
from asgd.settings.characters import find_unprintable
from asgd.settings.claims import ClaimsConfig, EditionName
from asgd.settings.data import DataConfig
from asgd.settings.plain_yaml import read_yaml
from asgd.settings.run import RunConfig, Seed
from asgd.settings.statements import Criterion
from asgd.settings.validation import StrictModel, _has_repetition, _refuse_repetition, _shorten, validate

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,98}[A-Za-z0-9_])?")

_NAME_RULE = "use at most 100 letters, digits and '_', with '-' and '.' only inside"

#: The analysis that chooses learning rates, which a preset names in `subjects`.
CALIBRATION = "calibration"

#: What lies in results/ beside the folders of the presets.
_TAKEN = ("runs", "batches", "batches.json", "kept", "checkpoints", "benchmark.json")


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


class Experiment(StrictModel):
    """A named product over run parameters: every key may be a value or a list; `variants` couples keys."""

    model_config = ConfigDict(extra="allow")

    description: str = Field("", description="what it is for")
    variants: list[dict[str, Any]] = Field(
        [{}],
        min_length=1,
        description="settings that go together, as one more axis of the product",
    )
    seeds: list[Seed] | None = Field(None, min_length=1, description="its own seeds; by default those of the preset")
    calibrated: Criterion | None = Field(
        None, description="what a calibration chose its learning rates by; rules look up the rate of a method here"
    )

    _distinct_seeds = field_validator("seeds")(_refuse_repetition)

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The values of each key of the product; ``variants`` and seeds are further axes."""
        return {key: _as_list(value) for key, value in (self.model_extra or {}).items()}

    @model_validator(mode="after")
    def _check_axes(self) -> "Experiment":
        for key, values in self.axes.items():
            if not values:
                raise ValueError(f"{key}: the list is empty; give at least one value")
            if _has_repetition(values):
                raise ValueError(f"{key}: a value is given twice in {_shorten(values)}; keep one")
        if _has_repetition(self.variants):
            raise ValueError(f"variants: a variant is given twice in {_shorten(self.variants)}; keep one")
        coupled = {key for variant in self.variants for key in variant}
        if both := sorted(coupled & self.axes.keys()):
            raise ValueError(f"{both[0]} is given as an axis and in variants; keep one")
        if "seed" in coupled | self.axes.keys():
            raise ValueError("seed: each run has its own seed; give the seeds in `seeds`")
        return self

    def count(self, seeds: Sequence[int]) -> int:
        """How many runs ``expand`` yields, without expanding."""
        return math.prod(map(len, self.axes.values())) * len(self.variants) * len(self.seeds or seeds)

    def expand(self, where: str, base: Mapping[str, Any], seeds: Sequence[int]) -> Iterator[RunConfig]:
        """All runs, seeds innermost. Raises AsgdError naming ``where`` this stands and the key at fault."""
        own = self.seeds or seeds
        for arm in self.list_arms(where, base, own[0]):
            yield from map(arm.with_seed, own)

    def list_arms(self, where: str, base: Mapping[str, Any], seed: int) -> Iterator[RunConfig]:
        """All arms, each as its run with ``seed``. Raises AsgdError as ``expand``."""
        axes = self.axes
        for combination in itertools.product(*axes.values()):
            for variant in self.variants:
                settings = {**base, **dict(zip(axes, combination, strict=True)), **variant}
                yield validate(RunConfig, {**settings, "seed": seed}, where)


class Shipped(StrictModel):
    """Results of a preset in git beside its tables, verdicts and figures; `asgd verify` reports missing ones."""

    report: bool = Field(True, description="whether report.pdf is in git")
    runs: str | None = Field(None, description="the file in `results/` that its runs are packed in (`asgd pack`)")
    readme: bool = Field(False, description="whether the README shows this study; one of them")


class Preset(StrictModel):
    """A complete study: data, what all runs share, seeds and experiments."""

    description: str = Field("", description="one line for the report")
    demonstration: bool = Field(False, description="whether the report must say that its results are not evidence")
    data: DataConfig = Field(description="where the images come from")
    run: dict[str, Any] = Field(default_factory=dict, description="run parameters that differ from their defaults")
    seeds: list[Seed] = Field(min_length=1, description="the seeds of every arm: runs of one seed are paired")
    experiments: dict[str, Experiment] = Field(min_length=1, description="the named sets of runs")
    # Of the preset, which DVC follows whole: a key of its own in dvc.yaml would have to stand in every params.yaml.
    analyses: AnalysesConfig = Field(
        default_factory=AnalysesConfig, description="what the analyses beyond the claims measure"
    )
    subjects: dict[str, str | None] = Field(
        default_factory=dict,
        description="the experiment that a figure or an analysis is about, if what varies does not determine it: "
        "{figure1_delay: my_experiment}; null: leave it out",
    )
    shipped: Shipped | None = Field(
        None, description="the results are in git, and `asgd verify` reports them if they are missing"
    )
    edition: EditionName | None = Field(
        None, description="edition of the decision rules that judges this study (default: that of `claims`)"
    )
    earlier: str | None = Field(
        None, description="a preset judged before, on other seeds: its verdicts are shown beside these"
    )

    # How results are stored changes none of them: whoever compares studies by their keys need not see these two.
    runs_per_batch: int | None = Field(
        None,
        ge=1,
        le=1000,
        exclude=True,
        description="runs are stored in batches of so many, one file for each batch (default: a folder for each run)",
    )
    tables: Literal["csv", "parquet"] | None = Field(
        None,
        exclude=True,
        description="format of the tables that grow with the number of runs: runs, evaluations and curves (default: "
        "parquet with `runs_per_batch`, else csv)",
    )

    _distinct_seeds = field_validator("seeds")(_refuse_repetition)

    @field_validator("description")
    @classmethod
    def _check_description(cls, text: str) -> str:
        if unprintable := find_unprintable(text):
            raise ValueError(f"the report cannot print {unprintable}; write it in other words")
        return text

    @field_validator("run")
    @classmethod
    def _check_run(cls, run: dict[str, Any]) -> dict[str, Any]:
        if "seed" in run:
            raise ValueError("seed: give the seeds in `seeds`")
        return run

    @model_validator(mode="after")
    def _check_subjects(self) -> "Preset":
        for name, experiment in self.subjects.items():
            if experiment is not None and experiment not in self.experiments:
                there = ", ".join(self.experiments)
                raise ValueError(
                    f"subjects.{name} = {_shorten(experiment)}: no such experiment; the experiments are {there}"
                )
        return self

    @field_validator("experiments")
    @classmethod
    def _check_names(cls, experiments: dict[str, Experiment]) -> dict[str, Experiment]:
        for name in experiments:
            check_name(name, "an experiment")
        return experiments

    @property
    def table_format(self) -> Literal["csv", "parquet"]:
        """The format of the tables that grow with the number of runs."""
        return self.tables or ("csv" if self.runs_per_batch is None else "parquet")

    def seeds_of(self, experiment: str) -> list[int]:
        """The seeds of every arm of an experiment."""
        return self.experiments[experiment].seeds or self.seeds

    @cached_property
    def arms(self) -> dict[str, list[RunConfig]]:
        """The arms of every experiment, in the order of the file, each as its run with the first seed.

        A study may have very many, so they are made and checked once. Raises AsgdError.
        """
        return {
            name: list(experiment.list_arms(f"experiments.{name}", self.run, self.seeds_of(name)[0]))
            for name, experiment in self.experiments.items()
        }

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "Preset":
        """A copy with other settings, whose arms are made from them."""
        copied = super().model_copy(update=update, deep=deep)
        vars(copied).pop("arms", None)
        return copied


class Params(StrictModel):
    """All of params.yaml, the one file of parameters, for Snakemake and for DVC."""

    preset: str = Field(description="the preset to run")
    presets: dict[str, Preset] = Field(min_length=1, description="the studies, by name")
    claims: ClaimsConfig = Field(default_factory=ClaimsConfig, description="the margins of the decision rules")
    max_runs: int = Field(
        200_000,
        ge=1,
        description="the most runs that a preset may ask for: the number of combinations grows fast; "
        "raise the limit if you need to",
    )

    @field_validator("presets")
    @classmethod
    def _check_names(cls, presets: dict[str, Preset]) -> dict[str, Preset]:
        for name in presets:
            check_name(name, "a preset")
            if name.lower() in _TAKEN:
                raise ValueError(f"'{name}' cannot be the name of a preset: results/{name} has another use")
        return presets

    @model_validator(mode="after")
    def _check_preset(self) -> "Params":
        if self.preset not in self.presets:
            raise ValueError(f"preset '{self.preset}' does not exist; the presets are {', '.join(self.presets)}")
        return self

    @model_validator(mode="after")
    def _check_earlier(self) -> "Params":
        for name, study in self.presets.items():
            others = [other for other in self.presets if other != name]
            if study.earlier is not None and study.earlier not in others:
                there = f"the others are {', '.join(others)}" if others else "there is no other"
                raise ValueError(f"presets.{name}.earlier = {_shorten(study.earlier)}: not another preset; {there}")
        return self

    @model_validator(mode="after")
    def _take_edition(self) -> "Params":
        if edition := self.selected.edition:
            object.__setattr__(self, "claims", self.claims.model_copy(update={"edition": edition}))
        return self

    def with_calibrated(self) -> "Params":
        """The same with the calibrated arms of the preset to run among the margins of the claims.

        A preset that itself calibrates has arms to choose from, and none that is chosen.
        """
        if self.selected.subjects.get(CALIBRATION) or not (found := list_calibrated(self.selected)):
            return self
        statements = self.claims.second.statements.model_copy(update={"calibrated": found})
        second = self.claims.second.model_copy(update={"statements": statements})
        return self.model_copy(update={"claims": self.claims.model_copy(update={"second": second})})

    @property
    def selected(self) -> Preset:
        """The preset to run."""
        return self.presets[self.preset]

    @property
    def base(self) -> RunConfig:
        """The base settings of the preset to run: what its `run` says, and defaults."""
        return validate(RunConfig, self.selected.run, f"presets.{self.preset}.run")


def load_params(path: str | Path = "params.yaml", preset: str | None = None) -> Params:
    """Read and validate ``params.yaml``; ``preset`` replaces the preset that it names.

    Raises AsgdError, in one line, for a missing file, bad YAML, an unknown key or a value out of range, in any preset.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise AsgdError(f"{path}: is not a mapping of keys to values")
    if preset is not None:
        values["preset"] = preset
    params = validate(Params, values, str(path))
    for name, study in params.presets.items():
        count = sum(experiment.count(study.seeds) for experiment in study.experiments.values())
        if count > params.max_runs:
            raise AsgdError(
                f"{path}: presets.{name} has {count:,} runs; take fewer, or raise max_runs = {params.max_runs:,}"
            )
        where = f"{path}: presets.{name}"
        validate(RunConfig, study.run, f"{where}.run")
        try:
            _ = study.arms  # a bad value in any of them is found at once
        except AsgdError as error:
            raise AsgdError(f"{where}.{error}") from None
    return params.with_calibrated()


def list_calibrated(preset: Preset) -> dict[str, list[dict[str, Any]]]:
    """The arms of the preset's calibrated experiments, by criterion: what of each differs from a run's defaults."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, experiment in preset.experiments.items():
        if experiment.calibrated:
            for config in preset.arms[name]:
                settings = config.model_dump(mode="json", exclude_defaults=True, exclude={"seed"})
                found.setdefault(experiment.calibrated, {}).setdefault(config.arm(), settings)
    return {criterion: list(arms.values()) for criterion, arms in found.items()}


def check_name(name: str, kind: str) -> None:
    """Raise ValueError unless ``name`` can be a folder's, in an argument of a command and in the report."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{_shorten(name)} cannot be the name of {kind}: {_NAME_RULE}")


def expand_experiments(preset: Preset) -> dict[str, list[RunConfig]]:
    """The run configurations of every experiment of a preset, in the order of the file."""
    return {
        name: [arm.with_seed(seed) for arm in arms for seed in preset.seeds_of(name)]
        for name, arms in preset.arms.items()
    }
