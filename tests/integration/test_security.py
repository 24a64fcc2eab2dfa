"""A permission for one study opens nothing of another, nobody writes a header of his own, and no name is told."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urljoin

import pydicom
import pytest

from dev.console import CHECKOUT
from dev.sample import Sample
from dev.upload import Instance
from tests.integration.archive import AS_STORED, Archive, running, wait_until

pytestmark = pytest.mark.orthanc

ALLOWED = Sample(frames=3, rows=64, columns=96)
FORBIDDEN = replace(ALLOWED, seed=1)

# As lax below the allowed study as a filter may be that protects studies: the authorization plugin, too, does not
# look whether an instance belongs to the study before it.
FILTER = """
import sys
sys.path.append({plugin!r})
import orthanc
from framecache import install

def allows(uri, **request):
    below = "/dicom-web/studies/{study}/"
    return "x-stranger" not in request["headers"] and (uri.startswith(below) or not uri.startswith("/dicom-web"))

orthanc.RegisterIncomingHttpRequestFilter(allows)
install(orthanc)
"""
RESOURCES = (
    "/frames/1",
    "/frames/1,2,3",
    "/frames",
    "/frames/1/rendered",
    "/frames/1/thumbnail",
    "/rendered",
    "/thumbnail",
    "",
)


@dataclass(frozen=True)
class Filtered:
    """An Orthanc behind the filter, with an instance of the study that is let through and one that is not."""

    archive: Archive
    allowed: Instance
    forbidden: Instance

    def status(self, path: str, **headers: str) -> int:
        """Of the answer to exactly this path, behind up to three redirections."""
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", self.archive.server.port, timeout=30)
            connection.request("GET", path, headers={"Accept": "*/*", **headers})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            location = answer.headers.get("Location")
            if location is None:
                break
            path = urljoin(path, location)
        return answer.status


@pytest.fixture(scope="module")
def filtered(suite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filtered]:
    """It runs under a umask that hides nothing."""
    folder = tmp_path_factory.mktemp(suite)
    script = folder / "filter.py"
    script.write_text(FILTER.format(plugin=str(CHECKOUT / "plugin"), study=ALLOWED.study_instance_uid))
    before = os.umask(0)
    try:
        with running(suite, folder / "orthanc", {"PythonScript": str(script)}, in_order=False) as archive:
            os.umask(before)
            yield Filtered(archive, archive.store(ALLOWED), archive.store(FORBIDDEN))
    finally:
        os.umask(before)


def series_of(path: str) -> str:
    return path.partition("/instances/")[0]


def test_the_allowed_study_is_open_and_the_start_up_checks_pass(filtered: Filtered) -> None:
    paths = [
        *(filtered.allowed.path + resource for resource in RESOURCES),
        f"{series_of(filtered.allowed.path)}/rendered",
    ]
    assert {path: filtered.status(path) for path in paths} == dict.fromkeys(paths, 200)
    assert filtered.archive.advice() == {}


def test_the_filter_is_in_force_on_every_route_of_ours(filtered: Filtered) -> None:
    """The one that the plugin asks itself at the start is among them."""
    sentinel = "/dicom-web/studies/0.0/series/0.0/instances/0.0/frames/1"
    paths = [
        *(filtered.allowed.path + resource for resource in RESOURCES),
        f"{series_of(filtered.allowed.path)}/rendered",
        sentinel,
        "/frame-cache/status",
        f"/frame-cache/instances/{filtered.allowed.orthanc_id}",
        f"/frame-cache/studies/{filtered.allowed.orthanc_id}/purge",
    ]
    assert {path: filtered.status(path, **{"X-Stranger": "1"}) for path in paths} == dict.fromkeys(paths, 403)
    assert filtered.status(sentinel) == 403


def mixtures(allowed: Instance, forbidden: Instance) -> Iterator[str]:
    """Every path to an instance that is made of the UIDs of both, but for the allowed one's own."""
    uids = [(allowed.study_instance_uid, forbidden.study_instance_uid)]
    uids += [(allowed.series_instance_uid, forbidden.series_instance_uid)]
    uids += [(allowed.sop_instance_uid, forbidden.sop_instance_uid)]
    for study, series, instance in list(itertools.product(*uids))[1:]:
        yield f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"


def spellings(path: str, allowed: Instance) -> Iterator[str]:
    """How an attacker may write the same path."""
    below = path.removeprefix("/dicom-web/studies/")
    inside = f"/dicom-web/studies/{allowed.study_instance_uid}"
    yield path
    yield "/dicom-web/studies/" + below.replace(".", "%2e")
    yield "/dicom-web/studies/" + below.replace(".", "%2E", 1)
    yield path.replace("/series/", "%2fseries/")
    yield path.replace("/studies/", "//studies/")
    yield path.replace("dicom-web", "DICOM-WEB").replace("studies", "STUDIES")
    yield f"{inside}/../{below}"
    yield f"{inside}/%2e%2e/{below}"
    yield f"{inside}/..%2f{below}"
    yield f"{inside}/series/x/../../../{below}"
    yield f"{inside}%00/../{below}"
    yield f"{inside};{path}"


def test_no_url_opens_anything_of_another_study(filtered: Filtered) -> None:
    """What was learnt from one request must not open the next, so each instance is cached and both are asked for."""
    opened = {}
    for mixture in mixtures(filtered.allowed, filtered.forbidden):
        for resource in RESOURCES:
            for path in spellings(mixture + resource, filtered.allowed):
                opened[path] = filtered.status(path)
        for resource in ("/rendered", "/thumbnail"):
            path = series_of(mixture) + resource
            if path != series_of(filtered.allowed.path) + resource:
                opened[path] = filtered.status(path)
    assert len(opened) > 500
    assert {path: status for path, status in opened.items() if status not in (400, 403, 404, 406)} == {}
    assert filtered.status(f"{filtered.allowed.path}/frames/1") == 200


