import os
import threading
import time
from collections.abc import Iterator

import pytest

from exporter.output import BoundedOutput

_PIPE = 65_536


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return a reader and a writer. Closing the reader at the end unblocks a write."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def _wait_for(condition: object) -> None:
    end = time.monotonic() + 10
    while not condition():  # type: ignore[operator]  # a lambda of each test
        assert time.monotonic() < end
        time.sleep(0.005)


def _read(reader: int, size: int) -> bytes:
    content = b""
    while len(content) < size:
        content += os.read(reader, size - len(content))
    return content


def test_lines_arrive_in_order(pipe: tuple[int, int]) -> None:
    """Lines that are written in parts, as by print, arrive whole."""
    output = BoundedOutput(pipe[1])

    print("first", "line", file=output)
    output.write("second\nthi")
    output.write("rd\n")
    print("without an end", end="", flush=True, file=output)
    output.drain(10)

    assert os.read(pipe[0], 1000) == b"first line\nsecond\nthird\nwithout an end"
    assert output.dropped == 0


def test_reader_that_does_not_read(pipe: tuple[int, int]) -> None:
    """Writing never blocks. Lines beyond the limit are dropped, and reported once when the reader resumes."""
    resumed: list[int] = []
    output = BoundedOutput(pipe[1], limit=10_000)
    output.on_resumed = resumed.append
    line = "x" * 99 + "\n"
    output.write(line * (2 * _PIPE // 100))  # accepted because nothing waits; blocks the thread for good
    for _ in range(200):
        output.write(line)
    assert output.dropped == 200
    started = time.monotonic()
    output.drain(0.05)
    assert time.monotonic() - started < 5
    assert resumed == []

    _read(pipe[0], 2 * _PIPE // 100 * 100)
    _wait_for(lambda: resumed)
    output.write("next\n")
    output.drain(10)

    assert resumed == [200]
    assert os.read(pipe[0], 1000) == b"next\n"
    assert output.dropped == 200


def test_reader_that_is_gone() -> None:
    """Nothing is raised, and the lines count as dropped."""
    reader, writer = os.pipe()
    os.close(reader)
    output = BoundedOutput(writer)

    output.write("one\ntwo\n")
    output.drain(10)

    assert output.dropped == 2


def test_pipe_that_another_process_made_non_blocking(pipe: tuple[int, int]) -> None:
    """The writing thread waits, and no line is lost."""
    os.set_blocking(pipe[1], False)
    output = BoundedOutput(pipe[1])
    content = b"x" * 999 + b"\n"

    output.write((content * 200).decode())

    assert _read(pipe[0], 200_000) == content * 200
    assert output.dropped == 0


def test_character_that_the_encoding_lacks_is_escaped(pipe: tuple[int, int]) -> None:
    """One that it has is encoded."""
    output = BoundedOutput(pipe[1], encoding="latin-1")
    output.write("é ł\n")
    output.drain(10)
    assert os.read(pipe[0], 100) == b"\xe9 \\u0142\n"


def test_many_threads_write_whole_lines(pipe: tuple[int, int]) -> None:
    """No line is lost or split."""
    output = BoundedOutput(pipe[1])
    threads = [
        threading.Thread(target=lambda n=n: [output.write(f"{n} {i:03}\n") for i in range(100)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    lines = _read(pipe[0], 4 * 100 * 6).decode().splitlines()
    for thread in threads:
        thread.join()
    for n in range(4):
        assert [line for line in lines if line.startswith(f"{n} ")] == [f"{n} {i:03}" for i in range(100)]
