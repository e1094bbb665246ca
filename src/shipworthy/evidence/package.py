"""The evidence package: what lies where, and the manifest whose root stands for all of it.

    package.json   what it is       manifest.json  every file: size, digest, class; the root
    README.md      how to verify    plan/ runs/ gates/ risk/ docs/ trace/ bom/ attestations/ audit/ keys/

The root is that of RFC 6962 over the leaves canonical([path, size, sha256]), by path, so that a file can be withheld
and all others still be proven. The seal, an envelope beside the manifest, is signed over the manifest's own bytes; the
two are the only files that the manifest does not list.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from shipworthy.digest import Json, canonical
from shipworthy.errors import Fault, Unusable
from shipworthy.evidence import manifest as of_run
from shipworthy.evidence.attestations import STATEMENT
from shipworthy.evidence.container import is_safe
from shipworthy.evidence.documents.fields import Privacy
from shipworthy.evidence.documents.machine import to_json
from shipworthy.evidence.documents.privacy import is_visible
from shipworthy.evidence.formats import CURRENT, FORMATS, SCHEMA, Format
from shipworthy.integrity import merkle
from shipworthy.integrity.keys import Register
from shipworthy.integrity.reading import following, read_json

if TYPE_CHECKING:
    from shipworthy.plan.models import Plan

PACKAGE = "package.json"
MANIFEST = "manifest.json"
SEAL = "attestations/package.dsse.json"
BUNDLE = "attestations/statements.intoto.jsonl"
REGISTER = "keys/register.json"
UNLISTED = frozenset({MANIFEST, SEAL})
PACKAGE_SCHEMA = "shipworthy/package@1"
GATE_SCHEMA = "shipworthy/gate@1"
SEAL_TYPE = "https://shipworthy.dev/attestation/package/v0.1"
MOST_MANIFEST = 64 << 20  # bytes
_CHUNK = 1 << 20
_OF_RUN = re.compile(r"runs/[^/]+/manifest\.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One file of a package, there or withheld."""

    path: str
    size: int  # bytes
    sha256: str  # hexadecimal
    withheld: bool = False

    @property
    def leaf(self) -> bytes:
        """The hash of its leaf under the root."""
        return merkle.leaf_hash(canonical([self.path, self.size, self.sha256]))

    def line(self, form: Format) -> dict[str, Json]:
        """Its line of a manifest of a format."""
        line: dict[str, Json] = {
            "path": self.path,
            "size": self.size,
            "sha256": self.sha256,
            "role": form.role(self.path),
            "media_type": form.media_type(self.path),
            "class": form.privacy(self.path),
        }
        return {**line, "withheld": True} if self.withheld else line


def root(items: Iterable[Item]) -> str:
    """The root over files, as `sha256:...`, in the order of their paths' code points."""
    leaves = (item.leaf for item in sorted(items, key=lambda item: item.path))
    return f"sha256:{merkle.root(leaves).hex()}"


def evidence_root(items: Iterable[Item]) -> str:
    """The root that sign-offs bind to: over the digests of the runs' manifests, sorted, each as canonical JSON. It
    stays what it is when documents, sign-offs and log entries are added, and when files are withheld."""
    runs = sorted(f"sha256:{item.sha256}" for item in items if _OF_RUN.fullmatch(item.path))
    return f"sha256:{merkle.root(merkle.leaf_hash(canonical(one)) for one in runs).hex()}"


def to_manifest(items: Sequence[Item], schema: str = SCHEMA) -> bytes:
    """`manifest.json` of a package, in a version of its format: one of FORMATS."""
    form = FORMATS[schema]
    files: list[Json] = [item.line(form) for item in sorted(items, key=lambda item: item.path)]
    whole: dict[str, Json] = {
        "schema": schema, "root": root(items), "evidence": evidence_root(items), "files": files
    }  # fmt: skip
    return to_json(whole).encode()


def read_manifest(data: bytes) -> tuple[dict[str, Item], dict[str, Any]]:
    """The files that the manifest of a package lists, by path; and all that it says, in a version of FORMATS.

    Raises ValueError, with a reason fit to be shown; Newer for a version that is not known yet.
    """
    return read_listing(data, *FORMATS)


