"""Read what was seen of a scenario, normalize it, and split it into values and wordings.

All normalization is here:

- The ports of the run become names: SWITCH0, ALERTMANAGER, EXPORTER. ``addresses.json`` has them.
- Metrics of the process and of Python keep their names and lose their values. Versions become VERSION.
- Of a response, the status and the headers in ``_HEADERS`` are kept; chunks are joined.
- Concurrent requests and log lines are sorted, and so are the alerts of a notification. Times are seconds of
  the virtual clock, to the millisecond.
- The working directory becomes RUN, that of the demo DEMO.

Values are what queries, rules and scripts rely on. Wordings are for people: help texts, details, messages.
They go to separate files, so that a comparison can show that only wordings differ.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.outside.virtual_time import EPOCH

_PROCESS = ("process_", "python_", "softswitch_exporter_build_info")
_HEADERS = (
    "content-type",
    "vary",
    "cache-control",
    "content-security-policy",
    "x-",
    "location",
    "allow",
    "www-",
)
_WORDED_KEYS = {"detail", "answer", "annotations"}
_WORDING = "…"
_PROBE_VALUES = {"request", "time", "answer", "sample"}
_PATH_OF_ERROR = re.compile(r"^([\w.-]+: )?([\w.\[\]…-]+): ")

Split = tuple[list[str], list[str]]
"""Lines of values, and lines of wordings."""


@dataclass
class Recording:
    """The values and wordings of one scenario, by file."""

    values: dict[str, list[str]] = field(default_factory=dict)
    wordings: dict[str, list[str]] = field(default_factory=dict)

    def write(self, directory: Path, scenario: str) -> None:
        """Write both below a directory."""
        for kind, files in (("values", self.values), ("wordings", self.wordings)):
            folder = directory / kind / scenario
            folder.mkdir(parents=True)
            for name, lines in files.items():
                text = "".join(f"{line}\n" for line in lines)
                (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def read_recording(directory: Path) -> Recording:
    """Read the files of a scenario.

    Raise FileNotFoundError if it did not end regularly, and ValueError if a file has an unexpected format.
    """
    addresses: dict[str, str] = json.loads((directory / "addresses.json").read_text())
    recording = Recording(values={"exit": [(directory / "status").read_text()]})
    help_texts: dict[str, None] = {}
    for file in sorted(directory.iterdir()):
        split = _SPLIT.get(file.suffix or file.name)
        if split is None:
            continue
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        recording.values[file.name], wordings = split(_normalized(text, addresses, directory))
        if split is _metrics:
            help_texts |= dict.fromkeys(wordings)
        elif split is not _requests:
            recording.wordings[file.name] = wordings
    if help_texts:
        recording.wordings["help"] = [*help_texts]
    return recording


def _normalized(text: str, addresses: Mapping[str, str], directory: Path) -> str:
    for address, name in addresses.items():
        text = re.sub(rf"{re.escape(address)}(?!\d)", name, text)
    text = text.replace(str(directory / "run"), "RUN")
    text = re.sub(r"\S+/softswitch-exporter-\w+", "DEMO", text)
    return re.sub(r"Python/3[.\d]+ aiohttp/[.\d]+|\(Python 3[^)]+\)", "VERSION", text)


def _lines(text: str) -> list[str]:
    """Return the lines of a text. ``str.splitlines`` would also split at characters in labels."""
    return text.removesuffix("\n").split("\n") if text else []


def _body(response: str) -> str:
    """Return the body of a response, with its chunks joined."""
    head, _, rest = response.partition("\r\n\r\n")
    if "transfer-encoding: chunked" not in head.lower():
        return rest
    # The sizes of chunks no longer match, because ports were replaced: just remove their lines.
    return re.sub(r"(?:^|\r\n)[0-9a-f]+\r\n(?:\r\n\Z)?", "", rest)


def _head(response: str) -> list[str]:
    first, *headers = response.partition("\r\n\r\n")[0].split("\r\n")
    return [first, *sorted(line for line in headers if line.lower().startswith(_HEADERS))]


def _page(text: str) -> Split:
    return _head(text), _lines(_body(text))


def _response(text: str) -> Split:
    """Split a short response; JSON has values only."""
    if "application/json" in text.partition("\r\n\r\n")[0]:
        return [*_head(text), _body(text)], []
    return _page(text)


def _metrics(text: str) -> Split:
    lines, help_texts = _head(text), []
    for line in _lines(_body(text)):
        if line.startswith("# HELP"):
            help_texts.append(line)
            lines.append(" ".join(line.split(" ", 3)[:3]))
        elif line.startswith(_PROCESS):
            lines.append(re.sub(r'="[^"]*"', '=""', line).rpartition(" ")[0])
        else:
            lines.append(line)
    return lines, help_texts


def _status(text: str) -> Split:
    status = json.loads(_body(text), parse_float=str)
    status["version"] = "VERSION"
    wordings: list[str] = []
    status = _without_wordings(status, "", wordings)
    return [*_head(text), *_lines(json.dumps(status, indent=1, ensure_ascii=False))], wordings


def _without_wordings(value: Any, path: str, wordings: list[str]) -> Any:
    """Return JSON without the texts for people, which are appended to ``wordings``."""
    if isinstance(value, list):
        return [_without_wordings(item, f"{path}[{number}]", wordings) for number, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    left = {}
    for key, item in value.items():
        if key in _WORDED_KEYS and item:
            wordings.append(f"{path}.{key}: {json.dumps(item, ensure_ascii=False)}")
            left[key] = sorted(item) if isinstance(item, dict) else _WORDING
        else:
            left[key] = _without_wordings(item, f"{path}.{key}", wordings)
    return left


def _request(at: float, head: str) -> str:
    first, *headers = head.rstrip("\r\n").split("\r\n")
    kept = [line for line in headers if not line.lower().startswith(("host:", "content-length:"))]
    return f"{at:.3f} {first} | {' | '.join(kept)}"


def _requests(text: str) -> Split:
    lines = sorted((round(at, 3), _request(at, head)) for at, head in json.loads(text))
    return [line for _, line in lines], []


def _notifications(text: str) -> Split:
    lines: list[str] = []
    wordings: list[str] = []
    for at, head, body in json.loads(text):
        alerts = sorted(json.loads(body), key=lambda alert: json.dumps(alert["labels"], sort_keys=True))
        alerts = _without_wordings(alerts, f"{at:.3f} ", wordings)
        lines += [_request(at, head), *map(json.dumps, alerts)]
    return lines, wordings


def _printed(text: str) -> Split:
    """Split what the program wrote to a stream: a log, the results of a probe, or anything else."""
    if text.startswith("{"):
        return _log(text)
    if re.search("^request   ", text, re.MULTILINE):
        return list(_probe(text)), _lines(text)
    return list(_numbers(text)), _lines(text)


def _log(text: str) -> Split:
    """Split log lines: messages and fields that are sentences are wordings."""
    events, others = [], []
    for line in _lines(text):
        if not line.startswith("{"):
            others.append(line)
            continue
        event = json.loads(line)
        at = datetime.fromisoformat(event.pop("ts")).timestamp() - EPOCH
        wordings = {name: event.pop(name) for name in ("logger", "msg", "exception") if name in event}
        level = event.pop("level")
        for name, value in event.items():
            if isinstance(value, str) and " " in value:
                wordings[name], event[name] = value, _WORDING
        fields = " ".join(f"{name}={event[name]}" for name in sorted(event))
        events.append((f"{at:12.3f} {level} {fields}".rstrip(), json.dumps(wordings, ensure_ascii=False)))
    events.sort()
    return [*(value for value, _ in events), *others], [wordings for _, wordings in events]


def _probe(text: str) -> Iterator[str]:
    """Yield the lines whose heading says that they are values, and the headings of the others."""
    heading = ""
    for line in _lines(text):
        heading = line[:10].strip() or heading
        if heading in _PROBE_VALUES or not line:
            yield line
        elif heading == "verdict" and re.match(r"verdict   [a-z_]+: ", line):
            yield line.partition(":")[0]
        elif line[:10].strip():
            yield heading


def _numbers(text: str) -> Iterator[str]:
    """Yield the paths in error messages, and the words with digits of other lines."""
    for line in _lines(text):
        found = _PATH_OF_ERROR.match(line)
        yield found[0] if found else " ".join(re.findall(r"\S*\d\S*", line))


_SPLIT: Mapping[str, Callable[[str], Split]] = {
    ".metrics": _metrics,
    ".openmetrics": _metrics,
    ".status": _status,
    ".page": _page,
    ".health": _response,
    ".answer": _response,
    ".requests": _requests,
    ".posts": _notifications,
    "output": _printed,
    "errors": _printed,
}
"""How files are split, by suffix, or by name if there is none."""
