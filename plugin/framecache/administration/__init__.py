"""What those who run a server see of the cache and do to it: the answers of the routes under /frame-cache/."""
