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


def test_a_main_thread_that_waits_for_ever() -> None:
    """The process ends by itself with status 3, and says why."""
    program = _run(_BLOCKED)
    text, _ = program.communicate(timeout=20)
    assert program.returncode == 3
    assert "event loop blocked for a minute" in text


def test_sigterm_to_a_main_thread_that_waits_for_ever() -> None:
    """It is heard, although no event loop is there to hear it."""
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


def test_a_main_thread_that_holds_the_lock_of_the_log() -> None:
    """The process ends all the same, without its last line."""
    program = _run(_HOLDING_THE_LOG)
    program.communicate(timeout=20)
    assert program.returncode == -signal.SIGALRM


def test_a_loop_that_goes_on_is_left_alone() -> None:
    """While it beats nothing ends; when it beats no more, something does."""
    ended = threading.Event()
    watchdog = Watchdog(lambda _: ended.set(), tick=0.01)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        watchdog.beat()
        assert not ended.wait(0.005)
    assert ended.wait(20)
    watchdog.close()


def test_a_stop_in_time() -> None:
    """After it nothing is watched."""
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
def test_what_means_that_memory_has_run_out(error: BaseException, expected: bool) -> None:  # noqa: FBT001 -- a table
    """No memory for an object or for a thread, as an exception and as the last line of its traceback."""
    assert is_out_of_memory(error) is expected
    assert says_out_of_memory(f"{type(error).__name__}: {error}") is expected
    assert not is_out_of_memory(None)
