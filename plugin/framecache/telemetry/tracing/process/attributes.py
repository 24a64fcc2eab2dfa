"""What spans of both kinds have; names are those of OpenTelemetry's semantic conventions where it has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Attributes = dict[str, str | int]
# From the machine's monotonic clock to nanoseconds since the epoch.
Wall = Callable[[float], int]

_UIDS = ("dicom.study_instance_uid", "dicom.series_instance_uid", "dicom.sop_instance_uid")


def of_uids(uids: Sequence[str]) -> Attributes:
    """Up to three UIDs, study first."""
    return dict(zip(_UIDS, uids, strict=False))
