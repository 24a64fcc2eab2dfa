"""The routes under /frame-cache/: status, actions, jobs, monitoring, the page."""
