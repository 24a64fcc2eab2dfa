"""The "FrameCache" section of Orthanc's configuration, checked, with units in the names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from framecache.config.hours import parse_hours
from framecache.errors import SettingsError
from framecache.policy.parsing import parse_rules, parse_transcode
from framecache.policy.policy import Policy, site_rules
from framecache.policy.rule import Mode, Rule
from framecache.setting import Setting

MEGABYTE = 1 << 20

Extent = Literal["instance", "series", "study"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What an administrator may set; the metadata of each field is its key, default, bounds and meaning."""

    enable: bool
    directory: Path
    mode: Mode
    maximum_size_mb: int
    minimum_free_disk_mb: int
    maximum_age_days: float
    workers: int
    minimum_frames: int
    minimum_frame_mb: float
    maximum_memory_mb: int
    maximum_inflated_mb: int
    maximum_frames_per_request: int
    maximum_answer_mb: int
    cache_control: str
    x_accel_expires: bool
    rules: tuple[Rule, ...]
    transcode: tuple[Rule, ...]
    codec_processes: int
    codec_memory_mb: int
    codec_seconds: float
    python: str
    revalidate_seconds: float
    warm_study: Extent
    priors: int
    priors_same_modality: bool
    backfill: bool
    backfill_hours: str
    backfill_mb_per_second: float
    backfill_newest_days: int
    backfill_fill_percent: int
    admin_routes: bool
    admin_users: tuple[str, ...]
    strict: bool

    def policy(self, rules: Sequence[Rule] | None = None) -> Policy:
        """What decides about each instance, by the rules in force or by others in their place."""
        chosen = self.rules if rules is None else rules
        transcode = self.transcode if not chosen else ()
        in_turn = site_rules(chosen, transcode, self.minimum_frames, self.minimum_frame_mb, self.mode)
        return Policy(in_turn, self.mode, self.maximum_age_days)


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "enable": Setting("Enable", bool, True, meaning="whether the plugin does anything at all"),
        "directory": Setting(
            "Directory",
            str,
            "",
            meaning="the cache's folder, used by one Orthanc alone; empty: FrameCache beside StorageDirectory",
        ),
        "mode": Setting(
            "Mode",
            str,
            "copy",
            choices=get_args(Mode),
            meaning="whether frames are copied into the folder, or only their places in Orthanc's own files are kept: "
            "see [below](#copy-or-index)",
        ),
        "maximum_size_mb": Setting(
            "MaximumSizeMB", int, 20480, 16, 1_000_000_000, meaning="the most that the folder may hold, in MiB"
        ),
        "minimum_free_disk_mb": Setting(
            "MinimumFreeDiskMB",
            int,
            1024,
            0,
            1_000_000_000,
            meaning="with less free on the folder's disk, in MiB, nothing is written and what is least used evicted",
        ),
        "maximum_age_days": Setting(
            "MaximumAgeDays",
            float,
            0.0,
            0,
            36_500,
            meaning="instances that nobody asked for so long leave the cache, in days; 0: never",
        ),
        "workers": Setting("Workers", int, 2, 1, 64, meaning="threads that cut frames out"),
        "minimum_frames": Setting(
            "MinimumFrames", int, 2, 1, 1_000_000, meaning="instances of so many frames or more are cached"
        ),
        "minimum_frame_mb": Setting(
            "MinimumFrameMB",
            float,
            4.0,
            0,
            1_000_000,
            meaning="instances of fewer frames are cached if a frame has so many MiB or more as stored",
        ),
        "maximum_memory_mb": Setting(
            "MaximumMemoryMB", int, 1024, 64, 1_000_000, meaning="the most that answers in flight may hold, in MiB"
        ),
        "maximum_inflated_mb": Setting(
            "MaximumInflatedMB",
            int,
            1024,
            16,
            1_000_000,
            meaning="the most that instances which are read whole, because they are deflated or not in a plain file, "
            "may take in memory, all together, in MiB",
        ),
        "maximum_frames_per_request": Setting(
            "MaximumFramesPerRequest", int, 1000, 1, 100_000, meaning="the longest frame list that is answered"
        ),
        "maximum_answer_mb": Setting(
            "MaximumAnswerMB",
            int,
            256,
            1,
            4095,
            meaning="answers of more MiB are sent frame by frame, without a length",
        ),
        "cache_control": Setting(
            "CacheControl",
            str,
            "private, no-cache",
            meaning="the Cache-Control header of frames; the default makes a browser ask whether they are still true",
        ),
        "x_accel_expires": Setting(
            "XAccelExpires",
            bool,
            False,
            meaning="whether an nginx in front may keep answers, and has Orthanc confirm them for each request: "
            "see docs/nginx.md",
        ),
        "rules": Setting(
            "Rules",
            list,
            [],
            meaning="which instances are cached as they arrive, in what form, in what turn and for how long: "
            "see docs/rules.md",
        ),
        "transcode": Setting(
            "Transcode",
            list,
            [],
            meaning="without Rules, of which instances HTJ2K lossless is kept too, for slow lines: "
            "see docs/transcoding.md",
        ),
        "codec_processes": Setting(
            "CodecProcesses",
            int,
            2,
            0,
            64,
            meaning="processes that transcode and draw; 0: none",
        ),
        "codec_memory_mb": Setting(
            "CodecMemoryMB", int, 2048, 256, 1_000_000, meaning="the most that each of them may take, in MiB"
        ),
        "codec_seconds": Setting(
            "CodecSeconds", float, 20.0, 1, 600, meaning="how long one frame may take before the process is ended, in s"
        ),
        "python": Setting(
            "Python",
            str,
            "python3",
            meaning="the interpreter of these processes: the version that Orthanc embeds, with the same packages",
        ),
        "revalidate_seconds": Setting(
            "RevalidateSeconds",
            float,
            5.0,
            0,
            3600,
            meaning="where a storage plugin keeps Orthanc's files: how old what is known of an instance may be, in s",
        ),
        "warm_study": Setting(
            "WarmStudy",
            str,
            "instance",
            choices=get_args(Extent),
            meaning="what is cached when a viewer opens an instance that is not: it alone, its series, or its study",
        ),
        "priors": Setting(
            "Priors",
            int,
            0,
            0,
            100,
            meaning="how many of a patient's earlier studies are cached when a new one arrives: see docs/backfill.md",
        ),
        "priors_same_modality": Setting(
            "PriorsSameModality", bool, True, meaning="whether only those that share a modality with the new one"
        ),
        "backfill": Setting(
            "Backfill",
            bool,
            False,
            meaning="whether what was in the archive before the plugin is cached, newest first: see docs/backfill.md",
        ),
        "backfill_hours": Setting(
            "BackfillHours",
            str,
            "",
            meaning='when, such as "19:00-06:00", in the local time of the server; empty: at any time',
        ),
        "backfill_mb_per_second": Setting(
            "BackfillMBPerSecond",
            float,
            20.0,
            0,
            1_000_000,
            meaning="how much of stored files is read in a second on average, in MiB; 0: as much as can be",
        ),
        "backfill_newest_days": Setting(
            "BackfillNewestDays", int, 0, 0, 36_500, meaning="only studies of the last so many days; 0: all"
        ),
        "backfill_fill_percent": Setting(
            "BackfillFillPercent", int, 80, 1, 100, meaning="how much of MaximumSizeMB may be taken when it stops, in %"
        ),
        "admin_routes": Setting(
            "AdminRoutes",
            bool,
            True,
            meaning="whether there are routes under /frame-cache/: status, purge and the like",
        ),
        "admin_users": Setting(
            "AdminUsers",
            tuple,
            (),
            meaning="who may use them, by the names in Orthanc's RegisteredUsers; none named: whoever Orthanc lets in; "
            "without AuthenticationEnabled a name is only a claim, see docs/security.md",
        ),
        "strict": Setting("Strict", bool, False, meaning="whether a wrong setting stops Orthanc's start"),
    }
)


