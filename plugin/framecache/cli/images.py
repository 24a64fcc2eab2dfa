"""`framecache ls` and `framecache get`: images in a folder or behind DICOMweb, without a cache between."""

from __future__ import annotations

import os
import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.output import counted, table
from framecache.cli.session import Session, http_session

if TYPE_CHECKING:
    from dicomweb_client.protocol import DICOMClient

_MOST_FRAMES = 100_000
_NUMBERS = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")
_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"
_COLUMNS: Sequence[Sequence[tuple[str, str]]] = (
    (
        ("study", _STUDY),
        ("date", "00080020"),
        ("patient", "00100020"),
        ("modalities", "00080061"),
        ("images", "00201208"),
    ),
    (("series", _SERIES), ("modality", "00080060"), ("number", "00200011"), ("images", "00201209")),
    (("instance", _INSTANCE), ("number", "00200013"), ("frames", "00280008"), ("class", "00080016")),
)
_CODES = {400: ExitCode.USAGE, 401: ExitCode.NOT_ALLOWED, 403: ExitCode.NOT_ALLOWED, 503: ExitCode.NOT_REACHABLE}
_AS_STORED = (("application/dicom", "*"),)


def frame_numbers(text: str) -> list[int]:
    """Numbers and ranges of them, such as 1-10,12. Raises ArgumentTypeError."""
    numbers: list[int] = []
    for part in text.split(","):
        found = _NUMBERS.fullmatch(part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= last <= _MOST_FRAMES:
            raise ArgumentTypeError(f"{text!r} are not frame numbers such as 1-10,12")
        numbers += range(first, last + 1)
    return numbers


def ls(session: Session) -> ExitCode:
    """List studies, or the series of one, or the instances of a series."""
    arguments = session.arguments
    with _client(session) as client:
        if arguments.series and not arguments.study:
            raise CommandError("--series needs --study", ExitCode.USAGE)
        page = {"limit": arguments.limit, "offset": arguments.offset}
        if arguments.series:
            level, found = 2, client.search_for_instances(arguments.study, arguments.series, **page)
        elif arguments.study:
            level, found = 1, client.search_for_series(arguments.study, **page)
        else:
            level, found = 0, client.search_for_studies(**page)
    names, tags = zip(*_COLUMNS[level], strict=True)
    session.output.show(found, table(names, [[_shown(one, tag) for tag in tags] for one in found]))
    return ExitCode.DONE


def get(session: Session) -> ExitCode:
    """Write files as they are stored, or frames of one instance."""
    arguments, folder = session.arguments, Path(session.arguments.out)
    with _client(session) as client:
        folder.mkdir(parents=True, exist_ok=True)
        written = list(_frames(client, arguments, folder) if arguments.frames else _files(client, arguments, folder))
    session.output.show({"Files": [str(path) for path in written]}, f"{counted(len(written), 'file')} in {folder}")
    return ExitCode.DONE


def _files(client: DICOMClient, arguments: Namespace, folder: Path) -> Iterator[Path]:
    if arguments.instance:
        uids = _one_instance(client, arguments)
        data_sets: Any = [client.retrieve_instance(*uids, _AS_STORED)]
    elif arguments.series:
        data_sets = client.iter_series(arguments.study, arguments.series, _AS_STORED)
    else:
        data_sets = client.iter_study(arguments.study, _AS_STORED)
    for data_set in data_sets:
        path = folder / f"{_as_name(data_set.SOPInstanceUID)}.dcm"
        with _whole(path) as made:
            data_set.save_as(made, enforce_file_format=True)
        yield path


def _frames(client: DICOMClient, arguments: Namespace, folder: Path) -> Iterator[Path]:
    uids, numbers = _one_instance(client, arguments), arguments.frames
    ending = arguments.rendered or "raw"
    frames = None if arguments.rendered else client.iter_instance_frames(*uids, numbers)
    media_types = (f"image/{'jpeg' if ending == 'jpg' else ending}",)
    for number in numbers:
        one = [number]
        content = client.retrieve_instance_frames_rendered(*uids, one, media_types) if frames is None else next(frames)
        path = folder / f"{_as_name(uids[2])}-{number}.{ending}"
        with _whole(path) as made:
            made.write_bytes(content)
        yield path


def _one_instance(client: DICOMClient, arguments: Namespace) -> tuple[str, str, str]:
    """The instance that is named, or the only one of the study or series."""
    filters = {"SOPInstanceUID": arguments.instance} if arguments.instance else {}
    found = client.search_for_instances(arguments.study, arguments.series, limit=2, search_filters=filters)
    if len(found) != 1:
        reason = "there is no such instance" if not found else "there are several instances: name one by --instance"
        raise CommandError(reason, ExitCode.REFUSED if not found else ExitCode.USAGE)
    [instance] = found
    series = arguments.series or instance[_SERIES]["Value"][0]
    return arguments.study, str(series), str(instance[_INSTANCE]["Value"][0])


@contextmanager
def _client(session: Session) -> Iterator[DICOMClient]:
    """The client of the URL; its errors become those of a command."""
    url = session.arguments.images
    if urlsplit(url).password is not None:
        message = "a password in the URL is refused: other users of this machine could read it there"
        raise CommandError(f"{message}; use FRAMECACHE_USER and FRAMECACHE_PASSWORD", ExitCode.USAGE)
    is_web = url.startswith(("http://", "https://"))
    options = {"session": http_session(session.arguments, session.environment)} if is_web else {}
    try:
        from framecache.client.opening import open_client  # noqa: PLC0415 - other commands need none of it

        client = open_client(url, **options)
        try:
            with suppress(AttributeError):  # dicomweb-client tries for half a minute whether somebody is there
                client.set_http_retry_params(retry=False)  # type: ignore[attr-defined]
            yield client
        finally:
            with suppress(AttributeError):  # dicomweb-client's has none
                client.close()  # type: ignore[attr-defined]
    except ImportError as error:
        raise CommandError(f'install the extra "client": pip install "framecache[client]" ({error})') from error
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 500
        raise CommandError(str(error), _CODES.get(status, ExitCode.REFUSED)) from error
    except requests.ConnectionError as error:
        raise CommandError(f"{url} is not reachable", ExitCode.NOT_REACHABLE) from error
    except ValueError as error:
        raise CommandError(str(error), ExitCode.USAGE) from error
    except BrokenPipeError:
        raise
    except OSError as error:  # requests' other errors are OSErrors, too
        raise CommandError(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error


def _shown(result: Mapping[str, Any], tag: str) -> object:
    found = result.get(tag, {}).get("Value", [])
    return found if len(found) > 1 else found[0] if found else None


def _as_name(uid: object) -> str:
    """A UID as the name of a file: what is no UID could lead anywhere."""
    text = str(uid)
    if not text or set(text) - set("0123456789."):
        raise CommandError(f"{text!r} is no UID, and so no name of a file")
    return text


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """The file is there when it is complete."""
    made = path.with_name(f".{path.name}.part")
    try:
        yield made
        os.replace(made, path)
    finally:
        made.unlink(missing_ok=True)
