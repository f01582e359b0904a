"""Turns what was seen of a scenario into values and wordings, and normalizes what differs from run to run.

All normalization is here:

- the ports of this run become names: SWITCH0, ALERTMANAGER, EXPORTER (``addresses.json``);
- metrics of the process and of Python (``_OF_THE_PROCESS``) keep their names, not their values; versions
  in labels, headers and the status become VERSION;
- of the heads of answers the status and the headers in ``_HEADERS`` are kept; chunks are joined;
- requests and log lines of one moment are sorted, and alerts of one message; times are seconds of the virtual
  clock, to a millisecond;
- the working directory of the run becomes RUN, and that of the demo DEMO.

Values are what somebody's query, rule or script relies on. Wordings are what a person reads: help texts,
details, messages. They go to files of their own, so that a comparison can tell that only wordings differ.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.outside.virtual_time import EPOCH

_OF_THE_PROCESS = ("process_", "python_", "softswitch_exporter_build_info")
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
_REQUEST_HEADERS_DROPPED = ("host",)
_TEXTS_OF_STATUS = {"detail", "answer", "annotations"}
_WORDING = "…"
_PROBE_VALUES = {"request", "time", "answer", "sample"}
_PATH_OF_PROBLEM = re.compile(r"^([\w.-]+: )?([\w.\[\]…-]+): ")


@dataclass
class Recording:
    """What was seen of one scenario: by file, the lines of values and those of wordings."""

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


@dataclass(frozen=True)
class Seen:
    """What is left of a scenario: what was looked at, in files of ``raw``, and what the program printed."""

    raw: Path
    output: str
    errors: str
    status: int
    directories: Mapping[str, str]

    def recording(self) -> Recording:
        """Return values and wordings."""
        addresses: dict[str, str] = json.loads((self.raw / "addresses.json").read_text())
        made = Recording()
        help_texts: dict[str, None] = {}
        for file in sorted(self.raw.iterdir()):
            text = file.read_bytes().decode("utf-8", "surrogateescape")
            text = self._named(text, addresses)
            if file.suffix in {".metrics", ".openmetrics"}:
                made.values[file.name], texts = _metrics(text)
                help_texts |= dict.fromkeys(texts)
            elif file.suffix == ".status":
                made.values[file.name], made.wordings[file.name] = _status(text)
            elif file.suffix == ".page":
                made.values[file.name], _ = _answer(text)
                made.wordings[file.name] = _lines(_body(text))
            elif file.suffix in {".health", ".answer"}:
                made.values[file.name], made.wordings[file.name] = _answer(text)
            elif file.suffix == ".requests":
                made.values[file.name] = _requests(json.loads(text))
            elif file.suffix == ".posts":
                made.values[file.name], made.wordings[file.name] = _posts(json.loads(text))
        if help_texts:
            made.wordings["help"] = [*help_texts]
        made.values["exit"] = [str(self.status)]
        self._add_printed(made, addresses)
        return made

    def _add_printed(self, made: Recording, addresses: Mapping[str, str]) -> None:
        for name, printed in (("output", self.output), ("errors", self.errors)):
            text = self._named(printed, addresses)
            if text.startswith("{"):
                made.values[name], made.wordings[name] = _log(text)
            elif re.search("^request   ", text, re.MULTILINE):
                made.values[name], made.wordings[name] = _probe(text)
            else:
                made.values[name], made.wordings[name] = _printed(text)

    def _named(self, text: str, addresses: Mapping[str, str]) -> str:
        for address, name in addresses.items():
            text = re.sub(rf"{re.escape(address)}(?!\d)", name, text)
        for directory, name in self.directories.items():
            text = text.replace(directory, name)
        text = re.sub(r"\S+/softswitch-exporter-\w+", "DEMO", text)
        return re.sub(r"Python/3[.\d]+ aiohttp/[.\d]+|\(Python 3[.\d]+\)", "VERSION", text)


def _lines(text: str) -> list[str]:
    """Return the lines of a text. Labels hold what ``str.splitlines`` takes for an end of line."""
    return text.removesuffix("\n").split("\n") if text else []


def _body(answer: str) -> str:
    """Return the body of an answer, its chunks joined."""
    head, _, rest = answer.partition("\r\n\r\n")
    if "transfer-encoding: chunked" not in head.lower():
        return rest
    # Chunks are counted in bytes, before ports became names: it is enough to drop the lines of their sizes.
    return re.sub(r"(?:^|\r\n)[0-9a-f]+\r\n(?:\r\n\Z)?", "", rest)


def _head(answer: str) -> list[str]:
    first, *headers = answer.partition("\r\n\r\n")[0].split("\r\n")
    return [first, *sorted(line for line in headers if line.lower().startswith(_HEADERS))]


def _answer(text: str) -> tuple[list[str], list[str]]:
    """Return status and headers of answers with a short body, and their bodies: JSON is all values."""
    body = _body(text)
    if "application/json" in text.partition("\r\n\r\n")[0]:
        return [*_head(text), body], []
    return _head(text), _lines(body)


def _metrics(text: str) -> tuple[list[str], list[str]]:
    """Return the samples and types, and the help texts."""
    lines, texts = _head(text), []
    for line in _lines(_body(text)):
        if line.startswith("# HELP"):
            texts.append(line)
            lines.append(" ".join(line.split(" ", 3)[:3]))
        elif line.startswith(_OF_THE_PROCESS):
            lines.append(re.sub(r'="[^"]*"', '=""', line).rpartition(" ")[0])
        else:
            lines.append(line)
    return lines, texts


def _status(text: str) -> tuple[list[str], list[str]]:
    body = json.loads(_body(text), parse_float=str)
    body["version"] = "VERSION"
    texts: list[str] = []
    body = _without_texts(body, "", texts)
    return [*_head(text), *_lines(json.dumps(body, indent=1, ensure_ascii=False))], texts


def _without_texts(value: Any, path: str, texts: list[str]) -> Any:
    """Return JSON without what is worded for people; that goes to ``texts``."""
    if isinstance(value, list):
        return [_without_texts(one, f"{path}[{number}]", texts) for number, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    left = {}
    for name, one in value.items():
        if name in _TEXTS_OF_STATUS and one:
            texts.append(f"{path}.{name}: {json.dumps(one, ensure_ascii=False)}")
            left[name] = sorted(one) if isinstance(one, dict) else _WORDING
        else:
            left[name] = _without_texts(one, f"{path}.{name}", texts)
    return left


def _requests(received: list[tuple[float, str]]) -> list[str]:
    lines = []
    for at, head in received:
        first, *headers = head.rstrip("\r\n").split("\r\n")
        kept = [line for line in headers if not line.lower().startswith(_REQUEST_HEADERS_DROPPED)]
        lines.append((round(at, 3), f"{at:.3f} {first} | {' | '.join(kept)}"))
    return [line for _, line in sorted(lines)]


def _posts(posted: list[tuple[float, str, str]]) -> tuple[list[str], list[str]]:
    lines, texts = [], []
    for at, head, body in posted:
        first, *headers = head.rstrip("\r\n").split("\r\n")
        kept = [line for line in headers if not line.lower().startswith(("host", "content-length"))]
        alerts = sorted(json.loads(body), key=lambda alert: json.dumps(alert["labels"], sort_keys=True))
        some: list[str] = []
        alerts = _without_texts(alerts, f"{at:.3f} ", some)
        lines += [f"{at:.3f} {first} | {' | '.join(kept)}", *(json.dumps(alert) for alert in alerts)]
        texts += some
    return lines, texts


def _log(text: str) -> tuple[list[str], list[str]]:
    """Return events with their fields, and their messages with the fields that are sentences."""
    events, others = [], []
    for line in _lines(text):
        if not line.startswith("{"):
            others.append(line)
            continue
        event = json.loads(line)
        at = datetime.fromisoformat(event.pop("ts")).timestamp() - EPOCH
        words = {name: event.pop(name) for name in ("logger", "msg", "exception") if name in event}
        level = event.pop("level")
        for name in [*event]:
            if isinstance(event[name], str) and " " in event[name]:
                words[name] = event[name]
                event[name] = _WORDING
        fields = " ".join(f"{name}={event[name]}" for name in sorted(event))
        events.append((f"{at:12.3f} {level} {fields}".rstrip(), json.dumps(words, ensure_ascii=False)))
    events.sort()
    return [*(value for value, _ in events), *others], [words for _, words in events]


def _probe(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of a probe whose heading says that they are values; of the others the headings."""
    lines: list[str] = []
    heading = ""
    for line in _lines(text):
        heading = line[:10].strip() or heading
        if heading in _PROBE_VALUES or not line:
            lines.append(line)
        elif heading == "verdict" and re.match(r"verdict   [a-z_]+: ", line):
            lines.append(line.partition(":")[0])
        elif line[:10].strip():
            lines.append(heading)
    return lines, _lines(text)


def _printed(text: str) -> tuple[list[str], list[str]]:
    """Return the figures and paths in what a command printed, and all of it as wording."""
    return list(_figures(text)), _lines(text)


def _figures(text: str) -> Iterator[str]:
    for line in _lines(text):
        if found := _PATH_OF_PROBLEM.match(line):
            yield found[0]
        else:
            yield " ".join(re.findall(r"\S*\d\S*", line))
