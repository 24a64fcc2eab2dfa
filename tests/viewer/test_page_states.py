"""What the page shows of each state, in a real Chromium: the server is made up, the files of the page are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.viewer import made_up_server as make
from tests.viewer.made_up_server import ADDRESS, MadeUpServer, orthanc_id, patient, usual

pytestmark = [pytest.mark.viewer, pytest.mark.slow]

Scheme = Literal["light", "dark"]
SIZES: list[tuple[int, Scheme]] = [(width, scheme) for width in (360, 768, 1440) for scheme in get_args(Scheme)]


@contextmanager
def shown(chromium: Browser, server: MadeUpServer, address: str = ADDRESS) -> Iterator[Page]:
    """The page of `server` in a new window; it may ask for nothing elsewhere and break no rule of its policy."""
    context = chromium.new_context(locale="en-GB", timezone_id="UTC")
    server.serve(context)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if "Security Policy" in line.text else None)
    page.goto(address)
    expect(page.locator("#state")).not_to_have_text("Loading…")
    yield page
    context.close()
    assert (complaints, server.elsewhere) == ([], [])


def row(page: Page, number: int) -> Locator:
    return page.locator("#rows tr").nth(number - 1)


STATES = [
    pytest.param(make.status(), "Working", None, id="all right"),
    pytest.param(
        make.status(Checks=[{"Name": "RouteOrder", "Passed": False, "Advice": "list libOrthancPython.so first"}]),
        "Working, with advice",
        "list libOrthancPython.so first",
        id="a check failed",
    ),
    pytest.param(
        make.status(Degraded={"Since": make.NOW, "Reason": "No space left on device"}),
        "Degraded",
        "No space left on device",
        id="degraded",
    ),
    pytest.param(
        make.status(
            Archive={"Behind": 12, "Fault": {"Since": make.NOW, "Reason": "nobody answers"}, "Comparison": None},
            ArchiveWritten=3,
        ),
        "Working, with advice",
        "nothing else waits for it: nobody answers",
        id="the archive is out of reach",
    ),
    pytest.param(
        make.status(
            Cluster={
                "Node": "pacs@a",
                "Processes": 3,
                "Pieces": [],
                "Fault": {"Since": make.NOW, "Reason": "connection refused"},
            }
        ),
        "Working, with advice",
        "only shared work waits for it: connection refused",
        id="the shared database does not answer",
    ),
    pytest.param(
        {
            "Version": "0.1.0",
            "Versions": {},
            "Serving": False,
            "Checks": [{"Name": "AllowThreads", "Passed": False, "Advice": 'set "AllowThreads": true'}],
        },
        "Off",
        'set "AllowThreads": true',
        id="it stands aside and tells the status alone",
    ),
]


@pytest.mark.parametrize(("status", "verdict", "advice"), STATES)
def test_it_says_whether_it_works_and_what_to_change(
    chromium: Browser, status: dict[str, Any], verdict: str, advice: str | None
) -> None:
    server = usual(status=status) if status["Serving"] else MadeUpServer(routes={"/frame-cache/status": status})
    with shown(chromium, server) as page:
        expect(page.locator("#state")).to_have_text(re.compile(rf"^\S {verdict}$"))
        if advice is None:
            expect(page.locator("#advice")).to_be_hidden()
        else:
            expect(page.locator("#advice")).to_contain_text(advice)
        expect(page.locator("#checks li")).to_have_count(len(status["Checks"]))
        assert page.locator("#studies").is_visible() is status["Serving"]


def test_figures_are_those_that_are_told(chromium: Browser) -> None:
    with shown(chromium, usual()) as page:
        overview = page.locator("#overview")
        for text in ("5 GiB", "25 % of 20 GiB", "2 studies, 1 pinned, 192 frames", "90 %", "2 ms", "within 200 ms"):
            expect(overview).to_contain_text(text)
        expect(overview.get_by_role("meter", name="Size")).to_have_js_property("value", 0.25)
        expect(page.locator("#server")).to_have_text("Test PACS")
        expect(row(page, 2)).to_contain_text("48 of 96 in 2 of 3 instances")


def test_a_chart_is_read_by_keyboard_for_the_hour_and_the_day(chromium: Browser) -> None:
    with shown(chromium, usual()) as page:
        chart = page.get_by_role("slider", name="Requests: moment")
        expect(chart).to_have_attribute(
            "aria-valuetext", re.compile(r"^in all: from the cache 3,915, .*hit ratio 90\s%$")
        )
        chart.press("Home")
        expect(chart).to_have_attribute("aria-valuetext", re.compile("^11:00–11:01: from the cache 0, "))
        chart.press("End")
        expect(chart).to_have_attribute(
            "aria-valuetext", re.compile("^11:59–12:00: from the cache 261, read from files 29")
        )
        page.get_by_role("radio", name="Last hour").focus()
        page.keyboard.press("ArrowRight")
        expect(chart).to_have_attribute("aria-valuetext", re.compile(r"^in all: from the cache 10,152, "))


def test_a_silent_server_is_told_and_what_is_shown_is_called_old(chromium: Browser) -> None:
    server = usual()
    with shown(chromium, server) as page:
        server.is_silent = True
        expect(page.locator("#silence")).to_contain_text("No answer since")
        expect(page.locator("#state")).to_contain_text("No answer")
        expect(page.locator("#main")).to_have_class("stale")
        server.is_silent = False
        expect(page.locator("#silence")).to_be_hidden(timeout=30000)
        expect(page.locator("#state")).to_contain_text("Working")


def look_now(page: Page) -> None:
    """As when somebody comes back to the tab: the page asks at once, and not only some seconds after the last time."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