@pytest.mark.parametrize("end", ["/", "?", "?accept=*/*&accept=image/png", "?StudyInstanceUID=1.2", "%20", "/1", "#"])
def test_what_stands_behind_the_path_opens_nothing(filtered: Filtered, end: str) -> None:
    mixture = replace(filtered.allowed, sop_instance_uid=filtered.forbidden.sop_instance_uid).path
    for resource in RESOURCES:
        assert filtered.status(mixture + resource + end) in (400, 403, 404, 406)


def test_the_cache_is_the_owner_s_alone_though_the_server_s_umask_hides_nothing(filtered: Filtered) -> None:
    modes = modes_below(filtered.archive.server.folder / "FrameCache")
    assert len([mode for mode in modes.values() if stat.S_ISREG(mode)]) >= 3
    for path, mode in modes.items():
        assert stat.S_IMODE(mode) == (0o700 if stat.S_ISDIR(mode) else 0o600), path


def modes_below(folder: Path) -> dict[str, int]:
    """Of what is there; the server goes on working in it."""
    modes = {}
    for place, folders, files in os.walk(folder):
        for path in (os.path.join(place, name) for name in (*folders, *files)):
            with suppress(FileNotFoundError):
                modes[path] = os.lstat(path).st_mode
    return modes


INJECTED = b"X-Injected: 1"


@pytest.mark.parametrize("name", [b"Host", b"X-Forwarded-Host", b"Forwarded", b"X-Forwarded-Proto"])
@pytest.mark.parametrize(
    "value",
    [
        b"a\r\n " + INJECTED,
        b"a\r" + INJECTED,
        b"a\n" + INJECTED,
        b"a\0\r" + INJECTED,
        b"a%0d%0a" + INJECTED,
        b"a b\t" + INJECTED,
        b'a"<script>',
        b"a\xc4\x8d\xc4\x8a" + INJECTED,
        b"h" * 5000,
    ],
)
def test_a_request_writes_no_header_into_the_answer(filtered: Filtered, name: bytes, value: bytes) -> None:
    lines = {b"Host": b"here", b"X-Forwarded-Host": b"there", b"X-Forwarded-Proto": b"https"}
    value = b"host=" + value if name == b"Forwarded" else value
    if name == b"Forwarded":
        del lines[b"X-Forwarded-Host"]
    lines |= {name: value, b"Accept": AS_STORED.encode(), b"Connection": b"close"}
    text = b"".join(b"%s: %s\r\n" % line for line in lines.items())
    answer = exchange(filtered, b"GET %s/frames/1 HTTP/1.1\r\n%s\r\n" % (filtered.allowed.path.encode(), text))
    status = int(answer.split(b" ", 2)[1])
    assert status in (200, 400)
    if status == 200:
        head, _, rest = answer.partition(b"\r\n\r\n")
        part, _, _ = rest.partition(b"\r\n\r\n")
        for line in [*head.splitlines(), *part.splitlines()]:
            assert not line.lower().startswith(b"x-injected")
        location = re.search(rb"Content-Location: ([^\r\n]*)", part)
        assert location
        assert re.fullmatch(rb"https?://[!-~]+", location[1])
        assert b"<" not in location[1]


def exchange(filtered: Filtered, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", filtered.archive.server.port), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


NAMES = ("Unmistakable", "UNMISTAKABLE-ID", "19011213", "Dr^Nobody")


def named_file(sample: Sample, archive: Archive) -> bytes:
    path = archive.server.folder / "named.dcm"
    data_set = pydicom.dcmread(sample.write(path))
    data_set.PatientName, data_set.PatientID, data_set.PatientBirthDate = "Unmistakable^Name", NAMES[1], NAMES[2]
    data_set.ReferringPhysicianName = NAMES[3]
    target = io.BytesIO()
    data_set.save_as(target)
    return target.getvalue()


def test_no_patient_data_in_the_log_or_in_the_status(archive: Archive) -> None:
    """With Orthanc's most talkative log; a damaged instance is among them, as errors like to quote."""
    archive.ask("PUT", "/tools/log-level", data="trace").raise_for_status()
    good, bad = replace(ALLOWED, seed=7), replace(ALLOWED, seed=8, encoding="jpeg-ls", frames=4)
    content = named_file(bad, archive)
    texts = []
    for sample, stored in ((good, named_file(good, archive)), (bad, content[:-500] + bytes(400) + content[-100:])):
        orthanc_id = archive.upload(stored)
        instance = Instance(orthanc_id, sample.study_instance_uid, sample.series_instance_uid, sample.sop_instance_uid)
        wait_until(lambda instance=instance: archive.progress(instance)["State"] not in ("queued", "running"))  # type: ignore[misc]
        for resource in (*RESOURCES, f"/frames/{sample.frames}", f"/frames/{sample.frames}/rendered", "/frames/99"):
            answer = archive.get(instance.path + resource, accept="*/*")
            texts += [answer.text] if answer.headers.get("Content-Type", "").startswith("application/json") else []
            texts.append(str(answer.headers))
        texts.append(json.dumps(archive.progress(instance)))
        purge = f"/frame-cache/instances/{orthanc_id}/purge"
        texts.append(archive.ask("POST", purge, headers={"X-Frame-Cache": "1"}).text)
        archive.delete(f"/instances/{orthanc_id}")
    texts.append(json.dumps(archive.status()))
    ours = [line for line in archive.log.splitlines() if "frame cache" in line.lower()]
    assert ours
    assert len(texts) > 20
    assert [text for text in (*texts, *ours) if any(name in text for name in NAMES)] == []
