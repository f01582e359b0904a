import os
import secrets
from pathlib import Path

import pytest

from exporter.config import Key
from exporter.config.keys import checked_key, checked_secret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a key file, with the newline that editors and `echo` leave behind."""
    path = tmp_path / "key"
    path.write_text("first\n")
    return path


def _known(key: Key) -> tuple[str, int]:
    """Read the file again; return the key and its generation."""
    key.read_again()
    return key.current(), key.generation


def _replace(file: Path, text: str) -> None:
    new = file.with_name("new")
    new.write_text(text)
    new.replace(file)


def test_a_key_file_is_read_without_its_newline(file: Path) -> None:
    """White space around the key is no part of it."""
    assert Key.from_file(file).current() == "first"


def test_a_file_replaced_by_rename_is_read_again(file: Path) -> None:
    """A rotated key is in use once the file was read again, and the generation tells that it changed."""
    key = Key.from_file(file)
    assert _known(key) == ("first", 0)
    _replace(file, "second\n")
    assert (key.current(), key.generation) == ("first", 0)
    assert _known(key) == ("second", 1)
    assert _known(key) == ("second", 1)


def test_a_file_written_in_place_is_read_again(file: Path) -> None:
    """A change of the same file is seen, even where size and name stay."""
    key = Key.from_file(file)
    file.write_text("other\n")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert _known(key) == ("other", 1)


def test_the_same_key_written_again_is_no_change(file: Path) -> None:
    """Generations count values, not writes."""
    key = Key.from_file(file)
    _replace(file, "first")
    assert _known(key) == ("first", 0)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"two\nlines", b"k" * 70_000])
def test_the_last_good_key_stays_while_the_file_holds_none(file: Path, content: bytes) -> None:
    """A file that is emptied or spoilt changes nothing until a key is there again."""
    key = Key.from_file(file)
    file.write_bytes(content)
    assert _known(key) == ("first", 0)
    _replace(file, "second")
    assert _known(key) == ("second", 1)


def test_the_last_good_key_stays_while_the_file_is_gone(file: Path) -> None:
    """A removed file, or a directory in its place, changes nothing until a key is there again."""
    key = Key.from_file(file)
    file.unlink()
    assert _known(key) == ("first", 0)
    file.mkdir()
    assert _known(key) == ("first", 0)
    file.rmdir()
    file.write_text("second")
    assert _known(key) == ("second", 1)


def test_a_swapped_symbolic_link_is_followed(tmp_path: Path) -> None:
    """Kubernetes changes a mounted secret by swapping the link to the directory that holds it."""
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
    assert _known(key) == ("v2", 1)


def test_a_named_pipe_does_not_stop_the_program(tmp_path: Path) -> None:
    """A pipe, which would block until someone writes to it, is refused."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is not a regular file"):
        Key.from_file(tmp_path / "pipe")


def test_a_file_that_never_ends_is_refused() -> None:
    """A device that has no end is not read at all."""
    with pytest.raises(ValueError, match="is not a regular file"):
        Key.from_file(Path("/dev/zero"))


def test_only_the_source_is_shown(file: Path) -> None:
    """Neither str nor repr nor a format shows the key."""
    key = Key.from_file(file)
    assert str(key) == key.source == f"file {file}"
    assert repr(key) == f"Key(file {file})"
    assert f"{key}" == str(key)


PLACEHOLDERS = [
    "<your-key>",
    "<KEY>",
    "${PBX_KEY}",
    "$PBX_KEY",
    "$(cat key)",
    "{{ pbx_key }}",
    "{{pbx_key}}",
    "{{ .Values.key }}",
    "{% raw %}",
    "<%= key %>",
    "%PBX_KEY%",
    "[key]",
    "__PBX_KEY__",
    "@PBX_KEY@",
    "changeme",
    "CHANGE_ME",
    "change-me!",
    "ChangeThis",
    "replace me",
    "replace-me",
    "replace-with-your-key",
    "your-key",
    "YOUR_API_KEY",
    "your key here",
    "yourkey",
    "insert-key-here",
    "put_your_key_here",
    "enter your password",
    "todo",
    "TODO",
    "to-do",
    "TBD",
    "FIXME",
    "placeholder",
    "REDACTED",
    "xxx",
    "XXXXXXXX",
    "***",
    "...",
    "…",
    "---",
    "???",
]

QUOTED = ['"abc"', "'abc'", "`abc`", "\u201cabc\u201d", "\u00ababc\u00bb", '"abc', "abc'"]

WITH_A_NAME = ["key=abc", "key: abc", "PBX_KEY=abc", "export PBX_KEY=abc", "apikey:abc"]


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholders_of_examples_and_templates(text: str) -> None:
    """No key, password or token is what an example or a template writes in its place."""
    for check in (checked_secret, checked_key):
        with pytest.raises(ValueError, match="placeholder") as caught:
            check(f" {text}\n")
        assert text not in str(caught.value).removeprefix("is a placeholder")


@pytest.mark.parametrize("text", [*QUOTED, *WITH_A_NAME, "ab cd", "https://pbx/api?x=abc"])
def test_a_key_of_the_api_stands_alone(text: str) -> None:
    """Without quotes, spaces, or the name of a variable; the message does not repeat it."""
    with pytest.raises(ValueError, match="; write the key") as caught:
        checked_key(text)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("text", ['"quoted"', "two words", "a=b:c", "pass'word"])
def test_a_password_may_have_what_a_key_has_not(text: str) -> None:
    """People choose passwords."""
    assert checked_secret(f"{text}\n") == text


@pytest.mark.parametrize(
    "text", ["k", "the-key", "demo-admin", "S3CRET", "Ключ", "abckeyabc==", "key=", "a-b_c.d~e+f/g", "your"]
)
def test_real_keys_pass(text: str) -> None:
    """What a switch may have for a key is not mistaken for a placeholder."""
    assert checked_key(text) == text


def test_random_keys_pass() -> None:
    """No key that a generator makes is refused."""
    for _ in range(2000):
        for text in (secrets.token_hex(16), secrets.token_urlsafe(24), secrets.token_hex(4)):
            assert checked_key(text) == text
