"""What the start found, as the status shows it."""

from __future__ import annotations

from framecache.admin.checks import Check, Findings


def test_a_check_that_is_made_again_takes_its_old_place() -> None:
    findings = Findings(checks=[Check("A", True, ""), Check("B", True, "")])

    findings.note(Check("A", False, "change it"))
    findings.note(Check("C", True, ""))

    assert [(check.name, check.passed) for check in findings.checks] == [("A", False), ("B", True), ("C", True)]
    assert [check.name for check in findings.failed] == ["A"]


def test_only_what_failed_has_advice() -> None:
    findings = Findings({"Orthanc": "1.12.7"}, [Check("A", True, "not told"), Check("RouteOrder", False, "told")])

    shown = findings.to_json()

    assert shown["Checks"] == [{"Name": "A", "Passed": True}, {"Name": "RouteOrder", "Passed": False, "Advice": "told"}]
    assert (shown["Versions"]["Orthanc"], shown["OwnsFrameRoutes"], shown["Serving"]) == ("1.12.7", False, False)