def read_listing(data: bytes, *schemas: str) -> tuple[dict[str, Item], dict[str, Any]]:
    """The files that a manifest of a package, or of a run, lists, by path; and all that it says.

    Raises ValueError, with a reason fit to be shown; Newer for a version that is not known yet.
    """
    found = following(read_json(data, most=MOST_MANIFEST), *schemas)
    if not isinstance(found.get("files"), list):
        raise ValueError("it has no list of files")
    listed: dict[str, Item] = {}
    for line in found["files"]:
        if not isinstance(line, dict):
            raise ValueError("a line is not an object")
        path, size, digest, withheld = (line.get(key) for key in ("path", "size", "sha256", "withheld"))
        if not isinstance(path, str) or not is_safe(path) or path in listed:
            raise ValueError(f"the path {str(path)[:200]!r} stands twice, or leads out of the folder")
        is_hash = isinstance(digest, str) and len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        if type(size) is not int or not 0 <= size < 2**53 or not is_hash or withheld not in (None, True):
            raise ValueError(f"the line of {path[:200]!r} lacks its size or sha256")
        listed[path] = Item(path=path, size=size, sha256=cast("str", digest), withheld=bool(withheld))
    return listed, found


def write_part(whole: Path, path: str, content: bytes, *, audience: Privacy) -> Item:
    """Write a file of a package, unless the audience may not read it; its line either way."""
    withheld = not is_visible(CURRENT.privacy(path), audience)
    if not withheld:
        target = whole / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return Item(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest(), withheld=withheld)


def write_run(whole: Path, name: str, folder: Path, *, audience: Privacy) -> list[Item]:
    """Copy a run's folder to `runs/<name>/` as it is, but for what the audience may not read.

    Raises Unusable (PACK003) for a file that no package can hold, OSError.
    """
    found = []
    for path in (*(entry.path for entry in of_run.entries(folder)), of_run.NAME):
        inside = f"runs/{name}/{path}"
        if not is_safe(inside):
            raise _unpackable("has a name that not every system can hold", path)
        withheld = not is_visible(CURRENT.privacy(inside), audience)
        found.append(_copied(folder / path, whole / inside, inside, withheld=withheld))
    return found


