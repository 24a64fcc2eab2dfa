"""The command line of `framecache`: its parser and entry point."""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter, _SubParsersAction
from collections.abc import Callable, Sequence
from pathlib import Path

from framecache import __version__
from framecache.cli import (
    actions,
    backfill,
    bench,
    doctor,
    events,
    images,
    install,
    jobs,
    resources,
    rules,
    size,
    status,
    worker,
)
from framecache.cli.archive.commands import add_commands
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.periods import days
from framecache.cli.session import Session, open_session

_DEFAULT_URL = "http://127.0.0.1:8042"
_CONFIGURATION = "/etc/orthanc"
_EPILOG = """login: FRAMECACHE_USER and FRAMECACHE_PASSWORD in the environment, or ~/.netrc

exit codes: 0 done; 1 the server refused, or a job or check failed; 2 invalid usage; 3 server not reachable;
4 login missing or not sufficient; 5 no frame cache, or too old a version; 130 interrupted by Ctrl-C"""

Run = Callable[[Session], ExitCode]
_Subparsers = _SubParsersAction  # argparse has no public name for this type


def parser() -> ArgumentParser:
    """The parser of the whole command line. The parsed `run` is the command."""
    made = ArgumentParser(
        "framecache",
        description="Controls the frame cache in a running Orthanc.",
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"framecache {__version__}")
    made.set_defaults(url=os.environ.get("FRAMECACHE_URL") or _DEFAULT_URL, ca=None, insecure=False, json=False)
    _add_common(made)
    commands = made.add_subparsers(metavar="COMMAND", required=True)
    _add_installation(commands)
    _add_reports(commands)
    _add_actions(commands)
    _add_jobs(commands)
    _add_backfill(commands)
    _add_rules(commands)
    _add_size(commands)
    _add_bench(commands)
    _add_worker(commands)
    _add_images(commands)
    add_commands(commands, _add_common)
    return made


def _add_common(to: ArgumentParser) -> None:
    """Accepted before and after the command; without defaults, so that one does not reset the other."""
    to.add_argument("--url", default=SUPPRESS, help=f"Orthanc's address (default: FRAMECACHE_URL, or {_DEFAULT_URL})")
    to.add_argument("--ca", metavar="FILE", default=SUPPRESS, help="trusted certificates of authorities (PEM)")
    to.add_argument("--insecure", action="store_true", default=SUPPRESS, help="do not check the server's certificate")
    to.add_argument("--json", action="store_true", default=SUPPRESS, help="answer in JSON, for scripts")


def _add(commands: _Subparsers[ArgumentParser], name: str, run: Run, description: str) -> ArgumentParser:
    made = commands.add_parser(name, help=description, description=f"{description[0].upper()}{description[1:]}.")
    made.set_defaults(run=run)
    _add_common(made)
    return made


def _add_installation(commands: _Subparsers[ArgumentParser]) -> None:
    made = _add(commands, "install", install.install, "change Orthanc's configuration so that the plugin serves")
    where = "Orthanc's configuration, a file or a folder"
    made.add_argument("configuration", nargs="?", default=_CONFIGURATION, help=f"{where} ({_CONFIGURATION})")
    made.add_argument("--yes", action="store_true", help="do not ask first")
    made.add_argument("--undo", action="store_true", help="take the last installation back")
    packages = str(Path(__file__).parents[2])
    made.add_argument("--packages", metavar="FOLDER", default=packages, help=f"where framecache is ({packages})")
    _python(made)
    made = _add(commands, "doctor", doctor.doctor, "say what is wrong with the configuration and the server")
    made.add_argument("configuration", nargs="?", help=f"{where} ({_CONFIGURATION}, if it is there)")
    made.add_argument("--offline", action="store_true", help="do not ask the server")
    _python(made)


def _python(to: ArgumentParser) -> None:
    to.add_argument("--python", metavar="PROGRAM", help="the Python of the version that Orthanc embeds")


