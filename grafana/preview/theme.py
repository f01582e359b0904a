"""Colors of Grafana's dark and light theme."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colors of surfaces and texts, and the colors that have a name in a dashboard."""

    background: str
    paper: str
    edge: str
    ink: str
    pale: str
    title: str
    named: Mapping[str, str]

    def colour(self, name: str) -> str:
        """Return the color for a name; a color that has no name is returned as it is."""
        return self.named.get(name, name)


DARK = Theme(
    background="#111217",
    paper="#181B1F",
    edge="#2C3235",
    ink="#CCCCDC",
    pale="#8E8E99",
    title="#6E9FFF",
    named={"green": "#73BF69", "orange": "#FF9830", "red": "#F2495C", "text": "#D8D9DA"},
)
LIGHT = Theme(
    background="#F4F5F5",
    paper="#FFFFFF",
    edge="#DCDEE0",
    ink="#24292E",
    pale="#6E7077",
    title="#1F62E0",
    named={"green": "#37872D", "orange": "#C15C00", "red": "#C4162A", "text": "#24292E"},
)
