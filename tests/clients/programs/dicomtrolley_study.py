"""Finds a study with dicomtrolley and downloads it: the SOP Instance UIDs of what comes."""

from __future__ import annotations

import json
import sys

import requests
from dicomtrolley.core import Query
from dicomtrolley.qido_rs import QidoRS
from dicomtrolley.trolley import Trolley
from dicomtrolley.wado_rs import WadoRS


def main(url: str, study: str) -> None:
    session = requests.Session()
    trolley = Trolley(searcher=QidoRS(session, url), downloader=WadoRS(session, url))
    found = trolley.find_studies(Query(StudyInstanceUID=study))
    print(json.dumps(sorted(str(one.SOPInstanceUID) for one in trolley.fetch_all_datasets(found))))


main(*sys.argv[1:])
