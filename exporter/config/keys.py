"""API keys, passwords and tokens: where they come from, which values are rejected, how a file is reloaded."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, PlainValidator, ValidationInfo

from exporter.config.fields import context_of, reject_invisible, resolved_path
from exporter.config.placeholders import (
    only_bracketed,
    reject_template,
    reject_unreplaced,
    template_problem,
    variable_of,
)
from exporter.errors import is_variable_name, shown, single
from exporter.fields import NOT_BLANK, TEXT, Form, SchemaOf, Section
from exporter.files import read_regular_file

_MAX_BYTES = 65536

_AROUND = " \t\r\n"  # what editors and `echo` leave behind; a no-break space comes from a web page

_ASSIGNMENT = re.compile(r"(export\s+)?\w*(key|token|secret)\w*\s*[=:]\s*[^=\s].*", re.IGNORECASE | re.DOTALL)
_QUOTES = "\"'`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb"

_Signature = tuple[int, int, int, int, int]
_Check = Callable[[str], str]


class _State(NamedTuple):
    value: str
    signature: _Signature | None
    generation: int


def checked_secret(text: str, *, fix: str = "set password_file to a file that contains it") -> str:
    """Return a password or token without surrounding white space. Raises ValueError for other text.

    ``fix``: what to do about a variable that is not expanded.
    """
    secret = _written(text)
    if problem := template_problem(secret, fix):
        raise ValueError(problem)
    if only_bracketed(secret):
        raise ValueError(
            "contains only a placeholder; replace it with the actual value, or put it in a file if it is real"
        )
    return secret


def checked_key(text: str) -> str:
    """Return an API key without surrounding white space. Raises ValueError for other text."""
    key = _without_surroundings(_written(text))
    if name := variable_of(key):
        raise ValueError(f"contains a placeholder, which the exporter does not expand; set key_env: {name}")
    checked_secret(key, fix="set key_env to the name of the variable, or key_file")
    if problem := _around(key) or _inside(key):
        raise ValueError(f"{problem}; expected only the key. If this is the key, put it in a key_file")
    return key


def secret_in_file(text: str) -> str:
    """Return the password or token in a file, which may look like a placeholder. Raises ValueError."""
    return _written(text)


def key_in_file(text: str) -> str:
    """Return the API key in a file, which may look like a placeholder or be quoted. Raises ValueError."""
    return _without_surroundings(_written(text))


def _written(text: str) -> str:
    secret = text.strip(_AROUND)
    if not secret:
        raise ValueError("is empty; expected a key, password or token")
    if "\n" in secret or "\r" in secret:
        raise ValueError("contains more than one line; expected only the key, password or token")
    reject_invisible(secret)
    reject_unreplaced(secret)
    return secret


def _without_surroundings(key: str) -> str:
    if _ASSIGNMENT.fullmatch(key):
        raise ValueError("starts with a name and = or :; expected only the key")
    if "://" in key:
        raise ValueError("contains a URL; expected only the key")
    return key


def _around(secret: str) -> str:
    return "contains quotes around the key" if secret[0] in _QUOTES or secret[-1] in _QUOTES else ""


def _inside(key: str) -> str:
    return "contains a space" if any(letter.isspace() for letter in key) else ""


class Key:
    """An API key, password or token. ``source`` says where it comes from; only ``current()`` shows it.

    ``exporter.key_files`` calls ``reload()`` every second. While the file is missing or unusable, the last
    good key stays and ``problem`` says why; it is empty otherwise.
    """

    __slots__ = ("_check", "_state", "file", "problem", "source")

    def __init__(self, value: str, source: str) -> None:
        self._state = _State(value, None, 0)
        self._check: _Check = key_in_file
        self.file: Path | None = None
        self.problem = ""
        self.source = source

    @classmethod
    def from_file(cls, file: Path, check: _Check = key_in_file) -> "Key":
        """Read a key file. Raises OSError, or the ValueError of ``check``, which extracts the key."""
        signature = _signature(file)
        key = cls(_read(file, check), f"file {file}")
        key.file = file
        key._check = check
        key._state = key._state._replace(signature=signature)
        return key

    def current(self) -> str:
        """Return the key that was last read, without reading the file."""
        return self._state.value

    @property
    def warning(self) -> str:
        """Why the content of the file is probably not the key, or "". The text continues the file's name."""
        if self.file is None:
            return ""
        secret = self.current()
        if template_problem(secret) or only_bracketed(secret):
            return "contains a placeholder"
        return _around(secret) or (_inside(secret) if self._check is key_in_file else "")

    @property
    def generation(self) -> int:
        """How many times the value has changed."""
        return self._state.generation

    @property
    def device(self) -> int:
        """The number of the file system that the file was last read from; 0 without a file."""
        return self._state.signature[-1] if self._state.signature else 0

    def reload(self) -> None:
        """Read the file if it changed: in place, by rename, or by a symbolic link, as in Kubernetes.

        An unchanged file costs one ``stat``. A hanging disk blocks this call, so run it in a thread: the
        state is replaced in one assignment, and the event loop may call ``current()`` meanwhile.
        """
        if self.file is None:
            return
        try:
            # Before reading: a later change then has another signature and is read next time.
            signature = _signature(self.file)
            if signature != self._state.signature:
                value = _read(self.file, self._check)
                changed = value != self._state.value
                self._state = _State(value, signature, self._state.generation + changed)
            self.problem = ""
        except OSError as error:
            self.problem = f"cannot be read ({error.strerror})"
        except ValueError as error:
            self.problem = str(error)

    def __str__(self) -> str:
        return self.source

    def __repr__(self) -> str:
        return f"Key({self.source})"


