"""The nginx of docs/nginx.md in front of a real Orthanc: a plain proxy, and one that keeps frames."""

from __future__ import annotations

import base64
import getpass
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from bench.nginx import NginxServer
from bench.tools import unpack
from dev.console import CHECKOUT
from dev.orthanc_server import free_port
from dev.sample import Sample
from tests.integration.archive import AS_STORED, Archive, running, wait_until
from tests.integration.parts import parts_of

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=4, rows=400, columns=400)
CREDENTIALS = ("radiologist", "synthetic")
WITH_PASSWORD = {"AuthenticationEnabled": True, "RegisteredUsers": dict([CREDENTIALS]), "KeepAlive": True}


Command = Callable[..., list[str]]


def of_debian_13(*arguments: str) -> list[str]:
    """nginx 1.26, unpacked."""
    return unpack().nginx(*arguments)


def of_this_machine(*arguments: str) -> list[str]:
    """Such as 1.22 of Debian 12."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        pytest.skip("this machine has no nginx of its own")
    return [program, *arguments]


NGINX = {"Debian 13": of_debian_13, "this machine": of_this_machine}


def documented(*, keeps_frames: bool) -> str:
    """The configuration in the documentation, with or without its section on frames that nginx keeps."""
    text = (CHECKOUT / "docs/nginx.md").read_text()
    whole, path, location = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    before, after = whole.split("    location / {")
    return f"{path}{before}{location}    location / {{{after}" if keeps_frames else whole


def adapted(text: str, archive: Archive | None, folder: Path, port: int, *, with_tls: bool) -> str:
    """`text` with this machine's addresses."""
    here = {
        r"server 127\.0\.0\.1:8042;": f"server 127.0.0.1:{archive.server.port if archive else 8042};",
        r"listen 443 ssl http2;": f"listen 127.0.0.1:{port}{' ssl http2' if with_tls else ''};",
        r"/etc/ssl/\S+/pacs\.example\.org": str(folder / "pacs"),
        r"(?m)^\s*ssl_certificate.*$": "\\g<0>" if with_tls else "",
    }
    for pattern, replacement in here.items():
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    return text.replace("/var/cache/framecache-nginx", str(folder / "kept"))


@contextmanager
def nginx_before(archive: Archive, folder: Path, command: Command, *, keeps_frames: bool) -> Iterator[Archive]:
    """`archive`, asked through nginx."""
    port, user = free_port(), getpass.getuser() if os.getuid() == 0 else ""
    servers = adapted(documented(keeps_frames=keeps_frames), archive, folder, port, with_tls=False)
    with NginxServer(command, folder, folder, port, workers=1, user=user, servers=servers) as nginx:
        yield Through(archive, nginx.url)


class Through(Archive):
    """What a client sees of an archive at another address."""

    def __init__(self, archive: Archive, url: str) -> None:
        super().__init__(archive.server, CREDENTIALS)
        self.url = url

    def ask(self, method: str, path: str, **options: object) -> requests.Response:
        options = {"auth": CREDENTIALS, "timeout": 60, **options}
        return requests.request(method, self.url + path, **options)  # type: ignore[arg-type] # noqa: S113


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path) -> Iterator[Archive]:
    configuration = {**WITH_PASSWORD, "FrameCache": {"XAccelExpires": True}}
    with running(suite, folder / "orthanc", configuration, credentials=CREDENTIALS, in_order=False) as archive:
        yield archive


@pytest.fixture(scope="module", params=list(NGINX.values()), ids=list(NGINX))
def nginx(request: pytest.FixtureRequest) -> Command:
    command: Command = request.param
    command("-v")  # skipped here where it is missing
    return command


@pytest.fixture(scope="module")
def proxied(archive: Archive, folder: Path, nginx: Command) -> Iterator[Archive]:
    shutil.rmtree(folder / "nginx", ignore_errors=True)
    with nginx_before(archive, folder / "nginx", nginx, keeps_frames=True) as through:
        yield through


def kept_files(folder: Path) -> int:
    return sum(path.is_file() for path in (folder / "nginx/kept").rglob("*"))


