"""Builds the Debian package for this Python and this machine's architecture into dist/.

    .venv/bin/python -m deploy.debian.build

It needs a wheel of the exporter in dist/, and SOURCE_DATE_EPOCH, the time of all files. The package contains
the locked dependencies.
"""

import os
import platform
import shutil
import string
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from deploy.debian.documents import completion, compressed, copyright_file, debian_changelog, manual_page
from exporter import __version__

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[1]
_BIN = Path(sys.executable).parent
_LIBRARIES = "usr/lib/softswitch-exporter"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def build(wheel: Path, work: Path, to: Path, seconds: int, release: str = "1") -> Path:
    """Build the package from a wheel of the exporter, with its files in ``work``, and return its file.

    ``seconds`` since 1970 is the time of all files. If ``work`` has the files of a former build, only
    documents and metadata are made again.
    """
    root = work / "root"
    if not root.exists():
        _install(wheel, root)
    configuration = _configuration(root, seconds, release)
    _add_documents(root, f"{__version__}-{release}", str(configuration["maintainer"]), seconds)
    for path in (root, *root.rglob("*")):
        os.utime(path, (seconds, seconds))
    file = work / "nfpm.yaml"
    file.write_text(yaml.safe_dump(configuration))
    to.mkdir(parents=True, exist_ok=True)
    _run(_BIN / "nfpm", "package", "--packager=deb", f"--config={file}", f"--target={to}")
    [package] = to.glob(f"*_{__version__}-{release}_*.deb")
    return package


def _install(wheel: Path, root: Path) -> None:
    """Install the locked dependencies and the exporter, unchanged, and what starts it."""
    libraries = root / _LIBRARIES
    # A copy, because the times of the files are changed later.
    uv = (_BIN / "uv", "pip", "install", "--quiet", "--link-mode=copy", f"--python={sys.executable}")
    lock = _REPOSITORY / "requirements.lock"
    _run(*uv, f"--target={libraries}", "--require-hashes", f"--requirement={lock}")
    (libraries / ".lock").unlink()
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", f"--target={libraries}")
    _run(*pip, "--no-deps", "--upgrade", wheel)
    shutil.rmtree(libraries / "bin")
    _write(root / "usr/bin/softswitch-exporter", _content("softswitch-exporter"), 0o755)
    # Users look for the files for other programs in /usr/share; nfpm.yaml adds a link for the program.
    (root / "usr/share").mkdir()
    shutil.move(libraries / "exporter/data", root / "usr/share/softswitch-exporter")


def _configuration(root: Path, seconds: int, release: str) -> dict[str, object]:
    """Return nfpm.yaml with its values."""
    major, minor = sys.version_info[:2]
    text = string.Template((_HERE / "nfpm.yaml").read_text()).substitute(
        ARCHITECTURE=_ARCHITECTURES[os.uname().machine],
        VERSION=__version__,
        RELEASE=release,
        PYTHON=f"{major}.{minor}",
        NEXT_PYTHON=f"{major}.{minor + 1}",
        TIME=datetime.fromtimestamp(seconds, UTC).isoformat(),
        ROOT=root,
        HERE=_HERE,
    )
    loaded: dict[str, object] = yaml.safe_load(text)
    return loaded


def _add_documents(root: Path, version: str, maintainer: str, seconds: int) -> None:
    share = root / "usr/share"
    about = share / "doc/softswitch-exporter"
    made = {
        root / "lib/systemd/system/softswitch-exporter.service": _content("softswitch-exporter.service"),
        share / "lintian/overrides/softswitch-exporter": _content("lintian-overrides"),
        share / "man/man1/softswitch-exporter.1.gz": compressed(manual_page(seconds)),
        share / "bash-completion/completions/softswitch-exporter": completion("bash"),
        share / "zsh/vendor-completions/_softswitch-exporter": completion("zsh"),
        share / "fish/vendor_completions.d/softswitch-exporter.fish": completion("fish"),
        about / "copyright": copyright_file(root / _LIBRARIES),
        about / "changelog.gz": compressed((_REPOSITORY / "CHANGELOG.md").read_bytes()),
        about / "changelog.Debian.gz": debian_changelog(version, maintainer, seconds),
    }
    for path, content in made.items():
        _write(path, content)


def _content(name: str) -> bytes:
    return (_HERE / name).read_bytes()


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True)  # noqa: S603 -- uv, pip and nfpm, with fixed flags


def main() -> None:
    """Build the package from the wheel in dist/."""
    [wheel] = (_REPOSITORY / "dist").glob("*.whl")
    shutil.rmtree(_REPOSITORY / "build/deb", ignore_errors=True)
    seconds = int(os.environ["SOURCE_DATE_EPOCH"])
    # Packages for two releases of Debian differ: each has libraries for one version of Python.
    release = f"1+deb{platform.freedesktop_os_release()['VERSION_ID']}"
    package = build(wheel, _REPOSITORY / "build/deb", _REPOSITORY / "dist", seconds, release)
    sys.stdout.write(f"{package.relative_to(_REPOSITORY)}\n")


if __name__ == "__main__":
    os.umask(0o022)  # the modes of the files are part of the package
    main()
