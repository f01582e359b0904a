"""The text of a new configuration. Pure."""

from collections.abc import Callable, Iterator, Mapping

from pydantic import TypeAdapter, ValidationError

from exporter.cli.probe.draft.entries import Comment, Entry, Items, Section, comment, lines, tree
from exporter.cli.probe.draft.flags import Tree
from exporter.cli.probe.draft.pace import CONCURRENCY, Pace, first_pace, fitted, required_rate
from exporter.cli.probe.draft.queries import Trusted, proposals, queries, queues, thresholds
from exporter.cli.probe.draft.survey import Survey
from exporter.cli.probe.draft.tenants import registrations, tenants
from exporter.config import Configuration, SwitchConfiguration
from exporter.config.fields import Text, ValidationContext
from exporter.fields import duration_text
from exporter.model import Counts, Query

_NAME = TypeAdapter(Text)
_KEYS = ("key_file", "key_env")
_SHORT = 80
_DEFAULT_TIMEOUT = SwitchConfiguration.model_fields["timeout"].default

_ONLY_YOU = (
    "You can add what the switch does not know: phones to `watch`, business hours, limits of channels, and "
    "labels of tenants that route their alerts."
)

Masking = Callable[[str], str]


def document(survey: Survey, settings: Tree, context: ValidationContext, mask: Masking) -> tuple[str, Pace]:
    """Return the configuration, and the pace that it sets.

    ``survey``: ``repaired``. ``settings``: those of the flags. ``context``: for reading the configuration.
    ``mask``: removes keys.
    """

    def trusted(text: str) -> bool:
        try:
            return _NAME.validate_python(text) == mask(text)
        except ValidationError:
            return False

    def section(pace: Pace) -> Section:
        return _switch(survey, pace, settings, trusted)

    def configured(pace: Pace) -> SwitchConfiguration:
        written = {"switches": [tree(section(pace))]}
        return Configuration.model_validate(written, context=context).switches[0]

    pace = fitted(survey, first_pace(survey), configured)
    needed = required_rate(survey, pace, configured(pace))
    body = list(lines(section(pace)))
    written = [
        *_head(survey, needed),
        "",
        "switches:",
        f"  - {body[0]}",
        *(f"    {line}" for line in body[1:]),
    ]
    return "\n".join(mask(line) if line.lstrip().startswith("#") else line for line in written) + "\n", pace


def _head(survey: Survey, needed: float) -> Iterator[str]:
    day, count = survey.today, len(survey.findings)
    yield from comment(
        f"Written by `softswitch-exporter probe --write-config` on {day}, from the responses to {count} "
        "requests. A comment that begins with a question mark needs your decision. What the switch did not "
        "show is left out."
    )
    yield from comment(
        f"It needs about {needed:.2g} requests per second. To see the plan, run softswitch-exporter "
        "--config.file=FILE --config.check. All keys are in docs/configuration.md."
    )


def _switch(survey: Survey, pace: Pace, settings: Mapping[str, object], trusted: Trusted) -> Section:
    key = {name: settings[name] for name in _KEYS if name in settings}
    entries: list[Entry | Comment] = [Entry(name, settings[name]) for name in ("name", "url")]
    if survey.is_admin:
        entries += [Entry(name, value) for name, value in key.items()]
    entries += _connection(survey, pace, settings)
    entries += _nodes(survey, trusted)
    inner = (*queries(survey, pace, trusted), *registrations(survey, pace, trusted), *proposals(survey, pace))
    entries.append(Entry("queries", Section(inner)))
    of_tenant = {} if survey.is_admin else key
    for entry in tenants(survey, pace, of_tenant, trusted):
        is_defaults = isinstance(entry, Entry) and entry.key == "tenant_defaults"
        entries.append(_with_queues(entry, survey) if is_defaults and isinstance(entry, Entry) else entry)
    entries += [thresholds(survey, pace), Comment(_ONLY_YOU)]
    return Section(tuple(entries))


def _with_queues(entry: Entry, survey: Survey) -> Entry:
    inner = entry.value.entries if isinstance(entry.value, Section) else ()
    return Entry(entry.key, Section((*inner, *queues(survey))), entry.why)


def _connection(survey: Survey, pace: Pace, settings: Mapping[str, object]) -> Iterator[Entry | Comment]:
    average = (
        "" if pace.latency is None else f" A request for a tenant took {_took(pace.latency)} on average."
    )
    limit = "" if pace.fits else " ? The intervals below do not fit; raise this if the switch can take more."
    slowest = max((each.seconds for each in survey.findings if each.reason is None), default=0.0)
    default = "The default. " if pace.timeout == _DEFAULT_TIMEOUT else ""
    yield Entry(
        "timeout", duration_text(pace.timeout), f"{default}The slowest response took {_took(slowest)}."
    )
    yield Entry("max_concurrency", CONCURRENCY)
    yield Entry("max_requests_per_second", pace.rate, f"A limit, not the load.{average}{limit}")
    if "proxy_url" in settings:
        yield Entry("proxy_url", settings["proxy_url"])
    elif proxy := survey.switch.proxy:
        if proxy.authorization:
            yield Comment(f"The proxy comes from {proxy.source}: the exporter needs this variable, too.")
        else:
            yield Entry("proxy_url", proxy.url, f"From {proxy.source}, which a service may not have.")
    if tls := settings.get("tls"):
        yield Entry("tls", tls)


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _nodes(survey: Survey, trusted: Trusted) -> Iterator[Entry | Comment]:
    finding = survey.of(Query.PEERS)
    if finding is None or not survey.is_admin:
        return
    counts = finding.verdict
    if not isinstance(counts, Counts) or counts.nodes is None:
        yield Comment(
            "? The nodes are not known. List them, so that a missing one is reported from the start:"
        )
        yield Entry("nodes", ["pbx1", "pbx2"], is_proposed=True)
        return
    listed = sorted({*counts.nodes, *counts.uncounted})
    good = [name for name in listed if trusted(name)]
    if bad := [name for name in listed if name not in good]:
        yield Comment(f"? Nodes whose names cannot be configured: {', '.join(bad)}.")
    if good:
        is_short = sum(map(len, good)) < _SHORT
        why = "Nodes that must be present. A missing one is reported from the start."
        yield Entry("nodes", good if is_short else Items(good), why)
