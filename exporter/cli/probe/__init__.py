"""``probe``: ask a switch that nobody has seen, and tell what to put into the configuration.

What is printed can be shown to others: keys and credentials are masked, and of lists, which hold passwords
and personal data, only size, type, names of columns and verdict are told.
"""
