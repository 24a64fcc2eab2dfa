"""Which instances are cached when, in what form, in what turn and for how long."""
