"""`framecache archive export`: adds instances of a running Orthanc.

What the archive has is known by the name that Orthanc gave the stored file: nothing is downloaded again, so an export
that was broken off goes on where it was.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from framecache.cli.archive.forms import forms
from framecache.cli.archive.opening import archive
from framecache.cli.archive.outcomes import Outcomes
from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.server import Server
from framecache.cli.session import Session
from framecache.dicom.byte_reader import ByteReader, FileReader
from framecache.errors import NotFound, SourceError
from framecache.tree.errors import Damaged
from framecache.tree.source import Source
from framecache.tree.tree import Tree
from framecache.tree.writer import Outcome, Skipped, Unchanged

_PAGE = 200
_CHUNK = 1 << 20
_INSTANCES = "00201209"  # Number of Series Related Instances


def export(session: Session) -> ExitCode:
    """Add what the archive lacks, study by study, and show what became of each instance."""
    outcomes, wanted = Outcomes(), _Wanted.of(session)
    studies = list(wanted.studies(session.server))
    with (
        archive(session, writes=True) as tree,
        forms(tree, outcomes, wanted=session.arguments.htj2k) as small_forms,
        session.output.progress() as progress,
    ):
        bar = progress.add_task("exporting", total=len(studies), unit="studies")
        for study in studies:
            for outcome in _export(tree, session, study, wanted):
                outcomes.count(outcome)
                if small_forms.lacks(outcome):  # else nothing is downloaded for it
                    small_forms.add(outcome)
            progress.advance(bar)
    return outcomes.show(session)


@dataclass(frozen=True)
class _Wanted:
    uids: tuple[str, ...]
    modalities: tuple[str, ...]
    first: str
    last: str

    @classmethod
    def of(cls, session: Session) -> _Wanted:
        arguments = session.arguments
        first = _moment(arguments.last) if arguments.last else ""
        last = _moment(arguments.older) if arguments.older else "99999999T999999"
        return cls(tuple(arguments.study), tuple(arguments.modality), first, last)

    def studies(self, server: Server) -> Iterator[str]:
        """Study Instance UIDs. Raises CommandError if a named one is not there."""
        queries = [{"StudyInstanceUID": uid} for uid in self.uids] or [{}]
        for query in queries:
            if self.modalities:
                query["ModalitiesInStudy"] = "\\".join(self.modalities)
            found = list(_find(server, "Study", query, ["MainDicomTags", "Metadata"]))
            if self.uids and not found:
                raise CommandError(f"Orthanc has no study {query['StudyInstanceUID']} of these modalities")
            for study in found:
                if self.first <= study["Metadata"].get("LastUpdate", "") <= self.last:
                    yield study["MainDicomTags"]["StudyInstanceUID"]

    def instances(self, server: Server, study: str) -> Iterator[dict[str, Any]]:
        query = {"StudyInstanceUID": study}
        if self.modalities:
            query["Modality"] = "\\".join(self.modalities)
        yield from _find(server, "Instance", query, ["Attachments"])


def _export(tree: Tree, session: Session, study: str, wanted: _Wanted) -> Iterator[Outcome]:
    records = tree.records(study)
    known = {record.origin.attachment_uuid: record.path for record in records}  # by Orthanc's names of the files
    sources = []
    for instance in wanted.instances(session.server, study):
        source = _source(session.server, instance)
        if source is None:
            yield Skipped(Source.content(b"", instance["ID"]), "Orthanc keeps no file of it")
        elif source.attachment_uuid in known:
            yield Unchanged(source, known[source.attachment_uuid])
        else:
            sources.append(source)
    yield from tree.add(sources, revive=session.arguments.revive)
    if records and not sources and not _is_shown(tree, study, len(records)):
        tree.derive(study)


def _is_shown(tree: Tree, study: str, number: int) -> bool:
    """Whether its lists have so many instances: an export that was broken off may have left them to this one."""
    try:
        return sum(int(series[_INSTANCES]["Value"][0]) for series in tree.series(study)) == number
    except (NotFound, Damaged):
        return False


def _source(server: Server, instance: dict[str, Any]) -> Source | None:
    """None where Orthanc stores no DICOM files."""
    stored = next((one for one in instance["Attachments"] if one["ContentType"] == 1), None)
    if stored is None:
        return None
    orthanc_id, md5 = str(instance["ID"]), str(stored.get("UncompressedMD5", ""))
    return Source(orthanc_id, lambda: _download(server, orthanc_id, md5), str(stored["Uuid"]), md5)


def _download(server: Server, orthanc_id: str, md5: str) -> ByteReader:
    """The stored file, on the disk for as long as it is read: some are larger than memory. Raises SourceError."""
    answer = server.ask("GET", f"instances/{orthanc_id}/file", stream=True)
    if not answer.ok:
        raise SourceError(f"Orthanc answers {answer.status_code}: it was deleted meanwhile, or cannot be read")
    checksum = hashlib.md5(usedforsecurity=False)
    descriptor, name = tempfile.mkstemp(prefix="framecache-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            for chunk in answer.iter_content(_CHUNK):
                checksum.update(chunk)
                file.write(chunk)
        if md5 and checksum.hexdigest() != md5:
            raise SourceError("it was replaced meanwhile, or the download was cut short")
        return FileReader(name)
    except OSError as error:
        raise SourceError(f"the download failed: {error}") from error
    finally:
        Path(name).unlink()


def _find(server: Server, level: str, query: dict[str, str], content: list[str]) -> Iterator[dict[str, Any]]:
    """Page by page: a study may have many thousand instances."""
    since = 0
    question = {"Level": level, "Query": query, "ResponseContent": content, "Limit": _PAGE}
    while found := server.post("tools/find", json={**question, "Since": since}):
        yield from found
        since += len(found)


def _moment(days: int) -> str:
    """So many days ago, as Orthanc writes it."""
    return f"{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%S}"
