"""The parsers of `framecache archive`. What a command does is imported when it runs: it may need optional packages."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Callable
from importlib import import_module

from framecache.cli.errors import ExitCode
from framecache.cli.periods import days
from framecache.cli.session import Session

Subparsers = _SubParsersAction  # argparse has no public name for this type
AddCommon = Callable[[ArgumentParser], None]

_EPILOG = """URL is a folder, file:///…, s3://bucket/prefix, gs://… or az://…; credentials come from the environment
(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, …)"""
_GRACE_HOURS = 24.0


def add_commands(commands: Subparsers[ArgumentParser], add_common: AddCommon) -> None:
    """Add `archive` and its commands."""
    description = "write, check and serve a static DICOMweb archive, on a folder or in a bucket"
    archive = commands.add_parser(
        "archive", help=description, description=f"{description.capitalize()}.", epilog=_EPILOG
    )
    below = archive.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_adding, _add_export, _add_upkeep, _add_deletion, _add_corrections, _add_serving):
        add(_Below(below, add_common))


class _Below:
    """Makes the commands below `archive`."""

    def __init__(self, commands: Subparsers[ArgumentParser], add_common: AddCommon) -> None:
        self._commands, self._add_common = commands, add_common

    def add(self, name: str, module: str, description: str, *, url: bool = True) -> ArgumentParser:
        made = self._commands.add_parser(
            name, help=description, description=f"{description[0].upper()}{description[1:]}.", epilog=_EPILOG
        )
        made.set_defaults(run=_imported(module, name))
        self._add_common(made)
        if url:
            made.add_argument("archive", metavar="URL", help="the archive")
        return made


def _imported(module: str, name: str) -> Callable[[Session], ExitCode]:
    def run(session: Session) -> ExitCode:
        return ExitCode(getattr(import_module(f"framecache.cli.archive.{module}"), name)(session))

    return run


def _add_adding(below: _Below) -> None:
    made = below.add("add", "adding", "add DICOM files, and those of folders", url=False)
    made.add_argument("paths", nargs="+", metavar="FOLDER|FILE", help="DICOM files, or folders of any shape")
    _to(made)


def _add_export(below: _Below) -> None:
    made = below.add("export", "exporting", "add instances of a running Orthanc", url=False)
    made.add_argument("--study", action="append", default=[], metavar="UID", help="only this study; may be repeated")
    made.add_argument("--modality", action="append", default=[], help="only series of this modality; may be repeated")
    made.add_argument(
        "--last", type=days, metavar="TIME", help="only studies that changed within this time, such as 30d or 4w"
    )
    made.add_argument(
        "--older", type=days, metavar="TIME", help="only studies that did not change within this time, such as 1y"
    )
    _to(made)


def _to(made: ArgumentParser) -> None:
    made.add_argument("--to", dest="archive", metavar="URL", required=True, help="the archive")
    made.add_argument("--revive", action="store_true", help="add instances that were deleted from the archive, too")
    help_ = "add HTJ2K lossless beside frames that are smaller or quicker to decode in it, too"
    made.add_argument("--htj2k", action="store_true", help=help_)


def _add_upkeep(below: _Below) -> None:
    made = below.add("verify", "upkeep", "read all of it, compare it with its checksums, and repair what can be")
    _studies(made)
    made.add_argument(
        "--from",
        dest="sources",
        action="append",
        default=[],
        metavar="FOLDER|FILE",
        help="where DICOM files are, to repair from; may be repeated",
    )
    made = below.add("index", "upkeep", "make lists, metadata and indexes anew")
    _studies(made)
    made = below.add("gc", "upkeep", "delete what nothing refers to, and merge the log's entries")
    help_ = f"keep what is younger ({_GRACE_HOURS:g}); 0 only while nobody writes"
    made.add_argument("--grace", type=float, default=_GRACE_HOURS, metavar="HOURS", help=help_)


def _add_deletion(below: _Below) -> None:
    made = below.add("delete", "deletion", "delete a study, a series or an instance")
    _one_study(made)
    made.add_argument("--series", default="", metavar="UID", help="only this series")
    made.add_argument("--instance", default="", metavar="UID", help="only this instance")
    made.add_argument("--yes", action="store_true", help="do not ask first")


def _add_corrections(below: _Below) -> None:
    made = below.add("correct", "corrections", "show a study, a series or instances differently, or elsewhere")
    _one_study(made)
    made.add_argument("--series", default="", metavar="UID", help="only this series")
    made.add_argument("--instance", action="append", default=[], metavar="UID", help="only this instance; repeatable")
    made.add_argument("--set", action="append", default=[], metavar="KEYWORD=VALUE", help="an attribute; repeatable")
    made.add_argument(
        "--remove", action="append", default=[], metavar="KEYWORD", help="remove an attribute; repeatable"
    )
    made.add_argument("--to-study", default="", metavar="UID", help="show them in this study")
    made.add_argument("--to-series", default="", metavar="UID", help="show them in this series")
    made = below.add("retract", "corrections", "take a correction back")
    _one_study(made)
    made.add_argument("correction", help="its name, as listed by `corrections`")
    made = below.add("corrections", "corrections", "list the corrections of a study, and their conflicts")
    made.add_argument("--study", required=True, metavar="UID", help="the study, as its files name it")


def _add_serving(below: _Below) -> None:
    made = below.add("serve", "serving", "answer DICOMweb from the archive, for trying it out")
    made.add_argument("--port", type=int, default=8080, help="0 takes any (8080)")
    made.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")


def _one_study(made: ArgumentParser) -> None:
    made.add_argument("--study", required=True, metavar="UID", help="the study")
    made.add_argument("--reason", required=True, help="why; it is kept")


def _studies(made: ArgumentParser) -> None:
    made.add_argument("--study", action="append", default=[], metavar="UID", help="only this study; may be repeated")