@pytest.mark.parametrize("keeps_frames", [False, True])
def test_it_is_right_as_it_is_typed(nginx: Command, tmp_path: Path, *, keeps_frames: bool) -> None:
    """With TLS and HTTP/2, and into a folder that nginx can make: what is above it is on every Debian."""
    key, certificate = tmp_path / "pacs.key", tmp_path / "pacs.pem"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=pacs.example.org"
    subprocess.run([*request.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    text = documented(keeps_frames=keeps_frames)
    for path in re.findall(r"proxy_cache_path (\S+)", text):
        assert Path(path).parent == Path("/var/cache")
    servers = adapted(text, None, tmp_path, free_port(), with_tls=True)
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(f"events {{}} pid {tmp_path}/pid; http {{ access_log off; {servers} }}")
    log = str(tmp_path / "log")
    told = subprocess.run(
        nginx("-t", "-p", str(tmp_path), "-c", str(configuration), "-e", log),
        check=False,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr


def test_with_default_settings_a_browser_s_copy_is_confirmed(suite: str, tmp_path: Path, nginx: Command) -> None:
    """No frame is sent once more: 304 comes through, for each of them."""
    with (
        running(suite, tmp_path / "orthanc", WITH_PASSWORD, credentials=CREDENTIALS, in_order=False) as archive,
        nginx_before(archive, tmp_path / "nginx", nginx, keeps_frames=False) as through,
    ):
        instance = through.store(SMALL)
        tags = [through.frames(instance, str(number)).headers["ETag"] for number in (1, 2, 3, 4)]
        again = [through.frames(instance, str(number), if_none_match=tag) for number, tag in enumerate(tags, start=1)]
        assert [(answer.status_code, answer.content) for answer in again] == [(304, b"")] * 4
        assert archive.status()["NotModified"] == 4


def test_all_routes_pass_through(proxied: Archive) -> None:
    instance = proxied.store(replace(SMALL, seed=1))
    assert proxied.get(f"{instance.path}/metadata", accept="application/dicom+json").status_code == 200
    assert proxied.get(f"{instance.path}/frames/1/rendered", accept="image/png").content.startswith(b"\x89PNG")
    assert proxied.parts(instance, "1,3") == proxied.stock_parts(instance, "1,3")


def test_a_study_that_has_no_length_arrives_whole(proxied: Archive) -> None:
    """It comes in the chunked coding, whatever version of HTTP nginx asks with."""
    instance = proxied.store(replace(SMALL, seed=3))
    study = instance.path.partition("/series/")[0]
    answer = proxied.get(study, accept='multipart/related; type="application/dicom"; transfer-syntax=*')
    assert answer.content.endswith(b"--\r\n")
    assert answer.content.count(b"Content-Type: application/dicom\r\n") == 1


def test_answers_name_the_address_that_the_client_sees(proxied: Archive) -> None:
    instance = proxied.store(replace(SMALL, seed=2))
    answer = proxied.frames(instance, "2")
    location = re.search(rb"Content-Location: (\S+)", answer.content)
    assert location
    assert location[1].decode() == answer.url
    assert "X-Accel-Expires" not in answer.headers


def test_a_frame_that_nginx_has_is_confirmed_and_not_sent_again(
    archive: Archive, proxied: Archive, folder: Path
) -> None:
    instance = proxied.store(replace(SMALL, seed=3))
    before = kept_files(folder)
    first = proxied.frames(instance, "2")
    wait_until(lambda: kept_files(folder) == before + 1)
    confirmed = archive.status()["NotModified"]
    again = [proxied.frames(instance, "2") for _ in range(3)]
    assert archive.status()["NotModified"] == confirmed + 3
    assert {answer.content for answer in again} == {first.content}
    assert again[0].headers["ETag"] == first.headers["ETag"]
    assert proxied.frames(instance, "2", if_none_match=first.headers["ETag"]).status_code == 304


def test_what_nginx_has_is_sent_to_nobody_whom_orthanc_refuses(proxied: Archive) -> None:
    instance = proxied.store(replace(SMALL, seed=4))
    path, headers = f"{instance.path}/frames/1", {"Accept": AS_STORED}
    assert [proxied.frames(instance, "1").status_code for _ in range(2)] == [200, 200]
    wrong = base64.b64encode(b"radiologist:guessed").decode()
    for authorization in ("", f"Basic {wrong}"):
        answer = requests.get(
            proxied.ask("GET", "/system").url.replace("/system", path),
            headers={**headers, "Authorization": authorization},
            timeout=60,
        )
        assert (answer.status_code, len(answer.content) < 1000) == (401, True)


def test_what_was_deleted_or_overwritten_is_not_sent_from_nginx(proxied: Archive) -> None:
    old = replace(SMALL, seed=5)
    new = replace(old, rows=old.rows // 2, columns=old.columns * 2)
    instance = proxied.store(old)
    for sample in (old, new):
        proxied.store(sample, cached=False)
        for _ in range(2):
            (part,) = parts_of(proxied.frames(instance, "2"))
            assert part.payload == list(sample.pixels())[1].tobytes()
    proxied.delete(f"/instances/{instance.orthanc_id}")
    assert proxied.frames(instance, "2").status_code == 404


def test_viewers_who_ask_at_once_all_get_the_frame(proxied: Archive) -> None:
    instance = proxied.store(replace(SMALL, seed=6))
    wanted = proxied.frames(instance, "4").content
    answers: list[bytes] = []
    askers = [threading.Thread(target=lambda: answers.append(proxied.frames(instance, "4").content)) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert answers == [wanted] * 8
