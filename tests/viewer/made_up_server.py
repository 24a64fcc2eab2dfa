"""A server of the page that answers what a test wants: states that a real Orthanc is seldom in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from framecache.admin.page import HEADERS, PageFiles
from framecache.errors import NotFound
from playwright.sync_api import BrowserContext, Request, Route

ORIGIN = "http://pacs.example"
PREFIX = "/imaging/orthanc"
ADDRESS = f"{ORIGIN}{PREFIX}/frame-cache/app/index.html"
NOW = "2026-03-02T12:00:00+00:00"
POINTS = {"Hour": (60, 60, "2026-03-02T11:00:00+00:00"), "Day": (96, 900, "2026-03-01T12:00:00+00:00")}
CHECKS = ("Settings", "AllowThreads", "OrthancVersion", "Directory", "RouteOrder", "DicomWebPlugin", "Codecs")


def orthanc_id(number: int) -> str:
    return "-".join([f"{number:08x}"] * 5)


def study(number: int, **values: Any) -> dict[str, Any]:
    """One row of the table."""
    row = {"ID": orthanc_id(number), "StudyInstanceUID": f"1.2.{number}", "Series": 1, "Instances": 2, "Frames": 96}
    row |= {"CachedFrames": 96, "Bytes": number << 20, "LastViewed": "2026-03-02T11:58:00+00:00", "Pinned": False}
    return {**row, **values}


def series_of(range_name: str) -> dict[str, Any]:
    """A course of figures: a rise of requests, and nothing before it."""
    length, seconds, begin = POINTS[range_name]
    rise = [max(0, index - length // 2) for index in range(length)]
    none: list[float | None] = [None] * length
    return {
        "Begin": begin,
        "Seconds": seconds,
        "Hits": [9 * value for value in rise],
        "Misses": rise,
        "Bypasses": [0] * length,
        "Errors": [0] * length,
        "ExtractedFrames": rise,
        "ExtractedBytes": [value << 20 for value in rise],
        "EvictedInstances": [0] * length,
        "MedianSeconds": [0.002 if value else none[0] for value in rise],
        "P99Seconds": [0.2 if value else none[0] for value in rise],
    }


def status(**values: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Version": "0.1.0",
        "Versions": {"Orthanc": "1.12.7"},
        "Serving": True,
        "Checks": [{"Name": name, "Passed": True} for name in CHECKS],
        "Entries": 3,
        "Bytes": 5 << 30,
        "MaximumBytes": 20 << 30,
        "Degraded": None,
        "DicomWeb": {"Root": "/dicom-web/", "PublicRoot": "/dicom-web/"},
    }
    counters = (
        "Hits",
        "Misses",
        "Errors",
        "DamagedBlocks",
        "Failures",
        "ExtractedFrames",
        "ExtractedBytes",
        "QueueLength",
    )
    return {**answer, **dict.fromkeys(counters, 0), **values}


def statistics(**values: Any) -> dict[str, Any]:
    cache = {"Bytes": 5 << 30, "MaximumBytes": 20 << 30, "Studies": 2, "Frames": 192, "PinnedStudies": 1}
    answer = {
        "Now": NOW,
        "Since": NOW,
        "Cache": cache,
        "Totals": {"ExtractedBytes": 0, "EvictedInstances": 0, "EvictedBytes": 0},
        "Queue": {"Length": 0, "OldestSeconds": None, "AtWork": []},
        "Latency": {"Median": 0.002, "P99": 0.2},
        "Hour": series_of("Hour"),
        "Day": series_of("Day"),
    }
    return {**answer, **values}


def job(**values: Any) -> dict[str, Any]:
    answer = {
        "ID": "job-1",
        "Kind": "warm",
        "Level": "studies",
        "Subject": orthanc_id(1),
        "State": "running",
        "Done": 3,
    }
    answer |= {
        "Total": 12,
        "Unit": "instances",
        "Bytes": 0,
        "Created": NOW,
        "Ended": None,
        "Error": None,
        "Result": None,
    }
    return {**answer, **values}


def patient(name: str, **tags: str) -> dict[str, Any]:
    """What Orthanc tells of a study."""
    return {
        "MainDicomTags": {"StudyDate": "20260301", "StudyDescription": "Screening", **tags},
        "PatientMainDicomTags": {"PatientName": name, "PatientID": "P1"},
        "RequestedTags": {"ModalitiesInStudy": "MG", "NumberOfStudyRelatedInstances": "3"},
    }


@dataclass
class MadeUpServer:
    """What each route tells; a number is a status without more. `asked` are the requests, `elsewhere` the others."""

    routes: dict[str, Any] = field(default_factory=dict)
    studies: list[dict[str, Any]] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    found: list[dict[str, Any]] = field(default_factory=list)
    series: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    acted: list[tuple[str, str | None]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    is_silent: bool = False

    def serve(self, browser: BrowserContext) -> None:
        """Answer all requests of the browser from now on."""
        browser.route("**/*", lambda route: self._answer(route, route.request))

    def _answer(self, route: Route, request: Request) -> None:
        if not request.url.startswith(f"{ORIGIN}{PREFIX}/"):
            self.elsewhere.append(request.url)
            route.abort()
            return
        path = urlsplit(request.url).path.removeprefix(PREFIX)
        self.asked.append(f"{request.method} {path}")
        if path.startswith("/frame-cache/app/"):
            self._file(route, path.removeprefix("/frame-cache/app/"))
        elif self.is_silent:
            route.abort()
        else:
            self._json(route, self._content(request, path))

    def _file(self, route: Route, name: str) -> None:
        try:
            file = PageFiles().file(name)
        except NotFound:
            route.fulfill(status=404)
        else:
            route.fulfill(body=file.content, headers={**HEADERS, "Content-Type": file.content_type})

    def _json(self, route: Route, answer: Any) -> None:
        code = answer if isinstance(answer, int) else 200
        body = {"HttpStatus": answer, "Message": "refused for a test"} if isinstance(answer, int) else answer
        route.fulfill(status=code, json=body)

    def _content(self, request: Request, path: str) -> Any:
        if request.method == "POST" and path.startswith("/frame-cache/"):
            self.acted.append((path, request.headers.get("x-frame-cache")))
            return self.routes.get(path, {"Instances": 2, "PurgedInstances": 2})
        if path == "/frame-cache/studies":
            return self._page(parse_qs(urlsplit(request.url).query))
        return self._orthanc(request, path)

    def _orthanc(self, request: Request, path: str) -> Any:
        """Its own routes."""
        if path == "/tools/find":
            return self.found
        if path == "/tools/bulk-content":
            ids = (request.post_data_json or {})["Resources"]
            return [{"ID": one, "ParentSeries": self.series[one]} for one in ids if one in self.series]
        if found := re.fullmatch(r"/studies/([^/]+)|/series/([^/]+)/study", path):
            return self.names.get(found[1] or found[2], 403)
        return self.routes.get(path, 404)

    def _page(self, query: Mapping[str, list[str]]) -> dict[str, Any]:
        rows = self.studies
        if "ids" in query:
            rows = [row for row in rows if row["ID"] in query["ids"][0].split(",")]
        rows = sorted(rows, key=lambda row: row[query["sort"][0]] or "", reverse=True)
        first = int(query.get("offset", ["0"])[0])
        return {"Total": len(rows), "Studies": rows[first : first + int(query["limit"][0])]}


def usual(**routes: Any) -> MadeUpServer:
    """A cache in which all is well, with two studies."""
    server = MadeUpServer(studies=[study(1), study(2, Pinned=True, CachedFrames=48)])
    server.names = {orthanc_id(1): patient("Doe^Jane"), orthanc_id(2): patient("Roe^Rita")}
    server.routes = {
        "/frame-cache/status": status(),
        "/frame-cache/statistics": statistics(),
        "/frame-cache/jobs": {"Jobs": []},
        "/frame-cache/events": {"Events": [], "Last": 0, "Done": True},
        "/system": {"Name": "Test PACS"},
    }
    server.routes |= {f"/frame-cache/{name}": value for name, value in routes.items()}
    return server
