"""The entry point of the command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from framecache.cli.arguments import parser
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.session import open_session


def main(argv: Sequence[str] | None = None) -> int:
    """Do one command and return its exit code (docs/command-line.md)."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(open_session(arguments)))
    except CommandError as error:
        sys.stderr.write(f"framecache: {error}\n")
        return int(error.code)
    except (KeyError, TypeError) as error:
        sys.stderr.write(f"framecache: the server's answer is not what it should be: {error!r}\n")
        return int(ExitCode.NO_PLUGIN)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Nothing more is written, not even at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
