"""The Debian package, and an empty Debian in which it is installed."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.debian.build import build

ROOT = Path(__file__).parents[2]

_SECONDS = 1_790_000_000
"""The time of all files in the package."""

_MOUNT = """\
mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir changes work root
mount -t overlay overlay -o lowerdir="$2",upperdir=changes,workdir=work root
mount -t proc proc root/proc
echo ready
exec sleep infinity
"""


def build_package(directory: Path, release: str) -> Path:
    """Build the package of this clone, as `make deb` does."""
    command = (Path(sys.executable).with_name("uv"), "build", "--quiet", "--offline", "--no-build-isolation")
    subprocess.run(
        [*command, "--wheel", f"--python={sys.executable}", f"--out-dir={directory / 'dist'}"],
        cwd=ROOT,
        check=True,
    )
    [wheel] = (directory / "dist").glob("*.whl")
    return build(wheel, directory / "deb", directory, _SECONDS, release)


def next_release(package: Path) -> Path:
    """Return the package with another release in its version, and without compression, which takes long."""
    unpacked, file = package.with_name("next"), package.with_name("next.deb")
    subprocess.run(["dpkg-deb", "--raw-extract", package, unpacked], check=True)
    control = unpacked / "DEBIAN/control"
    control.write_text(control.read_text().replace("-1+", "-2+"))
    subprocess.run(["dpkg-deb", "-Znone", "--build", unpacked, file], stdout=subprocess.DEVNULL, check=True)
    return file


@dataclass(frozen=True)
class Machine:
    """A Debian of its own for files; it shares the network with this one."""

    root: Path
    holder: int
    """The process that keeps the mounts."""

    def command(self, *command: str, user: str = "") -> tuple[str, ...]:
        """Return the command line that runs a command in it."""
        inside = ("nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "chroot")
        clean = ("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive")
        as_user = (f"--userspec={user}:{user}",) if user else ()
        return (*inside, *as_user, str(self.root), *clean, *command)

    def run(self, *command: str, user: str = "", text: str = "") -> str:
        """Run a command and return its output. Raise AssertionError with the output if it fails."""
        done = subprocess.run(
            self.command(*command, user=user),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}"
        return done.stdout

    def install(self, package: Path) -> str:
        """Install or upgrade a package and return the output."""
        with package.open("rb") as content:
            subprocess.run(self.command("sh", "-c", "cat > /package.deb"), stdin=content, check=True)
        return self.run("dpkg", "--install", "/package.deb")

    def write(self, path: str, text: str, group: str = "root") -> None:
        """Write a file that root owns and the group can read."""
        self.run("install", "-m", "640", "-g", group, "/dev/stdin", path, text=text)

    def files(self) -> set[str]:
        """Return every file and directory."""
        return set(self.run("find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "-print").splitlines())


@contextlib.contextmanager
def empty_machine(directory: Path) -> Iterator[Machine]:
    """Yield an empty Debian with the Python of these tests; nothing of it stays. Skip without one."""
    lower = os.environ.get("DEBIAN_ROOT", "")
    if os.geteuid() != 0 or not Path(lower, "usr/bin/python3").exists():
        advice = (
            "no empty Debian: as root on Debian, .ci/debian-root DIRECTORY, then set DEBIAN_ROOT=DIRECTORY"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(advice)
        pytest.skip(advice)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not Path(lower, "usr/bin", python).exists():
        pytest.skip(f"the Debian in {lower} has another Python than {python}")
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-e", "-c", _MOUNT, "sh", str(directory), lower], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        yield Machine(directory / "root", holder.pid)
    finally:
        holder.kill()
        holder.communicate()
