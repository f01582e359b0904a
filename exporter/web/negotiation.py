"""Which format and which encoding a scraper is given (RFC 9110, section 12).

Done here because aiohttp's own negotiation ignores ``q=0`` and prefers deflate (seen, aiohttp 3.14), and that
of prometheus_client repeats whatever version a scraper names (seen, 0.26).
"""

from exporter.metrics.exposition import Format

_OPENMETRICS_VERSIONS = {"", "0.0.1", "1.0.0"}
"""The text of these is one and the same for what is served here."""


def metrics_format(accept: str) -> Format:
    """Return OpenMetrics where the scraper prefers it, else the text format, which everything can read."""
    openmetrics = text = 0.0
    for media_type, parameters, weight in _preferences(accept):
        if media_type == "application/openmetrics-text":
            if parameters.get("version", "") in _OPENMETRICS_VERSIONS:
                openmetrics = max(openmetrics, weight)
        elif media_type in {"text/plain", "text/*", "*/*"} and parameters.get("version", "0.0.4") == "0.0.4":
            text = max(text, weight)
    return Format.OPENMETRICS if openmetrics > text or openmetrics == text > 0 else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether the scraper takes gzip."""
    weights = {coding: weight for coding, _, weight in _preferences(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _preferences(header: str) -> list[tuple[str, dict[str, str], float]]:
    """Return each entry of an Accept header: what, its parameters, and how much it is wanted, 0 to 1."""
    preferences = []
    for entry in header.lower().split(","):
        what, *rest = (part.strip() for part in entry.split(";"))
        parameters = {
            name.strip(): value.strip().strip('"')
            for name, found, value in (part.partition("=") for part in rest)
            if found
        }
        preferences.append((what, parameters, _weight(parameters.pop("q", "1"))))
    return preferences


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
