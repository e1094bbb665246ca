"""A suite: a folder with `suite.yaml`, which says what its cases are for, and the cases in JSON Lines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipworthy import registry
from shipworthy.cases.reading import read_cases
from shipworthy.errors import DataError, Fault
from shipworthy.exchange import Case

_REQUIRED = ("name", "version", "purpose", "licence", "made", "checked")
_KNOWN = {*_REQUIRED, "title", "taxonomy", "languages", "cases", "scorers", "attacks", "limits", "sources"}
OURS = "shipworthy/"
HELD = 32 << 20  # bytes of files whose cases are held once they were read; larger ones are read each time


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What a suite says of itself, and where its cases are. Cases are read when they are asked for."""

    name: str
    version: str
    title: str
    purpose: str
    licence: str
    made: str  # how the cases came about
    checked: str  # how and by whom they were checked
    files: tuple[Path, ...]
    taxonomy: str = ""  # edition of the hazards' ids, e.g. ailuminate@1.0
    languages: tuple[str, ...] = ()
    scorers: tuple[Any, ...] = ()  # what to score with when a plan does not say
    limits: str = ""  # what the suite cannot show
    _held: list[tuple[Case, ...]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __iter__(self) -> Iterator[Case]:
        """Its cases, in order. Raises DataError, also for an id that comes twice (CASE003)."""
        if not self._held and sum(file.stat().st_size for file in self.files if file.exists()) <= HELD:
            self._held.append(tuple(self._read()))
        return iter(self._held[0]) if self._held else self._read()

    def _read(self) -> Iterator[Case]:
        seen: set[int] = set()
        for file in self.files:
            for case in read_cases(file):
                if hash(case.id) in seen:
                    raise DataError(
                        Fault(
                            code="CASE003",
                            what=f"the id {case.id[:80]!r} comes twice in the suite {self.name!r}",
                            where=str(file),
                            mend="give each case its own id",
                        )
                    )
                seen.add(hash(case.id))
                yield case

    def digest(self) -> str:
        """sha256 over the bytes of its cases, file by file."""
        total = hashlib.sha256()
        for file in self.files:
            with file.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
        return f"sha256:{total.hexdigest()}"


def open_suite(named: str | Mapping[str, Any], *, folder: Path, where: str = "") -> Suite:
    """The suite that a plan in `folder` names: `shipworthy/<name>`, a registered name, a suite's folder, a file of
    cases in our form or a public one, or a mapping: {path, format, ...} of such a file, {inspect: task}.

    Raises DataError (SUITE001 not there, SUITE002 its suite.yaml cannot be used; CASE010 to CASE016 of public formats),
    MissingExtra, Unusable from the registry.
    """
    if isinstance(named, Mapping):
        return _of_mapping(named, folder, where)
    if named.startswith(OURS):
        return _of_folder(Path(__file__).parent / "suites" / named.removeprefix(OURS), named, where)
    path = folder / named
    if (path / "suite.yaml").is_file():
        return _of_folder(path, named, where)
    if path.exists():
        from shipworthy.cases.formats.opening import detect, open_format

        if path.is_file() and path.suffix in (".jsonl", ".ndjson") and detect(path) is None:
            return Suite(
                name=path.stem,
                version="unversioned",
                title=path.stem,
                purpose="",
                licence="",
                made="",
                checked="",
                files=(path,),
            )
        return open_format(path)
    if named in registry.names("suites"):
        found: Suite = registry.load("suites", named, where=where)()
        return found
    raise DataError(
        Fault(
            code="SUITE001",
            what=f"there is no suite {named[:120]!r}",
            where=where,
            mend=f"{_near(named)}name a folder with suite.yaml, a file of cases, or one of {', '.join(built_in())}",
        )
    )


def _of_mapping(named: Mapping[str, Any], folder: Path, where: str) -> Suite:
    options = dict(named)
    if "inspect" in options:
        from shipworthy.cases.inspect_task import open_inspect_task

        return open_inspect_task(str(options["inspect"]), folder=folder, where=where)
    path = options.pop("path", None)
    if not isinstance(path, str):
        raise DataError(
            Fault(
                code="SUITE001",
                what="the suite says not where its cases are",
                where=where,
                mend="write suite: {path: cases.csv, format: xstest}",
            )
        )
    from shipworthy.cases.formats.opening import open_format

    return open_format(folder / path, options.pop("format", None), **options)


def _near(named: str) -> str:
    import difflib

    known = {name.removeprefix(OURS): name for name in built_in()}
    near = difflib.get_close_matches(named[:80].removeprefix(OURS).casefold(), known, n=1)
    return f"did you mean {known[near[0]]}? " if near else ""


def built_in() -> list[str]:
    """Names of the suites that come with Shipworthy."""
    return sorted(OURS + path.parent.name for path in (Path(__file__).parent / "suites").glob("*/suite.yaml"))


def _of_folder(folder: Path, name: str, where: str) -> Suite:
    file = folder / "suite.yaml"
    if not file.is_file():
        known = f"the built-in suites are {', '.join(built_in())}" if name.startswith(OURS) else "add a suite.yaml"
        raise DataError(Fault(code="SUITE001", what=f"there is no suite {name[:120]!r}", where=where, mend=known))
    said = _described(file)
    files = tuple(folder / str(each) for each in said.get("cases", ["cases.jsonl"]))
    absent = [path.name for path in files if not path.is_file()]
    if absent:
        raise _unusable(file, f"its cases {', '.join(absent)} are not there", "list files of the suite's folder")
    return Suite(
        name=str(said["name"]),
        version=str(said["version"]),
        title=str(said.get("title", said["name"])),
        purpose=str(said["purpose"]),
        licence=str(said["licence"]),
        made=str(said["made"]),
        checked=str(said["checked"]),
        files=files,
        taxonomy=str(said.get("taxonomy", "")),
        languages=tuple(map(str, said.get("languages", ()))),
        scorers=tuple(said.get("scorers", ())),
        limits=str(said.get("limits", "")),
    )


def _described(file: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        said = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except (YAMLError, OSError, UnicodeDecodeError, RecursionError) as error:
        raise _unusable(file, f"it is not YAML: {str(error)[:300]}", "mend the file") from error
    if not isinstance(said, dict):
        raise _unusable(file, "it is not a mapping", f"write {', '.join(_REQUIRED)}")
    missing = [key for key in _REQUIRED if not said.get(key)]
    unknown = [str(key)[:40] for key in said if key not in _KNOWN]
    if missing or unknown:
        what = f"it lacks {', '.join(missing)}" if missing else f"it has keys that mean nothing: {', '.join(unknown)}"
        raise _unusable(file, what, f"the keys are {', '.join(sorted(_KNOWN))}")
    for key in ("cases", "languages", "scorers", "attacks"):
        if not isinstance(said.get(key, []), list):
            raise _unusable(file, f"{key} must be a list", f"write {key}: [...]")
    return said


def _unusable(file: Path, what: str, mend: str) -> DataError:
    return DataError(Fault(code="SUITE002", what=f"the suite cannot be used: {what}", where=str(file), mend=mend))
