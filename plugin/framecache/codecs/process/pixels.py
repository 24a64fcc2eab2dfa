"""What a data set says of its pixels (PS3.3 section C.7.6.3), and one frame of them, decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from framecache.codecs.process.errors import Undecodable

Pixels = npt.NDArray[np.unsignedinteger[Any]] | npt.NDArray[np.signedinteger[Any]]
_BYTE = 8  # bits
_BITS_ALLOCATED = frozenset({1, 8, 16, 32, 64})
_LARGEST_SIDE = 0xFFFF


@dataclass(frozen=True, slots=True)
class PixelDescription:
    """The Image Pixel module (PS3.3 table C.7-11a) and the transfer syntax that the frame is stored in.

    `is_float` is for Float and Double Float Pixel Data (PS3.3 section C.7.6.24).
    """

    rows: int
    columns: int
    samples_per_pixel: int
    photometric_interpretation: str
    planar_configuration: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    transfer_syntax_uid: str
    is_float: bool = False

    @classmethod
    def from_data_set(cls, data_set: Dataset) -> Self:
        """From a data set with its File Meta Information. Raises Undecodable for what no image can be."""
        try:
            return cls._checked(data_set)
        except Undecodable:
            raise
        except Exception as error:  # pydicom converts values when they are asked for, and raises what it meets
            raise Undecodable(f"the Image Pixel module is incomplete or wrong ({type(error).__name__})") from error

    @classmethod
    def _checked(cls, data_set: Dataset) -> Self:
        bits_allocated = int(data_set.BitsAllocated)
        bits_stored = int(data_set.get("BitsStored") or bits_allocated)
        description = cls(
            rows=int(data_set.Rows),
            columns=int(data_set.Columns),
            samples_per_pixel=int(data_set.get("SamplesPerPixel") or 1),
            photometric_interpretation=str(data_set.get("PhotometricInterpretation") or "MONOCHROME2").strip().upper(),
            planar_configuration=int(data_set.get("PlanarConfiguration") or 0),
            bits_allocated=bits_allocated,
            bits_stored=bits_stored,
            high_bit=int(data_set.get("HighBit", bits_stored - 1)),
            pixel_representation=int(data_set.get("PixelRepresentation") or 0),
            transfer_syntax_uid=str(data_set.file_meta.TransferSyntaxUID),
        )
        if not (0 < description.rows <= _LARGEST_SIDE and 0 < description.columns <= _LARGEST_SIDE):
            raise Undecodable("Rows or Columns is not from 1 to 65535")
        if description.samples_per_pixel not in (1, 3, 4) or bits_allocated not in _BITS_ALLOCATED:
            raise Undecodable("SamplesPerPixel or BitsAllocated is not supported")
        if not 0 < bits_stored <= bits_allocated:
            raise Undecodable("BitsStored is not from 1 to BitsAllocated")
        return description

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), or (rows, columns, samples) where there are several."""
        plane = (self.rows, self.columns)
        return plane if self.samples_per_pixel == 1 else (*plane, self.samples_per_pixel)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a decoded sample, of native byte order: signed where PixelRepresentation is 1.

        A sample has the bytes that BitsAllocated says; one of a single bit has a byte.
        """
        return np.dtype(f"{'i' if self.pixel_representation else 'u'}{max(1, self.bits_allocated // _BYTE)}")

    @property
    def decoded_size(self) -> int:
        """Bytes of a decoded frame."""
        return self.rows * self.columns * self.samples_per_pixel * self.dtype.itemsize


def unsigned(pixels: Pixels) -> Pixels:
    """The same bits, for codecs that know no sign."""
    return pixels.view(np.dtype(f"u{pixels.dtype.itemsize}"))


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One frame: `pixels` of the description's shape and dtype, colour by pixel whatever PlanarConfiguration says.

    Bits above HighBit are as they were stored: whoever shows the frame masks them, but not those of `whole_samples`:
    loss makes values that are larger than any that was stored. `photometric_interpretation` is that of `pixels`: RGB
    where a YBR JPEG was decoded, YBR_FULL where chrominance is still to be converted.
    """

    pixels: Pixels
    photometric_interpretation: str
    whole_samples: bool = False
