"""Serves the page of the demo until it is interrupted; docs/demo.md says how to host it."""

import argparse
import os
import socket

from leed.cli import expressions
from leed.cli.errors import UsageError

MAX_PORT = 65535

EPILOG = """\
examples:
  leed demo
  leed demo --model path/to/model --port 8080
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    expressions.add_model(parser)
    parser.add_argument("--port", type=int, help="of the address http://127.0.0.1:PORT (default 7860, or a free one)")


def run(options: argparse.Namespace) -> bool:
    if options.model:
        os.environ["LEED_MODEL"] = options.model
    if options.port is not None:
        if not 1 <= options.port <= MAX_PORT:
            raise UsageError(f"--port must be in [1, {MAX_PORT}], got {options.port}")
        check_free(options.port)
        os.environ["GRADIO_SERVER_PORT"] = str(options.port)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for the worker, as in app.py
    from leed.demo.serving import main  # reads the variables, and imports the page's packages

    main()
    return True


def check_free(port: int) -> None:
    """Raises `UsageError` if a port is taken: Gradio would quietly serve on another."""
    with socket.socket() as probe:
        if os.name == "posix":  # where it lets a port that was just given up be taken, and no more
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(f"port {port} cannot be used ({error.strerror}): give another --port") from error