REFUSALS = [
    pytest.param(401, "Not allowed", "Not allowed since", id="no login any more"),
    pytest.param(403, "Not allowed", "refused for a test", id="not for this user any more"),
    pytest.param(404, "Off", '"AdminRoutes" is off', id="another configuration"),
    pytest.param(503, "No answer", "refused for a test", id="it stops"),
]


@pytest.mark.parametrize(("status", "verdict", "reason"), REFUSALS)
def test_a_server_that_refuses_is_not_called_silent(chromium: Browser, status: int, verdict: str, reason: str) -> None:
    server = usual()
    with shown(chromium, server) as page:
        before, server.routes["/frame-cache/status"] = server.routes["/frame-cache/status"], status
        look_now(page)
        expect(page.locator("#silence")).to_contain_text(reason)
        expect(page.locator("#silence")).to_contain_text("The figures below are older")
        expect(page.locator("#state")).to_contain_text(verdict)
        server.routes["/frame-cache/status"] = before
        look_now(page)
        expect(page.locator("#state")).to_contain_text("Working")


def test_a_plugin_that_is_off_and_then_started_anew_shows_all_it_has(chromium: Browser) -> None:
    off = {"Version": "0.1.0", "Versions": {}, "Serving": False, "Checks": []}
    server = MadeUpServer(routes={"/frame-cache/status": off})
    with shown(chromium, server) as page:
        expect(page.locator("#state")).to_contain_text("Off")
        server.routes.update(usual().routes)
        expect(page.locator("#traffic")).to_be_visible(timeout=30000)
        expect(page.locator("#activity")).to_be_visible()


@pytest.mark.parametrize(("button", "next_one"), [("Pin: Doe", "Unpin: Doe"), ("Unpin: Roe", "Pin: Roe")])
def test_who_pins_by_keyboard_goes_on_at_the_button_that_takes_its_place(
    chromium: Browser, button: str, next_one: str
) -> None:
    server = usual()
    with shown(chromium, server) as page:
        page.get_by_role("button", name=re.compile(f"^{button}")).press("Enter")
        for study in server.studies:
            study["Pinned"] = button.startswith("Pin")
        page.get_by_role("dialog").get_by_role("button", name=button.partition(":")[0], exact=True).press("Enter")
        expect(page.get_by_role("button", name=re.compile(f"^{next_one}"))).to_be_focused()


def test_the_legend_of_times_says_of_when_they_are(chromium: Browser) -> None:
    """A median has no sum: figures of the last minute beside sums of an hour were taken for those of the hour."""
    server = usual()
    times = server.routes["/frame-cache/statistics"]["Hour"]
    times["MedianSeconds"][-1] = times["P99Seconds"][-1] = None  # nobody asked in the minute under way
    with shown(chromium, server) as page:
        chart = page.locator("figure", has_text="Time to answer")
        expect(chart.locator(".when")).to_have_text("latest, 11:58–11:59")
        expect(chart.locator("dd").first).to_have_text(re.compile(r"2\sms"))
        expect(chart.get_by_role("slider")).to_have_attribute(
            "aria-valuetext", re.compile("^latest, 11:58–11:59: median")
        )


