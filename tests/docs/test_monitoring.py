"""docs/monitoring.md names what there is to be scraped."""

from __future__ import annotations

from framecache.admin.measurements import CacheFigures, Present
from framecache.admin.prometheus import Family, families
from framecache.store.usage import TotalUsage
from framecache.telemetry.metrics import Metrics

from dev.console import CHECKOUT

PRESENT = Present(
    serving=True,
    failed_checks=0,
    degraded=False,
    cache=CacheFigures(0, 0, 0, TotalUsage()),
    maximum_size=0,
    free_disk=0,
    minimum_free_disk=0,
    queue_length=0,
    oldest_waiting=0.0,
    at_work=[],
    bytes_in_flight=0,
)


def row(family: Family) -> str:
    labels = sorted({name for sample in family.samples for name in sample.labels} - {"le"})
    its = f" ({', '.join(f'`{name}`' for name in labels)})" if labels else ""
    return f"| `{family.name}`{its} | {family.kind} | {family.meaning} |"


def test_every_family_is_in_the_table_as_it_is_told() -> None:
    lines = (CHECKOUT / "docs/monitoring.md").read_text().splitlines()

    assert [line for line in lines if line.startswith("| `frame_cache_")] == list(
        map(row, families(PRESENT, Metrics()))
    )
