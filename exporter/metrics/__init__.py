"""What `/metrics` serves: declared once, kept as values, rendered to text."""