def _signature(file: Path) -> _Signature:
    status = os.stat(file)  # noqa: PTH116 -- 5,000 key files a second: Path.stat takes twice as long
    # The time of the change as well: `tar`, `cp -p` and `rsync -t` set the time of the modification.
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


def _read(file: Path, check: _Check) -> str:
    try:
        return check(read_regular_file(file, _MAX_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text; expected only the key") from None


def _literal(check: _Check) -> PlainValidator:
    return PlainValidator(lambda value: Key(check(single(value)), "literal"))


def _from_file(check: _Check) -> PlainValidator:
    def read(value: object, info: ValidationInfo) -> Key:
        path = resolved_path(value, info)
        try:
            return Key.from_file(path, check)
        except OSError as error:  # without the path: a key may have been pasted in its place
            reason = f"the file cannot be read ({error.strerror})"
            directory = context_of(info).directory
            raise ValueError(
                f"{reason}; check its permissions and its path, relative to {directory}"
            ) from None
        except ValueError as error:
            raise ValueError(f"the file {error}") from None

    return PlainValidator(read)


def _from_environment(value: object, info: ValidationInfo) -> Key:
    name = single(value)
    if meant := variable_of(name):
        raise ValueError(f"expected the name of the variable without $: key_env: {meant}")
    if name.startswith("$"):
        raise ValueError("expected the name of the variable without $")
    reject_template(name)
    text = context_of(info).environment.get(name)
    if text is None:
        variable = f"variable {shown(name)}" if is_variable_name(name) else "variable"
        raise ValueError(f"the environment {variable} is not set; set it or correct the name")
    try:
        return Key(checked_key(text), f"environment {name}")
    except ValueError as error:
        raise ValueError(f"the environment variable {error}") from None


Password = Annotated[Key, _literal(checked_secret), Form("text"), SchemaOf(NOT_BLANK)]
"""Unlike an API key, it may contain spaces and quotes."""
PasswordFile = Annotated[Key, _from_file(secret_in_file), Form("path"), SchemaOf(NOT_BLANK)]


class Keyed(Section):
    """A section with an API key from at most one of three settings."""

    literal_key: Annotated[Key, _literal(checked_key), Form("text"), SchemaOf(NOT_BLANK)] | None = Field(
        None,
        alias="key",
        description="The API key itself. `key_file` keeps it out of the configuration.",
        examples=["the-key"],
    )
    file_key: Annotated[Key, _from_file(key_in_file), Form("path"), SchemaOf(NOT_BLANK)] | None = Field(
        None,
        alias="key_file",
        description="A file that contains only the API key. It is reloaded when it changes.",
        examples=["pbx-eu.key"],
    )
    environment_key: (
        Annotated[Key, PlainValidator(_from_environment), Form("text"), SchemaOf(TEXT)] | None
    ) = Field(
        None,
        alias="key_env",
        description="The name of an environment variable that contains the API key.",
        examples=["PBX_EU_KEY"],
    )

    @property
    def key(self) -> Key | None:
        """The key from whichever setting is present."""
        return self.literal_key or self.file_key or self.environment_key


KEY_SETTINGS = ("key", "key_file", "key_env")
