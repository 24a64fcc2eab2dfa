"""Small instances of every kind of pixel that the stock DICOMweb plugin draws, for comparing pictures."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage, SecondaryCaptureImageStorage

from dev.data_set import items

Pixels = npt.NDArray[Any]
FRAMES, ROWS, COLUMNS = 2, 61, 48
TWELVE_BITS = {"BitsStored": 12, "HighBit": 11}
WINDOW = {"WindowCenter": 1500, "WindowWidth": 2000}
RESCALE = {"RescaleSlope": "1.5", "RescaleIntercept": "-1024"}


def ramp(largest: float, frames: int = FRAMES) -> Pixels:
    """A slope with some noise, the second frame darker: no two pixels of a row are alike."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    slope = largest * (0.7 * x / (COLUMNS - 1) + 0.3 * y / (ROWS - 1))
    noise = np.random.default_rng(1).uniform(0, max(2.0, largest / 50), (frames, ROWS, COLUMNS))
    return np.clip(np.stack([slope * 0.8**frame for frame in range(frames)]) + noise, 0, largest)


def instance(name: str, pixels: Pixels, /, **tags: Any) -> Dataset:
    """An instance of `pixels`, of shape (frames, rows, columns) or (frames, rows, columns, 3); `tags` are set last."""
    colour = pixels.shape[3:] == (3,)
    bits = pixels.itemsize * 8
    data_set = items(
        SOPClassUID=SecondaryCaptureImageStorage,
        StudyInstanceUID="2.25.1000",
        SeriesInstanceUID="2.25.1001",
        SOPInstanceUID=f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}",
        PatientID="SYNTHETIC",
        PatientName="Synthetic",
        NumberOfFrames=pixels.shape[0],
        Rows=pixels.shape[1],
        Columns=pixels.shape[2],
        SamplesPerPixel=3 if colour else 1,
        PhotometricInterpretation="RGB" if colour else "MONOCHROME2",
        PixelRepresentation=int(pixels.dtype.kind == "i"),
        BitsAllocated=bits,
        BitsStored=bits,
        HighBit=bits - 1,
        **({"PlanarConfiguration": 0} if colour else {}),
    )
    data_set.update(items(**tags))
    native = np.packbits(pixels, bitorder="little") if data_set.BitsAllocated == 1 else pixels
    data_set.PixelData = native.tobytes() + b"\0" * (native.nbytes % 2)
    data_set["PixelData"].VR = "OW" if data_set.BitsAllocated > 8 else "OB"
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return data_set


def frame_groups(*voi_and_rescale: tuple[float, float]) -> dict[str, Any]:
    """Per-Frame Functional Groups with a Frame VOI LUT and a Pixel Value Transformation."""
    groups = [_groups(center, slope) for center, slope in voi_and_rescale]
    return {"PerFrameFunctionalGroupsSequence": groups}


def _groups(center: float, slope: float) -> Dataset:
    return items(
        FrameVOILUTSequence=[items(WindowCenter=center, WindowWidth=1000)],
        PixelValueTransformationSequence=[items(RescaleSlope=slope, RescaleIntercept=-100, RescaleType="US")],
    )


def palette(bits: int = 16, *, entries: int = 256, packed: bool = False) -> dict[str, Any]:
    """The tags of a palette whose red rises, whose green falls and whose blue rises three times as fast."""
    index = np.arange(entries)
    scale = 257 if bits == 16 and entries <= 256 else 1
    dtype = np.uint8 if packed else np.uint16
    tables = {"Red": index * scale, "Green": index[::-1] * scale, "Blue": index * 3 % entries * scale}
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour, table in tables.items():
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [entries % 65536, 0, bits]
        tags[f"{colour}PaletteColorLookupTableData"] = table.astype(dtype).tobytes()
    return tags


