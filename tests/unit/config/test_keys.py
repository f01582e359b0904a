import os
import re
import secrets
from pathlib import Path

import pytest

from exporter.config import Key
from exporter.config.keys import checked_key, checked_secret, secret_in_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a key file, with the newline that editors and `echo` leave behind."""
    path = tmp_path / "key"
    path.write_text("first\n")
    return path


def _reloaded(key: Key) -> tuple[str, int]:
    key.reload()
    return key.current(), key.generation


def _replace(file: Path, text: str) -> None:
    new = file.with_name("new")
    new.write_text(text)
    new.replace(file)


def test_file_replaced_by_rename(file: Path) -> None:
    """A rotated key is used after a reload, without its newline. The generation counts values, not writes."""
    key = Key.from_file(file)
    assert _reloaded(key) == ("first", 0)
    _replace(file, "first")
    assert _reloaded(key) == ("first", 0)
    _replace(file, "second\n")
    assert (key.current(), key.generation) == ("first", 0)
    assert _reloaded(key) == ("second", 1)
    assert _reloaded(key) == ("second", 1)


def test_file_with_an_old_time_of_modification(file: Path) -> None:
    """As `tar` or `cp -p` leave it: same size, same time, perhaps the same inode."""
    key = Key.from_file(file)
    before = file.stat()
    file.write_text("other\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # the clock of a kernel may tick every few ms
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _reloaded(key) == ("other", 1)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"two\nlines", b"k" * 70_000])
def test_last_good_key_stays_while_the_file_is_invalid(file: Path, content: bytes) -> None:
    """``problem`` says why, until the file has a key again."""
    key = Key.from_file(file)
    file.write_bytes(content)
    assert _reloaded(key) == ("first", 0)
    assert key.problem
    _replace(file, "second")
    assert _reloaded(key) == ("second", 1)
    assert not key.problem


def test_last_good_key_stays_while_the_file_is_missing(file: Path) -> None:
    """A removed file, or a directory in its place, changes nothing."""
    key = Key.from_file(file)
    file.unlink()
    assert _reloaded(key) == ("first", 0)
    file.mkdir()
    assert _reloaded(key) == ("first", 0)


def test_swapped_symbolic_link(tmp_path: Path) -> None:
    """Kubernetes updates a mounted secret by swapping the link to its directory."""
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "key").write_text(version)
    data = tmp_path / "..data"
    data.symlink_to("v1")
    (tmp_path / "key").symlink_to("..data/key")
    key = Key.from_file(tmp_path / "key")
    assert key.current() == "v1"
    (tmp_path / "..data_tmp").symlink_to("v2")
    (tmp_path / "..data_tmp").replace(data)
    assert _reloaded(key) == ("v2", 1)


def test_only_the_source_is_displayed(file: Path) -> None:
    """Neither str nor repr shows the key."""
    key = Key.from_file(file)
    assert f"{key}" == str(key) == key.source == f"file {file}"
    assert repr(key) == f"Key(file {file})"


_PLACEHOLDERS = """
<your-key>           <KEY>                ${PBX_KEY}           $PBX_KEY             $(cat key)
{{ pbx_key }}        {{pbx_key}}          {{ .Values.key }}    {% raw %}            <%= key %>
%PBX_KEY%            [key]                __PBX_KEY__          @PBX_KEY@            changeme
CHANGE_ME            change-me!           ChangeThis           replace me           replace-me
your-key             YOUR_API_KEY         your key here        yourkey              insert-key-here
put_your_key_here    enter your password  todo                 TODO                 to-do
TBD                  FIXME                placeholder          REDACTED             replace-with-your-key
xxx                  XXXXXXXX             ***                  ...                  …
---                  ???
"""


@pytest.mark.parametrize("text", re.split(r" {2,}|\n", _PLACEHOLDERS.strip()))
def test_placeholders_are_rejected(text: str) -> None:
    """Neither a key nor a password is what examples and templates write in its place."""
    for check in (checked_secret, checked_key):
        with pytest.raises(ValueError, match="placeholder") as caught:
            check(f" {text}\n")
        assert text not in str(caught.value).removeprefix("contains only a placeholder")


_QUOTED = ['"abc"', "'abc'", "`abc`", "\u201cabc\u201d", "\u00ababc\u00bb", '"abc', "abc'"]
_NAMED = ["key=abc", "key: abc", "PBX_KEY=abc", "export PBX_KEY=abc", "apikey:abc"]


@pytest.mark.parametrize("text", [*_QUOTED, *_NAMED, "ab cd", "https://pbx/api?x=abc"])
def test_api_key_with_something_around_it(text: str) -> None:
    """Quotes, spaces, a variable name or a URL are rejected; the message does not repeat them."""
    with pytest.raises(ValueError, match="; expected only the key") as caught:
        checked_key(text)
    assert "abc" not in str(caught.value)


_UNLIKELY = {
    '"abc"': "contains quotes around the key",
    "abc'": "contains quotes around the key",
    "ab cd": "contains a space",
    "${PBX_KEY}": "contains a placeholder",
    "a{{ key }}b": "contains a placeholder",
    "<abc>": "contains a placeholder",
    "$PBX_KEY": "contains a placeholder",
    "abc": "",
    "a$b<c": "",
}


@pytest.mark.parametrize(("content", "warning"), _UNLIKELY.items())
def test_key_file_with_an_unlikely_key(file: Path, content: str, warning: str) -> None:
    """It is used as it is, so that every key can be configured, with a warning that does not show it."""
    file.write_text(f"{content}\n")
    key = Key.from_file(file)
    assert (key.current(), key.warning) == (content, warning)
    file.write_text("another")
    key.reload()
    assert key.warning == ""


def test_warnings_of_a_password_file(file: Path) -> None:
    """A password may contain spaces; quotes around it are probably a mistake."""
    for content, warning in {"two words": "", '"quoted"': "contains quotes around the key"}.items():
        file.write_text(content)
        assert Key.from_file(file, secret_in_file).warning == warning


@pytest.mark.parametrize(
    "text", ["changeme", "key=abc", "https://pbx/api?x=abc", "a\nb", "replace-with-your-key"]
)
def test_key_file_without_a_key(file: Path, text: str) -> None:
    """What cannot be a key is an error in a file as well."""
    file.write_text(text)
    with pytest.raises(ValueError, match="only"):
        Key.from_file(file)


def test_only_files_have_warnings() -> None:
    """A key in the configuration that looks like a mistake is an error."""
    assert Key('"k"', "literal").warning == ""


@pytest.mark.parametrize("text", ['"quoted"', "two words", "a=b:c", "pass'word"])
def test_passwords_are_less_restricted_than_keys(text: str) -> None:
    """People choose passwords."""
    assert checked_secret(f"{text}\n") == text


_KEYS = [
    "k",
    "the-key",
    "demo-admin",
    "S3CRET",
    "Ключ",
    "abckeyabc==",
    "key=",
    "a-b_c.d~e+f/g",
    "your",
    "$ummer2024",
    "$ummer",
]


@pytest.mark.parametrize("text", _KEYS)
def test_valid_keys(text: str) -> None:
    """They are not mistaken for placeholders."""
    assert checked_key(text) == text


def test_random_keys() -> None:
    """Generated keys are accepted."""
    for _ in range(2000):
        for text in (secrets.token_hex(16), secrets.token_urlsafe(24), secrets.token_hex(4)):
            assert checked_key(text) == text
