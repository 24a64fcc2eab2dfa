"""What others watch the plugin with: GET /frame-cache/metrics, and Orthanc's own metrics."""

from __future__ import annotations

from collections.abc import Mapping

from framecache.admin.answers import Answer, Content
from framecache.admin.exposition import CONTENT_TYPE, series_name, text
from framecache.admin.families import families
from framecache.admin.measurements import Measurements
from framecache.ports import OrthancModule
from framecache.telemetry.metrics import Metrics


class Monitoring:
    """The area of Prometheus."""

    def __init__(self, metrics: Metrics, measurements: Measurements, module: OrthancModule) -> None:
        self._metrics, self._measurements, self._module = metrics, measurements, module
        self.told: Mapping[str, Answer] = {"metrics": self.metrics}
        self.done: Mapping[str, Answer] = {}

    def metrics(self) -> Content:
        """GET /frame-cache/metrics."""
        return Content(text(families(self._measurements.take(), self._metrics)).encode(), CONTENT_TYPE)

    def publish(self) -> None:
        """Write all but the histograms into Orthanc's own metrics, where each number is a float of 32 bits.

        Only while Orthanc runs: before ORTHANC_STARTED it takes nothing.
        """
        kind = self._module.MetricsType.DEFAULT
        for family in families(self._measurements.take(), self._metrics):
            for sample in family.samples if family.kind != "histogram" else ():
                self._module.SetMetricsValue(series_name(family, sample), float(sample.value), kind)
