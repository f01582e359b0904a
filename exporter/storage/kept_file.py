"""A file that the exporter keeps on disk. It is replaced atomically and used by only one exporter.

A file that other users can write to is not read. A file of another kind is never replaced: it may be the
operator's key. Links are not followed, because other users can create them in directories that they can write
to (seen 2026-11).
"""

import codecs
import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from exporter.storage.values import INVALID

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC
_READ = _OPEN | os.O_RDONLY | os.O_NONBLOCK
_CREATE = _OPEN | os.O_WRONLY | os.O_CREAT | os.O_EXCL
_LOCK = _OPEN | os.O_RDWR | os.O_CREAT | os.O_NONBLOCK
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
"""Errors of flock on some network file systems. There, two exporters can use one file."""

_Parsed = TypeVar("_Parsed")


class InUseError(ValueError):
    """Another exporter has locked the file."""


class KeptFile:
    """A file of the exporter, locked from first use to ``release``.

    If the disk hangs, every method hangs: call them in a thread. ``noun`` is what error messages call the
    file; ``setting`` is the flag or key that sets its path. ``limit``: the maximum size in bytes. To parse a
    file takes up to 16 times its size in memory (measured 2026-12).
    """

    def __init__(self, path: Path, *, noun: str, setting: str, limit: int) -> None:
        self.path = path
        self._limit = limit
        self._noun = noun
        self._setting = setting
        self._lock: int | None = None

    def lock(self) -> None:
        """Lock the file, which need not exist. Raises OSError, or ValueError if it cannot be locked."""
        with _directory(self.path) as directory:
            self._acquire(directory)

    def read_with(self, parse: Callable[[list[str]], _Parsed], *, needs_lock: bool = True) -> _Parsed | None:
        """Return what ``parse`` makes of the lines; None if there is no file.

        Without the lock, another exporter may replace the file at any time; it is complete in any case.
        Raises OSError or ValueError if the file cannot be used.
        """
        if not self.path.parent.exists():
            return None
        with _directory(self.path) as directory:
            if needs_lock:
                self._acquire(directory)
                self._clean_up(directory)
            content = self._content(directory)
        if content is None:
            return None
        try:
            return parse(content.decode().splitlines())
        except INVALID as error:
            raise ValueError(f"is damaged or from another version ({error}); it will be replaced") from error

    def write(self, lines: Iterable[bytes]) -> None:
        """Replace the file atomically, even if the power fails.

        Raises OSError, or ValueError if the existing file must not be replaced or the new one is too large.
        """
        lines = list(lines)
        self._check_size(sum(map(len, lines)), "it is not written")
        with _directory(self.path) as directory:
            self._acquire(directory)
            self._check_replaceable(directory)
            new = f"{self.path.name}.{secrets.token_hex(8)}.new"
            try:
                descriptor = os.open(new, _CREATE, 0o600, dir_fd=directory)
                with os.fdopen(descriptor, "wb") as file:
                    file.writelines(lines)  # joining them would hold the GIL for milliseconds
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(new, self.path.name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                with contextlib.suppress(OSError):
                    # On a full disk, the half-written file would leave no space for the next attempt.
                    os.unlink(new, dir_fd=directory)
                raise
            os.fsync(directory)

    def release(self) -> None:
        """Unlock the file, so that another exporter can use it."""
        if self._lock is not None:
            with contextlib.suppress(OSError), _directory(self.path) as directory:
                if _is(self._lock, self._lock_path.name, directory):  # else it may be another exporter's
                    self._lock_path.unlink()  # an exporter that has it open notices this in `_acquire`
            os.close(self._lock)
            self._lock = None

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _acquire(self, directory: int) -> None:
        """Lock the file against other exporters. The kernel releases the lock when the process ends.

        If the lock file was deleted, another exporter may have created and locked a new one.
        """
        name = self._lock_path.name
        if self._lock is not None and not _is(self._lock, name, directory):
            os.close(self._lock)
            self._lock = None
        while self._lock is None:
            try:
                descriptor = os.open(name, _LOCK, 0o600, dir_fd=directory)
            except OSError as error:
                if not os.path.lexists(self._lock_path):  # the disk is full, or the directory read-only
                    raise
                raise ValueError(f"cannot be locked: {name}: {error.strerror}; remove {name}") from error
            _lock(descriptor, self._setting)
            try:
                is_it = _is(descriptor, name, directory)
            except OSError:
                os.close(descriptor)  # otherwise, no process could lock the file again
                raise
            if is_it:
                self._lock = descriptor
            else:  # another exporter removed it after it was opened here
                os.close(descriptor)

    def _clean_up(self, directory: int) -> None:
        """Remove what an exporter left behind when it was killed during a write."""
        leftover = re.compile(re.escape(self.path.name) + r"\.[0-9a-f]{16}\.new")
        for name in filter(leftover.fullmatch, os.listdir(directory)):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)

    def _content(self, directory: int) -> bytes | None:
        with self._opened(directory) as descriptor:
            if descriptor is None:
                return None
            status = os.fstat(descriptor)
            if status.st_mode & stat.S_IWOTH:
                raise ValueError("can be written by every user; it will be replaced")
            self._check_kind(os.pread(descriptor, 3, 0))
            self._check_size(status.st_size, "it will be replaced")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(status.st_size)

    def _check_replaceable(self, directory: int) -> None:
        with self._opened(directory) as descriptor:
            beginning = b"" if descriptor is None else os.read(descriptor, 3)
        self._check_kind(beginning)

    def _check_size(self, size: int, consequence: str) -> None:
        if size > self._limit:
            raise ValueError(
                f"{self.path.name} has {size:,} bytes, expected at most {self._limit:,}; {consequence}"
            )

    def _check_kind(self, beginning: bytes) -> None:
        if _is_text_of_others(beginning):
            raise ValueError(
                f"is not a {self._noun}, and is left as it is; remove it, or change {self._setting}"
            )

    @contextlib.contextmanager
    def _opened(self, directory: int) -> Iterator[int | None]:
        """Open the file, if there is one. Raises ValueError if it is a link or belongs to another user."""
        try:
            descriptor = os.open(self.path.name, _READ, dir_fd=directory)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ValueError(
                    "is a symbolic link, which is not followed; replace it with its target, or change "
                    f"{self._setting}"
                ) from None
            raise
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError(f"is not a regular file; remove it, or change {self._setting}")
            if status.st_uid not in {os.geteuid(), 0}:
                found = f"belongs to user {status.st_uid}, expected user {os.geteuid()}"
                raise ValueError(f"{found}; change its owner, or remove it")
            yield descriptor
        finally:
            os.close(descriptor)


def _is_text_of_others(beginning: bytes) -> bool:
    """Return whether a file may be a key, a certificate or a configuration, not a damaged kept file.

    A kept file begins with a brace or, if the disk lost its content, with zeros or other bytes that are not
    text.
    """
    is_garbage = beginning[:1] == b"\0" or (beginning[:1] >= b"\x80" and beginning != codecs.BOM_UTF8)
    return bool(beginning) and beginning[:1] not in {b"{", b"["} and not is_garbage


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, setting: str) -> None:
    """Lock an open file, or close it. Raises InUseError if another exporter has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        advice = f"give each exporter its own {setting}, unless all but one stand by (high_availability)"
        raise InUseError(f"is in use by another exporter; {advice}") from None
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            os.close(descriptor)
            raise


def _is(descriptor: int, name: str, directory: int) -> bool:
    """Return whether the file with this name is still the open one."""
    try:
        there = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
