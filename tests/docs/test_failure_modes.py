"""The texts that docs/failure-modes.md quotes are in the code, and each of its rows has a test."""

from __future__ import annotations

import ast
import errno
import itertools
import os
import re
from collections.abc import Iterator

import pytest

from dev.console import CHECKOUT

TABLE = (CHECKOUT / "docs/failure-modes.md").read_text()
SEEN = 2  # the column "what you see"
# What the operating system says, and SQLite.
NOT_OURS = {
    *map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)),
    "database or disk is full",
    "attempt to write a readonly database",
    "disk I/O error",
    "database disk image is malformed",
    "file is not a database",
    "no such table: Cache",
}
# Who makes it happen to a real Orthanc, by row: the module in tests/integration, without its "test_", and the function.
TESTS: dict[str, tuple[str, ...]] = {
    "the archive (`Archive`) is out of reach": ("archive.test_an_archive_out_of_reach_holds_up_nothing",),
    "the shared database (`Cluster`) is out of reach": (
        "cluster_database.test_a_shared_database_that_does_not_answer_holds_up_only_shared_work",
    ),
    "the archive's ledger is lost, exchanged or damaged": ("archive.test_a_ledger_that_was_lost_is_made_up_for",),
    "the disk is full": ("failures.test_a_full_disk",),
    "less than `MinimumFreeDiskMB` is free": ("failures.test_others_who_fill_the_disk_push_out_what_nobody_asks_for",),
    # The one as root, the other as anybody else.
    "the folder is read-only or not writable": (
        "failures.test_a_disk_that_becomes_read_only",
        "failures.test_a_folder_that_may_not_be_written",
    ),
    "the disk has I/O errors": ("failures.test_a_disk_that_dies",),
    "the folder or index is deleted, or the disk is unmounted": (
        "failures.test_a_disk_that_dies",
        "failures.test_an_index_or_a_folder_that_is_lost_while_it_is_used",
    ),
    "the disk is mounted again, or a backup is restored": (
        "failures.test_a_disk_that_dies",
        "failures.test_an_index_or_a_folder_that_is_lost_while_it_is_used",
    ),
    "the index (SQLite) is damaged, or of another version": (
        "failures.test_an_index_or_a_folder_that_is_lost_while_it_is_used",
        "failures.test_an_index_that_cannot_be_read_at_the_start_is_begun_anew",
    ),
    "another version of the plugin wrote the cache": (
        "failures.test_what_a_crash_left_behind_is_removed_at_the_next_start",
    ),
    "a second Orthanc uses the same folder": (
        "configuration.test_the_second_orthanc_on_one_cache_folder_says_so_and_serves",
    ),
    "`Directory` cannot be created": ("configuration.test_an_unusable_directory_keeps_no_frame_from_being_served",),
    "a cached file is truncated, zeroed or has flipped bits, even while it is sent": (
        "cache_states.test_a_damaged_cache_file_is_never_sent",
        "failures.test_a_file_that_is_cut_short_while_it_is_sent",
    ),
    "an instance is larger than the cache, or than the space that pinned studies leave": (
        "bounds.test_an_instance_larger_than_the_cache_is_served_and_not_cached",
        "bounds.test_what_does_not_fit_beside_a_pinned_study_is_served_and_not_cached",
    ),
    "an instance is evicted during its extraction": (
        "bounds.test_an_instance_that_is_evicted_while_it_is_cut_out_goes_whole",
    ),
    "a stored file is truncated": ("failures.test_of_a_stored_file_that_is_cut_short_or_broken_the_good_frames_come",),
    "the pixel data of a stored file is broken": (
        "failures.test_of_a_stored_file_that_is_cut_short_or_broken_the_good_frames_come",
    ),
    "a decoder hangs or crashes on a frame": (
        "load.test_a_helper_that_hangs_or_dies_costs_one_answer",
        "load.test_an_instance_on_which_a_helper_hangs_is_marked_and_not_tried_for_ever",
    ),
    "an instance is deleted or replaced during its extraction": (
        "staleness.test_a_fill_that_was_running_meanwhile_leaves_nothing_behind",
    ),
    "`kill -9`, a power cut": (
        "crashes.test_killed_at_random_moments_it_starts_serves_and_counts_right",
        "catch_up.test_what_waited_when_orthanc_was_killed_is_cached_after_the_next_start",
        "failures.test_what_a_crash_left_behind_is_removed_at_the_next_start",
    ),
    "the clock jumps": (
        "clock_jumps.test_after_each_jump_what_was_cached_is_served_and_what_is_new_is_cached",
        "clock_jumps.test_a_year_forward_lets_go_what_is_old_by_it_and_back_again_what_is_new_stays",
    ),
    "instances arrive faster than they are extracted": (
        "life_cycle.test_orthanc_stops_within_5_seconds_with_a_full_queue_and_goes_on_afterwards",
    ),
    "slow clients use up all memory for answers": (
        "load.test_while_slow_readers_hold_all_memory_others_are_told_to_come_again",
    ),
    "all decoders are busy for longer than `CodecSeconds`": (
        "load.test_while_all_helpers_are_busy_others_are_told_to_come_again",
    ),
    "the collector of OpenTelemetry traces is down": (
        "tracing.test_a_collector_that_is_down_delays_neither_frames_nor_the_end",
    ),
    "a setting is wrong": ("configuration.test_each_bad_setting_is_named_with_its_value_and_what_is_allowed",),
    "no Python for the decoders": (
        "configuration.test_without_a_python_for_the_decoders_frames_are_served_as_they_are_stored",
    ),
}
HEADING = ("fault", "---")
ELLIPSIS = "…"


