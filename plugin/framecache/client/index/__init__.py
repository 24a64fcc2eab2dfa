"""An index of instances in SQLite: what can be searched, and where each instance and its frames are."""
