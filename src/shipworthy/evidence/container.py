"""A package as it lies, a folder or a zip file, read without trust: no links, no names that lead out, no bombs.

A zip says most things twice, and readers differ on which they believe: some go by the list at its end, others by what
stands before each file. It is taken only where both say the same, and where no byte of it belongs to neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from shipworthy.errors import Fault

MOST_FILES = 100_000
MOST_BYTES = 64 << 30  # of all files together
MOST_DIRECTORY = 32 << 20  # bytes of a zip's list of files
MOST_RATIO = 200  # how far a zip may unfold, from FREE on
FREE = 100 << 20  # bytes
_CHUNK = 1 << 20
_PIECE = 64 << 10  # bytes of a packed file on their way at once
_FULL = 0xFFFFFFFF  # stands for a number that is told in 64 bits elsewhere
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
                what = "a file was replaced by a symbolic link" if stat.S_ISLNK(info.st_mode) else "it is no file"
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
    entries: dict[str, tuple[zipfile.ZipInfo, int]] = {}
    listed = archive.infolist()
    starts, faults = _agreed(archive, file, name)
    packed = 0
    for info, start in zip(listed, starts, strict=True):
        path = info.filename
        kind, rights = stat.S_IFMT(info.external_attr >> 16), info.external_attr >> 16 & 0o7000
        is_folder = info.is_dir() and info.file_size == info.compress_size == info.CRC == 0 and is_safe(path[:-1])
        if info.orig_filename != path:
            faults.append(_fault("PACK011", "a name holds a character behind which programs stop reading it", path))
        elif (
            is_folder and kind in (0, stat.S_IFDIR) and not rights and not info.external_attr & 0xFFFF & ~(_DOS | 0x10)
        ):
            continue
        elif info.is_dir():
            faults.append(
                _fault(
                    "PACK010",
                    "what is named as a folder holds bytes, or is more",
                    path,
                )
            )
        elif path in sizes:
            faults.append(_fault("PACK011", "a name stands twice: readers differ on which they take", path))
        elif kind not in (0, stat.S_IFREG) or rights or info.external_attr & 0xFFFF & ~_DOS:
            faults.append(_fault("PACK012", "a file was replaced by a link, or by what is no file", path))
        elif info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            faults.append(_fault("PACK010", "a file is encrypted, or packed in a way that is not read here", path))
        else:
            sizes[path], entries[path] = info.file_size, (info, start)
            packed += info.compress_size
    whole = sum(sizes.values())
    if len(sizes) > MOST_FILES or whole > MOST_BYTES or whole > max(FREE, MOST_RATIO * packed):
        what = f"it would unfold to {len(sizes):,} files of {whole:,} bytes: more than an honest package"
        return Container(name=name, sizes={}, faults=(_fault("PACK010", what, name),), opener=_nothing)
    faults += _unsafe(sizes)

    def opener(path: str) -> IO[bytes]:
        return cast("IO[bytes]", io.BufferedReader(_Entry(file, *entries[path]), _PIECE))

    return Container(name=name, sizes=sizes, faults=tuple(faults), opener=opener)


_DOS = 0x21  # attributes of a file: read-only, and to be archived
_FLAGS = 0x080E  # how hard it was packed, sizes after the file, names in UTF-8
_LOCAL, _CENTRAL = struct.Struct("<4s5H3L2H"), struct.Struct("<4s4B4H3L5H2L")


def _agreed(archive: zipfile.ZipFile, file: BinaryIO, name: str) -> tuple[list[int], list[Fault]]:
    """Where the bytes of each listed file begin, and what of the zip is told in two ways, or hidden.

    Source: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.9, 4.3.12 to 4.3.16 and 4.5.3.
    """
    faults, starts, spans = list[Fault](), list[int](), list[tuple[int, int]]()
    file.seek(archive.start_dir)
    listed = [(info, *_listed(info, file)) for info in archive.infolist()]
    begin, end = archive.start_dir, file.tell()
    is_end = _is_end(file.read((1 << 16) + 200), len(listed), begin, end)
    for info, told, called, why in listed:
        start, after, differs = _told_before(info, told, called, file)
        if why or differs:
            faults.append(_fault("PACK010", why or differs, info.filename, mend=_ZIP_ANEW))
        starts.append(start)
        spans.append((info.header_offset, after))
    spans.sort()
    if [0, *(after for _, after in spans)] != [*(offset for offset, _ in spans), begin]:
        faults.append(_fault("PACK010", "bytes lie before or between the files that belong to none of them", name))
    elif not is_end:
        faults.append(_fault("PACK010", "it does not end with its list of files: more was added, or cut off", name))
    return starts, faults


def _listed(info: zipfile.ZipInfo, file: BinaryIO) -> tuple[tuple[int, ...], bytes, str]:
    """A line of the list of files: version, flags, method, time and date; its name; why it is not taken."""
    (
        sign, _, system, needed, reserved, flags, method, time, date, _, packed, size, called, extra, comment, disk,
        internal, _, offset,
    ) = _CENTRAL.unpack(file.read(_CENTRAL.size))  # fmt: skip
    name, more = file.read(called), file.read(extra)
    file.seek(comment, os.SEEK_CUR)
    long = [real for real, told in zip(_sizes(info), (size, packed, offset), strict=True) if told == _FULL]
    why = ""
    if sign != b"PK\x01\x02" or comment or disk or reserved or flags & ~_FLAGS or internal > 1 or system not in (0, 3):
        why = "the list at the zip's end has a comment or marks for it that no honest package has"
    elif needed not in (10, 20, 45) or (flags & 8 and method != zipfile.ZIP_DEFLATED):
        why = "it is packed in a way that not every program can unpack"
    elif more != _zip64(long):
        why = "the zip has fields beside it by which some programs give it another name or size"
    elif not name.isascii() and not flags & 0x800:
        why = "its name is not in UTF-8, and programs differ on how they read it"
    return (needed, flags, method, time, date), name, why


def _told_before(info: zipfile.ZipInfo, told: tuple[int, ...], called: bytes, file: BinaryIO) -> tuple[int, int, str]:
    """Where a file begins and ends, by what stands before it; and in what that differs from the list."""
    size, packed, _ = _sizes(info)
    file.seek(info.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        return 0, 0, "no file begins where the list at the zip's end says that this one does"
    _, *said, crc, packed_here, size_here, length, extra = _LOCAL.unpack(header)
    name, more = file.read(length), file.read(extra)
    start = info.header_offset + _LOCAL.size + length + extra
    is_after = bool(told[1] & 8)  # its checksum and sizes follow it
    ways = {(info.CRC, size, packed), *([(0, 0, 0)] if is_after else [])}
    is_same = any(
        (crc, size_here, packed_here, more) in ((one[0], *one[1:], b""), (one[0], _FULL, _FULL, _zip64(one[1:])))
        for one in ways
    )
    end = start + packed
    if is_after:
        file.seek(end)
        after, whole = file.read(24), (info.CRC, packed, size)
        forms = ("<LQQ", "<LLL") if max(whole) <= _FULL else ("<LQQ",)
        spelled = [mark + struct.pack(form, *whole) for mark in (b"PK\x07\x08", b"") for form in forms]
        length_after = next((len(one) for one in spelled if after.startswith(one)), 0)
        is_same, end = is_same and length_after > 0, end + length_after
    if tuple(said) != told or name != called or not is_same:
        return start, end, "the zip says one thing of this file in front of it, and another in the list at its end"
    return start, end, ""


def _sizes(info: zipfile.ZipInfo) -> tuple[int, int, int]:
    return info.file_size, info.compress_size, info.header_offset


def _zip64(numbers: Sequence[int]) -> bytes:
    """The field that holds what 32 bits cannot."""
    return struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""


def _is_end(tail: bytes, count: int, begin: int, end: int) -> bool:
    """Whether what follows the list of files is the end of a zip, and nothing else."""
    size = end - begin
    counts = [min(count, 0xFFFF)] * 2
    short = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *counts, min(size, _FULL), min(begin, _FULL), 0)
    made = int.from_bytes(tail[12:14], "little")  # by which version of its writer: nothing follows from it
    long = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, made, 45, 0, 0, count, count, size, begin)
    return tail in (short, long + struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1) + short)


class _Entry(io.RawIOBase):
    """A file of a zip, unpacked while it is read: it ends where the zip says, and what is packed holds nothing more."""

    def __init__(self, file: BinaryIO, info: zipfile.ZipInfo, start: int) -> None:
        super().__init__()
        self._file, self._info = file, info
        self._at, self._end = start, start + info.compress_size
        self._inflate = zlib.decompressobj(-15) if info.compress_type == zipfile.ZIP_DEFLATED else None
        self._packed = b""
        self._size = self._crc = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises ValueError where they are not those that the zip says."""
        view = memoryview(buffer).cast("B")
        data = self._next(len(view))
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if self._size > self._info.file_size or (not data and not self._is_whole()):
            raise ValueError("it is not as long as the zip says, or its checksum differs")
        view[: len(data)] = data
        return len(data)

    def _next(self, most: int) -> bytes:
        data = b""
        while not data and (self._packed or self._at < self._end):
            if not self._packed:
                self._file.seek(self._at)
                self._packed = self._file.read(min(_PIECE, self._end - self._at))
                self._at += len(self._packed)
                if not self._packed:
                    raise ValueError("the zip ends within it")
            if self._inflate is None:
                data, self._packed = self._packed[:most], self._packed[most:]
            elif self._inflate.eof:
                raise ValueError("more lies behind its end")
            else:
                data = self._inflate.decompress(self._packed, most)
                self._packed = self._inflate.unconsumed_tail or self._inflate.unused_data
        return data

    def _is_whole(self) -> bool:
        is_done = self._inflate is None or self._inflate.eof
        return is_done and (self._size, self._crc) == (self._info.file_size, self._info.CRC)


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
    faults = (
        []
        if len(sizes) < MOST_FILES
        else [_fault("PACK010", f"it holds {MOST_FILES:,} files or more, which no package does", "")]
    )
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


_MEND = "get the package again from who made it"
_ZIP_ANEW = f"{_MEND}; one that was zipped anew has to be written without extra fields (`zip -X`)"


def _fault(code: str, what: str, where: str, *, mend: str = _MEND) -> Fault:
    return Fault(code=code, what=what, where=where[:300], mend=mend)