def test_events_name_the_patient_where_orthanc_does(chromium: Browser) -> None:
    """An ID says nothing to anybody; where Orthanc tells no name it is all there is."""
    of = {"Time": make.NOW, "Text": ""}
    events = [
        {"Sequence": 1, "Kind": "pinned", "Level": "studies", "ID": orthanc_id(1), **of},
        {"Sequence": 2, "Kind": "cached", "Level": "instances", "ID": orthanc_id(5), **of},
        {"Sequence": 3, "Kind": "deleted", "Level": "instances", "ID": orthanc_id(6), **of},
    ]
    server = usual(events={"Events": events, "Last": 3, "Done": True})
    server.series, server.names[orthanc_id(8)] = {orthanc_id(5): orthanc_id(8)}, patient("Roe^Rita")
    with shown(chromium, server) as page:
        lines = page.locator("#event-list li")
        for place, text in enumerate(["deleted instance 00000006", "Roe, Rita, 2026-03-01, instance 0", "Doe, Jane"]):
            expect(lines.nth(place)).to_contain_text(text)


def test_who_may_see_no_names_sees_the_uid_alone(chromium: Browser) -> None:
    server = usual()
    del server.names[orthanc_id(1)]
    with shown(chromium, server) as page:
        expect(page.locator("#rows")).to_contain_text("Roe, Rita")
        denied = page.locator("#rows tr", has_text="1.2.1")
        expect(denied).to_have_count(1)
        assert "Doe" not in page.content()
        expect(denied.get_by_role("button", name="Purge: 1.2.1")).to_be_visible()


NASTY = "<script>alert(1)</script><img onerror>"


def test_text_is_text_wherever_it_comes_from(chromium: Browser) -> None:
    server = usual(
        status=make.status(Degraded={"Since": make.NOW, "Reason": NASTY}),
        jobs={"Jobs": [make.job(State="failed", Error=NASTY)]},
        events={"Events": [{"Sequence": 1, "Time": make.NOW, "Kind": "failed", "Text": NASTY}], "Last": 1},
    )
    server.names = {orthanc_id(1): patient(NASTY, StudyDescription=NASTY), orthanc_id(2): patient(NASTY)}
    with shown(chromium, server) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        expect(row(page, 1).locator("strong")).to_have_text(NASTY)
        row(page, 1).get_by_role("button", name="Purge").click()
        expect(page.locator("#subject")).to_contain_text(NASTY)
        for where in ("#advice", "#jobs", "#event-list", "#rows"):
            expect(page.locator(where)).to_contain_text(NASTY)
        assert page.locator("img").count() == 2  # the page's own: its sign, and the preview's picture
        assert page.locator("script").count() == 1


@pytest.mark.parametrize(
    ("button", "path"),
    [
        ("Warm", f"/frame-cache/studies/{orthanc_id(2)}/warm"),
        ("Purge", f"/frame-cache/studies/{orthanc_id(2)}/purge"),
    ],
)
def test_nothing_is_changed_before_it_was_confirmed(chromium: Browser, button: str, path: str) -> None:
    server = usual()
    with shown(chromium, server) as page:
        rita = page.locator("#rows tr", has_text="Roe, Rita")
        opener = rita.get_by_role("button", name=re.compile(f"^{button}:"))
        for refusal in ("Escape", "Cancel"):
            opener.press("Enter")
            expect(page.get_by_role("dialog")).to_contain_text("Roe, Rita")
            if refusal == "Escape":
                page.keyboard.press("Escape")
            else:
                page.get_by_role("button", name="Cancel", exact=True).click()
            expect(page.get_by_role("dialog")).to_have_count(0)
            expect(opener).to_be_focused()
        assert server.acted == []
        opener.press("Enter")
        page.get_by_role("dialog").get_by_role("button", name=button, exact=True).press("Enter")
        expect(page.locator("#announcement")).to_contain_text("Roe, Rita")
        assert server.acted == [(path, "1")]


def test_a_refusal_is_told(chromium: Browser) -> None:
    server = usual()
    server.routes[f"/frame-cache/studies/{orthanc_id(1)}/pin"] = 403
    with shown(chromium, server) as page:
        page.get_by_role("button", name="Pin: Doe, Jane").click()
        page.get_by_role("dialog").get_by_role("button", name="Pin", exact=True).click()
        expect(page.locator("#announcement")).to_contain_text("refused for a test")