def _add_reports(commands: _Subparsers[ArgumentParser]) -> None:
    _add(commands, "status", status.status, "show the start-up checks and the counters")
    listed = _add(commands, "studies", resources.studies, "list the studies in the cache, or show one of them")
    listed.add_argument("study", nargs="?", help="Orthanc ID or Study Instance UID")
    listed.add_argument("--limit", type=_whole(1, 1000), default=100, help="list at most this many (100)")
    listed.add_argument("--offset", type=_whole(0, 1_000_000_000), default=0, help="skip this many (0)")
    listed.add_argument("--sort", choices=("LastViewed", "Bytes", "Frames"), default="LastViewed")
    listed_events = _add(commands, "events", events.events, "list what happened in the cache")
    listed_events.add_argument(
        "--since", type=_whole(0, 1 << 62), default=0, metavar="NUMBER", help="list only events after this one"
    )
    listed_events.add_argument("--follow", action="store_true", help="continue with new events, until Ctrl-C")


def _add_actions(commands: _Subparsers[ArgumentParser]) -> None:
    for name, run, description in (
        ("warm", actions.warm, "cache studies, series or instances"),
        ("verify", actions.verify, "check the cached frames against their checksums"),
    ):
        _no_wait(_named(_add(commands, name, run, description), "studies, series or instances"))
    purged = _add(commands, "purge", actions.purge, "remove studies, series or instances from the cache")
    _named(purged, "studies, series or instances").add_argument("--yes", action="store_true", help="do not ask first")
    _named(_add(commands, "pin", actions.pin, "keep studies in the cache, up to half of its size in all"), "studies")
    _named(_add(commands, "unpin", actions.unpin, "allow the eviction of pinned studies again"), "studies")


def _add_jobs(commands: _Subparsers[ArgumentParser]) -> None:
    made = _add(commands, "jobs", jobs.jobs, "list, follow, pause or cancel the server's jobs")
    below = made.add_subparsers(metavar="{follow,pause,resume,cancel}")
    for name, run, description in (
        ("follow", jobs.follow_named, "show the progress of jobs until they end"),
        ("pause", jobs.pause, "pause the backfill, or shared work on all machines"),
        ("resume", jobs.resume, "resume what was paused"),
        ("cancel", jobs.cancel, "cancel jobs; their results so far stay"),
    ):
        _add(below, name, run, description).add_argument(
            "jobs", nargs="+", metavar="JOB", help="job ID, as listed by `jobs`"
        )


def _add_backfill(commands: _Subparsers[ArgumentParser]) -> None:
    made = _add(
        commands, "backfill", backfill.backfill, "show the progress of caching the archive from before the plugin"
    )
    below = made.add_subparsers(metavar="{start,pause}")
    _add(below, "start", backfill.start, "start the backfill, or resume it")
    _add(below, "pause", backfill.pause, "pause the backfill until it is started again")


def _add_rules(commands: _Subparsers[ArgumentParser]) -> None:
    made = _add(commands, "rules", rules.rules, "report what rules would do with the last days' studies (a dry run)")
    made.add_argument(
        "--last",
        type=days,
        default=30,
        metavar="TIME",
        help="period, such as 30d, 4w or 1y (30d)",
    )
    made.add_argument("--rules", metavar="FILE", help="JSON file with other rules; - reads from a pipe")


def _add_size(commands: _Subparsers[ArgumentParser]) -> None:
    made = _add(commands, "size", size.size, "advise how large the cache must be, from the arrivals of the last weeks")
    made.add_argument("--days", type=_whole(1, 36_500), default=30, help="keep arrivals for this many days (30)")
    made.add_argument("--weeks", type=_whole(1, 520), default=4, help="count the arrivals of this many weeks (4)")
    most = "read at most this many series, chosen at random (2000); more make the figures more certain"
    made.add_argument("--series", type=_whole(100, 1_000_000), default=2000, help=most)


def _add_bench(commands: _Subparsers[ArgumentParser]) -> None:
    description = "compare the speed of a cached study with Orthanc's own route; this loads the server"
    made = _add(commands, "bench", bench.bench, description)
    made.add_argument("study", nargs="?", help="Orthanc ID or Study Instance UID (default: the most cached one)")
    made.add_argument("--connections", type=_whole(1, 32), default=4, help="number of parallel connections (4)")
    made.add_argument("--seconds", type=_seconds, default=5, help="seconds to measure each of the two routes (5)")


