"""Keeps frames: keys, the block format, the store protocol, and stores."""
