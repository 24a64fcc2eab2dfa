"""OpenTelemetry traces, where `OTEL_EXPORTER_OTLP_ENDPOINT` is set: of requests, and of instances that are extracted.

Orthanc's threads leave plain values in a journal. A process of its own makes spans of them and sends them, so that
neither the SDK nor a collector that does not answer is ever waited for, and the interpreter's lock is not shared.
"""
