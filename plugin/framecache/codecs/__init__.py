"""Other forms of one frame, made in helper processes."""
