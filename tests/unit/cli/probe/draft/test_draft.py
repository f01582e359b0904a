import asyncio
import ssl
import stat
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.cli.probe.draft import checked, reject_unwritable, write
from exporter.errors import StartError
from tests.certificates import Authority

_DEAD = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBX_KEY", "a-secret-key")
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def _probe(file: Path, *flags: str) -> int:
    return main(["probe", f"--write-config={file}", "--key-env=PBX_KEY", *flags])


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([f"--url=http://{_DEAD}/api"], "check host and port in --url, DNS, routes and firewalls"),
        (
            ["--url=https://pbx.invalid/api", f"--proxy-url=http://{_DEAD}"],
            f"check the proxy http://{_DEAD} from proxy_url; --proxy-url=off bypasses it",
        ),
    ],
)
def test_a_switch_that_cannot_be_reached(
    flags: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two requests are sent, the advice names the flags, and nothing is written."""
    file = tmp_path / "config.yaml"
    assert _probe(file, *flags) == 1
    output = capsys.readouterr().out
    assert text in output
    assert output.endswith("Nothing was written, because the switch returned no value.\n")
    assert output.count("connect: ") == 3
    assert "a-secret-key" not in output
    assert list(tmp_path.iterdir()) == []


def test_a_dead_proxy_of_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is named; its password is not shown."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:S3CRET-word@{_DEAD}")
    assert _probe(tmp_path / "c.yaml", "--url=https://pbx.invalid/api") == 1
    output = capsys.readouterr().out
    assert f"check the proxy http://{_DEAD} from HTTPS_PROXY; --proxy-url=off bypasses it" in output
    assert "S3CRET" not in output


async def test_a_certificate_that_is_not_trusted(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    """The advice is the flag that helps. With it, the name of the certificate is the next problem."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.issue("switch", names="DNS:switch.test")
    context.load_cert_chain(pair.certificate, pair.key)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    file = authority.directory / "config.yaml"
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        url = f"--url=https://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
        assert await asyncio.to_thread(_probe, file, url) == 1
        assert "--ca-file=ca.pem" in capsys.readouterr().out
        trusted = f"--ca-file={authority.certificate}"
        assert await asyncio.to_thread(_probe, file, url, trusted) == 1
        assert "--server-name=switch.test" in capsys.readouterr().out
    assert not file.exists()


def test_an_existing_file_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is sent either."""
    file = tmp_path / "config.yaml"
    file.write_text("mine")
    assert _probe(file, f"--url=http://{_DEAD}/api") == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors == f"softswitch-exporter: {file} exists; name another file, or add --overwrite\n"
    assert file.read_text() == "mine"


def _names(directory: Path) -> list[str]:
    return [each.name for each in directory.iterdir()]


def _accept(file: Path) -> None:
    assert file.read_text() == "text\n"


def _refuse(file: Path) -> None:
    raise StartError(f"{file.name} is invalid")


def test_a_new_file(tmp_path: Path) -> None:
    """It is complete, readable by owner and group, and alone in its directory."""
    file = tmp_path / "config.yaml"
    write(file, "text\n", _accept, overwrite=False)
    assert file.read_text() == "text\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert _names(tmp_path) == ["config.yaml"]


def test_an_existing_file(tmp_path: Path) -> None:
    """It is replaced only on request, also if it appears during the survey."""
    file = tmp_path / "config.yaml"
    file.write_text("mine")
    with pytest.raises(StartError, match="was created meanwhile"):
        write(file, "text\n", _accept, overwrite=False)
    assert file.read_text() == "mine"
    reject_unwritable(file, overwrite=True)
    write(file, "text\n", _accept, overwrite=True)
    assert file.read_text() == "text\n"
    assert _names(tmp_path) == ["config.yaml"]


@pytest.mark.parametrize("problem", [StartError("no"), KeyboardInterrupt()])
def test_nothing_is_left_behind(problem: BaseException, tmp_path: Path) -> None:
    """Neither after a failed check nor after Ctrl-C."""

    def fail(_: Path) -> None:
        raise problem

    with pytest.raises(type(problem)):
        write(tmp_path / "config.yaml", "text\n", fail, overwrite=True)
    assert _names(tmp_path) == []


def test_what_cannot_be_written(tmp_path: Path) -> None:
    """The message names the path and the fix, before anything is sent."""
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for name, overwrite, text in (
        ("absent/config.yaml", False, "is not a directory; create it first"),
        ("", True, "is not a regular file"),
        ("link", False, "exists"),
    ):
        with pytest.raises(StartError, match=text):
            reject_unwritable(tmp_path / name, overwrite=overwrite)
    with pytest.raises(StartError, match="cannot be written: No such file or directory"):
        write(tmp_path / "absent/config.yaml", "text\n", _accept, overwrite=False)


def test_a_text_for_standard_output() -> None:
    """It is checked as a file is."""
    assert checked("text\n", _accept) == "text\n"
    with pytest.raises(StartError, match="is invalid"):
        checked("text\n", _refuse)
