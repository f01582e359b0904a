"""The keys of switches and tenants, where they come from, and how a rotated one is noticed."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, PlainValidator, ValidationInfo

from exporter.config.fields import context_of, located, refuse_invisible, refuse_template
from exporter.errors import single
from exporter.fields import Form, Section
from exporter.files import read_regular_file

_MAX_BYTES = 65536  # far above any key

_AROUND = " \t\r\n"  # what editors and `echo` leave behind; no-break spaces come from a web page

_PLACEHOLDER = re.compile(
    r"""<[^<>]*> | \[[^\[\]]*\] | \$[A-Za-z_]\w* | %[A-Za-z_]\w*% | __\w+__ | @\w+@
    | (change|replace)[-_ ]?(me|this|it)[!.]? | replace[-_ ]with[-_ ].*
    | (your|insert|enter|put|paste)[-_ ]?.*(key|token|password|secret).*
    | to[-_ ]?do | tbd | fixme | place[-_ ]?holder | redacted
    | x{3,} | \*{3,} | \.{3} | … | -{3,} | \?{3,}""",
    re.VERBOSE | re.IGNORECASE,
)
_ASSIGNMENT = re.compile(r"(export\s+)?\w*(key|token|secret)\w*\s*[=:]\s*[^=\s].*", re.IGNORECASE | re.DOTALL)
_QUOTES = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"

_Signature = tuple[int, int, int, int]
_Check = Callable[[str], str]


class _Known(NamedTuple):
    value: str
    signature: _Signature | None
    generation: int


class Key:
    """A key of the API. ``source`` says where it comes from; the value is in no text but ``current()``.

    ``current()`` reads nothing, so it never waits for a disk. Whoever wants a rotated key calls
    ``read_again()``, which notices a file changed in place, by rename or by a swapped symbolic link, as
    Kubernetes does it (``exporter.key_files`` calls it every second). While the file is gone, empty or
    unreadable the last good key stays, and ``problem`` says why; it is empty while the file is good.
    ``generation`` grows by one with each new value.
    """

    __slots__ = ("_check", "_known", "file", "problem", "source")

    def __init__(self, value: str, source: str) -> None:
        self._known = _Known(value, None, 0)
        self._check: _Check = checked_key
        self.file: Path | None = None
        self.problem = ""
        self.source = source

    @classmethod
    def from_file(cls, file: Path, check: "_Check | None" = None) -> "Key":
        """Read a key file. Raises OSError, or ValueError where no key is in it.

        ``check`` returns the key that a text holds; by default, a key of the API.
        """
        check = check or checked_key
        signature = _signature(file)
        key = cls(_read(file, check), f"file {file}")
        key.file = file
        key._check = check
        key._known = key._known._replace(signature=signature)
        return key

    def current(self) -> str:
        """Return the key as it was last read."""
        return self._known.value

    @property
    def generation(self) -> int:
        """How many times the value has changed."""
        return self._known.generation

    @property
    def device(self) -> int:
        """The number of the file system that the file was last read from; 0 without a file."""
        return self._known.signature[3] if self._known.signature else 0

    def read_again(self) -> None:
        """Read the file again where it has changed. A disk that hangs blocks this: call it in a thread.

        Costs one ``stat`` where nothing has changed. What is known is replaced in one assignment, so the
        event loop may call ``current()`` meanwhile.
        """
        if self.file is None:
            return
        known = self._known
        try:
            # Before reading: a change in between then looks like one that is still to be read.
            signature = _signature(self.file)
            if signature == known.signature:
                self.problem = ""
                return
            value = _read(self.file, self._check)
        except OSError as error:
            self.problem = f"cannot be read ({error.strerror})"
            return
        except ValueError as error:
            self.problem = str(error)
            return
        self.problem = ""
        self._known = _Known(value, signature, known.generation + (value != known.value))

    def __str__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"Key({self.source})"


def _signature(file: Path) -> _Signature:
    status = os.stat(file)  # noqa: PTH116 -- 5,000 key files a second: Path.stat takes twice as long
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev


def _read(file: Path, check: _Check) -> str:
    try:
        return check(read_regular_file(file, _MAX_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text; name the file that holds the key alone") from None


def checked_secret(text: str) -> str:
    """Return a secret without the white space around it. Raises ValueError for a text that cannot be one."""
    secret = text.strip(_AROUND)
    if not secret:
        raise ValueError("is empty; put the key there")
    if any(letter in "\r\n" for letter in secret):
        raise ValueError("has more than one line; put the key there and nothing else")
    refuse_invisible(secret)
    _refuse_placeholder(secret)
    return secret


def checked_key(text: str) -> str:
    """Return a key of the API without the white space around it. Raises ValueError for any other text."""
    key = checked_secret(text)
    _refuse_decorated(key)
    return key


def _refuse_placeholder(secret: str) -> None:
    """Raise ValueError for a placeholder in place of a key, password or token."""
    refuse_template(secret)
    if _PLACEHOLDER.fullmatch(secret):
        raise ValueError("is a placeholder; write the value that it stands for")


def _refuse_decorated(key: str) -> None:
    """Raise ValueError for a key of the API in quotes, with spaces, or after the name of a variable."""
    if _ASSIGNMENT.fullmatch(key):
        raise ValueError("begins with a name and = or :; write the key alone")
    if any(letter in _QUOTES for letter in (key[0], key[-1])):
        raise ValueError("has quotes around it; write the key without them")
    if any(letter.isspace() for letter in key):
        raise ValueError("has a space in it; write the key alone")
    if "://" in key:
        raise ValueError("is a URL; write the key alone")


def _literal(check: _Check) -> PlainValidator:
    return PlainValidator(lambda value: Key(check(single(value)), "literal"))


def _of_file(check: _Check) -> PlainValidator:
    def read(value: object, info: ValidationInfo) -> Key:
        # The path is not repeated: a key may have been pasted in its place.
        start = context_of(info).directory
        try:
            return Key.from_file(located(value, info), check)
        except OSError as error:
            raise ValueError(
                f"cannot be read ({error.strerror}); check its permissions and its path, from {start}"
            ) from None

    return PlainValidator(read)


def _of_environment(value: object, info: ValidationInfo) -> Key:
    name = single(value)
    text = context_of(info).environment.get(name)
    if text is None:
        raise ValueError("this environment variable is not set; set it, or correct its name")
    return Key(checked_key(text), f"environment {name}")


Secret = Annotated[Key, _literal(checked_key), Form("text")]
SecretFile = Annotated[Key, _of_file(checked_key), Form("path")]
Password = Annotated[Key, _literal(checked_secret), Form("text")]
"""Unlike a key of the API it may hold spaces and quotes."""
PasswordFile = Annotated[Key, _of_file(checked_secret), Form("path")]


class Keyed(Section):
    """A section with a key: literal, from a file or from an environment variable; at most one of them."""

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
        """The key, from whichever of the three settings, or None."""
        return self.literal_key or self.file_key or self.environment_key


KEY_SETTINGS = ("key", "key_file", "key_env")
"""The keys of the file that give a key of the API."""
