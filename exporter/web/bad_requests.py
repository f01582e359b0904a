"""What is logged of requests that are not HTTP: nothing, for anyone can send anything.

aiohttp logs each with the line at fault (seen, 3.14), which may be an Authorization header with a password.
"""

import logging

from aiohttp.http_exceptions import HttpProcessingError


def connection_logger() -> logging.Logger:
    """Return the logger for aiohttp's server: it passes on defects of ours, not bad requests."""
    logger = logging.getLogger("exporter.web.connection")
    logger.addFilter(_is_no_bad_request)
    return logger


def _is_no_bad_request(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
