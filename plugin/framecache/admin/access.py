"""Who may use the routes under /frame-cache/, and what keeps other sites' pages from using a browser's login."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from framecache.errors import Forbidden

# A page of another site can make a browser send a POST with its login, but not with a header of its own: the browser
# would ask first (the preflight of https://fetch.spec.whatwg.org/#cors-preflight-fetch), and Orthanc says no.
ACTION_HEADER = "X-Frame-Cache"
# What a browser says of where a request comes from (https://www.w3.org/TR/fetch-metadata/): "none" is its user.
_OWN_SITE = ("same-origin", "none")


class Access:
    """Everybody whom Orthanc lets in, or some named users.

    Where Orthanc asks for a password, a user is known by the very header that Orthanc has compared. Elsewhere whoever
    stands in front of Orthanc may have verified the name, or nobody: it is a claim.
    """

    def __init__(self, users: Sequence[str], configuration: Mapping[str, Any]) -> None:
        """`users` may use the routes, nobody else, unless it is empty; `configuration` is Orthanc's."""
        self._users = frozenset(users)
        self.verifies = authenticates(configuration)
        registered = configuration.get("RegisteredUsers")
        pairs = registered.items() if isinstance(registered, Mapping) else ()
        self._registered = {_basic(user, password): user for user, password in pairs if isinstance(password, str)}

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises Forbidden; names of headers are lower case."""
        if not self._users:
            return
        authorization = headers.get("authorization", "")
        user = self._registered.get(authorization) if self.verifies else _claimed_user(authorization)
        if user not in self._users:
            raise Forbidden('this is for the users that the setting "AdminUsers" names')

    def check_action(self, headers: Mapping[str, str]) -> None:
        """As `check`, for a request that changes something. Raises Forbidden."""
        self.check(headers)
        if not headers.get(ACTION_HEADER.lower()):
            raise Forbidden(f'what changes something is asked for with the header "{ACTION_HEADER}: 1"')
        if headers.get("sec-fetch-site", "none") not in _OWN_SITE:
            raise Forbidden("a page of another site may change nothing here")


def authenticates(configuration: Mapping[str, Any]) -> bool:
    """Whether Orthanc asks for a password; where nothing says so, it does if others than this machine may ask."""
    default = configuration.get("RemoteAccessAllowed", False)
    return configuration.get("AuthenticationEnabled", default) is True


def _basic(user: str, password: str) -> str:
    """The header of HTTP's basic authentication (RFC 7617 section 2), as Orthanc compares it."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _claimed_user(authorization: str) -> str | None:
    scheme, _, credentials = authorization.partition(" ")
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded.partition(":")[0] if scheme.lower() == "basic" else None
