"""Opens the archive that a command names, and turns what goes wrong with it into the command line's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.session import Session
from framecache.errors import FrameCacheError, NotFound
from framecache.tree.errors import ArchiveError, Unreachable
from framecache.tree.opening import open_tree
from framecache.tree.tree import Tree


@contextmanager
def archive(session: Session, *, must_exist: bool = False, writes: bool = False) -> Iterator[Tree]:
    """The archive of the command's URL; who adds to it `writes`. Raises CommandError, also for what goes wrong with it
    inside."""
    url = url_of(session.arguments.archive)
    if must_exist and url.startswith("file:") and not Path(unquote(urlsplit(url).path)).is_dir():
        raise CommandError(f"{session.arguments.archive} is not there", ExitCode.USAGE)
    try:
        with open_tree(url, writes=writes) as tree:
            yield tree
    except Unreachable as error:
        raise CommandError(f"the archive cannot be reached: {error}", ExitCode.NOT_REACHABLE) from error
    except NotFound as error:
        raise CommandError(str(error)) from error
    except ArchiveError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    except FrameCacheError as error:
        raise CommandError(str(error)) from error
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise CommandError(f"{error.filename}: {error.strerror}", ExitCode.USAGE) from error


def url_of(name: str) -> str:
    """`name` if it is a URL, else the URL of the folder of that name. Raises CommandError for no name, which a variable
    of a shell that is not set is: it would be the current folder."""
    if not name:
        raise CommandError("the URL of the archive is empty", ExitCode.USAGE)
    return name if "://" in name else Path(name).absolute().as_uri()