def test_a_search_shows_what_is_not_in_the_cache_too(chromium: Browser) -> None:
    server = usual()
    server.found = [
        {"ID": orthanc_id(1), **patient("Doe^Jane", StudyInstanceUID="1.2.1")},
        {"ID": orthanc_id(9), **patient("Doe^Old", StudyInstanceUID="1.2.9", StudyDate="20200101")},
    ]
    with shown(chromium, server) as page:
        page.get_by_role("searchbox").fill("doe")
        page.keyboard.press("Enter")
        expect(page.locator("#found")).to_contain_text("2 studies of the archive for “doe”")
        expect(row(page, 2)).to_contain_text("not in the cache")
        expect(row(page, 2).get_by_role("button", name="Purge")).to_have_count(0)
        expect(row(page, 2).get_by_role("button", name="Warm")).to_be_visible()
        page.get_by_role("searchbox").fill("")
        expect(page.locator("#found")).to_have_text("2 studies in the cache")


def test_an_address_leads_to_one_study(chromium: Browser) -> None:
    with shown(chromium, usual(), f"{ADDRESS}?study={orthanc_id(2)}") as page:
        expect(page.locator("#rows tr")).to_have_count(1)
        expect(page.locator("#rows")).to_contain_text("Roe, Rita")


def test_many_studies_are_turned_over_and_ordered(chromium: Browser) -> None:
    server = usual()
    server.studies = [make.study(number) for number in range(1, 46)]
    server.names = {row["ID"]: patient(f"Number {row['Bytes'] >> 20}") for row in server.studies}
    with shown(chromium, server) as page:
        page.get_by_label("Order").select_option("Bytes")
        expect(row(page, 1)).to_contain_text("Number 45")
        page.get_by_role("button", name="Next").click()
        expect(page.locator("#shown")).to_have_text("21–40 of 45")
        expect(row(page, 1)).to_contain_text("Number 25")
        page.get_by_role("button", name="Next").click()
        expect(page.locator("#rows tr")).to_have_count(5)
        expect(page.get_by_role("button", name="Next")).to_be_disabled()


def test_a_job_shows_how_far_it_is_and_can_be_cancelled(chromium: Browser) -> None:
    server = usual(jobs={"Jobs": [make.job(), make.job(ID="old", State="done", Done=12, Ended=make.NOW)]})
    work = {"ID": orthanc_id(7), "Priority": "ARRIVED", "NumberOfFrames": 48, "CachedFrames": 12, "Seconds": 1.5}
    queue = {"Length": 4, "OldestSeconds": 90, "AtWork": [work]}
    server.routes["/frame-cache/statistics"] = make.statistics(Queue=queue)
    with shown(chromium, server) as page:
        expect(page.locator("#work")).to_contain_text("12 of 48 frames")
        expect(page.locator("#overview")).to_contain_text("instances wait, the oldest for 90 s")
        running = page.locator("#jobs li").first
        expect(running).to_contain_text("Warm Doe, Jane")
        expect(running.get_by_role("progressbar")).to_have_js_property("position", 0.25)
        expect(page.get_by_role("button", name=re.compile("^Cancel: "))).to_have_count(1)
        page.get_by_role("button", name=re.compile("^Cancel: ")).click()
        expect(page.locator("#announcement")).to_have_text("The job is cancelled.")
        assert server.acted == [("/frame-cache/jobs/job-1/cancel", "1")]


def test_the_backfill_is_begun_and_paused(chromium: Browser) -> None:
    backfill = {"State": "running", "Reason": "", "Done": 250, "Total": 1000, "Unit": "instances", "Bytes": 3 << 30}
    backfill |= {"CachedInstances": 200, "StudyDate": "20250102", "SecondsLeft": 5400}
    server = usual(backfill=backfill)
    with shown(chromium, server) as page:
        card = page.locator("#backfill")
        for text in ("Running", "250 of 1,000 instances", "200 cached, 3 GiB", "studies of 2025-01-02", "90 min left"):
            expect(card).to_contain_text(text)
        expect(card.get_by_role("progressbar")).to_have_js_property("position", 0.25)
        server.routes["/frame-cache/backfill"] = {**backfill, "State": "paused", "Reason": "by an administrator"}
        card.get_by_role("button", name="Pause").click()
        page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        expect(card).to_contain_text("Paused: by an administrator")
        card.get_by_role("button", name="Start").click()
        page.get_by_role("dialog").get_by_role("button", name="Start").click()
        expect(page.locator("#announcement")).to_have_text("The backfill has started.")
        assert server.acted == [("/frame-cache/backfill/pause", "1"), ("/frame-cache/backfill/start", "1")]


