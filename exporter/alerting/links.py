"""The URLs in an alert: its runbook, and the page of the exporter that shows the problem."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from exporter.shipped import RUNBOOKS


@dataclass(frozen=True, slots=True)
class Links:
    """Where alerts link to. ``external_url``: the value of ``--web.external-url``.

    Without it, alerts link to the runbooks in the repository, and have no page.
    """

    external_url: str | None = None

    def annotations(self, name: str, annotations: Mapping[str, str]) -> dict[str, str]:
        """Return the annotations of the alert ``name``, with the link to its runbook."""
        if self.external_url is None:
            return dict(annotations)
        return {**annotations, "runbook_url": f"{self._base}/runbooks/{name}"}

    def page(self, labels: Mapping[str, str]) -> str:
        """Return the URL of the page about the tenant or switch of an alert, "" without ``external_url``."""
        if self.external_url is None:
            return ""
        found = {name: labels[name] for name in ("switch", "tenant") if labels.get(name)}
        path = "tenant" if "tenant" in found else ""
        query = f"?{urlencode(found, quote_via=quote)}" if found else ""
        return f"{self._base}/{path}{query}"

    @property
    def runbooks(self) -> str:
        """The URL of the index of runbooks."""
        return f"{RUNBOOKS}/README.md" if self.external_url is None else f"{self._base}/runbooks/"

    @property
    def _base(self) -> str:
        return (self.external_url or "").rstrip("/")


NO_LINKS = Links()
