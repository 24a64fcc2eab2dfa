"""What OpenTelemetry's environment variables say to the plugin; all others are for the SDK.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from collections.abc import Mapping

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")  # the first that is set counts
_HTTP = "http/protobuf"


def wants_traces(environment: Mapping[str, str]) -> bool:
    """Whether there is somewhere to send traces to, and nothing says that there are to be none."""
    exporters = (_set(environment, "OTEL_TRACES_EXPORTER") or "otlp").replace(" ", "").split(",")
    is_disabled = _set(environment, "OTEL_SDK_DISABLED").lower() == "true"
    return any(_set(environment, name) for name in _ENDPOINTS) and not is_disabled and "otlp" in exporters


def protocol_error(environment: Mapping[str, str]) -> str | None:
    """What is wrong with the protocol that is asked for: only one is spoken, the default."""
    for name in _PROTOCOLS:
        if protocol := _set(environment, name):
            return None if protocol == _HTTP else f"{name} is {protocol}, and only {_HTTP} is spoken (port 4318 mostly)"
    return None


def _set(environment: Mapping[str, str], name: str) -> str:
    """An empty variable is as good as none."""
    return environment.get(name, "").strip()
