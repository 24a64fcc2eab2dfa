"""`make run` and `make demo`: a real Orthanc with the plugin, a study in it, and the cache seen to work."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from dev.comparison import compare
from dev.console import CACHE, CHECKOUT, SetupError, exit_code, say
from dev.once import MARK
from dev.orthanc_server import OrthancServer
from dev.sample import Sample, large
from dev.slide import slide
from dev.upload import Instance, Progress, files_in, modality, stored, upload, wait_for_frames

HAS_OHIF = CACHE / "ohif" / MARK


class Generated(Protocol):
    """A file that can be written at any time."""

    @property
    def sop_instance_uid(self) -> str: ...

    def write(self, path: Path) -> Path: ...


# Each is one study.
SAMPLES: dict[str, Sequence[Generated]] = {
    "small": [Sample()],
    "large": [large(Sample(seed=1))],
    "slide": [level for encoding in ("explicit", "jpeg", "jpeg-2000", "htj2k") for level in slide(encoding)],
}


@dataclass(frozen=True)
class Options:
    """What the caller's environment asks for."""

    suite: str
    port: int
    sample: str
    dicom: list[Path]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Options:
        """Read ORTHANC_SUITE, HTTP_PORT, SAMPLE and DICOM; raises SetupError for a value that cannot be."""
        port, sample = environment.get("HTTP_PORT") or "8042", environment.get("SAMPLE") or "small"
        if not port.isdecimal() or not 0 < int(port) < 2**16:
            raise SetupError(f"HTTP_PORT={port} is not a port: use a number from 1 to 65535")
        if sample not in SAMPLES:
            raise SetupError(f"SAMPLE={sample} is not known: use {', '.join(SAMPLES)}")
        paths = paths_in(environment.get("DICOM", ""))
        return cls(environment.get("ORTHANC_SUITE") or "trixie", int(port), sample, paths)


def paths_in(text: str) -> list[Path]:
    """The paths of DICOM: one as it stands, if it is there, else several as a shell reads them. Raises SetupError."""
    if text and Path(text).exists():
        return [Path(text)]
    try:
        return [Path(path).expanduser() for path in shlex.split(text)]
    except ValueError as error:
        raise SetupError(f"DICOM={text} cannot be read ({error}): put \\ before a quotation mark in a name") from None
    except RuntimeError as error:
        raise SetupError(f"DICOM={text} cannot be read: {error}") from None


def serve(options: Options, *, once: bool) -> None:
    """Start Orthanc, fill it, show the cache at work; unless `once`, serve until Ctrl-C."""
    paths = list(files_in(options.dicom))
    console = Console()
    server = OrthancServer(options.suite, CACHE / "demo" / options.suite, configuration(viewer=not once), options.port)
    with server:
        say(f"Orthanc of {options.suite} answers at {server.url} (log: {os.path.relpath(server.log_path)})")
        instances = send(console, server.url, paths) if options.dicom else sample(console, server.url, options.sample)
        cached = follow(console, server.url, instances)
        if cached:
            console.print(compare(server.url, cached[0]))
        else:
            say("No frames were cached: only those of multi-frame instances, and large single frames, are.")
        if not once:
            say(address(server.url, (cached or instances)[0]))
            say(f"What the cache does: {server.url}/frame-cache/app/")
            say("Ctrl-C stops Orthanc.")
            server.wait()


def configuration(*, viewer: bool) -> dict[str, object]:
    """The checkout's orthanc.json, with the script that also serves the viewer if it is wanted and there."""
    settings: dict[str, object] = json.loads((CHECKOUT / "orthanc.json").read_text())
    if viewer and HAS_OHIF.exists():
        settings["PythonScript"] = str(CHECKOUT / "dev/viewer_script.py")
    return settings


def sample(console: Console, url: str, name: str) -> list[Instance]:
    """The generated sample, uploaded unless an earlier run did."""
    found = [instance for one in SAMPLES[name] for instance in stored(url, one.sop_instance_uid)]
    return found if len(found) == len(SAMPLES[name]) else send(console, url, list(generated(name)))


def send(console: Console, url: str, paths: list[Path]) -> list[Instance]:
    """Upload the files and return the instances that Orthanc took. Raises SetupError when there are none."""
    instances, refused = [], []
    with bar(console) as progress_bar:
        for path in progress_bar.track(paths, description="Uploading files"):
            taken = upload(url, path)
            instances += taken
            refused += [] if taken else [path]
    if refused:
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        say(f"Orthanc did not take {refused[0]}{more}: not DICOM?")
    if not instances:
        raise SetupError("Orthanc took no file: see its log")
    return instances


def generated(name: str) -> Iterator[Path]:
    """The files of the sample `name`; each is made when it is not there."""
    say(f"Generating synthetic images ({name}) …")
    for number, one in enumerate(SAMPLES[name], 1):
        path = CACHE / "demo" / f"sample-{name}-{number}.dcm"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            one.write(path.with_suffix(".new")).rename(path)
        yield path


def follow(console: Console, url: str, instances: list[Instance]) -> list[Instance]:
    """Show how the frames are pre-extracted; return the instances that are cached. Raises SetupError for a failure."""
    cached, done = [], 0
    with bar(console) as progress_bar:
        task = progress_bar.add_task("Pre-extracting frames", total=None)
        for instance in instances:
            told = wait_for_frames(url, instance, partial(show, progress_bar, task, done))
            if told.state == "failed":
                raise SetupError(f"the frames of {instance.orthanc_id} were not cached: {told.error}")
            if told.state == "cached":
                cached.append(instance)
                done += told.number_of_frames
        progress_bar.update(task, total=done)
    return cached


def show(progress_bar: rich.progress.Progress, task: rich.progress.TaskID, done: int, now: Progress) -> None:
    """Add the instance at hand to the frames that were `done` before it."""
    progress_bar.update(task, total=done + now.number_of_frames, completed=done + now.cached_frames)


def bar(console: Console) -> rich.progress.Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return rich.progress.Progress(*columns, console=console)


def address(url: str, instance: Instance) -> str:
    if not HAS_OHIF.exists():
        return f"OHIF is not here (it comes with npm): open {url}/app/explorer.html instead"
    mode = "microscopy" if modality(url, instance) == "SM" else "viewer"
    return f"OHIF: {url}/ohif/{mode}?StudyInstanceUIDs={instance.study_instance_uid}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dev.run", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop after the table instead of serving until Ctrl-C")
    once = parser.parse_args().once
    # Asked to end in any way, Orthanc is stopped first.
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, signal.default_int_handler)
    try:
        serve(Options.of(os.environ), once=once)
    except KeyboardInterrupt:
        say("Orthanc is stopped.")


if __name__ == "__main__":
    sys.exit(exit_code(main))
