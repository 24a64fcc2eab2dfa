"""The result of a run, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.soak.levels import MIB, Level

_MOST_FAILURES = 50


@dataclass(frozen=True)
class Result:
    """Of one run."""

    suite: str
    minutes: float
    cores: int
    limit: int
    starts: Mapping[str, int]
    counts: Mapping[str, int]
    levels: Sequence[Level]
    failures: Sequence[str]

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        content = {**asdict(self), "failures": self.failures[:_MOST_FAILURES]}
        (folder / f"soak-{self.suite}.json").write_text(json.dumps(content, indent=1) + "\n")
        (folder / f"soak-{self.suite}.md").write_text(self.markdown())

    def markdown(self) -> str:
        last = [level for level in self.levels if level.start == self.levels[-1].start] if self.levels else []
        largest = max((level.cache for level in self.levels), default=0)
        verdict = "passed" if not self.failures else f"failed: {len(self.failures)} faults"
        lines = [
            f"# Soak, {self.minutes:g} minutes, Orthanc of {self.suite}: {verdict}",
            "",
            "Written by `make soak`: uploads, overwrites, deletes, readers of frames, lists, pictures and whole",
            "instances, slow and aborted clients, a cache smaller than the archive, `kill -9` and restarts in the",
            f"first half; in the second one process, whose levels are judged. {self.cores} cores, all on one machine.",
            "Each frame was checked by the checksum and the identity in its own pixels.",
            "",
            "| what happened | times |",
            "|---|---|",
            *(f"| {name} | {count:,} |" for name, count in [*self.starts.items(), *sorted(self.counts.items())]),
            "",
            f"The cache's folder had {largest / MIB:.1f} MiB at most, of {self.limit / MIB:.1f} allowed.",
            "",
            "| the last process, after | memory, MiB | descriptors | threads |",
            "|---|---|---|---|",
            *(_row(level, last[0]) for level in last[:: max(1, len(last) // 12)]),
        ]
        lines += ["", "## Faults", "", *(f"- {failure}" for failure in self.failures[:_MOST_FAILURES])] * bool(
            self.failures
        )
        return "\n".join(lines) + "\n"


def _row(level: Level, first: Level) -> str:
    minutes = (level.seconds - first.seconds) / 60
    return f"| {minutes:.1f} min | {level.resident / MIB:.0f} | {level.descriptors} | {level.threads} |"
