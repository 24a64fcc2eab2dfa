"""The standard library's logging, written to Orthanc's log. Log UIDs and Orthanc IDs, never patient data."""

from __future__ import annotations

import logging

from framecache.ports import OrthancModule

_PREFIX = "frame cache: "


class OrthancLogHandler(logging.Handler):
    """Writes each record as one line, at Orthanc's level "error", "warning" or "info".

    Orthanc's functions raise TypeError for NUL and lone surrogates, which texts from files may contain. A line break
    would let such a text forge a line of the log.
    """

    def __init__(self, module: OrthancModule) -> None:
        super().__init__(logging.INFO)
        self._module = module

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`, prefixed with the plugin's name."""
        line = _PREFIX + _in_one_line(record.getMessage())
        if record.levelno >= logging.ERROR:
            self._module.LogError(line)
        elif record.levelno >= logging.WARNING:
            self._module.LogWarning(line)
        else:
            self._module.LogInfo(line)


def log_to_orthanc(logger: logging.Logger, module: OrthancModule) -> None:
    """Send the records of `logger` and the loggers below it to Orthanc's log, and nowhere else.

    This replaces the handler of an earlier installation in the same process.
    """
    for handler in [handler for handler in logger.handlers if isinstance(handler, OrthancLogHandler)]:
        logger.removeHandler(handler)
    logger.addHandler(OrthancLogHandler(module))
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _in_one_line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
