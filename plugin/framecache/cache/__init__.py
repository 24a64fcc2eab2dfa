"""What keeps frames: blocks on disk, their index, and the memory of answers."""
