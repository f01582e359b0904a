"""Tenants in further files."""

import os
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config import Configuration, load
from exporter.config.include import Sources
from exporter.config.tree import read_yaml
from exporter.config_file import Stamps
from exporter.errors import ConfigurationError

SWITCH = "switches:\n  - name: a\n    url: https://pbx.example.com/api\n    key: k\n"
Write = Callable[[str, str], Path]

_NOT_SET = 'the environment variable "K" is not set; set it or correct the name'
_INVALID_YAML = (
    "invalid YAML (while parsing a flow node, did not find expected node content); check indentation, "
    "quotes, colons and brackets, also in the lines before"
)
_UNIQUE = "must be unique"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a file below the directory of the configuration."""

    def run(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    return run


def _including(write: Write, *patterns: str, more: str = "") -> Path:
    return write("config.yaml", f"{SWITCH}    include: [{', '.join(patterns)}]\n{more}")


def _errors(file: Path) -> list[str]:
    """Return the errors without the directory."""
    with pytest.raises(ConfigurationError) as caught:
        load(file, {})
    return [line.replace(f"{file.parent}/", "") for line in str(caught.value).splitlines()]


def _codes(configuration: Configuration) -> list[str]:
    return [tenant.code for tenant in configuration.switches[0].tenants]


def test_tenants_are_added_in_the_order_of_the_names(write: Write, tmp_path: Path) -> None:
    """After those of the switch, with paths that start from the directory of each file."""
    write("tenants/b.yaml", "tenants: [{code: C}, {code: B, key_file: b.key}]")
    write("tenants/b.key", "key-of-b")
    write("tenants/a.yaml", "tenants: [{code: D}]")
    write("tenants/.hidden.yaml", "nothing: here")
    configuration = load(_including(write, '"tenants/*.yaml"', more="    tenants: [{code: A}]\n"), {})
    switch = configuration.switches[0]
    assert _codes(configuration) == ["A", "D", "C", "B"]
    key = switch.settings("B").key
    assert key is not None
    assert key.current() == "key-of-b"
    assert set(configuration.files) == {tmp_path / "tenants" / name for name in ("a.yaml", "b.yaml", "b.key")}


def test_each_switch_has_its_own_files(write: Write) -> None:
    """The same code may occur in both, and both may include the same file."""
    write("one.yaml", "tenants: [{code: A}]")
    write("both.yaml", "tenants: [{code: B}]")
    second = SWITCH.replace("switches:\n", "").replace("name: a", "name: b")
    second += "    include: [both.yaml]\n    tenants: [{code: A}]\n"
    switches = load(_including(write, "one.yaml", "both.yaml", more=second), {}).switches
    assert [[tenant.code for tenant in switch.tenants] for switch in switches] == [["A", "B"], ["A", "B"]]


def test_a_file_that_two_patterns_match_is_read_once(write: Write) -> None:
    """Its tenants are not duplicates."""
    write("tenants/a.yaml", "tenants: [{code: A}]")
    assert _codes(load(_including(write, '"tenants/*"', "tenants/a.yaml"), {})) == ["A"]


def test_errors_have_the_place_in_their_own_file(write: Write) -> None:
    """All errors of all files are reported together, those of the main file first."""
    write("tenants/a.yaml", "tenants:\n  - code: A\n    label: {}\n  - code: B\n    key: k\n    key_env: K\n")
    write("tenants/b.yaml", "tenants: [\n")
    write("tenants/c.yaml", "# empty\n")
    write("tenants/d.yaml", "tenants: []\ninclude: [e.yaml]\n")
    file = _including(write, '"tenants/*.yaml"', "none.yaml", '"missing/*.yaml"')
    missing = "cannot be read (No such file or directory); check the path and its permissions"
    assert _errors(file) == [
        f'config.yaml:5:44: switches[0].include[2]: the directory "missing" {missing}',
        'tenants/a.yaml:3:5: tenants[0].label: unknown key; did you mean "labels"?',
        "tenants/a.yaml:4:5: tenants[1]: key and key_env are set; keep one",
        f"tenants/a.yaml:6:5: tenants[1].key_env: {_NOT_SET}",
        "tenants/c.yaml: file: expected a mapping that starts with a key such as `tenants:`, got nothing",
        "tenants/d.yaml:2:1: include: unknown key; valid keys: tenants",
        f"tenants/b.yaml:2:1: {_INVALID_YAML}",
        f"none.yaml: {missing}",
    ]


def test_duplicates_are_reported_with_both_places(write: Write) -> None:
    """Across files, and between a file and the configuration."""
    write("tenants/a.yaml", "tenants:\n  - code: A\n  - code: B\n")
    write("tenants/b.yaml", "tenants:\n  - code: C\n  - code: B\n")
    file = _including(write, '"tenants/*.yaml"', more="    tenants:\n      - code: A\n")
    used = "is already used by"
    assert _errors(file) == [
        f'tenants/a.yaml:2:5: tenants[0].code: "A" {used} switches[0].tenants[0].code in config.yaml:7:9; '
        + _UNIQUE,
        f'tenants/b.yaml:3:5: tenants[1].code: "B" {used} tenants[1].code in tenants/a.yaml:3:5; {_UNIQUE}',
    ]


def test_conflicts_with_the_switch(write: Write) -> None:
    """Thresholds that it inherits, and the admin key that it lacks."""
    write("a.yaml", "tenants:\n  - code: A\n    thresholds: {balance: {warning: 5}}\n")
    file = _including(write, "a.yaml")
    file.write_text(file.read_text().replace("    key: k\n", ""))
    first, second = _errors(file)
    assert first == (
        "a.yaml:2:5: tenants[0]: has no key, and the switch has no admin key; set key_file, key_env or key"
    )
    assert second.startswith(
        "a.yaml:3:18: tenants[0].thresholds.balance: with the inherited thresholds, warning"
    )


def test_a_state_file_must_not_overwrite_an_included_file(write: Write) -> None:
    """Nor a key file that such a file names."""
    write("tenants/a.yaml", "tenants: [{code: A, key_file: a.key}]")
    write("tenants/a.key", "key-of-a")
    for name in ("tenants/a.yaml", "tenants/a.key"):
        alerting = f"alerting: {{alertmanagers: [{{url: 'http://a:9093'}}], state_file: {name}}}\n"
        (error,) = _errors(_including(write, '"tenants/*.yaml"', more=alerting))
        assert "alerting.state_file: would overwrite " in error


@pytest.mark.parametrize("pattern", ['"*.yaml"', '"./conf*"', "config.yaml"])
def test_the_configuration_itself_must_not_match(write: Write, pattern: str) -> None:
    """It has no `tenants:` of its own, and the advice is to use a directory."""
    (error,) = _errors(_including(write, pattern))
    assert "matches this file itself; put the files into a directory of their own" in error


def test_a_directory(write: Write, tmp_path: Path) -> None:
    """The message has the pattern for the files in it."""
    (tmp_path / "tenants").mkdir()
    assert _errors(_including(write, "tenants")) == [
        "config.yaml:5:15: switches[0].include[0]: is a directory; to include the files in it, append /*.yaml"
    ]


def test_a_path_that_the_system_rejects(write: Write) -> None:
    """It is an error in the configuration, not a defect."""
    (error,) = _errors(_including(write, "n" * 300))
    assert error.endswith("cannot be read (File name too long); check the path and its permissions")


def test_a_pattern_may_match_nothing(write: Write, tmp_path: Path) -> None:
    """But its directory must be there: it may be a mount that failed."""
    (tmp_path / "tenants").mkdir()
    assert _codes(load(_including(write, '"tenants/*.yaml"'), {})) == []
    (tmp_path / "tenants").rmdir()
    assert "cannot be read" in _errors(_including(write, '"tenants/*.yaml"'))[0]


@pytest.mark.parametrize("pattern", ["tenants/*/*.yaml", "tenants/**/*.yaml"])
def test_a_directory_that_cannot_be_read(pattern: str) -> None:
    """It does not look like an empty one: its tenants would no longer be polled."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:  # pytest's own directory is closed to other users
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "tenants" / "eu").mkdir(parents=True)
        (directory / "tenants" / "eu" / "a.yaml").write_text("tenants: [{code: A}]")
        file = directory / "config.yaml"
        file.write_text(f"{SWITCH}    include: [{pattern!r}]\n")
        (directory / "tenants" / "eu").chmod(0)
        try:
            if user == 0:  # root may read everything
                os.seteuid(65534)
            (error,) = _errors(file)
        finally:
            os.seteuid(user)
            (directory / "tenants" / "eu").chmod(0o755)
    assert 'the directory "tenants/eu" cannot be read (Permission denied); check the path' in error


