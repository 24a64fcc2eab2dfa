"""Asks several clients the same, one after the other or all at once, and reports those that fail."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import requests

from framecache.client.errors import InvalidRequestError, NotFoundError, without_login

if TYPE_CHECKING:
    from dicomweb_client.protocol import DICOMClient

logger = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")
_NOT_FOUND, _NOT_ACCEPTABLE, _MOST_FAILURES = (404, 410), 406, 100


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """A client that failed, by its base URL, and how; that it does not have something is no failure."""

    base_url: str
    error: Exception


OnFailure = Callable[[SourceFailure], object]


def status_of(error: Exception) -> int:
    """HTTP's status of what a client raised; 503 where no server answered."""
    response = getattr(error, "response", None)
    return int(response.status_code) if response is not None else 503


class Sources:
    """Clients in their order. It pickles, without the failures."""

    def __init__(
        self, clients: Sequence[DICOMClient], *, sequential: bool, strict: bool, on_failure: OnFailure | None
    ) -> None:
        """`on_failure` is called on the thread that asked. With `strict` each failure is raised."""
        self.clients, self.sequential = tuple(clients), sequential
        self.failures: deque[SourceFailure] = deque(maxlen=_MOST_FAILURES)
        self._strict, self._on_failure = strict, on_failure

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "failures": deque(maxlen=_MOST_FAILURES)}

    def first(self, ask: Callable[[DICOMClient], _Answer]) -> _Answer:
        """The answer of the first client that has it; of the fastest, where all are asked at once.

        Raises what is most telling: a failure, as the client that failed might have had it; then that it is not
        acceptable; then NotFoundError.
        """
        errors: list[Exception] = []
        for client, outcome in self._outcomes(ask):
            if not isinstance(outcome, Exception):
                return outcome
            if isinstance(outcome, InvalidRequestError) and self.sequential:
                raise outcome
            if status_of(outcome) != _NOT_ACCEPTABLE:
                self.report(client, outcome)
            errors.append(outcome)
        raise most_telling(errors)

    def answers(self, ask: Callable[[DICOMClient], _Answer]) -> Iterator[tuple[DICOMClient, _Answer]]:
        """Those of all that have any, as they come. Raises the most telling error where none has."""
        errors: list[Exception] = []
        is_any = False
        for client, outcome in self._outcomes(ask):
            if isinstance(outcome, Exception):
                self.report(client, outcome)
                errors.append(outcome)
            else:
                is_any = True
                yield client, outcome
        if not is_any:
            raise most_telling(errors)

    def all(self, ask: Callable[[DICOMClient], _Answer]) -> list[tuple[DICOMClient, _Answer]]:
        """The same in the order of the clients."""
        order = {id(client): position for position, client in enumerate(self.clients)}
        return sorted(self.answers(ask), key=lambda answer: order[id(answer[0])])

    def report(self, client: DICOMClient, error: Exception) -> None:
        """Report a failure, and raise it if that is wanted. Its URL is not logged: searches have names of patients."""
        if is_absence(error):
            return
        base_url = without_login(client.base_url)
        failure = SourceFailure(base_url, error)
        self.failures.append(failure)
        logger.warning("%s failed: %s, status %d", base_url, type(error).__name__, status_of(error))
        if self._on_failure is not None:
            self._on_failure(failure)
        if self._strict:
            raise error

    def _outcomes(self, ask: Callable[[DICOMClient], _Answer]) -> Iterator[tuple[DICOMClient, _Answer | Exception]]:
        """Answers and errors: in order as they are wanted, or as they come."""
        if self.sequential or len(self.clients) == 1:
            yield from ((client, _outcome(ask, client)) for client in self.clients)
            return
        # Threads of this call alone: composed clients within composed ones cannot wait for each other's.
        pool = ThreadPoolExecutor(len(self.clients), "framecache-composed")
        try:
            asked: dict[Future[_Answer | Exception], DICOMClient] = {
                pool.submit(_outcome, ask, client): client for client in self.clients
            }
            for future in as_completed(asked):
                yield asked[future], future.result()
        finally:
            pool.shutdown(wait=False)

    def close(self) -> None:
        """Close those that can be closed."""
        for client in self.clients:
            close = getattr(client, "close", None)  # dicomweb-client's own has nothing to close
            if close is not None:
                close()


def _outcome(ask: Callable[[DICOMClient], _Answer], client: DICOMClient) -> _Answer | Exception:
    try:
        return ask(client)
    except (requests.RequestException, OSError) as error:
        return error


def is_absence(error: Exception) -> bool:
    """Whether it says that there is no such thing."""
    return status_of(error) in _NOT_FOUND


def most_telling(errors: Sequence[Exception]) -> Exception:
    """A failure; else that it is not acceptable; else that it is not there."""

    def rank(error: Exception) -> int:
        return 2 if is_absence(error) else 1 if status_of(error) == _NOT_ACCEPTABLE else 0

    return min(errors, key=rank, default=NotFoundError("there is no client to ask"))
