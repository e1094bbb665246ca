"""A package as it lies, a folder or a zip file, read without trust: no links, no names that lead out, no bombs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from shipworthy.errors import Fault

MOST_FILES = 100_000
MOST_BYTES = 64 << 30  # of all files together
MOST_DIRECTORY = 32 << 20  # bytes of a zip's list of files
MOST_RATIO = 200  # how far a zip may unfold, from FREE on
FREE = 100 << 20  # bytes
_CHUNK = 1 << 20
_BROKEN = (
    OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error,
    LookupError, OverflowError,
)  # fmt: skip
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, kw_only=True)
class Container:
    """The files that were found, and what is wrong with how they lie."""

    name: str
    sizes: dict[str, int]  # path with forward slashes -> bytes, as the folder or the zip says
    faults: tuple[Fault, ...]
    opener: Callable[[str], IO[bytes]]

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """One file. Raises ValueError, with a reason fit to be shown, where it cannot be read."""
        try:
            with self.opener(path) as file:
                yield file
        except _BROKEN as error:
            raise ValueError(_why(error)) from error

    def read(self, path: str, *, most: int) -> bytes:
        """The bytes of a file of at most `most` bytes. Raises ValueError."""
        with self.open(path) as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise ValueError(f"it is larger than {most:,} bytes")
        return data

    def hashed(self, path: str, *, most: int) -> tuple[int, str]:
        """Size and SHA-256 (hexadecimal) of a file; past `most` bytes it is not read. Raises ValueError."""
        content, size = hashlib.sha256(), 0
        with self.open(path) as file:
            while size <= most and (piece := file.read(min(_CHUNK, most + 1 - size))):
                content.update(piece)
                size += len(piece)
        return size, content.hexdigest()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Container]:
    """A folder, or a zip file that is read in place. What cannot be believed becomes a fault (PACK010 to PACK012)."""
    if path.is_dir():
        yield _folder(path)
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb"))
            found = _zip(stack.enter_context(zipfile.ZipFile(_bounded(file))), path.name, file)
        except _BROKEN as error:
            fault = _fault("PACK010", f"the package cannot be opened: {_why(error)}", path.name)
            found = Container(name=path.name, sizes={}, faults=(fault,), opener=_nothing)
        yield found


def is_safe(path: str) -> bool:
    """Whether a path stays in its folder on every system: relative, plain, without half a character."""
    parts = PurePosixPath(path)
    return (
        bool(parts.parts)
        and len(path) <= 1_000
        and not parts.is_absolute()
        and ".." not in parts.parts
        and "\\" not in path
        and not any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in path)
        and parts.as_posix() == path
        and not _DRIVE.match(path)
    )


def _folder(folder: Path) -> Container:
    sizes: dict[str, int] = {}
    faults: list[Fault] = []
    for where, folders, files in os.walk(folder, followlinks=False):
        for name in sorted((*files, *(one for one in folders if (Path(where) / one).is_symlink()))):
            full = Path(where) / name
            path = full.relative_to(folder).as_posix()
            try:
                info = full.lstat()
            except OSError as error:
                faults.append(_fault("PACK012", f"a file cannot be read: {_why(error)}", path))
                continue
            if not stat.S_ISREG(info.st_mode):
                what = "a file was replaced by a symbolic link" if stat.S_ISLNK(info.st_mode) else "it is not a file"
                faults.append(_fault("PACK012", what, path))
            elif len(sizes) < MOST_FILES:
                sizes[path] = info.st_size
    faults += _unsafe(sizes)

    def opener(path: str) -> IO[bytes]:
        handle = os.open(folder / path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        return os.fdopen(handle, "rb")

    return Container(name=folder.name, sizes=sizes, faults=tuple(faults), opener=opener)


def _zip(archive: zipfile.ZipFile, name: str, file: BinaryIO) -> Container:
    sizes: dict[str, int] = {}
    faults: list[Fault] = []
    if not _is_tiled(archive, file):
        faults.append(_fault("PACK010", "bytes lie before or between its files that belong to none of them", name))
    packed = 0
    for info in archive.infolist():
        path = info.filename
        kind = info.external_attr >> 16
        if info.orig_filename != path:
            faults.append(_fault("PACK011", "a name holds what hides a part of it", path))
        elif info.is_dir() and info.file_size == 0 and is_safe(path.rstrip("/")):
            continue
        elif path in sizes:
            faults.append(_fault("PACK011", "a name stands twice: readers differ on which they take", path))
        elif stat.S_IFMT(kind) not in (0, stat.S_IFREG):
            faults.append(_fault("PACK012", "a file was replaced by a link, or something else that is none", path))
        elif info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            faults.append(_fault("PACK010", "a file is encrypted, or packed in a way that is not read here", path))
        else:
            sizes[path] = info.file_size
            packed += info.compress_size
    whole = sum(sizes.values())
    if len(sizes) > MOST_FILES or whole > MOST_BYTES or whole > max(FREE, MOST_RATIO * packed):
        what = f"it would unfold to {len(sizes):,} files of {whole:,} bytes: more than an honest package"
        return Container(name=name, sizes={}, faults=(_fault("PACK010", what, name),), opener=_nothing)
    faults += _unsafe(sizes)
    return Container(name=name, sizes=sizes, faults=tuple(faults), opener=archive.open)


def _is_tiled(archive: zipfile.ZipFile, file: BinaryIO) -> bool:
    """Whether the files follow each other from the first byte to the list of files, without gaps or overlaps.

    Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 and 4.3.9.
    """
    at = 0
    for info in sorted(archive.infolist(), key=lambda one: one.header_offset):
        if info.header_offset != at:
            return False
        file.seek(at)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            return False
        at += 30 + sum(struct.unpack_from("<HH", header, 26)) + info.compress_size
        if header[6] & 8:  # its checksum and sizes follow it
            file.seek(at)
            after, sizes = file.read(24), (info.CRC, info.compress_size, info.file_size)
            forms = ("<LQQ", "<LLL") if max(sizes) < 1 << 32 else ("<LQQ",)
            said = [sign + struct.pack(form, *sizes) for sign in (b"PK\x07\x08", b"") for form in forms]
            at += next((len(one) for one in said if after.startswith(one)), 0)
    return at == archive.start_dir


def _bounded(file: BinaryIO) -> BinaryIO:
    """The file of a zip whose list of files is short enough to be read at all. Raises ValueError.

    Source: PKWARE APPNOTE 6.3.10, sections 4.3.14 and 4.3.16.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - (1 << 16) - 1_000))
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise ValueError("it is not a whole zip file")
    size = int(struct.unpack_from("<L", tail, at + 12)[0])
    large = tail.rfind(b"PK\x06\x06", 0, at)
    if large >= 0 and len(tail) >= large + 56:
        size = max(size if size != 0xFFFFFFFF else 0, int(struct.unpack_from("<Q", tail, large + 40)[0]))
    if size > MOST_DIRECTORY:
        raise ValueError(f"its list of files has {size:,} bytes")
    file.seek(0)
    return file


def _unsafe(sizes: dict[str, int]) -> list[Fault]:
    faults = [] if len(sizes) < MOST_FILES else [_fault("PACK010", f"it holds {MOST_FILES:,} files or more", "")]
    folded: dict[str, str] = {}
    for path in list(sizes):
        if not is_safe(path):
            del sizes[path]
            faults.append(_fault("PACK011", "a name leads out of the package, or holds characters no name has", path))
            continue
        same = folded.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        if same != path:
            what = f"two names differ only in case or accents, and are one file elsewhere: {same[:200]!r}"
            faults.append(_fault("PACK011", what, path))
    return faults


def _nothing(path: str) -> IO[bytes]:
    raise FileNotFoundError(path)


def _why(error: Exception) -> str:
    return str((isinstance(error, OSError) and error.strerror) or error or type(error).__name__)[:200]


def _fault(code: str, what: str, where: str) -> Fault:
    return Fault(code=code, what=what, where=where[:300], mend="get the package again from who made it")
