"""What happened since the start, counted, and when it happened in the last hour and day."""

from framecache.metrics.counting import Event, Metrics, MissCause, Outcome, RemovalCause, Route

__all__ = ["Event", "Metrics", "MissCause", "Outcome", "RemovalCause", "Route"]
