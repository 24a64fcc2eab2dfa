"""The checksum of blocks, of frames, and of the answers made of them."""

from __future__ import annotations

from collections.abc import Callable

import xxhash

# xxh3, 64 bits: it finds damage; it does not stop an attacker who can write to the folder. No function around it, since
# it is called with each frame that is sent.
checksum: Callable[[bytes | memoryview], int] = xxhash.xxh3_64_intdigest
