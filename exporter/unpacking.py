"""Unpacks answers that are compressed although that was not asked for, within a limit.

Some proxies compress whatever they pass on. An answer may grow a thousandfold while it is unpacked.
"""

import contextlib
import zlib
from functools import partial

from exporter.bodies import Room
from exporter.model import Failure, Reason
from exporter.threads import ThreadLimit

_ON_THE_LOOP = 256 * 1024
"""Bytes that come out. Unpacking them takes 1 ms; where there are more, it is done in a thread."""

# The last ones are mistakes: a charset, or what belongs into other headers.
_PLAIN = frozenset({"", "identity", "none", "utf-8", "utf8", "iso-8859-1", "us-ascii", "8bit", "binary"})
_GZIP = 16 + zlib.MAX_WBITS
_WINDOWS = {
    "gzip": (_GZIP,),
    "x-gzip": (_GZIP,),
    # RFC 9110 means the zlib format; some servers leave its first and last bytes out.
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),
}
_MOST_MEMBERS = 16
"""Of one gzip body: RFC 1952 allows several, which follow each other. For each one the rest is copied."""
_KNOWN = frozenset({"br", "zstd", "compress", "x-compress"})


def coding(header: str) -> str | Failure:
    """Return the one coding of a Content-Encoding header that has to be undone; "" for none."""
    codings = [each for each in (part.strip().lower() for part in header.split(",")) if each not in _PLAIN]
    if not codings:
        return ""
    if len(codings) > 1:
        return Failure(Reason.DECODE, "the answer was compressed more than once, which was not asked for")
    if codings[0] in _WINDOWS:
        return codings[0]
    # Only a known name is repeated: a header may hold anything.
    name = f" ({codings[0]})" if codings[0] in _KNOWN else ""
    return Failure(
        Reason.DECODE,
        f"the answer has a Content-Encoding{name} that was not asked for and cannot be undone; "
        "turn compression off in the server or proxy",
    )


async def unpack(
    body: bytes | bytearray, named: str, limit: int, threads: ThreadLimit, room: Room
) -> bytes | bytearray | Failure:
    """Undo one coding. What comes out is no larger than ``limit`` bytes, for which ``room`` is made first."""
    if not body:
        return body
    try:
        unpacked = _unpack(body, named, min(limit, _ON_THE_LOOP)) if len(body) <= _ON_THE_LOOP else None
        if unpacked is None:
            await room.grow(limit)
            unpacked = await threads.run(partial(_unpack, body, named, limit))
    except zlib.error:
        return Failure(Reason.DECODE, f"the answer has Content-Encoding {named}, but is not valid {named}")
    if unpacked is None:
        return Failure(Reason.TOO_LARGE, f"the answer is larger than {limit // 2**20} MiB when unpacked")
    return unpacked


def _unpack(body: bytes | bytearray, named: str, limit: int) -> bytes | None:
    """Return what comes out, or None where that is more than ``limit`` bytes. Raises zlib.error."""
    *others, last = _WINDOWS[named]
    for window in others:
        with contextlib.suppress(zlib.error):
            return _unpack_window(body, window, limit)
    return _unpack_window(body, last, limit)


def _unpack_window(body: bytes | bytearray, window: int, limit: int) -> bytes | None:
    unpacked: list[bytes] = []
    left, rest = limit, body
    for _ in range(_MOST_MEMBERS if window == _GZIP else 1):
        stream = zlib.decompressobj(window)
        unpacked.append(stream.decompress(rest, left + 1))
        left -= len(unpacked[-1])
        if left < 0:
            return None
        if not stream.eof:
            raise zlib.error("it ends too early")
        rest = stream.unused_data.lstrip(b"\0")  # zeros are padding, which gzip accepts as well
        if not rest:
            return b"".join(unpacked)
    raise zlib.error("something follows")
