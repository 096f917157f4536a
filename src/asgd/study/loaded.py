"""The results of a study from Python: its tables, verdicts and figures."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.closure import SOURCES
from asgd.errors import AsgdError
from asgd.extras import explain_missing
from asgd.files import read_json
from asgd.tables.files import find_tables, read_table


class _Tables(Mapping[str, pd.DataFrame]):
    """The tables of a folder by name, each read when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._paths = find_tables(folder)
        self._read: dict[str, pd.DataFrame] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._read:
            self._read[name] = read_table(self._paths[name], ())
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __repr__(self) -> str:
        return f"<tables {', '.join(self)}>"


class LoadedStudy:
    """The results of a study, in ``folder``. A file is read when it is asked for; `asgd verify` checks them all."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.folder = folder
        #: Tables by name, as in ``tables["runs"]``. docs/reference.md describes their columns, with units.
        self.tables: Mapping[str, pd.DataFrame] = _Tables(folder / "tables")
        #: Figures by name: the paths of PNG files. A PDF file lies beside each.
        self.figures: Mapping[str, Path] = {path.stem: path for path in sorted((folder / "figures").glob("*.png"))}

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """What the runs say about the claims: a row for each verdict. The index is claim and variant, as C4-server-ema.

        Columns: ``verdict`` (a word), ``effect`` (in ``unit``), ``low`` and ``high`` (the limits of its interval at the
        level ``confidence``), ``p_value``, ``p_adjusted`` (Holm), ``n`` (seeds), ``setting`` (where it was judged).
        Raises AsgdError if claims.json is missing or damaged.
        """
        path = self.folder / "claims.json"
        content = read_json(path)
        try:
            return pd.DataFrame([_flatten(one) for one in content["verdicts"]]).set_index("id")
        except (KeyError, TypeError, ValueError) as error:
            raise AsgdError(f"{path}: holds no verdicts ({error!r}); restore it from git or make it again") from error

    def __repr__(self) -> str:
        return f"<study {self.name}: {len(self.tables)} tables, {len(self.figures)} figures, in {self.folder}>"


@explain_missing()
def load_study(name: str, results: str | Path | None = None) -> LoadedStudy:
    """Open the results of the study ``name``: its tables, verdicts and figures.

    >>> import asgd
    >>> study = asgd.load_study("paper-jpeg")
    >>> len(study.tables["runs"].nsmallest(5, "final_test_accuracy"))
    5
    >>> study.verdicts.loc["C1", "unit"]
    'nats'
    >>> study.figures["figure1_delay"].name
    'figure1_delay.png'

    ``results`` is the folder that holds studies. Without it, the folder `results` of the working folder is searched,
    then those of the folders above, then that of the clone from which the package runs; the first with the study wins.

    Raises AsgdError, with one line, where there is no such study, and later where a file that is asked for is damaged.
    """
    places = [Path(results)] if results is not None else [Path(top, "results") for top in _list_tops()]
    known = {place: _list_studies(place) for place in places}
    for place, names in known.items():
        if name in names:
            return LoadedStudy(place / name)
    if found := [(place, names) for place, names in known.items() if names]:
        place, names = found[0]
        raise AsgdError(f"{place}: has no study {name!r}; the studies are {', '.join(names)}")
    where = f"{places[0]}: holds no study" if results is not None else "no folder results with a study here or above"
    raise AsgdError(f"{where}; work in a clone of asgd, which ships studies, or give results=FOLDER")


def _list_tops() -> list[Path]:
    here = Path.cwd()
    return [here, *here.parents, SOURCES.parent]


def _list_studies(results: Path) -> list[str]:
    """The studies whose verdicts are in a folder."""
    return sorted(path.parent.name for path in results.glob("*/claims.json"))


def _flatten(verdict: Mapping[str, Any]) -> dict[str, Any]:
    low, high = verdict["interval"] or (None, None)
    given = {key: verdict[key] for key in ("verdict", "effect", "unit")}
    tested = {key: verdict[key] for key in ("confidence", "p_value", "p_adjusted", "n")}
    name = "-".join(filter(None, (verdict["claim"], verdict["variant"])))
    return {"id": name, **given, "low": low, "high": high, **tested, "setting": verdict.get("setting", {})}
