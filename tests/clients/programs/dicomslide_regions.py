"""Opens the slides of a study with dicomslide and reads the corner of each level: the colours of two pixels."""

from __future__ import annotations

import json
import sys

from dicomslide import find_slides
from dicomweb_client import DICOMwebClient
from places import GROUND, NUCLEUS


def main(url: str, study: str) -> None:
    told = []
    for slide in find_slides(DICOMwebClient(url), study_instance_uid=study):
        regions = [
            slide.get_image_region(offset=(0, 0), level=level, size=(256, 256)) for level in range(slide.num_levels)
        ]
        told.append([[[int(v) for v in region[y, x]] for x, y in (GROUND, NUCLEUS)] for region in regions])
    print(json.dumps(told))


main(*sys.argv[1:])
