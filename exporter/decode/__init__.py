"""Readers that the queries share: from the bytes of an answer to values and rows, or to the reason why not.

Read ``classify`` first: it has the order of all that can be wrong with a body. ``values`` and ``records``
read single values and lists, ``words`` and ``values.TOTAL_NAMES`` are the tables that an operator can extend,
and ``redact`` tells what may be shown of an answer. Nothing here raises, whatever the bytes.
"""
