"""What is true of an archive in a folder is true of one in a bucket; what only a bucket has is tried here."""

from __future__ import annotations

import obstore
import pytest
from framecache.errors import NotFound
from framecache.tree.changes import Correction
from obstore.store import ObjectStore

from tests.unit.dicom_files import INSTANCE, SERIES, STUDY
from tests.unit.tree.places import FRAME, PATH, Place, add, file, sent, value

FRAMES = f"studies/{STUDY}/series/{SERIES}/instances/{INSTANCE}/frames"


def test_an_archive_in_a_bucket_is_filled_corrected_and_emptied(bucket: Place) -> None:
    with bucket.open() as tree:
        assert add(tree, file()) == ["added"]
        assert add(tree, file()) == ["unchanged"]
        assert sent(tree, "studies") == tree.studies()
        assert add(tree, file(100)) == ["replaced"]
        assert b"d" * FRAME in tree.objects.read(f"{FRAMES}/1")
        tree.correct(Correction(STUDY, "wrong order", to_study="7.7"))
        assert value(sent(tree, "studies")[0], "0020000D") == "7.7"
        assert tree.delete("7.7", reason="too old") == 1
        assert tree.studies() == []
        with pytest.raises(NotFound):
            tree.frame(PATH, 1)


def test_objects_say_what_they_are(bucket: Place) -> None:
    with bucket.open() as tree:
        add(tree, file())
        store = tree.objects.store
        headers = {key: dict(_attributes(store, key)) for key in ("studies", f"studies/{STUDY}/series", f"{FRAMES}/1")}
    json = {"Content-Type": "application/dicom+json", "Content-Encoding": "gzip"}
    assert headers["studies"] == headers[f"studies/{STUDY}/series"] == json
    assert headers[f"{FRAMES}/1"]["Content-Type"].startswith(
        'multipart/related; type="application/octet-stream"; bound'
    )


def _attributes(store: ObjectStore, key: str) -> dict[str, str]:
    return dict(obstore.get(store, key).attributes.items())
