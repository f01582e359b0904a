"""The keys of switches and tenants, where they come from, and how a rotated one is noticed."""

import stat
from pathlib import Path
from typing import Annotated

from pydantic import Field, PlainValidator, ValidationInfo

from exporter.config.sections import Form, Section, located, surroundings
from exporter.config.wording import single

_MAX_BYTES = 65536  # far above any key, far below what would hurt

_Signature = tuple[int, int, int, int]


class Key:
    """A key of the API. ``source`` says where it comes from; the value is in no text but ``current()``.

    A key file is read again when it changes, in place, by rename or by a swapped symbolic link, as
    Kubernetes does it. While the file is gone, empty or unreadable the last good key stays.
    ``generation`` grows by one each time ``current()`` finds another value.
    """

    __slots__ = ("_file", "_signature", "_value", "generation", "source")

    def __init__(self, value: str, source: str, file: Path | None = None) -> None:
        self._value = value
        self._file = file
        self._signature: _Signature | None = None
        self.source = source
        self.generation = 0

    @classmethod
    def from_file(cls, file: Path) -> "Key":
        """Read a key file. Raises OSError, or ValueError where no key is in it."""
        signature = _signature(file)
        key = cls(_read(file), f"file {file}", file)
        key._signature = signature
        return key

    def current(self) -> str:
        """Return the key as it is now. Costs one ``stat`` where it comes from a file."""
        if self._file is not None:
            self._refresh(self._file)
        return self._value

    def _refresh(self, file: Path) -> None:
        try:
            # Before reading: a change in between then looks like one that is still to be read.
            signature = _signature(file)
            if signature == self._signature:
                return
            value = _read(file)
        except (OSError, ValueError):
            return
        self._signature = signature
        if value != self._value:
            self._value = value
            self.generation += 1

    def __str__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"Key({self.source})"


def _signature(file: Path) -> _Signature:
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is not a regular file; name the file that holds the key")
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev


def _read(file: Path) -> str:
    with file.open("rb") as stream:
        content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError("is far larger than a key; name the file that holds the key alone")
    try:
        return _checked(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text; name the file that holds the key alone") from None


def _checked(text: str) -> str:
    key = text.strip()
    if not key:
        raise ValueError("is empty; put the key there")
    if not key.isprintable():
        raise ValueError(
            "holds more than one line, or control characters; put the key there and nothing else"
        )
    return key


def _literal(value: object) -> Key:
    return Key(_checked(single(value)), "literal")


def _of_file(value: object, info: ValidationInfo) -> Key:
    # The path is not repeated: a key may have been pasted in its place.
    start = surroundings(info).directory
    try:
        return Key.from_file(located(value, info))
    except OSError as error:
        raise ValueError(
            f"cannot be read ({error.strerror}); check its permissions and its path, from {start}"
        ) from None


def _of_environment(value: object, info: ValidationInfo) -> Key:
    name = single(value)
    text = surroundings(info).environment.get(name)
    if text is None:
        raise ValueError("this environment variable is not set; set it, or correct its name")
    return Key(_checked(text), f"environment {name}")


Secret = Annotated[Key, PlainValidator(_literal), Form("text")]
SecretFile = Annotated[Key, PlainValidator(_of_file), Form("path")]


class Keyed(Section):
    """What may have a key: given by file, by environment variable or as it is, in at most one of the ways."""

    literal_key: Secret | None = Field(
        None,
        alias="key",
        description="The key of the API as it is. A file keeps it out of the configuration.",
        examples=["the-key"],
    )
    file_key: SecretFile | None = Field(
        None,
        alias="key_file",
        description="A file that holds the key alone. It is read again when it changes.",
        examples=["pbx-eu.key"],
    )
    environment_key: Annotated[Key, PlainValidator(_of_environment), Form("text")] | None = Field(
        None,
        alias="key_env",
        description="The name of an environment variable that holds the key.",
        examples=["PBX_EU_KEY"],
    )

    @property
    def key(self) -> Key | None:
        """The key, wherever it comes from, or None."""
        return self.literal_key or self.file_key or self.environment_key


KEY_WAYS = ("key", "key_file", "key_env")
"""The keys of the file that give a key of the API."""
