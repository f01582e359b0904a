"""Readers that the queries share: from the bytes of a response to values and rows, or to a Failure.

``classify`` comes first and lists everything that can be wrong with a body. ``values`` and ``records`` read
single values and lists, ``text`` decodes bytes and JSON, and ``redact`` decides what may be shown.
Nothing here raises, whatever the bytes.
"""