def _copied(source: Path, target: Path, path: str, *, withheld: bool) -> Item:
    """Copy and hash in one reading, so that the digest is that of what was copied."""
    content, size = hashlib.sha256(), 0
    with os.fdopen(os.open(source, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _unpackable("is not a file", path)
        if not withheld:
            target.parent.mkdir(parents=True, exist_ok=True)
        with (Path(os.devnull) if withheld else target).open("wb") as copy:
            while piece := file.read(_CHUNK):
                content.update(piece)
                size += len(piece)
                copy.write(piece)
    return Item(path=path, size=size, sha256=content.hexdigest(), withheld=withheld)


def to_zip(whole: Path, archive: Path) -> None:
    """Write every file of a folder into a zip file: by path, without times or owners, so that it is always the same."""
    paths = sorted(path for path in whole.rglob("*") if path.is_file())
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as out:
        for path in paths:
            info = zipfile.ZipInfo(path.relative_to(whole).as_posix(), (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            with path.open("rb") as file, out.open(info, "w", force_zip64=path.stat().st_size >= 1 << 31) as entry:
                while piece := file.read(_CHUNK):
                    entry.write(piece)


def seal_statement(manifest: bytes, items: Sequence[Item], about: Mapping[str, Json]) -> bytes:
    """What is signed for a whole package: an in-toto statement whose subject is the manifest, by its bytes.

    about: what else the signers vouch for: run, decision, system, time.
    """
    statement: dict[str, Json] = {
        "_type": STATEMENT,
        "subject": [{"name": MANIFEST, "digest": {"sha256": hashlib.sha256(manifest).hexdigest()}}],
        "predicateType": SEAL_TYPE,
        "predicate": {
            **about,
            "root": root(items),
            "evidence": evidence_root(items),
            "files": len(items),
            "withheld": sum(item.withheld for item in items),
        },
    }
    return canonical(statement)


def policy(plan: Plan, plan_digest: str) -> dict[str, Json]:
    """`gates/policy.json`: the rules that decided, packs resolved."""
    return {
        "schema": "shipworthy/policy@1",
        "plan_digest": plan_digest,
        "tier": plan.system.tier,
        "requirements": [requirement.model_dump(mode="json") for requirement in plan.requirements],
    }


def gate(
    results: Mapping[str, Any], *, run_digest: str, headline: str, decisions: Sequence[Json], stands: Json
) -> dict[str, Json]:
    """`gates/decision.json`: what the rules said of a run, what people decided on it, and how that stands."""
    kept = ("requirement", "verdict", "severity", "waiver", "why")
    return {
        "schema": GATE_SCHEMA,
        "run": results["run"],
        "run_digest": run_digest,
        "plan_digest": results["plan_digest"],
        "decision": results["decision"],
        "headline": headline,
        "stands": stands,
        "verdicts": [{key: verdict.get(key) for key in kept} for verdict in results["verdicts"]],
        "decisions": list(decisions),
    }


def key_files(register: Register) -> dict[str, bytes]:
    """`keys/`: the register, and each public key as PEM, which OpenSSL and every other tool reads."""
    if not register.keys:
        return {}
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found = {REGISTER: to_json(register.as_json()).encode()}
    for name, one in register.keys.items():
        key = Ed25519PublicKey.from_public_bytes(one.public.raw)
        found[f"keys/{name}.pub"] = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return found


def readme(*, title: str, version: str, signed: bool, with_log: bool, audience: Privacy) -> bytes:
    """`README.md`: what this is, and how to verify it in two commands. title: visible text, safe in Markdown."""
    keys = " --keys REGISTER" if signed else " --root ROOT"
    trust = (
        "`REGISTER` is a register of keys that you got from somewhere else than this package, and trust. Without\n"
        "`--keys` the keys in `keys/` are used, which shows only that the package agrees with itself."
        if signed
        else "This package is not signed. `ROOT` is its root as someone you trust told you; without it, all\n"
        "that is shown is that the package agrees with itself."
    )
    log = (
        "\n`audit/` holds the log of the record. Entries cut off its end can be seen only against a checkpoint that\n"
        "was kept elsewhere: `--checkpoint FILE`.\n"
        if with_log
        else ""
    )
    return f"""# Evidence package: {title}

Verify it, on a machine with no network:

```
pip install "shipworthy=={version}"
shipworthy verify .{keys}
```

{trust} In place of `.` the zip file can be given as it is.
{log}
`shipworthy reproduce .` measures everything again where the rows of the run are in the package, and compares.

| where | what |
|---|---|
| `plan/` | what was promised, and its lock |
| `runs/` | what was measured: the run's folder as it was written |
| `gates/` | the rules, and what they decided |
| `risk/` | risks, mitigations, waivers, sign-offs, incidents |
| `docs/` | documents, for people and for machines; `questions.yaml` asks for what is missing |
| `trace/` | from each requirement to what stands behind it, with the gaps |
| `bom/` | what it is made from (CycloneDX) |
| `attestations/` | signed statements (DSSE, in-toto) |
| `audit/` | the record's log, checkpoints and proofs |
| `keys/` | public keys, and whose they are |
| `manifest.json` | every file with its size and SHA-256, and the root over all of them |

This copy is for readers of class `{audience}` and below. What is of a stricter class is withheld: the manifest still
lists its size and digest, and the root still covers it. The root is that of RFC 6962 over one leaf for each file, the
canonical JSON (RFC 8785) of `[path, size, sha256]`, in the order of the paths.
""".encode()


def _unpackable(why: str, path: str) -> Unusable:
    mend = "take it out of the run, and run the check again"
    return Unusable(Fault(code="PACK003", what=f"a file of the run {why}", where=path[:300], mend=mend))
