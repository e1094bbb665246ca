"""Every file of a package against its manifest, and against that of its run."""

from __future__ import annotations

from collections.abc import Iterator

from shipworthy.errors import Fault
from shipworthy.evidence import manifest as of_run
from shipworthy.evidence import package as layout
from shipworthy.evidence.documents.fields import Privacy
from shipworthy.evidence.documents.privacy import is_visible
from shipworthy.evidence.formats import FORMATS
from shipworthy.evidence.verifying.outcome import fault, unreadable
from shipworthy.evidence.verifying.reading import MOST_TEXT, Package


def files(package: Package) -> Iterator[Fault]:
    """Every file is as it is listed, and is here exactly where the readers of the package may see it."""
    audience = _audience(package)
    for path, item in package.listed.items():
        there = path in package.container.sizes
        privacy = FORMATS[package.schema].privacy(path)
        if item.withheld:
            if there:
                yield fault("PACK018", "the manifest says that this file is withheld, and it is here", path)
            elif audience is None:
                what = f"this file is withheld, and {layout.PACKAGE} does not say from which readers"
                yield fault("PACK018", what, path)
            elif is_visible(privacy, audience):
                what = f"this file is withheld, and it is of class {privacy}, which its readers ({audience}) may see"
                yield fault("PACK018", what, path)
            continue
        if not there:
            yield fault("PACK015", "the manifest lists this file, and it is not here", path)
            continue
        if audience is not None and not is_visible(privacy, audience):
            what = f"this file is of class {privacy}, and the package is for readers of class {audience}"
            yield fault("PACK018", what, path)
        try:
            size, found = package.container.hashed(path, most=item.size)
        except ValueError as error:
            yield unreadable("PACK016", "a file", path, error)
            continue
        if size != item.size:
            stated = package.container.sizes[path]
            yield fault("PACK016", f"a file has changed: {stated:,} bytes instead of {item.size:,}", path)
        elif found != item.sha256:
            yield fault("PACK016", "a file has changed: its digest differs", path)
    for path in sorted(package.container.sizes.keys() - package.listed.keys() - layout.UNLISTED):
        yield fault("PACK017", "this file is not listed in the manifest", path)


def _audience(package: Package) -> Privacy | None:
    stated = package.json(layout.PACKAGE)
    audience = stated.get("audience") if isinstance(stated, dict) else None
    return audience if audience in ("public", "internal", "restricted", "personal") else None


def runs(package: Package) -> Iterator[Fault]:
    """Every run's own manifest against the package's."""
    for path in package.there("runs/*/manifest.json"):
        folder = path.removesuffix(of_run.NAME)
        try:
            inside, _ = layout.read_listing(package.container.read(path, most=MOST_TEXT), of_run.SCHEMA)
        except ValueError as error:
            yield unreadable("PACK022", "the run's manifest", path, error)
            continue
        for name, one in inside.items():
            here = package.listed.get(folder + name)
            if here is None:
                what = "the run's own manifest lists this file, and the package's does not"
                yield fault("PACK022", what, folder + name)
            elif (here.size, here.sha256) != (one.size, one.sha256):
                what = "the run's own manifest gives this file another size or digest than the package's"
                yield fault("PACK022", what, folder + name)
        others = {p.removeprefix(folder) for p in package.listed if p.startswith(folder)} - inside.keys()
        for name in sorted(others - {of_run.NAME}):
            yield fault("PACK022", "the run's own manifest does not list this file", folder + name)
