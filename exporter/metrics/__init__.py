"""What `/metrics` serves: the declarations, the text format, and the counters of the exporter itself."""
