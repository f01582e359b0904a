"""The file that is written: checked first, then complete or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from exporter.errors import StartError

_MODE = 0o640
"""The configuration contains no key, but names of tenants."""

Check = Callable[[Path], None]


def reject_unwritable(file: Path, *, overwrite: bool) -> None:
    """Raise StartError if the file cannot be written, before any request is sent."""
    if file.exists() or file.is_symlink():
        if not overwrite:
            raise StartError(f"{file} exists; name another file, or add --overwrite")
        if not file.is_file():
            raise StartError(f"{file} is not a regular file; name another file, or - for standard output")
    directory = file.absolute().parent
    if not directory.is_dir():
        raise StartError(f"{directory} is not a directory; create it first")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise StartError(f"{directory} is not writable; name another directory, or - for standard output")


def write(file: Path, text: str, check: Check, *, overwrite: bool) -> None:
    """Write a text that passes a check, atomically. Raises StartError if the file cannot be written."""
    try:
        with _temporary(text, file.absolute().parent) as written:
            check(written)
            if overwrite:
                written.replace(file)
            else:
                os.link(written, file)  # unlike a rename, it never replaces a file
    except FileExistsError:
        raise StartError(f"{file} was created meanwhile; name another file, or add --overwrite") from None
    except OSError as error:
        raise StartError(f"{file} cannot be written: {error.strerror}") from None


def checked(text: str, check: Check) -> str:
    """Return a text that passes a check of a file with it."""
    with _temporary(text, Path(tempfile.gettempdir())) as written:
        check(written)
    return text


@contextlib.contextmanager
def _temporary(text: str, directory: Path) -> Iterator[Path]:
    """Yield a file with a text, and remove it if it is still there."""
    descriptor, name = tempfile.mkstemp(prefix=".config-", suffix=".yaml", dir=directory)
    path = Path(name)
    try:
        os.fchmod(descriptor, _MODE)
        os.close(descriptor)
        with path.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)
