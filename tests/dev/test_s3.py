"""The S3 server that tests use speaks S3, lets anybody read what is public, and leaves no process behind."""

from __future__ import annotations

import gzip
from pathlib import Path

import obstore
import psutil
import pytest
import requests
from obstore.exceptions import AlreadyExistsError

from dev.s3 import S3Server

OBJECT = "studies/1.2.3/index.json.gz"


def read(address: str) -> requests.Response:
    """What a script of another origin gets."""
    return requests.get(address, headers={"Origin": "https://viewer.example.org"}, timeout=30)


def test_an_object_is_created_once_and_read_by_range(s3_server: S3Server) -> None:
    store = s3_server.make_bucket("created-once")
    obstore.put(store, OBJECT, b"0123456789", mode="create")

    with pytest.raises(AlreadyExistsError):
        obstore.put(store, OBJECT, b"another", mode="create")
    assert bytes(obstore.get_range(store, OBJECT, start=2, length=3)) == b"234"
    with pytest.raises(FileNotFoundError):
        obstore.get(store, "studies/none")


def test_a_public_bucket_is_read_by_scripts_of_any_origin(s3_server: S3Server) -> None:
    attributes = {"Content-Type": "application/dicom+json", "Content-Encoding": "gzip"}
    store = s3_server.make_bucket("for-anybody", public=True)
    obstore.put(store, OBJECT, gzip.compress(b"[]"), attributes=attributes)

    answer = read(f"{s3_server.public_url('for-anybody')}/{OBJECT}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/dicom+json"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Access-Control-Allow-Origin"] in {"*", "https://viewer.example.org"}


def test_another_bucket_is_read_with_the_key_only(s3_server: S3Server) -> None:
    obstore.put(s3_server.make_bucket("for-nobody"), OBJECT, b"[]")

    assert read(f"{s3_server.public_url('for-nobody')}/{OBJECT}").status_code == 401


def test_no_process_outlives_the_server(tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with S3Server(tmp_path):
        assert len(set(psutil.Process().children(recursive=True)) - before) == 4

    assert set(psutil.Process().children(recursive=True)) <= before
