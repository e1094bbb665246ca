"""Is this what was packed, logged or measured? Answered with no database and no network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from shipworthy.errors import Fault, Unusable
from shipworthy.evidence import verifying
from shipworthy.evidence.verifying import Checked, Trust
from shipworthy.integrity import checkpoints, keys
from shipworthy.integrity.checkpoints import Checkpoint
from shipworthy.integrity.reading import read_bytes

_ROOT = re.compile(r"sha256:[0-9a-f]{64}")


def verify(
    path: Path | str,
    *,
    keys: Path | None = None,
    threshold: int | None = None,
    checkpoint: Sequence[Path] = (),
    root: str | None = None,
    sha256: str | None = None,
) -> Checked:
    """Verify an evidence package (a folder or a zip file), a log (JSON Lines) or a run's folder.

    keys: a register that was kept elsewhere. threshold: how many persons must have signed the package. checkpoint:
    files of signed checkpoints that were kept elsewhere. root: the package's, as it was told elsewhere. sha256: of a
    run's manifest. Raises Unusable: RUN002 where there is nothing, PACK026 for an option that means nothing here,
    KEYS009 and CHKP001 for files that cannot be read.
    """
    path = Path(path)
    if not path.exists():
        what = f"{path.name!r} is not a package, a log or a run: there is no such file or folder"
        mend = "name what `shipworthy pack` or `shipworthy check` wrote, or an exported log"
        raise Unusable(Fault(code="RUN002", what=what, where=str(path), mend=mend))
    if root is not None and not _ROOT.fullmatch(root):
        raise _meaningless("--root is not sha256: and 64 hexadecimal digits", "copy it whole")
    trust = Trust(register=_register(keys), threshold=threshold, checkpoints=_notes(checkpoint), root=root)
    try:
        if verifying.is_package(path):
            _refuse(path, "a package", sha256=sha256)
            return verifying.verify_package(path, trust)
        if path.is_file():
            _refuse(path, "a log", sha256=sha256, threshold=threshold, root=root)
            return verifying.verify_log(path, trust)
        _refuse(path, "a run", keys=keys, threshold=threshold, root=root, checkpoint=checkpoint or None)
        return verifying.verify_run(path, sha256=sha256)
    except OSError as error:
        at = Path(error.filename) if isinstance(error.filename, str) else path
        what = f"{at.name!r} cannot be read: {error.strerror or error}"
        raise Unusable(Fault(code="RUN002", what=what, where=str(at), mend="check the path and its rights")) from error


def _register(path: Path | None) -> keys.Register | None:
    return None if path is None else keys.read_register(path)


def _notes(paths: Sequence[Path]) -> tuple[Checkpoint, ...]:
    found = []
    for path in paths:
        try:
            data = read_bytes(path, most=checkpoints.MOST_BYTES)
        except (OSError, ValueError) as error:
            what = f"the checkpoint cannot be read: {(isinstance(error, OSError) and error.strerror) or error}"
            mend = "name the file of a signed checkpoint"
            raise Unusable(Fault(code="CHKP001", what=what, where=str(path), mend=mend)) from error
        found.append(checkpoints.read(data, where=str(path)))
    return tuple(found)


def _refuse(path: Path, what: str, **given: object) -> None:
    """Raise Unusable (PACK026) for options that would be left unread: nobody may take them for checked."""
    if useless := [f"--{name}" for name, value in given.items() if value is not None]:
        raise _meaningless(f"{path.name!r} is {what}, of which {', '.join(useless)} can say nothing", "leave it out")


def _meaningless(what: str, mend: str) -> Unusable:
    return Unusable(Fault(code="PACK026", what=what, where="shipworthy verify", mend=mend))
