"""`framecache archive correct`, `retract` and `corrections`: how instances are shown; their frames stay as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from framecache.cli.archive.opening import archive
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.output import table
from framecache.cli.session import Session
from framecache.tree.changes import Correction
from framecache.tree.record import Element

# How frames and text are encoded (PS3.3 sections C.7.6.3 and C.12.1.1.2): a correction leaves both as they are.
_OF_ENCODING = (
    "SpecificCharacterSet",
    "SamplesPerPixel",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
)
_GROUPS_OF_ENCODING = (0x0002, 0x7FE0)  # File Meta Information (PS3.10 section 7.1), and pixel data


def correct(session: Session) -> ExitCode:
    """Lay a correction over the records, and show the name by which it can be taken back."""
    arguments = session.arguments
    attributes = dict(_attributes(arguments.set, arguments.remove))
    if not (attributes or arguments.to_study or arguments.to_series):
        raise CommandError("nothing to correct: use --set, --remove, --to-study or --to-series", ExitCode.USAGE)
    with archive(session, must_exist=True) as tree:
        correction = Correction(
            arguments.study,
            arguments.reason,
            arguments.series,
            tuple(arguments.instance),
            attributes,
            arguments.to_study,
            arguments.to_series,
        )
        name = tree.correct(correction)
        conflicts = [conflict.about for conflict in tree.conflicts(arguments.study)]
    session.output.show({"Correction": name, "Conflicts": conflicts}, name)
    return ExitCode.DONE


def retract(session: Session) -> ExitCode:
    """Take a correction back."""
    arguments = session.arguments
    with archive(session, must_exist=True) as tree:
        tree.retract(arguments.study, arguments.correction, reason=arguments.reason)
    session.output.show({"Retracted": arguments.correction}, f"Retracted {arguments.correction}.")
    return ExitCode.DONE


def corrections(session: Session) -> ExitCode:
    """List those in force, the winning ones last; REFUSED if two contradict each other."""
    study = session.arguments.study
    with archive(session, must_exist=True) as tree:
        known, conflicts = tree.corrections(study), tree.conflicts(study)
    content = {
        "Corrections": {name: correction.to_json() for name, correction in known.items()},
        "Conflicts": [{"Winner": one.winner, "Loser": one.loser, "About": one.about} for one in conflicts],
    }
    rows = [(name, _text(correction), correction.reason) for name, correction in known.items()]
    session.output.show(content, table(("correction", "shows", "reason"), rows))
    for one in conflicts:
        session.output.note(f"conflict about {one.about}: {one.winner} wins over {one.loser}")
    return ExitCode.REFUSED if conflicts else ExitCode.DONE


def _text(correction: Correction) -> str:
    parts = [f"{tag}={json.dumps((element or {}).get('Value'))}" for tag, element in correction.attributes.items()]
    parts += [f"study {correction.to_study}"] if correction.to_study else []
    return ", ".join(parts + ([f"series {correction.to_series}"] if correction.to_series else []))


def _attributes(given: list[str], removed: list[str]) -> Iterator[tuple[str, Element | None]]:
    """DICOM JSON elements by tag (PS3.18 section F.2.2). Raises CommandError."""
    from pydicom import Dataset, config  # noqa: PLC0415 - an export needs nothing of it
    from pydicom.datadict import tag_for_keyword  # noqa: PLC0415

    for keyword in removed:
        yield f"{_tag(tag_for_keyword(keyword), keyword):08X}", None
    for one in given:
        keyword, separator, value = one.partition("=")
        if not separator:
            raise CommandError(f"{one} is not KEYWORD=VALUE", ExitCode.USAGE)
        tag, data_set = _tag(tag_for_keyword(keyword), keyword), Dataset()
        try:
            with config.disable_value_validation():
                setattr(data_set, keyword, value.split("\\") if "\\" in value else value)
            found: Mapping[str, Any] = data_set.to_json_dict()
            json.dumps(found, allow_nan=False)  # RFC 8259 section 6 has no NaN: viewers could not read the study
        except (TypeError, ValueError) as error:
            raise CommandError(f"{keyword} cannot be {value}: {error}", ExitCode.USAGE) from None
        yield next(iter(found.items()), (f"{tag:08X}", None))


def _tag(tag: int | None, keyword: str) -> int:
    if tag is None or not keyword:
        raise CommandError(f"{keyword} is no keyword of the DICOM dictionary (PS3.6)", ExitCode.USAGE)
    if keyword in _OF_ENCODING or tag >> 16 in _GROUPS_OF_ENCODING:
        raise CommandError(f"{keyword} says how frames or text are encoded, and these stay as they are", ExitCode.USAGE)
    return tag
