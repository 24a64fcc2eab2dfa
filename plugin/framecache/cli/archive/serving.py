"""`framecache archive serve`: a small DICOMweb server over an archive, for trying it out."""

from __future__ import annotations

from framecache.cli.archive.opening import archive
from framecache.cli.archive.server import ArchiveServer
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.session import Session


def serve(session: Session) -> ExitCode:
    """Answer requests until Ctrl-C."""
    address = (session.arguments.host, session.arguments.port)
    with archive(session, must_exist=True) as tree:
        try:
            server = ArchiveServer(address, tree)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CommandError(f"{address[0]}:{address[1]} cannot be listened on: {reason}", ExitCode.USAGE) from error
        with server:
            session.output.stream({"Url": server.url}, f"DICOMweb is at {server.url} (Ctrl-C stops it)")
            server.serve_forever()
    return ExitCode.DONE
