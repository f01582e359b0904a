"""The newest values of one switch, and their age."""

from exporter.metrics.text_format import Values
from exporter.store.store import Attempt, Families, Store

__all__ = ["Attempt", "Families", "Store", "Values"]
