"""What the exporter remembers across restarts (``--storage.path``), and the timeline of the last 24 hours."""
