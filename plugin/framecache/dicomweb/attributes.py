"""The attributes by which studies, series and instances are searched (PS3.18 section 10.6.1.2), in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from framecache.errors import BadRequest


class Level(IntEnum):
    """What a search returns. A search of one level matches attributes of it and of those above."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """One row: `is_multiple` where it may have several values, `is_returned` where each result has it, if only empty.

    A result that has no value for another attribute lacks it. `is_computed` is what no instance has by itself.
    """

    keyword: str
    tag: int
    vr: str
    level: Level
    is_multiple: bool = False
    is_returned: bool = False
    is_computed: bool = False

    @property
    def hex_tag(self) -> str:
        """The tag as DICOM JSON has it (PS3.18 annex F.2.2)."""
        return f"{self.tag:08X}"


def _row(line: str, level: Level) -> KeyAttribute:
    keyword, tag, vr, *flags = line.split()
    return KeyAttribute(keyword, int(tag, 16), vr, level, "n" in flags, "returned" in flags, "computed" in flags)


# PS3.18 tables 10.6.1-5 and 10.6.3-3 to -5; those without a mark are more of the same modules (PS3.3 annex C.7).
_STUDY = """
StudyDate 00080020 DA returned
StudyTime 00080030 TM returned
AccessionNumber 00080050 SH returned
InstanceAvailability 00080056 CS returned computed
ModalitiesInStudy 00080061 CS n returned computed
SOPClassesInStudy 00080062 UI n computed
ReferringPhysicianName 00080090 PN returned
TimezoneOffsetFromUTC 00080201 SH
StudyDescription 00081030 LO
NameOfPhysiciansReadingStudy 00081060 PN n
InstitutionName 00080080 LO
PatientName 00100010 PN returned
PatientID 00100020 LO returned
IssuerOfPatientID 00100021 LO
PatientBirthDate 00100030 DA returned
PatientBirthTime 00100032 TM
PatientSex 00100040 CS returned
OtherPatientIDs 00101000 LO n
OtherPatientNames 00101001 PN n
PatientAge 00101010 AS
PatientComments 00104000 LT
StudyInstanceUID 0020000D UI returned
StudyID 00200010 SH returned
RequestingPhysician 00321032 PN
RequestedProcedureDescription 00321060 LO
NumberOfStudyRelatedSeries 00201206 IS returned computed
NumberOfStudyRelatedInstances 00201208 IS returned computed
"""
_SERIES = """
SeriesDate 00080021 DA
SeriesTime 00080031 TM
Modality 00080060 CS returned
Manufacturer 00080070 LO
StationName 00081010 SH
SeriesDescription 0008103E LO
PerformingPhysicianName 00081050 PN n
OperatorsName 00081070 PN n
ManufacturerModelName 00081090 LO
BodyPartExamined 00180015 CS
DeviceSerialNumber 00181000 LO
ProtocolName 00181030 LO
SeriesInstanceUID 0020000E UI returned
SeriesNumber 00200011 IS returned
FrameOfReferenceUID 00200052 UI
Laterality 00200060 CS
PerformedProcedureStepStartDate 00400244 DA
PerformedProcedureStepStartTime 00400245 TM
PerformedProcedureStepID 00400253 SH
PerformedProcedureStepDescription 00400254 LO
RequestAttributesSequence 00400275 SQ
NumberOfSeriesRelatedInstances 00201209 IS returned computed
"""
_INSTANCE = """
ImageType 00080008 CS n
InstanceCreationDate 00080012 DA
InstanceCreationTime 00080013 TM
SOPClassUID 00080016 UI returned
SOPInstanceUID 00080018 UI returned
AcquisitionDate 00080022 DA
ContentDate 00080023 DA
AcquisitionDateTime 0008002A DT
AcquisitionTime 00080032 TM
ContentTime 00080033 TM
AvailableTransferSyntaxUID 00083002 UI n computed
AcquisitionNumber 00200012 IS
InstanceNumber 00200013 IS returned
NumberOfFrames 00280008 IS
Rows 00280010 US
Columns 00280011 US
BitsAllocated 00280100 US
ContentLabel 00700080 CS
"""


def _rows(table: str, level: Level) -> tuple[KeyAttribute, ...]:
    return tuple(_row(line, level) for line in table.strip().splitlines())


ATTRIBUTES = (*_rows(_STUDY, Level.STUDY), *_rows(_SERIES, Level.SERIES), *_rows(_INSTANCE, Level.INSTANCE))
# Inside RequestAttributesSequence (PS3.18 table 10.6.1-5).
NESTED = (
    KeyAttribute("ScheduledProcedureStepDescription", 0x00400007, "LO", Level.SERIES),
    KeyAttribute("ScheduledProcedureStepID", 0x00400009, "SH", Level.SERIES),
    KeyAttribute("RequestedProcedureID", 0x00401001, "SH", Level.SERIES),
    KeyAttribute("RequestedProcedureDescription", 0x00321060, "LO", Level.SERIES),
    KeyAttribute("AccessionNumber", 0x00080050, "SH", Level.SERIES),
    KeyAttribute("StudyInstanceUID", 0x0020000D, "UI", Level.SERIES),
)
_BY_NAME: Mapping[str, KeyAttribute] = MappingProxyType(
    {name: one for one in ATTRIBUTES for name in (one.keyword, one.hex_tag)}
)
_NESTED_BY_NAME: Mapping[str, KeyAttribute] = MappingProxyType(
    {name: one for one in NESTED for name in (one.keyword, one.hex_tag)}
)
_UNSEARCHABLE = frozenset({"InstanceAvailability", "AvailableTransferSyntaxUID"})
_TAG_LENGTH = 8  # hex digits


def known_attribute(name: str) -> KeyAttribute | None:
    """The row of a keyword or of a tag of eight hex digits; None where the table lacks it."""
    return _BY_NAME.get(name.upper() if len(name) == _TAG_LENGTH and name[:4].isdigit() else name)


def searched_attribute(name: str, level: Level) -> tuple[KeyAttribute, ...]:
    """The attribute that `name` is, below a sequence the sequence first (PS3.18 section 8.3.4.1).

    Raises BadRequest for one that cannot be searched on this level.
    """
    first, *rest = name.split(".")
    attribute = known_attribute(first)
    if attribute is None or attribute.level > level or attribute.keyword in _UNSEARCHABLE:
        raise BadRequest(f"{level.name.lower()} search: {name} cannot be searched")
    if (attribute.vr == "SQ") != bool(rest):
        raise BadRequest(f"{name}: a sequence is searched by one of its attributes, and no other attribute has any")
    return (attribute, *(_nested(name, part) for part in rest))


def _nested(name: str, part: str) -> KeyAttribute:
    attribute = _NESTED_BY_NAME.get(part) or _NESTED_BY_NAME.get(part.upper())
    if attribute is None or name.count(".") > 1:
        raise BadRequest(f"{name} cannot be searched")
    return attribute
