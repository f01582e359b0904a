"""What is known of one switch."""

from exporter.metrics.text_format import Values
from exporter.store.answers import Job
from exporter.store.store import Attempt, Families, Store

__all__ = ["Attempt", "Families", "Job", "Store", "Values"]
