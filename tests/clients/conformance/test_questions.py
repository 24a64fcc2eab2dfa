"""The same question, the same answer: over files, over the web, and wherever else the instances are."""

from __future__ import annotations

import pytest
from dicomweb_client.protocol import DICOMClient

from tests.clients.conformance.questions import QUESTIONS, Question


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_every_client_gives_the_same_answer(client: DICOMClient, kind: str, question: Question) -> None:
    assert question.asked_of(client) == question.but.get(kind, question.answer)


def test_every_client_is_a_dicom_client(client: DICOMClient) -> None:
    assert isinstance(client, DICOMClient)
