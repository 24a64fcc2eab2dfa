"""URLs: their query arguments, and the addresses that clients see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self
from urllib.parse import quote, unquote_plus, urlencode

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
# Characters that a client may send unescaped (RFC 3986 section 3.4), and escapes. All others are escaped: if Orthanc
# decoded them, a line break would begin a header of the client's choice.
_AS_SENT = "%!$'()*+,;=:@/?"
# The same for values that may have been decoded: separators and percent signs are escaped.
_UNAMBIGUOUS = "!$'()*,;@/?"


def decoded(arguments: Mapping[str, str]) -> Mapping[str, str]:
    """The decoded arguments."""
    if not _is_escaped(arguments):
        return arguments
    return {unquote_plus(name): unquote_plus(value) for name, value in arguments.items()}


def encoded(arguments: Mapping[str, str]) -> str:
    """The query of a redirection, without its question mark."""
    if _is_escaped(arguments):
        return "&".join(f"{quote(name, _AS_SENT)}={quote(value, _AS_SENT)}" for name, value in arguments.items())
    # On a build that does not decode, the stock plugin needs unescaped commas.
    return urlencode(arguments, quote_via=quote, safe=_UNAMBIGUOUS)


def _is_escaped(arguments: Mapping[str, str]) -> bool:
    """Whether they are still escaped: it depends on the build of Orthanc's HTTP server, which we cannot query."""
    return any(_ESCAPE.search(f"{name}={value}") for name, value in arguments.items())


_AUTHORITY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%\[\]-]+", re.ASCII)  # RFC 3986 section 3.2


def root_path(value: object, default: str) -> str:
    """A root path of the configuration, with a leading and a trailing slash."""
    text = value if isinstance(value, str) and value else default
    return "/" + text.strip("/") + "/" if text.strip("/") else "/"


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity, as each request looks it up
class PublicUrl:
    """The "DicomWeb" section's Root, PublicRoot, Host and Ssl."""

    root: str
    public_root: str
    host: str
    https: bool

    @classmethod
    def from_configuration(cls, dicom_web: Mapping[str, Any]) -> Self:
        """From the "DicomWeb" section of Orthanc's configuration."""
        root = root_path(dicom_web.get("Root"), "/dicom-web/")
        return cls(
            root,
            root_path(dicom_web.get("PublicRoot"), root),
            str(dicom_web.get("Host") or ""),
            dicom_web.get("Ssl") is True,
        )

    def base(self, headers: Mapping[str, str]) -> str:
        """For a request with these headers (lower case names): a configured host, then X-Forwarded-Host with
        X-Forwarded-Proto, then Forwarded (RFC 7239; its first element), then Host."""
        get = headers.get
        return _base(self, get("x-forwarded-host"), get("x-forwarded-proto"), get("forwarded"), get("host") or "")


@lru_cache(1024)  # each request of a client computes it
def _base(url: PublicUrl, forwarded_host: str | None, proto: str | None, forwarded: str | None, host: str) -> str:
    found, https = url.host, url.https
    if not found and forwarded_host is not None and proto is not None:
        found = forwarded_host.strip()
        https = _is_https(proto.strip(), https)
    if not found and forwarded is not None:
        pairs = dict(_forwarded_pairs(forwarded))
        found = pairs.get("host", "")
        https = _is_https(pairs.get("proto", ""), https)
    found = found or host
    # Text in an answer's headers must not contain a line break.
    found = found if _AUTHORITY.fullmatch(found) else "localhost:8042"
    return f"{'https' if https else 'http'}://{found}{url.public_root}"


def _forwarded_pairs(value: str) -> list[tuple[str, str]]:
    tokens = (token.split("=") for token in value.split(",", maxsplit=1)[0].split(";"))
    return [(token[0].strip().lower(), token[1].strip()) for token in tokens if len(token) == 2]  # noqa: PLR2004


def _is_https(proto: str, default: bool) -> bool:  # noqa: FBT001
    return {"http": False, "https": True}.get(proto, default)