def texts_of_the_code() -> list[str]:
    """All texts in the plugin, with an ellipsis for what is filled in."""
    files = (CHECKOUT / "plugin/framecache").rglob("*.py")
    return [text for path in files for text in texts(ast.parse(path.read_text()))]


def texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%(\.\d+)?[sdf]", ELLIPSIS, node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = (str(part.value) if isinstance(part, ast.Constant) else ELLIPSIS for part in node.values)
            yield "".join(parts)
        elif isinstance(node, ast.keyword) and node.arg == "task" and isinstance(node.value, ast.Constant):
            yield f"{node.value.value!s} failed: {ELLIPSIS}"  # as a Worker logs it


CODE = texts_of_the_code()


def rows() -> list[list[str]]:
    """The cells of each row of the tables."""
    cells = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")]
    return [row for row in cells if row[0] not in HEADING]


def test_each_row_without_a_mark_is_made_to_happen_to_a_real_orthanc() -> None:
    faults = [fault for fault, *_ in rows()]
    assert {fault for fault in faults if not fault.endswith(" *")} == TESTS.keys()
    for test in itertools.chain.from_iterable(TESTS.values()):
        module, function = test.split(".")
        source = (CHECKOUT / f"tests/integration/test_{module}.py").read_text()
        assert f"\ndef {function}(" in source, test
        assert "pytest.mark.orthanc" in source, test


def named() -> list[str]:
    """Everything in `code` of the column that tells what is seen, and of the text above the tables."""
    cells = [row[SEEN] for row in rows()]
    prose = [line for line in TABLE.splitlines() if not line.startswith("|")]
    found = re.findall(r"`([^`]+)`", "\n".join(cells + prose))
    return [text for text in dict.fromkeys(found) if not text.startswith(("GET ", "…/")) and text != ELLIPSIS]


def is_in_the_code(text: str) -> bool:
    """The name of the plugin is put before all that it logs."""
    pattern = ".*".join(map(re.escape, text.removeprefix("frame cache: ").split(ELLIPSIS)))
    return any(re.search(pattern, one, re.DOTALL) for one in CODE)


@pytest.mark.parametrize("text", named())
def test_a_text_that_operators_are_told_of_is_in_the_code(text: str) -> None:
    assert text in NOT_OURS or is_in_the_code(text)


def test_a_text_that_the_code_does_not_have_would_be_noticed() -> None:
    assert len(named()) > 30
    assert not is_in_the_code("frame cache: the cache is … on holiday")
    assert not is_in_the_code("DamagedBlock5")