def _add_worker(commands: _Subparsers[ArgumentParser]) -> None:
    made = _add(
        commands, "worker", worker.worker, "share the work of several Orthancs: export their files to an archive"
    )
    made.add_argument("--orthanc", action="append", metavar="URL", help="a node; repeat it for others (default: --url)")
    made.add_argument("--cluster", metavar="DSN", help="the shared PostgreSQL (default: FRAMECACHE_CLUSTER)")
    made.add_argument("--archive", required=True, metavar="URL", help="such as s3://bucket/archive or file:///archive")
    made.add_argument("--storage", metavar="FOLDER", help="Orthanc's StorageDirectory, where this machine sees it")
    made.add_argument("--bucket", default="", metavar="URL", help="where a storage plugin keeps Orthanc's files")
    made.add_argument("--concurrency", type=_whole(1, 64), default=2, help="pieces at once (2)")
    made.add_argument("--alive", metavar="FILE", help="touched every few seconds while the database answers")
    for kind, what in (
        ("export", "export of what the nodes' rules archive on arrival"),
        ("export-all", "export of everything"),
        ("verify", "verification"),
        ("gc", "garbage collection"),
    ):
        made.add_argument(f"--{kind}", action="store_true", help=f"begin the {what}, or once more if it is done")


def _add_images(commands: _Subparsers[ArgumentParser]) -> None:
    where = "a folder, an archive (s3://bucket/archive, too), or a DICOMweb server such as https://host/dicom-web"
    made = _add(commands, "ls", images.ls, "list the studies, series or instances in a folder, an archive or a server")
    made.add_argument("images", metavar="URL", help=where)
    made.add_argument("--study", metavar="UID", help="list the series of this study")
    made.add_argument("--series", metavar="UID", help="list the instances of this series")
    made.add_argument("--limit", type=_whole(1, 1_000_000), default=100, help="list at most this many (100)")
    made.add_argument("--offset", type=_whole(0, 1_000_000_000), default=0, help="skip this many (0)")
    made = _add(commands, "get", images.get, "write files or frames from a folder, an archive or a server")
    made.add_argument("images", metavar="URL", help=where)
    made.add_argument("--study", metavar="UID", required=True, help="all of this study, unless less is named")
    made.add_argument("--series", metavar="UID", help="all of this series of it")
    made.add_argument("--instance", metavar="UID", help="this instance of it")
    frames = "frames of one instance, such as 1-10,12, instead of files: decoded, Explicit VR Little Endian"
    made.add_argument("--frames", type=images.frame_numbers, metavar="NUMBERS", help=frames)
    made.add_argument("--rendered", choices=("jpg", "png"), help="write the frames as pictures")
    made.add_argument("--out", metavar="FOLDER", default=".", help="where to write (the current folder)")


def _seconds(text: str) -> float:
    """For argparse. Raises ArgumentTypeError, or ValueError for text that is no number."""
    if 0.1 <= (seconds := float(text)) <= 300:  # noqa: PLR2004
        return seconds
    raise ArgumentTypeError(f"{text} is not between 0.1 and 300")


def _whole(smallest: int, largest: int) -> Callable[[str], int]:
    """Parses a whole number within bounds, for argparse. Raises ArgumentTypeError."""

    def number(text: str) -> int:
        if text.isascii() and text.isdigit() and smallest <= int(text) <= largest:
            return int(text)
        raise ArgumentTypeError(f"{text!r} is not a whole number from {smallest} to {largest}")

    return number


def _named(to: ArgumentParser, kinds: str) -> ArgumentParser:
    to.add_argument("names", nargs="+", metavar="NAME", help=f"Orthanc IDs or UIDs of {kinds}")
    return to


def _no_wait(to: ArgumentParser) -> None:
    to.add_argument("--no-wait", dest="wait", action="store_false", help="do not follow the job until it ends")


def main(argv: Sequence[str] | None = None, *, poll_seconds: float = 0.5) -> int:
    """Run one command and return its exit code (docs/command-line.md).

    A command that follows jobs polls them every `poll_seconds`.
    """
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(open_session(arguments, poll_seconds=poll_seconds)))
    except CommandError as error:
        sys.stderr.write(f"framecache: {error}\n")
        return int(error.code)
    except (KeyError, TypeError) as error:
        sys.stderr.write(f"framecache: the server's answer is not as expected: {error!r}\n")
        return int(ExitCode.NO_PLUGIN)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. Write nothing more, not even at the interpreter's exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
    except OSError as error:
        sys.stderr.write(f"framecache: {f'{error.filename}: {error.strerror}' if error.filename else error}\n")
        return int(ExitCode.REFUSED)
