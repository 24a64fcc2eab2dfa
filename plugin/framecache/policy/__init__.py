"""The rules: which instances are cached, when, in what form, at what priority and for how long."""