def greys() -> dict[str, Dataset]:
    words = ramp(4095).astype(np.uint16)
    bytes_ = ramp(255).astype(np.uint8)
    signed = (ramp(4095) - 2000).astype(np.int16)
    kinds: dict[str, tuple[Pixels, dict[str, Any]]] = {
        "12 bits": (words, TWELVE_BITS),
        "a window": (words, TWELVE_BITS | WINDOW),
        "several windows": (words, TWELVE_BITS | {"WindowCenter": [1000, 2000], "WindowWidth": [800, 3000]}),
        "a sigmoid window": (words, TWELVE_BITS | WINDOW | {"VOILUTFunction": "SIGMOID"}),
        "a window and rescale": (words, TWELVE_BITS | WINDOW | RESCALE),
        "a negative slope": (words, TWELVE_BITS | {"RescaleSlope": "-1", "RescaleIntercept": "3000"}),
        "a slope of zero": (words, TWELVE_BITS | {"RescaleSlope": "0", "RescaleIntercept": "0"}),
        "a slope without intercept": (words, TWELVE_BITS | {"RescaleSlope": "2"}),
        "a dose": (words, TWELVE_BITS | {"SOPClassUID": RTDoseStorage} | RESCALE),
        "functional groups": (words, TWELVE_BITS | frame_groups((1000, 1), (1500, 2))),
        "functional groups and rescale": (words, TWELVE_BITS | RESCALE | frame_groups((1000, 2), (1500, 3))),
        "shared functional groups": (words, TWELVE_BITS | {"SharedFunctionalGroupsSequence": [_groups(1000, 2)]}),
        "presentation LUT shape": (words, TWELVE_BITS | {"PresentationLUTShape": "INVERSE"}),
        "MONOCHROME1": (words, TWELVE_BITS | WINDOW | {"PhotometricInterpretation": "MONOCHROME1"}),
        "bits above the stored ones": (words | 0xA000, TWELVE_BITS),
        "8 bits stored of 16": (ramp(255).astype(np.uint16), {"BitsStored": 8, "HighBit": 7}),
        "16 bits": (ramp(65535).astype(np.uint16), {}),
        "signed": (signed, WINDOW),
        "signed, 12 bits": ((signed // 2) & 0xFFF, TWELVE_BITS),
        "8 bits": (bytes_, {}),
        "8 bits, MONOCHROME1": (bytes_, {"PhotometricInterpretation": "MONOCHROME1"}),
        "1 bit": ((bytes_ > 127).astype(np.uint8), {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}),
        "one value only": (np.full_like(words, 700), TWELVE_BITS),
        "one value only, MONOCHROME1": (np.full_like(words, 700), {"PhotometricInterpretation": "MONOCHROME1"}),
    }
    return {name: instance(name, pixels, **tags) for name, (pixels, tags) in kinds.items()}


def colours() -> dict[str, Dataset]:
    channel = ramp(255)
    rgb = np.stack([channel, channel[:, ::-1], channel[:, :, ::-1]], axis=-1).astype(np.uint8)
    by_plane = np.ascontiguousarray(rgb.transpose(0, 3, 1, 2)).reshape(rgb.shape)
    bytes_ = channel.astype(np.uint8)
    kinds: dict[str, tuple[Pixels, dict[str, Any]]] = {
        "RGB": (rgb, {}),
        "RGB by plane": (by_plane, {"PlanarConfiguration": 1}),
        "RGB with a window": (rgb, WINDOW),
        "YBR_FULL": (rgb, {"PhotometricInterpretation": "YBR_FULL"}),
        "YBR_FULL by plane": (by_plane, {"PhotometricInterpretation": "YBR_FULL", "PlanarConfiguration": 1}),
        "RGB of 16 bits": (rgb.astype(np.uint16) * 257, {}),
        "palette": (bytes_, palette()),
        "packed palette": (bytes_[:1], palette(8, packed=True)),
        "palette of 100": (bytes_[:1] // 3, palette(entries=100)),
        "palette of 65536": (ramp(65535, 1).astype(np.uint16), palette(entries=65536)),
    }
    return {name: instance(name, pixels, **tags) for name, (pixels, tags) in kinds.items()}
