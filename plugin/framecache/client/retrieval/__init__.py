"""The retrieve transactions over any collection: frames, whole instances, pictures, metadata, bulk data."""
