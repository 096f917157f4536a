"""The files of a preset's results as they are found: read once, with what is wrong with each, and their checksums."""

import importlib.metadata
import platform
import shutil
import subprocess
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from asgd.analyses.analysis import analysis_tables
from asgd.errors import AsgdError
from asgd.files import read_json, write_json
from asgd.runs.archive import Packed, read_archive
from asgd.settings.run import RunConfig
from asgd.settings.study import Shipped
from asgd.settings.validation import validate
from asgd.simulator.outcome import OUTCOMES
from asgd.study.plan import Study
from asgd.study.products import REPORT, list_products
from asgd.tables.columns import AGGREGATED, name_file
from asgd.tables.files import find_repeated, hash_contents, read_table

CHECKSUMS = "checksums.json"
#: In the folder of a preset, but no part of what is shipped: one is checked by its contents, one is Snakemake's.
_NOT_LISTED = {CHECKSUMS, "study.json", "report.html"}

_DECLARED = AGGREGATED | analysis_tables()

#: The columns of the documented tables, beside settings, that hold other things than numbers.
_WORDS = {"run", "arm", "experiments", "outcome", "metric", "stopped_early"}


class Checksums(BaseModel):
    """checksums.json: what a workflow made, and what figures and the report were made with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    made_with: dict[str, str]  #: versions, by name; a name that came later may be missing
    files: dict[str, str]  #: SHA-256 (``hash_contents``), by the file's path in the folder


@dataclass
class Results:
    """The results of a study in ``folder``, where ``root`` is the project's. Files are read once.

    ``consulted`` holds what was read since it was last emptied, so that a failure can be laid to the right files.
    """

    study: Study
    folder: Path
    root: Path
    consulted: set[str] = field(default_factory=set)
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Where the file ``name`` is, to be read."""
        self.consulted.add(name)
        return self.folder / name

    def table_file(self, name: str) -> str:
        """The file of the table ``name``."""
        return f"tables/{self.name_tables(name)}"

    def name_tables(self, *names: str) -> str:
        """The names of the tables' files, for a reader."""
        return ", ".join(name_file(name, self.study.params.selected.table_format) for name in names)

    def table(self, name: str) -> pd.DataFrame:
        """The table ``name``, with its documented columns. Raises AsgdError naming a file that is no such table."""
        path = self.path(self.table_file(name))
        if name not in self._tables:
            self._tables[name] = read_table(path, _DECLARED[name].columns)
        return self._tables[name]

    def json(self, name: str) -> dict[str, Any]:
        """A file's mapping. Raises AsgdError naming a file that holds none."""
        content = read_json(self.path(name))
        if not isinstance(content, dict):
            raise AsgdError(f"{self.folder / name}: not a JSON object; delete it and make it again")
        return content

    def text(self, name: str) -> str:
        """A file's text. Raises AsgdError naming a file that holds none."""
        try:
            return self.path(name).read_bytes().decode()
        except (OSError, ValueError) as error:
            raise AsgdError(f"{self.folder / name}: cannot be read ({error}); make it again") from error

    @cached_property
    def checksums(self) -> Checksums:
        """What checksums.json records. Raises AsgdError if it is damaged."""
        return validate(Checksums, read_json(self.folder / CHECKSUMS), str(self.folder / CHECKSUMS))

    @cached_property
    def members(self) -> dict[str, list[str]]:
        """The runs that the tables were made from, by experiment. Raises AsgdError if none are recorded."""
        return dict(self.manifest("tables/study.json")["experiments"])

    def manifest(self, name: str) -> dict[str, Any]:
        """What a study.json holds. Raises AsgdError if it lists no runs of experiments."""
        found = self.json(name)
        experiments = found.get("experiments")
        if not isinstance(experiments, dict) or not all(_are_words(names) for names in experiments.values()):
            raise AsgdError(f"{self.folder / name}: lists no runs of experiments; make it again")
        return found

    @property
    def runs(self) -> list[str]:
        """The names of all runs that the tables were made from."""
        return list(dict.fromkeys(name for names in self.members.values() for name in names))

    @property
    def shipped(self) -> Shipped:
        """What params.yaml says of the preset's files in git; for one that is not in git, that it may lack some."""
        return self.study.params.selected.shipped or Shipped(report=False)

    @property
    def packed(self) -> Packed:
        """The packed runs; none where params.yaml names no file of them. Raises AsgdError naming a damaged file."""
        if isinstance(self._packed, AsgdError):
            raise self._packed
        return self._packed

    @cached_property
    def _packed(self) -> Packed | AsgdError:  # so that a damaged file is read once too
        try:
            return read_archive(self.folder.parent / self.shipped.runs) if self.shipped.runs else Packed({})
        except AsgdError as error:
            return error

    @cached_property
    def trained(self) -> dict[str, list[str]]:
        """The runs that the analyses trained, by analysis; without those that were made before this was recorded.

        Raises AsgdError naming tables/study.json if it is damaged.
        """
        found = self.manifest("tables/study.json").get("trained", {})
        if not isinstance(found, dict) or not all(_are_words(names) for names in found.values()):
            raise AsgdError(f"{self.folder / 'tables/study.json'}: lists no runs of analyses; make it again")
        return found

    @cached_property
    def faults(self) -> dict[str, str]:
        """What is wrong with each file that is, as far as contents and checksum of a file alone can tell."""
        expected = [*list_products(self.study, self.root / "report"), *([REPORT] if self.shipped.report else [])]
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        present = {path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)}
        recorded = self.checksums.files
        names = dict.fromkeys([*recorded, *expected, *sorted(present - _NOT_LISTED)])
        optional = {*expected, REPORT}
        faults = {name: self._find_faults(name, name in present, name in optional) for name in names}
        return {name: "; ".join(found) for name, found in faults.items() if found}

    def _find_faults(self, name: str, present: bool, expected: bool) -> list[str]:
        if not present:
            return ["missing"]
        recorded = self.checksums.files.get(name)
        if not expected or recorded is None:
            return ["not made with the others"]
        try:
            changed = [] if hash_contents(self.folder / name) == recorded else ["changed"]
            return [*changed, *self._find_content_faults(name)]
        except (AsgdError, RecursionError) as error:
            return [str(error).removeprefix(f"{self.folder / name}: ")]

    def _find_content_faults(self, name: str) -> list[str]:
        stem, _, suffix = name.removeprefix("tables/").rpartition(".")
        if suffix == "json":
            self.json(name)
        return _find_table_faults(stem, self.table(stem)) if suffix in ("csv", "parquet") else []


