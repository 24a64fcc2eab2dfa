"""`make run` and `make demo`: a real Orthanc with the plugin, a study in it, and the cache seen to work."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dev.comparison import compare
from dev.console import CACHE, CHECKOUT, SetupError, exit_code, say
from dev.orthanc_server import OrthancServer
from dev.sample import Sample, large
from dev.upload import Instance, files_in, stored, upload, wait_for_frames

OHIF = CACHE / "ohif"
SAMPLES = {"small": Sample(), "large": large(Sample(seed=1))}


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
            raise SetupError(f"SAMPLE={sample} is not known: use {' or '.join(SAMPLES)}")
        paths = [Path(path).expanduser() for path in shlex.split(environment.get("DICOM", ""))]
        return cls(environment.get("ORTHANC_SUITE") or "trixie", int(port), sample, paths)


def serve(options: Options, *, once: bool) -> None:
    """Start Orthanc, fill it, show the cache at work; unless `once`, serve until Ctrl-C."""
    console = Console()
    server = OrthancServer(options.suite, CACHE / "demo" / options.suite, configuration(), options.port)
    with server:
        say(f"Orthanc of {options.suite} answers at {server.url} (log: {server.log_path.relative_to(CHECKOUT)})")
        instances = fill(server.url, options)
        cached = [one for one in instances if follow(console, server.url, one)]
        if cached:
            console.print(compare(server.url, cached[0]))
        else:
            say("No frames were cached: only multi-frame instances and large single frames are.")
        if not once:
            say(viewer(server.url, (cached or instances)[0]))
            say("Ctrl-C stops Orthanc.")
            server.wait()


def configuration() -> dict[str, object]:
    """The checkout's orthanc.json, with the viewer's script where the viewer is there."""
    settings: dict[str, object] = json.loads((CHECKOUT / "orthanc.json").read_text())
    if OHIF.exists():
        settings["PythonScript"] = str(CHECKOUT / "dev/viewer_script.py")
    return settings


def fill(url: str, options: Options) -> list[Instance]:
    """Upload what the caller named, else the generated sample. Raises SetupError when nothing was taken."""
    if not options.dicom:
        return stored(url, SAMPLES[options.sample].sop_instance_uid) or send(url, [generated(options.sample)])
    instances = send(url, files_in(options.dicom))
    if not instances:
        raise SetupError("none of the files was taken by Orthanc")
    return instances


def send(url: str, paths: Iterable[Path]) -> list[Instance]:
    """Upload the files one after the other; return the instances that Orthanc took."""
    instances = []
    for path in paths:
        say(f"Uploading {path.name} ({path.stat().st_size / 1e6:.0f} MB) …")
        instances += upload(url, path)
    return instances


def generated(name: str) -> Path:
    """The file of the sample `name`; made when it is not there."""
    path = CACHE / "demo" / f"sample-{name}.dcm"
    if not path.exists():
        say(f"Generating a synthetic tomosynthesis ({name}) …")
        path.parent.mkdir(parents=True, exist_ok=True)
        SAMPLES[name].write(path.with_suffix(".new")).rename(path)
    return path


def follow(console: Console, url: str, instance: Instance) -> bool:
    """Show how the instance's frames are pre-extracted; return whether they are cached."""
    columns = TextColumn("Pre-extracting frames"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("")
        told = wait_for_frames(
            url,
            instance,
            lambda told: bar.update(task, total=told.number_of_frames, completed=told.cached_frames),
        )
    if told.state == "failed":
        raise SetupError(f"the frames of {instance.orthanc_id} were not cached: see {url}/frame-cache/status")
    return told.state == "cached"


def viewer(url: str, instance: Instance) -> str:
    if not OHIF.exists():
        return f"OHIF is not here (it comes with npm): open {url}/ui/ or {url}/app/explorer.html instead"
    return f"OHIF: {url}/ohif/viewer?StudyInstanceUIDs={instance.study_instance_uid}"


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
