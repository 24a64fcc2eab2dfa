"""The store in a folder: diskcache's index, block files, eviction, expiry, pins, usage and recovery."""
