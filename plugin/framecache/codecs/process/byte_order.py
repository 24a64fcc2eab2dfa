"""The byte order of words in values (PS3.5 sections 6.2 and 7.3): pydicom leaves those of OW and its like alone."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from pydicom import DataElement, Dataset

_WORDS: Mapping[str, int] = MappingProxyType({"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8})


def with_swapped_words(data_set: Dataset) -> Dataset:
    """A copy of `data_set` in which the bytes of each such word are the other way around, within sequences too."""
    swapped = copy.deepcopy(data_set)
    swapped.walk(_swap)
    return swapped


def _swap(_: Dataset, element: DataElement) -> None:
    size = _WORDS.get(element.VR)
    if size and isinstance(element.value, bytes):
        whole = len(element.value) // size * size
        words = np.frombuffer(element.value[:whole], f"u{size}").byteswap().tobytes()
        element.value = words + element.value[whole:]