def test_it_fits_every_width_in_light_and_dark(chromium: Browser, artifacts: Path) -> None:
    server = usual(jobs={"Jobs": [make.job()]})
    server.names[orthanc_id(2)] = patient(
        "Wolfeschlegelsteinhausenbergerdorff^Hubert Blaine", StudyDescription="x" * 64
    )
    with shown(chromium, server) as page:
        expect(page.locator("#rows")).to_contain_text("Wolfeschlegel")
        for width, scheme in SIZES:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=artifacts / f"page {width} {scheme}.png", full_page=True)


def test_every_control_is_reached_by_keyboard_and_has_a_name(chromium: Browser) -> None:
    with shown(chromium, usual()) as page:
        expect(page.locator("#rows tr")).to_have_count(2)
        names = []
        for _ in range(60):
            page.keyboard.press("Tab")
            name = page.evaluate(
                "document.activeElement === document.body ? '' : (document.activeElement.ariaLabel "
                "|| document.activeElement.textContent || document.activeElement.labels?.[0]?.textContent || "
                "document.activeElement.id).trim()"
            )
            if not name:
                break
            names.append(name)
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none" or "Last" in name, name
    for wanted in ("Skip to the studies", "Requests: moment", "Search", "Preview: Doe, Jane, 2026-03-01"):
        assert wanted in names
    assert "Pin: Doe, Jane, 2026-03-01" in names
    assert "Unpin: Roe, Rita, 2026-03-01" in names


FORMATS = [
    ("bytes", "0", "0 B"),
    ("bytes", "1536", "1.5 KiB"),
    ("bytes", "20 * 2 ** 30", "20 GiB"),
    ("duration", "0.00004", "40 µs"),
    ("duration", "0.0021", "2.1 ms"),
    ("duration", "95", "95 s"),
    ("duration", "86400 * 3", "3 d"),
    ("duration", "null", "–"),
    ("percent", "9999, 10000", "99.9 %"),
    ("percent", "99996, 100000", "99.9 %"),
    ("percent", "7, 7", "100 %"),
    ("percent", "0, 0", "–"),
    ("ago", "null, '2026-03-02T12:00:00Z'", "never"),
    ("ago", "'2026-03-02T11:57:00Z', '2026-03-02T12:00:00Z'", "3 min ago"),
    ("ago", "'2026-03-02T12:00:01Z', '2026-03-02T12:00:00Z'", "just now"),
    ("day", "'20260302'", "2026-03-02"),
    ("day", "'odd'", "odd"),
    ("personName", "'Doe^Jane^A^Dr'", "Doe, Jane A"),
    ("personName", "'^^=\u5c71\u7530^\u592a\u90ce'", "\u5c71\u7530, \u592a\u90ce"),
    ("personName", "undefined", ""),
]


def test_figures_and_names_are_written_as_people_read_them(chromium: Browser) -> None:
    with shown(chromium, usual()) as page:
        written = [
            page.evaluate(f"import('./format.js').then((format) => format.{name}({arguments}))")
            for name, arguments, _ in FORMATS
        ]
    # Between a figure and its unit no line breaks.
    assert [text.replace("\u00a0", " ") for text in written] == [wanted for _, _, wanted in FORMATS]


QUERIES = [
    ("1.2.840.1", [{"StudyInstanceUID": "1.2.840.1"}]),
    ("doe, jane", [{tag: "*doe*jane*"} for tag in ("PatientName", "PatientID", "AccessionNumber")]),
    (
        "2026-03-02",
        [
            *({tag: "*2026-03-02*"} for tag in ("PatientName", "PatientID", "AccessionNumber")),
            {"StudyDate": "20260302"},
        ],
    ),
]


def test_what_a_search_may_mean(chromium: Browser) -> None:
    with shown(chromium, usual()) as page:
        script = "(text) => import('./archive.js').then((archive) => archive.queries(text))"
        assert [page.evaluate(script, text) for text, _ in QUERIES] == [queries for _, queries in QUERIES]
