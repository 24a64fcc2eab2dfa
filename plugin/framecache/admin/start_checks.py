"""The checks that need an Orthanc that has started."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from framecache.admin import checks
from framecache.admin.checks import Findings
from framecache.codecs.codec_pools import CodecPools
from framecache.errors import reason
from framecache.instances.catalogue import Catalogue
from framecache.orthanc.system import read_plugin_versions, read_system
from framecache.ports import OrthancApi, OrthancModule
from framecache.serving.route import SENTINEL, SENTINEL_ANSWER

logger = logging.getLogger(__name__)


class StartChecks:
    """Checks that ask Orthanc."""

    def __init__(
        self,
        module: OrthancModule,
        api: OrthancApi,
        configuration: Mapping[str, Any],
        root: str,
        findings: Findings,
        catalogue: Catalogue,
        codecs: CodecPools,
        *,
        answers_metadata: bool,
    ) -> None:
        """`root` is the root of the DICOMweb routes. `answers_metadata` says whether those of metadata are ours."""
        self._answers_metadata = answers_metadata
        self._module, self._api, self._configuration, self._root = module, api, configuration, root
        self._findings, self._catalogue, self._codecs = findings, catalogue, codecs

    def run(self) -> None:
        """Run the checks, log the failed ones, and serve unless one is fatal."""
        findings = self._findings
        try:
            self._check()
        except Exception as error:  # noqa: BLE001 - a check that raises must not keep frames from being served
            logger.error("the start-up checks failed: %s", reason(error))
        for check in findings.failed:
            logger.error(check.advice)
        findings.serving = not any(check.fatal for check in findings.failed)

    def _check(self) -> None:
        root, system = self._root, read_system(self._api)
        self._catalogue.trusts_files = not system.has_storage_plugin
        plugins = read_plugin_versions(self._api)
        self._findings.versions.update({"Orthanc": system.version, **plugins})
        self._findings.checks += [
            checks.check_python_plugin(plugins.get("python", "")),
            checks.check_dicom_web(plugins),
            checks.check_ohif(plugins, self._configuration),
            checks.check_metadata_cache(plugins, self._configuration, answered=self._answers_metadata),
            checks.check_codecs(self._codecs.error()),
            checks.check_route(owned=self._owns_route(f"{root}{SENTINEL}/frames/1"), frame_route=f"{root}…/frames/"),
        ]

    def _owns_route(self, uri: str) -> bool:
        """Request a frame that cannot exist: only our route answers it."""
        try:
            return bytes(self._module.RestApiGetAfterPlugins(uri)) == SENTINEL_ANSWER
        except Exception:  # noqa: BLE001 - the stock plugin's 404 arrives as an exception
            return False
