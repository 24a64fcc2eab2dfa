"""`framecache archive delete`."""

from __future__ import annotations

from framecache.cli.archive.opening import archive
from framecache.cli.confirmation import confirm
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.output import counted
from framecache.cli.session import Session


def delete(session: Session) -> ExitCode:
    """Delete what is shown under these UIDs; a note of it stays, so that it does not come back by chance."""
    arguments = session.arguments
    if arguments.instance and not arguments.series:
        raise CommandError("--instance needs --series", ExitCode.USAGE)
    named = "/".join(filter(None, (arguments.study, arguments.series, arguments.instance)))
    confirm(session, f"Delete {named} from the archive?", unchanged="nothing was deleted")
    with archive(session, must_exist=True) as tree:
        number = tree.delete(arguments.study, arguments.series, arguments.instance, reason=arguments.reason)
    session.output.show({"Deleted": number}, f"Deleted {counted(number, 'instance')}; `gc` frees their room.")
    return ExitCode.DONE
