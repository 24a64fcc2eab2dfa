"""Installing into an Orthanc that is right, and into one that is not."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from framecache import install
from framecache.admin.checks import Findings
from framecache.app.tracing import trace
from framecache.errors import SettingsError
from framecache.orthanc.instance import Instance
from framecache.serving.detours import Detour
from framecache.serving.route import SENTINEL, SENTINEL_ANSWER, RetrieveRoute
from framecache.store.disk.disk_store import DiskStore

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY, native
from tests.unit.fakes import FakeApi, FakeLog, FakeModule, FakeOutput, eventually, orthanc_id

STATUS = "/frame-cache/status"
PAGE = "/frame-cache/app(|/.*)"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
THREADS = {"Python": {"AllowThreads": True}}


class Site:
    """An Orthanc whose script is being loaded, and the events that it sends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[FakeModule] = []

    def install(
        self,
        section: Any,
        on_change: Callable[[int, int, str], None] | None = None,
        explorer: str = "",
        **rest: Any,
    ) -> FakeModule:
        version = rest.pop("version", (1, 12, 7))
        # No helper processes: their tests are elsewhere.
        section = {"CodecProcesses": 0, **section} if isinstance(section, dict) else section
        configuration = {**THREADS, "StorageDirectory": "storage", "FrameCache": section, **rest}
        module = FakeModule(configuration, self.folder, version=version)
        self.modules.append(module)
        install(module, on_change, explorer)
        return module


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for module in made.modules:
        if module.on_change is not None:
            module.on_change(module.ChangeType.ORTHANC_STOPPED, 0, "")


def status(module: FakeModule) -> dict[str, Any]:
    output = FakeOutput()
    module.routes[STATUS](output, STATUS, method="GET", groups=[], get={}, headers={})
    assert output.status == 200
    found: dict[str, Any] = json.loads(output.body)
    return found


def test_everything_is_registered_and_the_cache_lies_beside_the_storage(site: Site) -> None:
    module = site.install({})

    assert any(pattern.startswith("/dicom-web/studies/") and "frames" in pattern for pattern in module.routes)
    assert STATUS in module.routes
    assert stat.S_IMODE((site.folder / "FrameCache").stat().st_mode) == 0o700
    assert status(module)["Serving"] is True
    assert module.log.of("error") == []


@pytest.mark.parametrize("root", ["/dicom-web/", "dw", "/a/b"])
def test_routes_lie_below_dicomweb_s_root(site: Site, root: str) -> None:
    module = site.install({}, DicomWeb={"Root": root})

    ours = [pattern for pattern in module.routes if "studies" in pattern and "frame-cache" not in pattern]
    assert ours
    assert all(pattern.startswith(f"/{root.strip('/')}/studies/") for pattern in ours)


WRONG = [
    pytest.param({"Wrokers": 2}, {}, '"Wrokers" is not known', id="an unknown key"),
    pytest.param({"Workers": "two"}, {}, "\"Workers\" is 'two'", id="a wrong type"),
    pytest.param({"MaximumSizeMB": 1}, {}, '"MaximumSizeMB" is 1', id="an impossible value"),
    pytest.param([], {}, "must be an object", id="no object"),
    pytest.param({}, {"Python": {}}, '"AllowThreads": true', id="no threads"),
    pytest.param({}, {"version": (1, 12, 4)}, "too old", id="an old core"),
]


@pytest.mark.parametrize(("section", "rest", "message"), WRONG)
def test_where_something_is_wrong_orthanc_starts_and_only_the_status_is_ours(
    site: Site, section: Any, rest: dict[str, Any], message: str
) -> None:
    module = site.install(section, **rest)

    assert list(module.routes) == [STATUS, PAGE]
    assert (module.on_change, module.explorer) == (None, "")
    assert any("frame cache: OFF: " in line and message in line for line in module.log.of("error"))
    found = status(module)
    assert found["Serving"] is False
    assert any(message in check.get("Advice", "") for check in found["Checks"])
    assert not (site.folder / "FrameCache").exists()


