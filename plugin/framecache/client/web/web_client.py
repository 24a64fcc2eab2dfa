"""dicomweb-client's client of a DICOMweb server, for many threads and long lists of frames."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import dicomweb_client
import requests
from pydicom import dcmread

from framecache.client.arguments import checked
from framecache.client.errors import UnreadableError
from framecache.client.forks import FORKS, ForkAware
from framecache.client.storing import file_of
from framecache.client.web.refusals import with_client_errors
from framecache.client.web.session import ClientSession, leave_connections
from framecache.closing import Closing
from framecache.plurals import counted

if TYPE_CHECKING:
    from pydicom import Dataset

CONCURRENCY = 4
_MOST_FRAMES_OF_REQUEST = 16
_DEFAULT_PORTS = (80, 443)
_POSITION_OF_PERMISSIVE_UID = 9  # among dicomweb-client's arguments behind url and session


@checked
@with_client_errors
class DICOMwebClient(dicomweb_client.DICOMwebClient, ForkAware, Closing):
    """With dicomweb-client's arguments, and `concurrency`, how many requests a long list of frames is split into.

    It may be used from many threads at once, pickles, and closes at the end of a `with` statement.
    """

    def __init__(
        self,
        url: str,
        session: requests.Session | None = None,
        *arguments: Any,
        concurrency: int = CONCURRENCY,
        **named: Any,
    ) -> None:
        """Without a `session`, requests are repeated with jitter (framecache.client.web.session), and errors are
        ClientErrors; of a given session they are as that has it."""
        if len(arguments) < _POSITION_OF_PERMISSIVE_UID:
            named = {"permissive_uid": True, **named}  # servers have identifiers that are no UIDs; ours are checked
        super().__init__(url.rstrip("/"), session or ClientSession(), *arguments, **named)
        self._concurrency = max(1, concurrency)
        if session is None:
            self.set_http_retry_params(retry=False)  # the session does so
        if self.port not in _DEFAULT_PORTS:
            self.host = f"{self.host}:{self.port}"  # RFC 9110 section 7.2: the server makes URLs of it
        self._inherited: list[object] = []
        FORKS.tell(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_inherited": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        FORKS.tell(self)

    def after_fork(self) -> None:
        """Two processes that write to one connection would read each other's frames."""
        self._inherited += leave_connections(self._session)

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def store_instances(
        self,
        datasets: Sequence[Dataset],
        study_instance_uid: str | None = None,
        additional_params: dict[str, Any] | None = None,
    ) -> Dataset:
        """Store instances; those without a preamble or File Meta Information get them, which PS3.18 section 8.7.3.1
        asks for."""
        files = [_as_file(one) for one in datasets]
        return super().store_instances(files, study_instance_uid, additional_params)

    def retrieve_instance_frames(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        frame_numbers: Sequence[int],
        media_types: Any = None,
        additional_params: dict[str, Any] | None = None,
    ) -> list[bytes]:
        """Frames, in the order asked for; of a long list several requests are under way at once."""
        uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
        return list(self.iter_instance_frames(*uids, frame_numbers, media_types, additional_params))

    def iter_instance_frames(
        self,
        study_instance_uid: str,
        series_instance_uid: str,
        sop_instance_uid: str,
        frame_numbers: Sequence[int],
        media_types: Any = None,
        additional_params: dict[str, Any] | None = None,
    ) -> Iterator[bytes]:
        """The same, one after the other."""
        uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
        retrieve = super().retrieve_instance_frames

        def ask(numbers: Sequence[int]) -> list[bytes]:
            found = retrieve(*uids, list(numbers), media_types, additional_params)
            if len(found) != len(numbers):  # which of them is missing, nobody knows
                raise UnreadableError(
                    f"the server sent {len(found)} of {counted(len(numbers), 'frame')}", self.base_url
                )
            return found

        lists = self._split(list(frame_numbers))
        if len(lists) == 1:
            yield from ask(lists[0])
            return
        with ThreadPoolExecutor(self._concurrency, "framecache-web") as pool:
            waiting: deque[Future[list[bytes]]] = deque()
            for numbers in lists:
                waiting.append(pool.submit(ask, numbers))
                if len(waiting) > self._concurrency:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()

    def _split(self, numbers: list[int]) -> list[list[int]]:
        size = min(_MOST_FRAMES_OF_REQUEST, max(1, -(-len(numbers) // self._concurrency)))
        return [numbers[start : start + size] for start in range(0, len(numbers), size)] or [numbers]


def _as_file(data_set: Dataset) -> Dataset:
    """As dicomweb-client writes it: with what it has, be it a file of PS3.10 or not."""
    if getattr(data_set, "preamble", None) and "TransferSyntaxUID" in getattr(data_set, "file_meta", ()):
        return data_set
    return dcmread(io.BytesIO(file_of(data_set)))
