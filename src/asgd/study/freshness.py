"""Whether what was made is still what its inputs, sources and settings give: by contents, whatever files' times say.

A job records what it read and wrote (``recording``): the SHA-256 of every file, the code of all modules that its script
imports, and its settings. When the workflow is planned, ``Products`` compares the records with what is there now. A
product without a record, of a job that was interrupted say, is not up to date.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Jobs import this before their sources are hashed: no more than it needs.
from asgd.closure import find_closure, hash_sources
from asgd.errors import AsgdError
from asgd.files import read_json, write_json

Files = Mapping[str, str | list[str]]  #: by the name that a script knows them by


@dataclass(frozen=True)
class Product:
    """What one job makes, from what, and by which script."""

    name: str
    script: Path
    inputs: Files
    outputs: Files
    settings: Any  #: all that the script is told besides, as JSON has it
    record: Path
    dispensable: frozenset[str] = frozenset()  #: names of inputs that may be gone once they were read
    roots: tuple[str, ...] = ()  #: modules that the script loads by name, which no import of it shows

    @property
    def params(self) -> dict[str, Any]:
        """What the job must be told to run the script and to record that it did."""
        roots = {"roots": list(self.roots)} if self.roots else {}
        return {"script": str(self.script), "settings": self.settings, "record": str(self.record), **roots}


class Products:
    """All products of a workflow by name, in the order of making: each after those that it reads.

    Files are read when a product is first asked for, each once: ask again in another process, or of new Products.
    """

    def __init__(self, records: Path, scripts: Path) -> None:
        self._records, self._scripts = records, scripts
        self._products: dict[str, Product] = {}
        self._makers: dict[str, str] = {}  # by output
        self._changes: dict[str, str] = {}
        self._hashes: dict[str, str | None] = {}
        self._sources: dict[tuple[Path, tuple[str, ...]], dict[str, str]] = {}

    def __getitem__(self, name: str) -> Product:
        return self._products[name]

    def add(
        self,
        name: str,
        inputs: Files,
        outputs: Files,
        settings: Any = None,
        dispensable: Iterable[str] = (),
        script: str = "",
        roots: Iterable[str] = (),
    ) -> Product:
        """Name a product, which ``script`` makes (by default the one of the same name)."""
        plain = json.loads(json.dumps(settings))
        path, record = self._scripts / f"{script or name}.py", self._records / f"{name}.json"
        product = Product(name, path, inputs, outputs, plain, record, frozenset(dispensable), tuple(roots))
        self._products[name] = product
        self._makers |= dict.fromkeys(list_files(outputs), name)
        return product

    def exists(self, name: str) -> bool:
        """Whether any of the product's files is there."""
        return any(Path(file).exists() for file in list_files(self[name].outputs))

    def find_change(self, name: str) -> str:
        """What of the product itself is not as recorded, in a phrase; empty if nothing."""
        if name not in self._changes:
            self._changes[name] = self._compare(self[name])
        return self._changes[name]

    def is_fresh(self, name: str) -> bool:
        """Whether nothing changed, for the product and for all that it is made from."""
        makers = {self._makers[file] for file in list_files(self[name].inputs) if file in self._makers}
        return all(self.is_fresh(maker) for maker in makers) and not self.find_change(name)

    def _compare(self, product: Product) -> str:
        try:
            recorded = read_json(product.record)
            parts = {part: recorded[part] for part in ("outputs", "inputs", "sources")}
            settings = recorded["settings"]
        except (AsgdError, KeyError, TypeError):
            return "no record of its making"
        if settings != product.settings:
            return f"settings: {_describe_settings(settings, product.settings)}"
        present = (
            ("outputs", self._hash_all(list_files(product.outputs))),
            ("inputs", self._hash_inputs(product, parts["inputs"])),
            ("sources", self._hash_script(product)),
        )
        for part, found in present:
            if differing := _find_difference(parts[part], found):
                return differing
        return ""

    def _hash_all(self, files: Iterable[str]) -> dict[str, str | None]:
        self._hashes |= {file: hash_file(file) for file in files if file not in self._hashes}
        return {file: self._hashes[file] for file in files}

    def _hash_inputs(self, product: Product, recorded: Mapping[str, str | None]) -> dict[str, str | None]:
        files = list_files(product.inputs)
        # Where one of very many files is missing, the others need not be read.
        needed = list_files({key: value for key, value in product.inputs.items() if key not in product.dispensable})
        if missing := next((file for file in needed if not Path(file).exists()), None):
            return {**recorded, missing: None}  # a difference also where the record has no such file
        found = self._hash_all(files)
        gone = {file for file in set(files) - set(needed) if found[file] is None}
        return {file: recorded.get(file) if file in gone else digest for file, digest in found.items()}

    def _hash_script(self, product: Product) -> dict[str, str]:
        key = product.script, product.roots
        if key not in self._sources:
            self._sources[key] = _hash_closure(*key)
        return self._sources[key]


@contextmanager
def recording(
    record: str | Path,
    script: str | Path,
    inputs: Iterable[str],
    outputs: Iterable[str],
    settings: Any,
    roots: Iterable[str] = (),
) -> Iterator[None]:
    """Around the making of ``outputs``: write to ``record`` what they were made from, if the block succeeds.

    Inputs and sources are read before the block, so that of an edit meanwhile the older state is recorded and the
    product made again.
    """
    Path(record).unlink(missing_ok=True)
    made = {
        "settings": settings,
        "sources": _hash_closure(Path(script), roots),
        "inputs": {str(file): hash_file(file) for file in inputs},
    }
    yield
    write_json(record, {**made, "outputs": {str(file): hash_file(file) for file in outputs}})


def list_files(files: Files) -> list[str]:
    """All files of a mapping of names to a file or to several."""
    return [file for value in files.values() for file in _listed(value)]


def hash_file(file: str | Path) -> str | None:
    """SHA-256 (hex) of a file's contents; None if it cannot be read."""
    with suppress(OSError), open(file, "rb", buffering=0) as stream:  # noqa: PTH123  (20,000 of them)
        return hashlib.sha256(stream.readall()).hexdigest()
    return None


def _listed(value: str | list[str]) -> list[str]:
    return [str(value)] if isinstance(value, str) else [str(file) for file in value]


def _hash_closure(script: Path, roots: Iterable[str]) -> dict[str, str]:
    """The code of the script, of ``roots`` and of all modules that they import, a hash for each."""
    return {name: hash_sources({name: path}) for name, path in find_closure([script, *roots], members=True).items()}


def _find_difference(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    for name in dict.fromkeys([*found, *recorded]):
        if name not in found:
            return f"{name} is read no longer"
        if name not in recorded or found[name] != recorded[name]:
            state = "is missing" if found[name] is None else "changed" if name in recorded else "is new"
            return f"{name} {state}"
    return ""


def _describe_settings(recorded: Any, planned: Any) -> str:
    from asgd.study.manifest import compare_manifests

    return next(iter(compare_manifests({"": recorded}, {"": planned})), "changed").lstrip(".")