@pytest.mark.parametrize(("section", "rest", "message"), [case for case in WRONG if isinstance(case.values[0], dict)])
def test_strict_stops_the_start(site: Site, section: dict[str, Any], rest: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        site.install({**section, "Strict": True}, **rest)

    assert message in str(refused.value)


@pytest.mark.parametrize("strict", [False, True])
def test_what_is_switched_off_does_nothing_and_stops_nothing(site: Site, *, strict: bool) -> None:
    module = site.install({"Enable": False, "Strict": strict}, Python={})

    assert list(module.routes) == [STATUS, PAGE]
    assert not (site.folder / "FrameCache").exists()
    advice = {check["Name"]: check["Advice"] for check in status(module)["Checks"] if not check["Passed"]}
    assert '"Enable" is false' in advice["Enable"]


@pytest.mark.parametrize("strict", [False, True])
def test_where_dicom_web_is_switched_off_no_route_of_it_is_open(site: Site, *, strict: bool) -> None:
    module = site.install({"Strict": strict}, DicomWeb={"Enable": False})

    assert list(module.routes) == [STATUS, PAGE]
    advice = {check["Name"]: check["Advice"] for check in status(module)["Checks"] if not check["Passed"]}
    assert '"DicomWeb": {"Enable": false}' in advice["DicomWebEnabled"]


@pytest.mark.parametrize("section", [{}, {"Wrokers": 1}, {"Enable": False}], ids=["on", "wrong", "off"])
def test_a_site_s_own_callback_hears_every_event(site: Site, section: dict[str, Any]) -> None:
    heard: list[tuple[int, int, str]] = []
    module = site.install(section, lambda *event: heard.append(event))
    kinds = module.ChangeType
    events = [(kinds.NEW_INSTANCE, 3, orthanc_id(1)), (kinds.DELETED, 3, orthanc_id(1)), (99, 0, "x")]
    assert module.on_change is not None
    for event in events:
        module.on_change(*event)

    assert heard == events


def test_a_folder_that_cannot_be_used_is_told_and_frames_are_still_served(site: Site) -> None:
    (site.folder / "file").touch()
    module = site.install({"Directory": str(site.folder / "file")})

    assert any("NOT CACHING" in line for line in module.log.of("error"))
    found = status(module)
    assert found["Serving"] is True
    assert any(check["Name"] == "Directory" and not check["Passed"] for check in found["Checks"])


def test_two_orthancs_in_one_folder_are_told(site: Site) -> None:
    site.install({})
    second = site.install({})

    assert any("in use by another Orthanc" in line for line in second.log.of("error"))


def started(
    site: Site, *, owned: bool = True, plugins: dict[str, str] | None = None, metadata_cache: bool = False
) -> FakeModule:
    module = site.install({}, DicomWeb={"EnableMetadataCache": metadata_cache})
    plugins = {"python": "5.0", "dicom-web": "1.20"} if plugins is None else plugins
    module.answers["/system"] = {"Version": "1.12.7"}
    module.answers["/plugins"] = [*plugins, "explorer.js"]
    for name, version in plugins.items():
        module.answers[f"/plugins/{name}"] = {"Version": version}
    if owned:
        module.answers[f"/dicom-web/{SENTINEL}/frames/1"] = SENTINEL_ANSWER
    assert module.on_change is not None
    module.on_change(module.ChangeType.ORTHANC_STARTED, 0, "")
    assert eventually(lambda: "Orthanc" in status(module)["Versions"] and len(status(module)["Checks"]) >= 7)
    return module


def test_a_start_that_is_right_says_so(site: Site) -> None:
    found = status(started(site))

    assert (found["OwnsFrameRoutes"], found["AllowThreads"], found["Serving"]) == (True, True, True)
    assert found["Versions"]["dicom-web"] == "1.20"
    assert all(check["Passed"] for check in found["Checks"])


@pytest.mark.parametrize(
    ("owned", "plugins", "check", "serving"),
    [
        (False, None, "RouteOrder", True),
        (True, {"python": "5.0"}, "DicomWebPlugin", True),
        (True, {"python": "5.0", "dicom-web": "1.20", "ohif": "1.0"}, "OhifDataSource", True),
        (True, {"python": "4.0", "dicom-web": "1.20"}, "PythonPluginVersion", False),
    ],
)
def test_what_the_start_finds_wrong_is_told(
    site: Site, plugins: dict[str, str] | None, check: str, *, owned: bool, serving: bool
) -> None:
    module = started(site, owned=owned, plugins=plugins)

    failed = [found for found in status(module)["Checks"] if not found["Passed"]]
    assert [found["Name"] for found in failed] == [check]
    assert eventually(lambda: any(failed[0]["Advice"] in line for line in module.log.of("error")))
    assert eventually(lambda: status(module)["Serving"] is serving)


def leave_an_instance(site: Site) -> None:
    """An earlier run knew it, and its file is there; this Orthanc does not find it any more."""
    api, content = FakeApi(site.folder / "storage"), native(bytes(72))
    name = api.store(content)
    store = DiskStore(site.folder / "FrameCache", 16 << 20)
    store.records.keep(Instance.from_find(api.instances[name].answer).to_json())
    store.close()


def trusts_files(module: FakeModule) -> bool:
    """Whether a stored file proves that Orthanc still has its instance: then nobody asks Orthanc for it."""
    pattern, output = next(one for one in module.routes if one.endswith("instances/([^/]+)/frames")), FakeOutput()
    module.routes[pattern](
        output, "", method="GET", groups=[STUDY, SERIES, INSTANCE], get={}, headers={"accept": "*/*"}
    )
    assert output.status in (200, 404)
    return output.status == 200


@pytest.mark.parametrize("storage", [None, "/DelayedDeletion.so"])
def test_files_prove_nothing_until_orthanc_has_told_that_no_plugin_keeps_them(site: Site, storage: str | None) -> None:
    """Nor where the checks behind that break: a storage plugin may delete what Orthanc has deleted long ago."""
    leave_an_instance(site)
    module = site.install({})
    assert not trusts_files(module)
    module.answers["/system"] = {"Version": "1.12.7", "StorageAreaPlugin": storage}
    assert module.on_change is not None
    module.on_change(module.ChangeType.ORTHANC_STARTED, 0, "")

    assert eventually(lambda: any("start-up checks failed" in line for line in module.log.of("error")))
    assert trusts_files(module) is (storage is None)


def test_checks_that_break_keep_no_frame_from_being_served(site: Site) -> None:
    module = site.install({})
    assert module.on_change is not None
    module.on_change(module.ChangeType.ORTHANC_STARTED, 0, "")

    assert eventually(lambda: any("start-up checks failed" in line for line in module.log.of("error")))
    assert status(module)["Serving"] is True


@pytest.mark.parametrize(("name", "code"), [("nobody", 404), (orthanc_id(1), 404), ("../x", 404)])
def test_an_instance_that_is_not_there_is_a_404_in_json(site: Site, name: str, code: int) -> None:
    module, output = site.install({}), FakeOutput()
    (route,) = (route for pattern, route in module.routes.items() if pattern.startswith("/frame-cache/instances"))
    route(output, "", method="GET", groups=[name], get={}, headers={})

    assert output.status == code
    assert json.loads(output.body)["HttpStatus"] == code


@pytest.mark.parametrize("section", [{}, {"Enable": False}, {"Wrokers": 1}], ids=["on", "off", "wrong"])
def test_without_admin_routes_there_is_nothing_below_frame_cache(site: Site, section: dict[str, Any]) -> None:
    module = site.install({**section, "AdminRoutes": False})

    assert [pattern for pattern in module.routes if "frame-cache" in pattern] == []
    assert module.explorer == ""


@pytest.mark.parametrize(("section", "ours"), [({}, True), ({"Wrokers": 1}, False), ({"AdminRoutes": False}, False)])
def test_a_site_s_own_script_for_orthanc_explorer_is_kept(site: Site, section: dict[str, Any], *, ours: bool) -> None:
    module = site.install(section, explorer="theirs();")

    assert module.explorer.endswith("theirs();")
    assert ("../frame-cache/app/" in module.explorer) is ours


@pytest.mark.parametrize("section", [{}, {"Enable": False}, {"Wrokers": 1}], ids=["on", "off", "wrong"])
def test_the_status_is_told_to_the_named_users_only(site: Site, section: dict[str, Any]) -> None:
    users: dict[str, Any] = {"AuthenticationEnabled": True, "RegisteredUsers": {"alice": "a", "bob": "b"}}
    module = site.install({**section, "AdminUsers": ["alice"]}, **users)
    statuses = []
    for credentials in ("YWxpY2U6YQ==", "Ym9iOmI="):
        output, headers = FakeOutput(), {"authorization": f"Basic {credentials}"}
        module.routes[STATUS](output, STATUS, method="GET", groups=[], get={}, headers=headers)
        statuses.append(output.status)

    assert statuses == [200, 403]


@pytest.mark.parametrize(("enabled", "passed"), [(True, True), (False, False)])
def test_names_that_nobody_verifies_are_told_to_be_claims(site: Site, *, enabled: bool, passed: bool) -> None:
    module = site.install({"AdminUsers": ["alice"]}, AuthenticationEnabled=enabled, RegisteredUsers={"alice": "a"})
    output = FakeOutput()
    headers = {"authorization": "Basic YWxpY2U6YQ=="}
    module.routes[STATUS](output, STATUS, method="GET", groups=[], get={}, headers=headers)
    checks = {check["Name"]: check for check in json.loads(output.body)["Checks"]}

    assert checks["AdminUsers"]["Passed"] is passed
    assert passed or "Orthanc does not verify user names" in checks["AdminUsers"]["Advice"]


def test_events_of_a_running_orthanc_only_leave_notes(site: Site) -> None:
    module = site.install({})
    assert module.on_change is not None
    for number in range(100):
        module.on_change(module.ChangeType.NEW_INSTANCE, 3, orthanc_id(number))
    module.on_change(module.ChangeType.DELETED, 1, orthanc_id(1))

    assert status(module)["QueueLength"] == 100


@pytest.mark.parametrize("wanted", [False, True])
def test_requests_are_watched_only_where_traces_are_wanted(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, wanted: bool
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1" if wanted else "")
    module = site.install({})
    routes = [route for pattern, route in module.routes.items() if pattern.startswith("/dicom-web/")]

    assert routes
    watched = [route for route in routes if not isinstance(route, Detour)]
    assert {isinstance(route, RetrieveRoute) for route in watched} == {not wanted}
    assert ("Tracing" in {check["Name"] for check in status(module)["Checks"]}) == wanted


def test_nothing_is_traced_where_nothing_asks_for_traces() -> None:
    findings = Findings()

    assert trace({}, "python3", findings) is None
    assert findings.checks == []


def test_a_protocol_that_is_not_spoken_is_a_failed_check() -> None:
    findings = Findings()

    assert trace({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "python3", findings) is None
    (check,) = findings.failed
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is grpc" in check.advice


def test_a_process_that_cannot_be_started_is_a_failed_check_and_a_line_in_the_log(log: FakeLog) -> None:
    findings = Findings()
    tracing = trace(ENDPOINT, "/nowhere/python3", findings)
    assert tracing is not None
    assert findings.passed("Tracing")
    tracing.start()
    assert eventually(lambda: bool(log.of("error")))

    (check,) = findings.failed
    assert "/nowhere/python3 cannot be started" in check.advice
    assert log.of("error") == [check.advice]
    tracing.stop()
    tracing.join()
