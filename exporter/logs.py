"""One line for each event, in logfmt or JSON as Prometheus writes them, with every secret masked."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

from exporter.masking import Mask

LogFormat = Literal["logfmt", "json"]

# What a switch sends may stand in a line: it must not break the line, nor steer a terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != ord("\n")}

_RENDERERS: dict[LogFormat, structlog.typing.Processor] = {
    "logfmt": structlog.processors.LogfmtRenderer(
        key_order=["ts", "level", "logger", "msg"], drop_missing=True, bool_as_flag=False
    ),
    "json": structlog.processors.JSONRenderer(ensure_ascii=False),
}


def configure(level: str, log_format: LogFormat, mask: Mask, stream: TextIO = sys.stderr) -> None:
    """Send all logging of the process, that of the libraries too, to ``stream`` as lines."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("msg"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _masked(mask),
                _RENDERERS[log_format],
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At debug level asyncio tells which selector it uses, and nothing that helps an operator.
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _masked(mask: Mask) -> structlog.typing.Processor:
    def process(
        _: object, __: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:  # structlog's signature
        return {
            key: value if isinstance(value, int | float) else mask(str(value)).translate(_CONTROLS)
            for key, value in event.items()
        }

    return process
