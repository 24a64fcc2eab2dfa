"""What QIDO-RS answers of studies, series and instances (PS3.18 section 10.6.3.3), from their instances' metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from framecache.tree.json_object import text_of
from framecache.tree.record import Metadata

_STUDY = (
    "00080005",
    "00080020",
    "00080030",
    "00080050",
    "00080090",
    "00080201",
    "00081030",
    "00081040",
    "00081060",
    "00100010",
    "00100020",
    "00100021",
    "00100030",
    "00100040",
    "0020000D",
    "00200010",
)
_SERIES = (
    "00080005",
    "00080021",
    "00080031",
    "00080060",
    "00080070",
    "0008103E",
    "00081090",
    "00180015",
    "00181030",
    "0020000D",
    "0020000E",
    "00200011",
    "00200060",
    "00400244",
    "00400245",
    "00400275",
)
_INSTANCE = (
    "00080005",
    "00080008",
    "00080016",
    "00080018",
    "00080022",
    "00080023",
    "00080032",
    "00080033",
    "0020000D",
    "0020000E",
    "00200012",
    "00200013",
    "00280008",
    "00280010",
    "00280011",
    "00280100",
    "0040A043",
    "0040A491",
    "0040A493",
    "00420010",
)
_MODALITY, _SOP_CLASS, _NUMBER = "00080060", "00080016", "00200013"
Attributes = dict[str, str]


def instance(metadata: Metadata, transfer_syntax_uid: str) -> Attributes:
    """Of one instance."""
    available = {"00080056": _element("CS", "ONLINE"), "00083002": _element("UI", transfer_syntax_uid)}
    return _chosen(metadata, _INSTANCE) | available


def series(instances: Sequence[Metadata]) -> Attributes:
    """Of a series of one or more instances; attributes are those of the first."""
    return _chosen(instances[0], _SERIES) | {
        "00080056": _element("CS", "ONLINE"),
        "00201209": _element("IS", len(instances)),
    }


def study(all_series: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of a study of one or more series, each with its `study` attributes, `modality`, `classes` and number of
    `instances`; attributes are those of the first series. A DICOM JSON object, with values instead of texts."""
    classes = sorted({name for one in all_series for name in one["classes"]})
    return {
        **all_series[0]["study"],
        "00080056": _value("CS", "ONLINE"),
        "00080061": _value("CS", *sorted({one["modality"] for one in all_series if one["modality"]})),
        "00080062": _value("UI", *classes),
        "00201206": _value("IS", len(all_series)),
        "00201208": _value("IS", sum(one["instances"] for one in all_series)),
    }


def study_of_series(instances: Sequence[Metadata]) -> dict[str, Any]:
    """What `study` needs to know of a series."""
    return {
        "study": {tag: json.loads(element) for tag, element in _chosen(instances[0], _STUDY).items()},
        "modality": text(instances[0], _MODALITY),
        "classes": sorted({text(one, _SOP_CLASS) for one in instances} - {""}),
        "instances": len(instances),
    }


def in_order(instances: Iterable[Metadata]) -> list[Metadata]:
    """By InstanceNumber, then by SOP Instance UID: as viewers show them."""
    return sorted(instances, key=lambda one: (_number(one), text(one, "00080018")))


def text(metadata: Metadata, tag: str) -> str:
    """The first value of an attribute, or ""."""
    values = json.loads(metadata.get(tag, "{}")).get("Value")
    return str(values[0]) if isinstance(values, list) and values else ""


def _number(metadata: Metadata) -> int:
    number = text(metadata, _NUMBER)
    return int(number) if number.removeprefix("-").isdecimal() and len(number) < 12 else 0  # noqa: PLR2004 - an IS


def _chosen(metadata: Metadata, tags: Sequence[str]) -> Attributes:
    return {tag: metadata[tag] for tag in tags if tag in metadata}


def _element(vr: str, *values: str | int) -> str:
    return text_of(_value(vr, *values))


def _value(vr: str, *values: str | int) -> dict[str, Any]:
    return {"vr": vr, **({"Value": list(values)} if values else {})}
