"""What the exporter remembers over a restart (``--storage.path``), and the timeline of the last 24 hours."""
