import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config.connection import check_key
from tests.certificates import Authority

Problems = Callable[..., list[str]]

SWITCH = "switches: [{name: a, url: 'https://pbx/', key: k, tls: {%s}}]"


@pytest.fixture
def files(authority: Authority) -> Path:
    """Make files of every kind: right, of another pair, encrypted, weak, combined, and no such thing."""
    directory = authority.directory
    for name in ("mine", "other"):
        pair = authority.issue(name)
        (directory / f"{name}-both.pem").write_text(pair.certificate.read_text() + pair.key.read_text())
    (directory / "nothing.pem").write_text("not a certificate\n")
    (directory / "empty.pem").touch()
    openssl = authority.openssl
    commands = [
        [*(openssl, "ec", "-aes128", "-passout", "pass:secret"), *("-in", "mine.key", "-out", "locked.key")],
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", "2", "-subj", "/CN=weak"),
            *("-keyout", "weak.key", "-out", "weak.pem"),
        ],
    ]
    for command in commands:
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return directory


def test_what_fits_together(files: Path) -> None:
    """A certificate with its key, in two files or in one."""
    check_key(files / "mine.pem", files / "mine.key")
    check_key(files / "mine-both.pem", None)


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("mine.pem", "other.key", "is not the key of"),
        ("mine.pem", "weak.key", "is not the key of"),
        ("mine.pem", "nothing.pem", "holds no private key"),
        ("mine.pem", "empty.pem", "holds no private key"),
        ("mine.pem", None, "holds no private key"),
        ("mine.pem", "locked.key", "is encrypted with a passphrase"),
        ("mine.pem", "gone.key", r"cannot be read \(No such file"),
        ("weak.pem", "weak.key", r"cannot be used \(ee key too small\)"),
    ],
)
def test_what_does_not(files: Path, certificate: str, key: str | None, said: str) -> None:
    """Each is told with the path of the key and what to do; nothing asks for a passphrase."""
    with pytest.raises(ValueError, match=said) as caught:
        check_key(files / certificate, files / key if key else None)
    assert str(caught.value).startswith(f'"{files / (key or certificate)}" ')
    assert "; " in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize("name", ["ca_file", "cert_file"])
@pytest.mark.parametrize("file", ["nothing.pem", "empty.pem", "mine.key"])
def test_a_file_without_a_certificate(problems: Problems, files: Path, name: str, file: str) -> None:
    """A file of a switch that can be read and holds none is a mistake at its path."""
    (problem,) = problems(SWITCH % f"{name}: {file}")
    assert problem.startswith(
        f'switches[0].tls.{name}: "{files / file}" holds no certificate that can be read; name a file'
    )


def test_a_key_that_is_not_that_of_the_certificate_of_a_switch(problems: Problems, files: Path) -> None:
    """Told at the key where it has a file, at the section where it should stand with the certificate."""
    (problem,) = problems(SWITCH % "cert_file: mine.pem, key_file: other.key")
    assert problem.startswith(f'switches[0].tls.key_file: "{files}/other.key" is not the key of')
    (problem,) = problems(SWITCH % "cert_file: mine.pem")
    assert problem.startswith("switches[0].tls: has no key_file, and cert_file ")
