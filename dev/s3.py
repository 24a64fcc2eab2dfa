"""A real S3 server, OpenStack Swift, on loopback, without root or Docker: `python -m dev.s3` makes `.cache/s3`."""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from obstore.store import S3Store

from dev.bootstrap import BASE_PYTHON, PYTHON, REQUIREMENTS
from dev.console import CACHE, SetupError, exit_code, run, say
from dev.debian_pip import install
from dev.once import make_once, one_at_a_time
from dev.orthanc_server import answers, free_port

LOCK = REQUIREMENTS / "s3.txt"

START_SECONDS = 60.0
STOP_SECONDS = 10.0
KEY, SECRET, REGION = "test:tester", "testing", "us-east-1"
# What stores and their indexes are made of; the proxy before them speaks S3.
BACKENDS = ("account", "container", "object")

COMMON = """
[swift-hash]
swift_hash_path_prefix = framecache
swift_hash_path_suffix = framecache
[storage-policy:0]
name = gold
default = yes
"""
SERVER = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
"""
BACKEND = """
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
# Without `cache`, which is memcached: nothing that is used here needs it.
PROXY = """
cors_allow_origin = *
cors_expose_headers = Content-Encoding, Content-Length, Content-Range, ETag
[pipeline:main]
pipeline = catch_errors s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
check_bucket_owner = false
location = {region}
[filter:tempauth]
use = egg:swift#tempauth
user_{user} = {secret} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""
# Run by Swift's own Python: where each server's one device is, which Swift calls a ring.
RINGS = """
import sys
from swift.common.ring import RingBuilder
for ring, port in zip(sys.argv[2::2], sys.argv[3::2]):
    builder = RingBuilder(4, 1, 1)
    builder.add_dev(dict(region=1, zone=1, ip="127.0.0.1", port=int(port), device="device", weight=1))
    builder.rebalance()
    builder.get_ring().save(f"{sys.argv[1]}/{ring}.ring.gz")
"""


def make_swift() -> Path:
    """Make sure that Swift is there, and return its environment. Raises SetupError where it cannot be fetched."""
    # The same place from every worktree that shares `.cache` by a link.
    folder = CACHE.resolve() / "s3"
    with one_at_a_time():
        make_once(folder, BASE_PYTHON + LOCK.read_text(), lambda: _fill(folder))
    return folder


def _fill(folder: Path) -> None:
    say("Installing an S3 server for the tests …")
    interpreter = f"{sys.base_prefix}/bin/{BASE_PYTHON}"
    run([interpreter, "-m", "venv", "--without-pip", str(folder)], failure="the virtual environment cannot be made")
    install(PYTHON, ["--target", str(_packages(folder)), "--requirement", str(LOCK)])


def _packages(folder: Path) -> Path:
    [packages] = folder.glob("lib/python*/site-packages")
    return packages


class S3Server:
    """Four processes of Swift, with their data in `folder`; use as a context manager. Raises SetupError.

    `folder` has to be on a file system with extended attributes. What is stored stays when it is started anew.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._ports = {name: free_port() for name in (*BACKENDS, "proxy")}
        self._processes = ExitStack()
        self.url = f"http://127.0.0.1:{self._ports['proxy']}"

    @property
    def settings(self) -> dict[str, Any]:
        """What obstore's S3Store has to know besides the bucket."""
        return {
            "endpoint": self.url,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "region": REGION,
            "virtual_hosted_style_request": False,
            "client_options": {"allow_http": True},
        }

    @property
    def environment(self) -> dict[str, str]:
        """The same for another process, as environment variables."""
        return {
            "AWS_ENDPOINT": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
            "AWS_ALLOW_HTTP": "true",
        }

    def store(self, bucket: str, prefix: str | None = None) -> S3Store:
        return S3Store(bucket, prefix=prefix, **self.settings)

    def make_bucket(self, name: str, *, public: bool = False) -> S3Store:
        """A new bucket, whose name has three letters or more; a `public` one is read by anybody at `public_url`."""
        headers = {
            "host": self.url.removeprefix("http://"),
            "x-amz-acl": "public-read" if public else "private",
            "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        }
        headers["authorization"] = authorization("PUT", f"/{name}", headers)
        request = urllib.request.Request(f"{self.url}/{name}", method="PUT", headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=START_SECONDS):  # noqa: S310 # our own server
            return self.store(name)

    def public_url(self, bucket: str) -> str:
        """Where anybody reads the objects of a public bucket, scripts of any origin included."""
        return f"{self.url}/v1/AUTH_{KEY.partition(':')[0]}/{bucket}"

    def __enter__(self) -> S3Server:
        swift = make_swift()
        (self._folder / "devices/device").mkdir(parents=True, exist_ok=True)
        self._configure(swift)
        try:
            for name in self._ports:
                self._start(swift, name)
            self._wait_until_all_answer()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End all four processes, one that hangs too."""
        self._processes.close()

    def _configure(self, swift: Path) -> None:
        (self._folder / "swift.conf").write_text(COMMON)
        for name, port in self._ports.items():
            server = SERVER.format(folder=self._folder, port=port, user=pwd.getpwuid(os.getuid()).pw_name)
            own = PROXY.format(region=REGION, user=KEY.replace(":", "_"), secret=SECRET) if name == "proxy" else ""
            (self._folder / f"{name}.conf").write_text(server + (own or BACKEND.format(name=name)))
        rings = [argument for name in BACKENDS for argument in (name, str(self._ports[name]))]
        command = [str(swift / "bin/python"), "-W", "ignore", "-c", RINGS, str(self._folder), *rings]
        run(command, failure="the S3 server's rings cannot be made")

    def _start(self, swift: Path, name: str) -> None:
        program = _packages(swift) / f"bin/swift-{name}-server"
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                # It ends with its starter, however that one dies.
                ["setpriv", "--pdeathsig", "KILL", swift / "bin/python", program, self._folder / f"{name}.conf"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.callback(_end, process)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _wait_until_all_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        for name, port in self._ports.items():
            while not answers(port):
                if time.monotonic() > deadline:
                    raise SetupError(f"the S3 server does not start: see {self._log(name)}")
                time.sleep(0.1)


def authorization(method: str, path: str, headers: Mapping[str, str]) -> str:
    """The header that signs a request (AWS Signature Version 4): obstore has no way to make a bucket.

    `headers` are those to be sent, with names in lower case and in order.
    """
    now, names = headers["x-amz-date"], ";".join(headers)
    fields = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = "\n".join((method, path, "", fields, names, headers["x-amz-content-sha256"]))
    scope = (now[:8], REGION, "s3", "aws4_request")
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(("AWS4-HMAC-SHA256", now, "/".join(scope), digest))
    key = f"AWS4{SECRET}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential={KEY}/{'/'.join(scope)}, SignedHeaders={names}, Signature={signature}"


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def make() -> None:
    make_swift()


if __name__ == "__main__":
    sys.exit(exit_code(make))
