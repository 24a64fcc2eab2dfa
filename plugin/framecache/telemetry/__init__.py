"""What happened: metrics, their history, events, and OpenTelemetry traces."""
