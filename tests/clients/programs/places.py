"""Where the programs look at a slide: (x, y) of a pixel of the ground and of one in a nucleus of the finest level."""

GROUND = (5, 5)
NUCLEUS = (58, 64)
