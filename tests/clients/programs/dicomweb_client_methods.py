"""Calls every method of dicomweb-client that retrieves or iterates; for each what came, or the error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from dicomweb_client import DICOMwebClient

STORED = (("application/octet-stream", "*"),)
STORED_FILE = (("application/dicom", "*"),)


def calls(client: DICOMwebClient, study: str, series: str, instance: str) -> dict[str, Callable[[], Any]]:
    one = (study, series, instance)
    return {
        "retrieve_study": lambda: len(client.retrieve_study(study)),
        "iter_study": lambda: len(list(client.iter_study(study, media_types=STORED_FILE))),
        "retrieve_study_metadata": lambda: len(client.retrieve_study_metadata(study)),
        "retrieve_series": lambda: len(client.retrieve_series(study, series)),
        "iter_series": lambda: len(list(client.iter_series(study, series, media_types=STORED_FILE))),
        "retrieve_series_metadata": lambda: len(client.retrieve_series_metadata(study, series)),
        "retrieve_series_rendered": lambda: client.retrieve_series_rendered(study, series)[:2].hex(),
        "retrieve_instance": lambda: str(client.retrieve_instance(*one).SOPInstanceUID),
        "retrieve_instance_metadata": lambda: client.retrieve_instance_metadata(*one)["00080018"]["Value"][0],
        "retrieve_instance_rendered": lambda: client.retrieve_instance_rendered(*one)[:2].hex(),
        "retrieve_instance_frames": lambda: lengths(client.retrieve_instance_frames(*one, [1, 2])),
        "iter_instance_frames": lambda: lengths(client.iter_instance_frames(*one, [1, 2], STORED)),
        "retrieve_instance_frames_rendered": lambda: client.retrieve_instance_frames_rendered(*one, [1])[:2].hex(),
    }


def lengths(frames: Any) -> list[int]:
    return [len(frame) for frame in frames]


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return repr(error)


def main(url: str, study: str, *series_and_instances: str) -> None:
    """A series and an instance of it, one after the other; the answers come by the instances."""
    told = {}
    pairs = iter(series_and_instances)
    for series, instance in zip(pairs, pairs, strict=True):
        named = calls(DICOMwebClient(url), study, series, instance)
        told[instance] = {name: outcome(call) for name, call in named.items()}
    print(json.dumps(told))


main(*sys.argv[1:])
