"""Metrics, their history, events, and OpenTelemetry traces."""