def _find_table_faults(name: str, table: pd.DataFrame) -> list[str]:
    numbers = [
        column
        for column in (AGGREGATED[name].columns if name in AGGREGATED else ())
        if column not in _WORDS | RunConfig.model_fields.keys()
    ]
    wrong = [column for column in numbers if not pd.api.types.is_numeric_dtype(table[column])]
    faults = [f"column {column} holds something else than numbers" for column in wrong[:1]]
    if "outcome" in table and not table["outcome"].isin(OUTCOMES).all():
        faults.append("column outcome holds something else than outcomes")
    repeated = find_repeated(table, _DECLARED[name].key)
    return [*faults, *([f"two rows have {repeated}"] if repeated else [])]


def _are_words(names: Any) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)


def write_checksums(files: Iterable[str | Path], path: Path) -> None:
    """Write the SHA-256 of ``files``, which lie in the folder of ``path``, to ``path``, and what they are made with."""
    hashes = {file.relative_to(path.parent).as_posix(): hash_contents(file) for file in sorted(map(Path, files))}
    write_json(path, Checksums(made_with=describe_makers(), files=hashes).model_dump())


def describe_makers() -> dict[str, str]:
    """What the bytes of figures depend on beside their sources, and what those of the report and the explorer do."""
    libraries = {name: importlib.metadata.version(name) for name in ("matplotlib", "pillow", "numpy")}
    libraries |= {"zlib": zlib.ZLIB_RUNTIME_VERSION, "machine": platform.machine()}
    return libraries | {"vl-convert": _describe_vega(), "tex": _describe_tex()}


def _describe_vega() -> str:
    """The version of what inlines Vega; empty without it."""
    try:
        return importlib.metadata.version("vl-convert-python")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _describe_tex() -> str:
    """The first line of ``pdflatex --version``; empty without TeX."""
    if shutil.which("pdflatex") is None:
        return ""
    done = subprocess.run(["pdflatex", "--version"], capture_output=True, encoding="utf-8", check=False)
    return done.stdout.partition("\n")[0]


def compare_makers(recorded: Mapping[str, str], product: str) -> list[str]:
    """In what ``product`` (`figures`, `report` or `explorer`) would be made otherwise here than it was, in words."""
    here = describe_makers()
    libraries = [name for name in here if name not in ("tex", "vl-convert")]
    names = {"figures": libraries, "explorer": [*libraries, "vl-convert"], "report": ["tex"]}[product]
    return [
        f"{name} is {here[name] or 'not here'} and was {recorded.get(name) or 'not recorded'}"
        for name in names
        if here[name] != recorded.get(name)
    ]
