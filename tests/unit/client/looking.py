"""What other processes do with a client; they import this alone."""

from __future__ import annotations

from framecache.client import DICOMfileClient


def look(client: DICOMfileClient, study: str, series: str, instance: str) -> tuple[int, bytes]:
    """How many instances there are, and the third frame of one."""
    [frame] = client.retrieve_instance_frames(study, series, instance, [3])
    return len(client.search_for_instances()), frame
