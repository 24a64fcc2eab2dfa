"""What pydicom with decoders of its own makes of the images: `python -m tests.real_files.truth FOLDER` writes it there.

It is a process of its own, because pydicom looks for its decoders once, when it is imported.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from dev.console import CHECKOUT
from dev.real_files import DECODERS
from tests.real_files.images import Image, images

Pixels = npt.NDArray[Any]


class Truth:
    """What was written into `folder`; None where pydicom cannot decode a file either.

    Frames are of shape rows × columns, or rows × columns × 3; only the first and the last one are there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self) -> None:
        path = os.pathsep.join(map(str, (DECODERS, CHECKOUT, CHECKOUT / "plugin")))
        command = [sys.executable, "-m", "tests.real_files.truth", str(self._folder)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path})

    def samples(self, image: Image, frame_number: int) -> Pixels | None:
        """As they were before they were encoded."""
        return self._read(f"{frame_number}", image)

    def colours(self, image: Image, frame_number: int) -> Pixels | None:
        """YBR as RGB, and indices as what the palette has of them."""
        return self._read(f"{frame_number} in colour", image)

    def _read(self, what: str, image: Image) -> Pixels | None:
        path = self._path(what, image)
        return np.load(path) if path.exists() else None

    def _path(self, what: str, image: Image) -> Path:
        return self._folder / f"{image.name.replace('/', ' ')} {what}.npy"

    def decode(self, image: Image) -> None:
        data_set = pydicom.dcmread(io.BytesIO(image.content))
        for number in {1, image.number_of_frames}:
            samples = pixel_array(data_set, index=number - 1, raw=True)
            np.save(self._path(f"{number}", image), samples)
            if image.photometric_interpretation == "PALETTE COLOR":
                np.save(self._path(f"{number} in colour", image), apply_color_lut(samples, data_set))
            elif samples.ndim > 2:
                np.save(self._path(f"{number} in colour", image), pixel_array(data_set, index=number - 1))


def main() -> None:
    truth = Truth(Path(sys.argv[1]))
    warnings.simplefilter("ignore")
    for image in images():
        with suppress(Exception):  # a damaged file makes it raise anything
            truth.decode(image)


if __name__ == "__main__":
    main()