_LISTS: Mapping[str, Callable[[object], tuple[Rule, ...]]] = MappingProxyType(
    {"Rules": parse_rules, "Transcode": parse_transcode}
)


def read_settings(section: object, default_directory: Path) -> Settings:
    """The settings in force. Raises SettingsError that names every wrong key, its value and what is allowed."""
    if not isinstance(section, Mapping):
        raise SettingsError('"FrameCache" has to be an object: { … }')
    known = {setting.key: name for name, setting in SETTINGS.items()}
    complaints = [f'"{key}" is not known; known are {", ".join(known)}' for key in section if key not in known]
    values: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        check: Callable[[Any], Any] = _LISTS.get(setting.key, setting.check)
        try:
            values[name] = check(section.get(setting.key, setting.default))
        except SettingsError as error:
            complaints.append(str(error))
    if section.get("Rules") and section.get("Transcode"):
        complaints.append('"Rules" and "Transcode" are both set; allowed is one: in a rule, write "Form": "HTJ2K"')
    try:
        parse_hours(values.get("backfill_hours", ""))
    except SettingsError as error:
        complaints.append(str(error))
    if complaints:
        raise SettingsError('"FrameCache": ' + "; ".join(complaints))
    values["directory"] = Path(values["directory"]) if values["directory"] else default_directory
    return Settings(**values)


def is_strict(section: object) -> bool:
    """Whether a wrong setting is to stop the start; asked before the section is known to be right."""
    return isinstance(section, Mapping) and section.get("Strict") is True


def lenient_admin_settings(section: object) -> tuple[bool, tuple[str, ...]]:
    """ "AdminRoutes" and "AdminUsers" of a section that may be wrong elsewhere: an error there opens nothing here."""
    values = section if isinstance(section, Mapping) else {}
    users = values.get("AdminUsers", ())
    names = users if isinstance(users, list | tuple) else [users]
    return values.get("AdminRoutes", True) is True, tuple(map(str, names))


def in_force(settings: Settings) -> dict[str, Any]:
    """The settings by their keys, as the status shows them."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return {SETTINGS[name].key: _shown(SETTINGS[name], value) for name, value in values.items()}


def _shown(setting: Setting, value: Any) -> Any:
    if setting.kind is list:
        return [rule.written for rule in value]
    return str(value) if isinstance(value, Path) else value
