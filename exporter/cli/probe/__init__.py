"""``probe``: ask a switch that nobody has seen, and tell what to put into the configuration.

In the order of reading: ``questions`` (what to ask), ``prober`` (asks, one request after the other),
``finding`` (what came of a request), ``showing`` (a finding as lines), ``advice`` with ``patterns``,
``totals``,
``words`` and ``connection`` (what would mend it), ``sources`` (which source of registrations to configure),
``summary`` (the end of it), ``command`` (all of them together).

What is printed can be shown to others: keys and credentials are masked, and of lists, which hold passwords
and
personal data, only size, type, names of columns and verdict are told.
"""

from exporter.cli.probe.command import run

__all__ = ["run"]
