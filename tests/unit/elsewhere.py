"""Stands for a bucket that stored files lie in."""

from __future__ import annotations

from framecache.dicom.ranged_reader import OutOfReach, RangedReader
from framecache.orthanc.instance import DescribedInstance


class Elsewhere:
    """Files that are had by range, for so many requests."""

    def __init__(self, contents: dict[str, bytes], most: int = 1000) -> None:
        self.contents, self.left, self.opened, self.bytes_read = contents, most, 0, 0

    def holds(self, instance: DescribedInstance) -> bool:
        return instance.attachment_uuid in self.contents

    def open(self, instance: DescribedInstance, *, whole: bool) -> RangedReader:
        del whole
        content = memoryview(self.contents[instance.attachment_uuid])
        self.opened += 1

        def fetch(start: int, end: int) -> memoryview:
            self.left -= 1
            if self.left < 0:
                raise OutOfReach("broken")
            self.bytes_read += end - start
            return content[start:end]

        return RangedReader(fetch, len(content), ahead=16)
