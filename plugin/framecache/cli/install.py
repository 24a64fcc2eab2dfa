"""`framecache install`: changes an Orthanc's configuration so that the plugin serves, and takes it back."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from framecache.cli.confirmation import confirm
from framecache.cli.doctor import is_configured_by
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.output import table
from framecache.cli.session import Session

if TYPE_CHECKING:
    from framecache.installation.configuration import Configuration
    from framecache.installation.files import Files

# Orthanc imports its script by its name, which must not be that of the package.
_SCRIPT, _RECORD = "install_framecache.py", "framecache.undo"


def install(session: Session) -> ExitCode:
    """Show what changes, ask, and change it. Raises CommandError where a person has to decide."""
    from framecache.errors import SettingsError  # noqa: PLC0415 - other commands need nothing of it

    try:
        return _undo(session) if session.arguments.undo else _install(session)
    except SettingsError as error:
        raise CommandError(str(error)) from error


def _install(session: Session) -> ExitCode:
    from framecache.installation import changes  # noqa: PLC0415
    from framecache.installation.configuration import Configuration  # noqa: PLC0415
    from framecache.installation.files import SCRIPT, Files  # noqa: PLC0415

    before = Configuration.read(Path(session.arguments.configuration).absolute())  # so it can be undone from anywhere
    script = before.folder / _SCRIPT
    needed = changes.needed(before, script)
    after = changes.made(before, needed)
    wanted = {path: text.text for path, text in after.files.items()}
    packages = Path(session.arguments.packages).absolute()
    if after.get("PythonScript") == str(script):
        wanted[script] = SCRIPT.format(packages=str(packages))
    files = Files.planned(wanted, before.folder / _RECORD)
    if not session.output.is_json:
        session.output.show(None, table(("change", "reason"), ((".".join(c.keys), c.reason) for c in needed)))
    if is_configured_by(os.environ):
        session.output.note("The variables ORTHANC__… override these files: docker/README.md has those that matter.")
    _write(session, files)
    return _advise(session, after, packages)


def _write(session: Session, files: Files) -> None:
    """Write them if there are any and the user wants it."""
    session.output.show({"Difference": files.difference()}, files.difference() or "Nothing to change.")
    if files.after:
        confirm(session, "Make these changes?", unchanged="nothing was changed")
        files.write()
        undo = shlex.join(["framecache", "install", session.arguments.configuration, "--undo"])
        session.output.note(f"Written. `{undo}` takes it back ({files.record}). Restart Orthanc.")


def _undo(session: Session) -> ExitCode:
    from framecache.errors import SettingsError  # noqa: PLC0415
    from framecache.installation.configuration import NOT_THERE, Configuration  # noqa: PLC0415
    from framecache.installation.files import Files  # noqa: PLC0415

    path = Path(session.arguments.configuration).absolute()
    if not path.exists():
        raise SettingsError(NOT_THERE.format(path))
    files = Files.recorded(Configuration(path, {}).folder / _RECORD)
    session.output.show({"Difference": files.difference()}, files.difference())
    confirm(session, "Make these changes?", unchanged="nothing was changed")
    files.take_back()
    session.output.note("Taken back. Restart Orthanc.")
    return ExitCode.DONE


def _advise(session: Session, configuration: Configuration, packages: Path) -> ExitCode:
    """Whether Orthanc's Python finds what it needs."""
    from framecache.installation import orthanc_python  # noqa: PLC0415
    from framecache.installation.examination import package_folders  # noqa: PLC0415

    files = orthanc_python.plugin_files(configuration.get("Plugins"), configuration.folder)
    library = orthanc_python.find_plugin(files)
    version = orthanc_python.embedded_version(library) if library else None
    if version is None:
        session.output.note("The Python inside Orthanc is unknown: see `framecache doctor` after the start.")
        return ExitCode.DONE
    program = session.arguments.python or orthanc_python.find_program(version)
    folders = [packages, *package_folders(configuration)]
    found = orthanc_python.ask(program, folders)
    if found and found.version == version and not found.missing:
        session.output.note(f"Orthanc's Python is {version}, and {program} finds all packages.")
        return ExitCode.DONE
    if found is None or found.version != version:
        state = f"no Python {version} on PATH could be asked for the packages (--python names one)"
    else:
        state = f"Python {version} cannot import {', '.join(found.missing)}"
    command = orthanc_python.pip_command(version, packages)
    session.output.note(f"Orthanc's Python is {version}; {state}. If they are missing, run: {command}")
    return ExitCode.REFUSED
