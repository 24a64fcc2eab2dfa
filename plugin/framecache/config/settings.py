"""The "FrameCache" section of Orthanc's configuration, checked, with units in the names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from framecache.declaration import Declaration, Enumeration, Flag, Kind, Number, Text, Texts
from framecache.policy.parsing import parse_rules, parse_transcode
from framecache.policy.policy import Policy, site_rules
from framecache.policy.rule import ArchiveWrite, Mode, Rule

MEGABYTE = 1 << 20
_DECLARATION = "declaration"

Wildcard = Literal["standard", "stored"]
Extent = Literal["instance", "series", "study"]
MetadataExtent = Literal["all", "cached instances", "off"]


OBJECT_STORES = ("s3", "gs", "az", "file")


def is_object_store(url: str) -> bool:
    """Whether `url` names a bucket or a folder, with no credentials in it; "" names none."""
    parts = urlsplit(url)
    return not url or (parts.scheme in OBJECT_STORES and "@" not in parts.netloc and not parts.query + parts.fragment)


@dataclass(frozen=True, slots=True)
class RuleList:
    """A list of rules, read by `parse`, whose errors have their own messages."""

    parse: Callable[[object], tuple[Rule, ...]]
    allowed: str = "a list of rules"

    def check(self, value: Any) -> tuple[Rule, ...]:
        return self.parse(value)

    def read(self, text: str) -> tuple[Rule, ...]:
        return self.parse(json.loads(text))

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "object"}}


def _declared(key: str, kind: Kind, default: object, meaning: str) -> Mapping[str, Declaration]:
    return {_DECLARATION: Declaration(key, kind, default, meaning=meaning)}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings. The declaration of a field has its key, kind, default, and meaning with its unit."""

    enable: bool = field(metadata=_declared("Enable", Flag(), True, "Turn the plugin on."))
    directory: Path = field(
        metadata=_declared(
            "Directory",
            Text(),
            "",
            "The cache's folder, for one Orthanc only. A relative path counts from the folder of the configuration, "
            "like StorageDirectory. Empty: `FrameCache` beside StorageDirectory.",
        )
    )
    storage_url: str = field(
        metadata=_declared(
            "StorageURL",
            Text("a URL such as s3://bucket/prefix, without user and password", is_object_store),
            "",
            "Where a storage plugin keeps Orthanc's files: a bucket, and the folder in it, such as "
            "`s3://bucket/orthanc`. Frames are then read from there by range. Credentials come from the "
            "environment: see docs/object-storage.md.",
        )
    )
    archive: str = field(
        metadata=_declared(
            "Archive",
            Text("a URL such as s3://bucket/prefix, without user and password", is_object_store),
            "",
            "The URL of a static DICOMweb archive, in a folder or a bucket, such as `file:///srv/archive` or "
            "`s3://bucket/archive`: see docs/archive.md.",
        )
    )
    archive_write: ArchiveWrite = field(
        metadata=_declared(
            "ArchiveWrite",
            Enumeration(get_args(ArchiveWrite)),
            "arrival",
            "When instances are written to `Archive`, unless a rule says otherwise: on arrival, when a viewer first "
            "asks, or never.",
        )
    )
    archive_read: bool = field(
        metadata=_declared(
            "ArchiveRead",
            Flag(),
            True,
            "Read frames from `Archive` that are not cached and whose stored file can only be had as a whole.",
        )
    )
    archive_revive: bool = field(
        metadata=_declared(
            "ArchiveRevive", Flag(), False, "Write an instance to `Archive` again that was deleted and is sent again."
        )
    )
    archive_htj2k: bool = field(
        metadata=_declared(
            "ArchiveHTJ2K",
            Flag(),
            False,
            "Add HTJ2K lossless to `Archive`, beside the stored frames, for instances that a rule with `Form` HTJ2K or "
            "`Transcode` selects.",
        )
    )
    mode: Mode = field(
        metadata=_declared(
            "Mode",
            Enumeration(get_args(Mode)),
            "copy",
            "Copy frames into the folder, or keep only their places in Orthanc's own files: see "
            "[below](#copy-or-index).",
        )
    )
    maximum_size_mb: int = field(
        metadata=_declared(
            "MaximumSizeMB", Number(int, 16, 1_000_000_000), 20480, "Maximum size of the folder, in MiB."
        )
    )
    minimum_free_disk_mb: int = field(
        metadata=_declared(
            "MinimumFreeDiskMB",
            Number(int, 0, 1_000_000_000),
            1024,
            "Free space to keep on the folder's disk, in MiB. With less, the plugin evicts the least recently used "
            "instances; if that is not enough, it caches nothing.",
        )
    )
    maximum_age_days: float = field(
        metadata=_declared(
            "MaximumAgeDays",
            Number(float, 0, 36_500),
            0.0,
            "Evict instances that nobody viewed for this many days; 0: never.",
        )
    )
    workers: int = field(metadata=_declared("Workers", Number(int, 1, 64), 2, "Number of threads that extract frames."))
    minimum_frames: int = field(
        metadata=_declared(
            "MinimumFrames", Number(int, 1, 1_000_000), 2, "Cache instances that have this many frames or more."
        )
    )
    minimum_frame_mb: float = field(
        metadata=_declared(
            "MinimumFrameMB",
            Number(float, 0, 1_000_000),
            4.0,
            "Cache instances of fewer frames if a frame, as stored, has this many MiB or more.",
        )
    )
    maximum_memory_mb: int = field(
        metadata=_declared(
            "MaximumMemoryMB",
            Number(int, 64, 1_000_000),
            1024,
            "Maximum memory of all answers in flight, in MiB.",
        )
    )
    maximum_inflated_mb: int = field(
        metadata=_declared(
            "MaximumInflatedMB",
            Number(int, 16, 1_000_000),
            1024,
            "Maximum memory of all instances that must be read as a whole, because they are deflated or not in a "
            "plain file, in MiB.",
        )
    )
    maximum_frames_per_request: int = field(
        metadata=_declared(
            "MaximumFramesPerRequest",
            Number(int, 1, 100_000),
            1000,
            "Longer frame lists are sent frame by frame, in chunks.",
        )
    )
    maximum_answer_mb: int = field(
        metadata=_declared(
            "MaximumAnswerMB", Number(int, 1, 4095), 256, "Longer answers than this, in MiB, are sent frame by frame."
        )
    )
    metadata: MetadataExtent = field(
        metadata=_declared(
            "Metadata",
            Enumeration(get_args(MetadataExtent)),
            "all",
            "Answer the metadata routes, and keep the metadata of all instances or only of those whose frames are "
            "cached; off: the stock plugin answers them. See docs/metadata.md.",
        )
    )
    wildcard: Wildcard = field(
        metadata=_declared(
            "Wildcard",
            Enumeration(get_args(Wildcard)),
            "standard",
            "The answer to `*/*` or no Accept header: Explicit VR Little Endian, as PS3.18 section 8.7.8 says, or "
            "the frames as `stored`.",
        )
    )
    cache_control: str = field(
        metadata=_declared(
            "CacheControl",
            Text(),
            "private, no-cache",
            "The Cache-Control header of frames. With the default, a browser asks whether its copy is still valid.",
        )
    )
    x_accel_expires: bool = field(
        metadata=_declared(
            "XAccelExpires",
            Flag(),
            False,
            "Let an nginx in front cache answers, and confirm them with Orthanc at each request: see docs/nginx.md.",
        )
    )
    rules: tuple[Rule, ...] = field(
        metadata=_declared(
            "Rules",
            RuleList(parse_rules),
            [],
            "Which instances are cached on arrival, in what form, at what priority and for how long: see "
            "docs/rules.md.",
        )
    )
    transcode: tuple[Rule, ...] = field(
        metadata=_declared(
            "Transcode",
            RuleList(parse_transcode),
            [],
            "Without Rules: for which instances HTJ2K lossless is cached too, for slow lines: see docs/transcoding.md.",
        )
    )
    codec_processes: int = field(
        metadata=_declared(
            "CodecProcesses", Number(int, 0, 64), 2, "Number of processes that transcode and draw; 0: none."
        )
    )
    codec_memory_mb: int = field(
        metadata=_declared(
            "CodecMemoryMB", Number(int, 256, 1_000_000), 2048, "Maximum memory of each of these processes, in MiB."
        )
    )
    codec_seconds: float = field(
        metadata=_declared(
            "CodecSeconds",
            Number(float, 1, 600),
            20.0,
            "Time limit for one frame, in seconds; then its process is ended.",
        )
    )
    python: str = field(
        metadata=_declared(
            "Python",
            Text(),
            "python3",
            "The Python interpreter of these processes: the version that Orthanc embeds, with the same packages.",
        )
    )
    revalidate_seconds: float = field(
        metadata=_declared(
            "RevalidateSeconds",
            Number(float, 0, 3600),
            5.0,
            "If a storage plugin keeps Orthanc's files: how long an instance is served before the plugin asks "
            "Orthanc again, in seconds.",
        )
    )
    warm_study: Extent = field(
        metadata=_declared(
            "WarmStudy",
            Enumeration(get_args(Extent)),
            "instance",
            "Cache this when a viewer opens an uncached instance: the instance alone, its series, or its study.",
        )
    )
    priors: int = field(
        metadata=_declared(
            "Priors",
            Number(int, 0, 100),
            0,
            "Cache this many of a patient's earlier studies when a new one arrives: see docs/backfill.md.",
        )
    )
    priors_same_modality: bool = field(
        metadata=_declared(
            "PriorsSameModality", Flag(), True, "Cache only earlier studies that share a modality with the new one."
        )
    )
    backfill: bool = field(
        metadata=_declared(
            "Backfill",
            Flag(),
            False,
            "Cache the archive from before the plugin, newest studies first: see docs/backfill.md.",
        )
    )
    backfill_hours: str = field(
        metadata=_declared(
            "BackfillHours",
            Text(),
            "",
            'When the backfill runs, such as "19:00-06:00", in the server\'s local time; empty: at any time.',
        )
    )
    backfill_mb_per_second: float = field(
        metadata=_declared(
            "BackfillMBPerSecond",
            Number(float, 0, 1_000_000),
            20.0,
            "Average reading rate of the backfill, in MiB of stored files per second; 0: no limit.",
        )
    )
    backfill_newest_days: int = field(
        metadata=_declared(
            "BackfillNewestDays", Number(int, 0, 36_500), 0, "Backfill only the studies of this many last days; 0: all."
        )
    )
    backfill_fill_percent: int = field(
        metadata=_declared(
            "BackfillFillPercent",
            Number(int, 1, 100),
            80,
            "Stop the backfill when this much of MaximumSizeMB is in use, in %.",
        )
    )
    incomplete_seconds: float = field(
        metadata=_declared(
            "IncompleteSeconds",
            Number(float, 0, 86_400),
            600.0,
            "Report a series that still lacks instances this long after its first one came, in seconds; 0: never.",
        )
    )
    ask_sender: bool = field(
        metadata=_declared(
            "AskSender",
            Flag(),
            False,
            "Ask the sender of a series how many instances it has, by a C-FIND, if it is among DicomModalities and "
            "the instances do not say.",
        )
    )
    cluster: str = field(
        metadata=_declared(
            "Cluster",
            Text(),
            "",
            "The PostgreSQL through which several Orthancs share work, as a connection string; the environment's "
            "FRAMECACHE_CLUSTER takes precedence: see docs/cluster.md. Empty: this one works alone.",
        )
    )
    admin_routes: bool = field(
        metadata=_declared(
            "AdminRoutes", Flag(), True, "Offer the routes under /frame-cache/: status, purge and the like."
        )
    )
    admin_users: tuple[str, ...] = field(
        metadata=_declared(
            "AdminUsers",
            Texts(Text(is_valid=bool), "a list of texts"),
            (),
            "The users of these routes, by their names in Orthanc's RegisteredUsers; empty: everyone whom Orthanc "
            "admits. Without AuthenticationEnabled, a name is only a claim: see docs/security.md.",
        )
    )
    strict: bool = field(metadata=_declared("Strict", Flag(), False, "Stop Orthanc's start if a setting is wrong."))

    def policy(self, rules: Sequence[Rule] | None = None, *, today: Callable[[], date] = date.today) -> Policy:
        """The policy for the rules in force, or for `rules` in their place.

        The age of a study counts from `today`.
        """
        chosen = self.rules if rules is None else rules
        transcode = self.transcode if not chosen else ()
        in_turn = site_rules(chosen, transcode, self.minimum_frames, self.minimum_frame_mb, self.mode)
        return Policy(in_turn, self.mode, self.maximum_age_days, today)


#: The declarations, by the name of their field.
SETTINGS: Mapping[str, Declaration] = MappingProxyType({f.name: f.metadata[_DECLARATION] for f in fields(Settings)})
