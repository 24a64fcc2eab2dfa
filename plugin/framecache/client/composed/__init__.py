"""Several clients as one: asked in order, or all at once with their answers merged."""