def test_a_mounted_configmap(write: Write, tmp_path: Path) -> None:
    """Kubernetes swaps the link to a hidden directory: each file is read once."""
    for version, code in (("..v1", "A"), ("..v2", "B")):
        write(f"tenants/{version}/a.yaml", f"tenants: [{{code: {code}}}]")
    (tmp_path / "tenants" / "..data").symlink_to("..v1")
    (tmp_path / "tenants" / "a.yaml").symlink_to("..data/a.yaml")
    file = _including(write, '"tenants/**/*.yaml"')
    configuration = load(file, {})
    assert _codes(configuration) == ["A"]
    stamps = Stamps.take(configuration.files, configuration.patterns)
    assert stamps.again() == stamps

    (tmp_path / "tenants" / "..new").symlink_to("..v2")
    (tmp_path / "tenants" / "..new").replace(tmp_path / "tenants" / "..data")
    assert stamps.again() != stamps
    assert _codes(load(file, {})) == ["B"]


def test_links_to_directories_are_followed_once(write: Write, tmp_path: Path) -> None:
    """A ConfigMap links to its directories. Links to a parent neither repeat files nor take forever."""
    write("tenants/..v1/eu/a.yaml", "tenants: [{code: A}]")
    (tmp_path / "tenants" / "..data").symlink_to("..v1")
    (tmp_path / "tenants" / "eu").symlink_to("..data/eu")
    for name in ("up", "up-again", "eu/up", "eu/up-again"):
        (tmp_path / "tenants" / name).symlink_to(tmp_path / "tenants")
    assert _codes(load(_including(write, '"tenants/**/*.yaml"'), {})) == ["A"]


