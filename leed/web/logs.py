"""What a page writes to its log: where something failed, and nothing that a visitor sent.

Messages of exceptions repeat what came: names of uploaded files, pieces of a request. So the log gets the kind of an
exception and the places in the code, without its message, and no line is long.
"""

import logging
import traceback
from collections.abc import Iterator

MAX_LINE = 300  # characters
MAX_FRAMES = 12  # of each exception
MAX_CAUSES = 4
THERE = "There:"  # begins the note that a worker adds to an exception: the places that it came through there
SERVERS = ("asyncio", "uvicorn.error")  # the loggers whose messages may hold a request or an exception of its handling

logger = logging.getLogger(__name__)


def log_failure(error: BaseException) -> None:
    """Logs an exception that is no visitor's mistake."""
    logger.error("Something failed.\n%s", described(error))


def described(error: BaseException) -> str:
    """The places in the code that an exception came through, with those of its causes, and their kinds."""
    return "\n".join(part for cause in causes(error) for part in places(cause))


def causes(error: BaseException) -> list[BaseException]:
    """An exception and what it came from, which is first."""
    chain, cause = [error], error.__cause__ or error.__context__
    while cause is not None and cause not in chain and len(chain) < MAX_CAUSES:
        chain.insert(0, cause)
        cause = cause.__cause__ or cause.__context__
    return chain


def places(error: BaseException) -> Iterator[str]:
    """Lines for one exception."""
    for frame in traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]:
        yield bounded(f"  {frame.filename}:{frame.lineno} {frame.name}: {frame.line}")
    number = f" {error.errno}" if isinstance(error, OSError) and isinstance(error.errno, int) else ""
    yield bounded(f"{type(error).__module__}.{type(error).__qualname__}{number}")
    for note in getattr(error, "__notes__", ()):
        if note.startswith(THERE):
            yield from (bounded(line) for line in note.splitlines()[: MAX_CAUSES * (MAX_FRAMES + 1)])


def bounded(line: str) -> str:
    """A line of at most MAX_LINE characters, without what a terminal would obey."""
    line = "".join(character if character.isprintable() else " " for character in line)
    return line if len(line) <= MAX_LINE else line[: MAX_LINE - 4] + " ..."


class WithoutVisitorsText(logging.Filter):
    """Has exceptions `described`, and cuts messages down to one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        first = bounded((record.getMessage().splitlines() or [""])[0])
        error = record.exc_info[1] if record.exc_info else None
        record.msg = first if error is None else f"{first}\n{described(error)}"
        record.args, record.exc_info, record.exc_text = (), None, None
        return True


def keep_visitors_text_out() -> None:
    """Has the loggers of the web server, in this process, write no visitor's text."""
    for name in SERVERS:
        server = logging.getLogger(name)
        if not any(isinstance(item, WithoutVisitorsText) for item in server.filters):
            server.addFilter(WithoutVisitorsText())
