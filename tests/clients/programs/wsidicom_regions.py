"""Opens slides with wsidicom and reads the corner of each level: its size, and the colours of two pixels."""

from __future__ import annotations

import json
import sys

from dicomweb_client import DICOMwebClient
from places import GROUND, NUCLEUS
from wsidicom import WsiDicom, WsiDicomWebClient


def main(url: str, study: str, *series: str) -> None:
    told = {}
    for one in series:
        slide = WsiDicom.open_web(WsiDicomWebClient(DICOMwebClient(url)), study, [one])
        pictures = [slide.read_region((0, 0), level, (256, 256)) for level in range(len(slide.levels))]
        told[one] = [[picture.getpixel(place)[:3] for place in (GROUND, NUCLEUS)] for picture in pictures]
    print(json.dumps(told))


main(*sys.argv[1:])
