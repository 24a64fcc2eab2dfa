"""Looking around in an Orthanc that has just started."""

from __future__ import annotations

import logging

from framecache.admin import checks
from framecache.errors import reason
from framecache.host.codecs import Codecs
from framecache.host.context import Context
from framecache.host.keeping import Keeping
from framecache.orthanc.system import read_plugin_versions, read_system
from framecache.serving.route import SENTINEL, SENTINEL_ANSWER

logger = logging.getLogger(__name__)


class StartChecks:
    """What can be known only when Orthanc answers."""

    def __init__(self, context: Context, keeping: Keeping, codecs: Codecs) -> None:
        self._context, self._catalogue, self._codecs = context, keeping.catalogue, codecs

    def run(self) -> None:
        """Make them, tell what is wrong, and serve if that is not fatal."""
        findings = self._context.findings
        try:
            self._check()
        except Exception as error:  # noqa: BLE001 - a check that breaks must not keep frames from being served
            logger.error("the start-up checks failed: %s", reason(error))
        for check in findings.failed:
            logger.error(check.advice)
        findings.serving = not any(check.fatal for check in findings.failed)

    def _check(self) -> None:
        context, root = self._context, self._context.url.root
        system = read_system(context.api)
        self._catalogue.trusts_files = not system.has_storage_plugin
        plugins = read_plugin_versions(context.api)
        context.findings.versions.update({"Orthanc": system.version, **plugins})
        context.findings.checks += [
            checks.check_python_plugin(plugins.get("python", "")),
            checks.check_dicom_web(plugins),
            checks.check_ohif(plugins, context.configuration),
            checks.check_codecs(self._codecs.error()),
            checks.check_route(owned=self._owns_route(f"{root}{SENTINEL}/frames/1"), frame_route=f"{root}…/frames/"),
        ]

    def _owns_route(self, uri: str) -> bool:
        """Ask for a frame that cannot exist, and see who answers."""
        try:
            return bytes(self._context.module.RestApiGetAfterPlugins(uri)) == SENTINEL_ANSWER
        except Exception:  # noqa: BLE001 - the stock plugin's 404 arrives as an exception
            return False
