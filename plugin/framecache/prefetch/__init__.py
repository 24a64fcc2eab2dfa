"""Extracts and caches instances ahead of requests: change feed, admission, queue, scheduler, extraction, backfill."""
