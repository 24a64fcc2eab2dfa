"""A real PostgreSQL, and Orthanc's plugin for it, from Debian's packages: unpacked into `.cache`, run in place."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from dev.console import CACHE, SetupError, exit_code, run, say
from dev.debian import AptRoot
from dev.once import make_once, one_at_a_time
from dev.orthanc_folder import SUITES, orthanc_folder
from dev.orthanc_server import free_port

VERSIONS = {"trixie": 17, "forky": 18}
PLUGIN = "orthanc-postgresql"
# Half of the bytes, and PostgreSQL does without: the compiler of its queries, manuals and translations.
UNUSED = (
    "usr/lib/*-linux-gnu/libLLVM*",
    "usr/lib/*-linux-gnu/perl*",
    *(f"usr/share/{name}" for name in ("doc", "locale", "man", "perl", "perl5")),
)

# PostgreSQL starts its own programs by their path, so each becomes a script that starts it under the packages' own
# loader. --argv0 makes the script's place the one from which PostgreSQL finds its other files.
WRAPPER = """#!/bin/sh
exec '{loader}' --library-path '{libraries}' --argv0 "$0" "$0.bin" "$@"
"""
PROGRAMS = ("initdb", "postgres")

START_SECONDS = 120.0
# PostgreSQL refuses to run as root. Where root starts it, it runs as nobody, who may read the checkout all the same.
NOBODY = 65534
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
)
# It is never asked to survive a power cut.
OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "synchronous_commit": "off",
    "unix_socket_directories": "",
}


@dataclass(frozen=True)
class PostgresqlFolder:
    """Where the files of one suite's PostgreSQL, and of Orthanc's plugin for it, lie below `root`."""

    suite: str
    root: Path

    @property
    def libraries(self) -> Path:
        """Its own libraries, among them libpq."""
        return next(iter(self.root.glob("usr/lib/*-linux-gnu")))

    def program(self, name: str) -> Path:
        return self.root / f"usr/lib/postgresql/{VERSIONS[self.suite]}/bin" / name


def unpack(suite: str) -> PostgresqlFolder:
    """Make sure that it is unpacked; fetches about 100 MB from a Debian mirror when it is not. Raises SetupError."""
    orthanc_folder(suite)
    folder = PostgresqlFolder(suite, CACHE.resolve() / "postgresql" / suite)
    recipe = f"{VERSIONS[suite]} {PLUGIN} {UNUSED} {PROGRAMS} {WRAPPER}"
    with one_at_a_time():
        make_once(folder.root, recipe, lambda: _fetch(folder))
    return folder


def _fetch(folder: PostgresqlFolder) -> None:
    say(f"Getting PostgreSQL from Debian {folder.suite} …")
    with AptRoot(folder.suite) as apt:
        apt.unpack([f"postgresql-{VERSIONS[folder.suite]}"], folder.root)
        apt.unpack_alone(PLUGIN, folder.root)
    for path in [path for pattern in UNUSED for path in folder.root.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in PROGRAMS:
        _wrap(folder, folder.program(name))


def _wrap(folder: PostgresqlFolder, program: Path) -> None:
    program.rename(f"{program}.bin")
    loader = next(iter(folder.libraries.glob("ld-linux-*.so.*")))
    program.write_text(WRAPPER.format(loader=loader, libraries=folder.libraries))
    program.chmod(0o755)


class Postgresql:
    """An empty PostgreSQL of `suite` on loopback, with its data in a temporary folder; use as a context manager.

    Anybody on this machine may log in as `postgres`. Raises SetupError if it does not come up.
    """

    def __init__(self, suite: str) -> None:
        self._folder, self.port = unpack(suite), free_port()
        self.dsn = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"
        self._temporary = tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True)
        self._data = Path(self._temporary.name, "data")
        self._log = Path(self._temporary.name, "log")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Postgresql:
        try:
            self._initialize()
            self.start()
        except BaseException:
            self._temporary.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._temporary.cleanup()

    @property
    def folder(self) -> Path:
        """Where Orthanc's plugin for it lies, too."""
        return self._folder.root

    @property
    def orthanc_configuration(self) -> dict[str, object]:
        """For an Orthanc that keeps its index here, and its files in a folder. Several may do so."""
        return {
            "PostgreSQL": {
                "EnableIndex": True,
                "EnableStorage": False,
                "Host": "127.0.0.1",
                "Port": self.port,
                "Database": "postgres",
                "Username": "postgres",
                "Password": "postgres",
                "Lock": False,
                "IndexConnectionsCount": 8,
            }
        }

    def start(self) -> None:
        """Start it and return when it accepts connections."""
        options = [f"-D{self._data}", f"-p{self.port}", *(f"-c{name}={value}" for name, value in OPTIONS.items())]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                _as_nobody_if_root(["setpriv", "--pdeathsig", "INT", self._program("postgres"), *options]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        self._wait_until_it_is_ready()

    def stop(self) -> None:
        """End it at once; whoever is connected is cut off."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _initialize(self) -> None:
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self._data, NOBODY, NOBODY)
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        command = _as_nobody_if_root([self._program("initdb"), f"--pgdata={self._data}", *options])
        run(command, failure="PostgreSQL cannot make its folder", environment={**os.environ, "LC_ALL": "C"})

    def _program(self, name: str) -> str:
        return str(self._folder.program(name))

    def _wait_until_it_is_ready(self) -> None:
        """Its own file says so in its eighth line."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process is not None and self._process.poll() is None:
            with suppress(OSError, IndexError):
                if self._data.joinpath("postmaster.pid").read_text().splitlines()[7].strip() == "ready":
                    return
            time.sleep(0.02)
        lines = self._log.read_text(errors="replace").splitlines()
        raise SetupError("\n".join(["PostgreSQL did not start", *lines[-10:]]))


def _as_nobody_if_root(command: Sequence[str]) -> list[str]:
    return [*AS_NOBODY, *command] if os.geteuid() == 0 else list(command)


def main() -> None:
    for suite in sys.argv[1:] or SUITES:
        unpack(suite)


if __name__ == "__main__":
    sys.exit(exit_code(main))