@pytest.mark.parametrize(
    "pattern", ["tenants/**/*.yaml", "**/t*/**/**/*.yaml", "tenants/**/eu/../**/[ab].yaml"]
)
def test_double_stars(write: Write, pattern: str) -> None:
    """They stand for any directories that are not hidden, and none: each file is read once."""
    write("tenants/a.yaml", "tenants: [{code: A}]")
    write("tenants/eu/b.yaml", "tenants: [{code: B}]")
    write("tenants/.hidden/c.yaml", "tenants: [{code: C}]")
    assert sorted(_codes(load(_including(write, f'"{pattern}"'), {}))) == ["A", "B"]


def test_unprintable_names_of_files(write: Write, tmp_path: Path) -> None:
    """Each error stays one line that can be sent as UTF-8."""
    for name in (b"a\n\x1b[2J.yaml", b"b\xff.yaml"):
        file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/tenants/" + name))
        file.parent.mkdir(exist_ok=True)
        file.write_text("tenants: [{code: A, foo: 1}]")
    first, second, duplicate = _errors(_including(write, '"tenants/*"'))
    assert first.startswith("tenants/a\\u000a\\u001b[2J.yaml:1:")
    assert second.startswith("tenants/b\\udcff.yaml:1:")
    assert duplicate.isprintable()


def test_the_number_of_files_is_limited(write: Write) -> None:
    """A pattern such as /**/* does not fill the memory."""
    for name in "abc":
        write(f"tenants/{name}.yaml", "tenants: []")
    sources = Sources(read_yaml(_including(write, '"tenants/*.yaml"')), most_files=2)
    assert [str(problem) for problem in sources.problems] == [
        "switches[0].include[0]: includes more than 2 files; put several tenants into a file"
    ]


def test_the_number_of_values_is_limited(write: Write) -> None:
    """All files count together: each could be below the limit."""
    many = f"tenants: [{{code: A, extensions: &a [{'1, ' * 9_999}1]}}{', {extensions: *a}' * 100}]"
    for name in ("a", "b"):
        write(f"tenants/{name}.yaml", many)
    sources = Sources(read_yaml(_including(write, '"tenants/*.yaml"')))
    assert [str(problem) for problem in sources.problems] == [
        "switches[0].include[0]: includes more than 2,000,000 values in all; include fewer files"
    ]
