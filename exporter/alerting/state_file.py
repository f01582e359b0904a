"""The state file on the disk: written whole or not at all, by one exporter, and read with distrust.

A file that is missing, broken, or of another version is a fresh start, never a reason not to start. A file
that somebody else can write is not believed, and one that is no state file is never replaced: it may be the
operator's key. Other users may plant links where they can write, so no link is followed (seen 2026-11).

Everything here may hang with the disk: call it in a thread.
"""

import codecs
import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from exporter.alerting import state
from exporter.alerting.engine import Engine
from exporter.clock import Clock

LIMIT = 256 * 1024 * 1024
"""Bytes: 30 switches of 5,000 tenants, all of them in trouble."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What flock says on some network file systems: two exporters cannot be told apart there."""

_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def boot_id() -> str:
    """Return what tells one run of the kernel from another, or "" where that is not known."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


class StateFile:
    """The state file of one exporter, which runs as ``user``. It is locked from first use to ``release``."""

    def __init__(self, path: Path, user: int | None = None) -> None:
        self.path = path
        self._user = os.geteuid() if user is None else user
        self._lock: int | None = None

    def read(
        self, clock: Clock, boot: str, leave_out: Callable[[str], None] = lambda _: None
    ) -> tuple[Engine, float] | None:
        """Return the engine, and for how many seconds nobody kept it; None where there is no file.

        ``leave_out`` is called with the reason for each alert that cannot be used. Raises OSError or
        ValueError where the file cannot be used.
        """
        if not self.path.parent.exists():
            return None
        with _directory(self.path) as directory:
            self._acquire(directory)
            self._clean_up(directory)
            content = self._content(directory)
        if content is None:
            return None
        try:
            engine, first = state.restore(content.decode().splitlines(), leave_out)
            return engine, _elapsed(first, clock, boot)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"is broken, or of another version ({error}); it will be replaced") from error

    def write(self, lines: Iterable[bytes]) -> None:
        """Replace the file in one step that survives a crash and a loss of power.

        Raises OSError, or ValueError where what is there must not be replaced.
        """
        with _directory(self.path) as directory:
            self._acquire(directory)
            self._check_replaceable(directory)
            new = f"{self.path.name}.{secrets.token_hex(8)}.new"
            try:
                descriptor = os.open(new, _CREATE, 0o600, dir_fd=directory)
                with os.fdopen(descriptor, "wb") as file:
                    file.writelines(lines)  # one by one: joined they would be some milliseconds in one piece
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(new, self.path.name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                with contextlib.suppress(OSError):
                    # On a full disk what is half written would take the room for the next one.
                    os.unlink(new, dir_fd=directory)
                raise
            os.fsync(directory)

    def release(self) -> None:
        """Let another exporter use the file."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self._lock_path.unlink()  # whoever opened it meanwhile finds that it is not there any more
            os.close(self._lock)
            self._lock = None

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.lock")

    def _acquire(self, directory: int) -> None:
        """Lock the file against other exporters. The lock goes with the process, however that ends."""
        while self._lock is None:
            name = self._lock_path.name
            try:
                descriptor = os.open(name, _LOCK, 0o600, dir_fd=directory)
            except OSError as error:
                raise ValueError(f"cannot be locked: {name}: {error.strerror}; remove {name}") from error
            _lock(descriptor)
            try:
                is_it = _is(descriptor, name, directory)
            except OSError:
                os.close(descriptor)  # else nobody could lock the file any more, this process included
                raise
            if is_it:
                self._lock = descriptor
            else:  # another exporter removed it after it was opened here: it locks nothing any more
                os.close(descriptor)

    def _clean_up(self, directory: int) -> None:
        """Remove what an exporter left that was killed while it wrote."""
        leftover = re.compile(re.escape(self.path.name) + r"\.[0-9a-f]{16}\.new")
        for name in filter(leftover.fullmatch, os.listdir(directory)):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=directory)

    def _content(self, directory: int) -> bytes | None:
        with self._opened(directory) as descriptor:
            if descriptor is None:
                return None
            if os.fstat(descriptor).st_mode & stat.S_IWOTH:
                raise ValueError("can be written by every user; it will be replaced")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise ValueError(f"is larger than {LIMIT // 2**20} MiB; remove it")
        return content

    def _check_replaceable(self, directory: int) -> None:
        with self._opened(directory) as descriptor:
            beginning = b"" if descriptor is None else os.read(descriptor, 3)
        if _is_text_of_others(beginning):
            raise ValueError(
                "is not a state file, and is left as it is; remove it, or let state_file name another file"
            )

    @contextlib.contextmanager
    def _opened(self, directory: int) -> Iterator[int | None]:
        """Open the file itself, if there is one. Raises ValueError where it is a link, or somebody else's."""
        try:
            descriptor = os.open(self.path.name, _READ, dir_fd=directory)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise ValueError(
                    "is a symbolic link, which is not followed; let state_file name the file itself"
                ) from None
            raise
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("is not a regular file; remove it, or let state_file name another file")
            if status.st_uid not in {self._user, 0}:
                raise ValueError(
                    f"belongs to user {status.st_uid}, and the exporter runs as user {self._user}; "
                    "change its owner, or remove it"
                )
            yield descriptor
        finally:
            os.close(descriptor)


def _is_text_of_others(beginning: bytes) -> bool:
    """Tell whether it may be a key, a certificate or a configuration, and not what is left of a state file.

    That begins with a brace or, where the disk lost it, with zeros or anything else that is no text.
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


def _lock(descriptor: int) -> None:
    """Lock an open file. Raises ValueError where another exporter has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ValueError(
            "is in use by another exporter; give each exporter a state_file of its own"
        ) from None
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            os.close(descriptor)
            raise


def _is(descriptor: int, name: str, directory: int) -> bool:
    """Tell whether an open file is the one that has this name now."""
    try:
        there = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _elapsed(first: Mapping[str, Any], clock: Clock, boot: str) -> float:
    """Return the seconds since it was written, time asleep included, by the clock that counts since boot."""
    since_boot = clock.since_boot() - state.moment(first["monotonic"])
    if boot and first["boot"] == boot and since_boot >= 0:
        return since_boot
    # After a boot only the wall clock can tell. One that was set back since counts as no time at all.
    return min(max(0.0, clock.wall() - state.wall(first["wall"])), state.CENTURY)
