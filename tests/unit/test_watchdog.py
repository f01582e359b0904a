import signal
import subprocess
import sys
import threading
import time

import pytest

from exporter.watchdog import Watchdog, is_out_of_memory, says_out_of_memory

_BLOCKED = """
import signal, threading
from exporter.watchdog import Watchdog
watchdog = Watchdog(tick=0.02)
signal.signal(signal.SIGTERM, lambda *_: watchdog.stopping())
print("ready", flush=True)
lock = threading.Lock()
lock.acquire()
lock.acquire()
"""


def _run(script: str) -> subprocess.Popen[str]:
    program = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert program.stdout
    assert program.stdout.readline() == "ready\n"
    return program


def test_blocked_main_thread() -> None:
    """The process exits with status 3, and logs why."""
    program = _run(_BLOCKED)
    text, _ = program.communicate(timeout=20)
    assert program.returncode == 3
    assert "event loop blocked for a minute" in text


def test_sigterm_with_a_blocked_main_thread() -> None:
    """The process exits, although no event loop handles the signal."""
    program = _run(_BLOCKED.replace("0.02", "0.1"))
    program.send_signal(signal.SIGTERM)
    text, _ = program.communicate(timeout=20)
    assert program.returncode == 3
    assert "shutdown timed out" in text


_HOLDING_THE_LOG = """
import logging, threading
from exporter import logs
from exporter.masking import Mask
from exporter.watchdog import Watchdog
logs.configure("info", "logfmt", Mask())
logging.getLogger().handlers[0].acquire()
watchdog = Watchdog(tick=0.01)
print("ready", flush=True)
threading.Event().wait()
"""


def test_blocked_thread_with_the_lock_of_logging() -> None:
    """The process exits without its last log line."""
    program = _run(_HOLDING_THE_LOG)
    program.communicate(timeout=20)
    assert program.returncode == -signal.SIGALRM


def test_heartbeat() -> None:
    """While there is one, nothing ends; without it, the process does."""
    ended = threading.Event()
    watchdog = Watchdog(lambda _: ended.set(), tick=0.01)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        watchdog.beat()
        assert not ended.wait(0.005)
    assert ended.wait(20)
    watchdog.close()


def test_closed_watchdog() -> None:
    """It ends nothing."""
    ended = threading.Event()
    watchdog = Watchdog(lambda _: ended.set(), tick=0.01)
    watchdog.stopping()
    watchdog.close()
    assert not ended.wait(0.3)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (MemoryError("x"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("dictionary changed size during iteration"), False),
        (ValueError("MemoryError"), False),
        (OSError(24, "Too many open files"), False),
    ],
)
def test_is_out_of_memory(error: BaseException, expected: bool) -> None:  # noqa: FBT001 -- a table
    """No memory for an object or a thread, in an exception and in the last line of its traceback."""
    assert is_out_of_memory(error) is expected
    assert says_out_of_memory(f"{type(error).__name__}: {error}") is expected
    assert not is_out_of_memory(None)
