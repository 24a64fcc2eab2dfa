"""A writer in a process of its own: `python adding.py URL OPTIONS FOLDER SEED` adds a folder's files in some order."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from framecache.tree.source import Source
from framecache.tree.tree import Tree


def add(url: str, options: str, folder: str, seed: str) -> None:
    paths = sorted(Path(folder).iterdir())
    random.Random(int(seed)).shuffle(paths)
    with Tree.open(url, options=json.loads(options)) as tree:
        for _ in tree.add(map(Source.file, paths), records_at_once=5):
            pass


if __name__ == "__main__":
    add(*sys.argv[1:])
