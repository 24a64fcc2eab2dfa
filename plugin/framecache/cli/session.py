"""The session of a command: its server, output and arguments."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from framecache.cli.errors import CommandError, ExitCode
from framecache.cli.output import Output
from framecache.cli.server import Server


@dataclass(frozen=True)
class Session:
    """The context of one command. `arguments` come from the parser; jobs are polled every `poll_seconds`."""

    server: Server
    output: Output
    arguments: Namespace
    environment: Mapping[str, str]
    poll_seconds: float

    def connect(self) -> Server:
        """Another connection to the same server, for another thread."""
        return Server(self.arguments.url, http_session(self.arguments, self.environment))


def open_session(
    arguments: Namespace, environment: Mapping[str, str] | None = None, *, poll_seconds: float = 0.5
) -> Session:
    """The session of parsed arguments. Raises CommandError for an invalid address, login or --ca."""
    environment = os.environ if environment is None else environment
    output = Output(is_json=arguments.json)
    if urlsplit(arguments.url).password is not None:
        message = "a password in --url is refused: other users of this machine could read it there"
        raise CommandError(f"{message}; use FRAMECACHE_USER and FRAMECACHE_PASSWORD", ExitCode.USAGE)
    server = Server(arguments.url, http_session(arguments, environment))
    return Session(server, output, arguments, environment, poll_seconds)


def http_session(arguments: Namespace, environment: Mapping[str, str]) -> requests.Session:
    """An HTTP session with the login of the environment, or by default of ~/.netrc."""
    session = requests.Session()
    user, password = environment.get("FRAMECACHE_USER"), environment.get("FRAMECACHE_PASSWORD")
    if user is not None and password is not None:
        # As UTF-8, which Orthanc compares with its configuration; requests would take Latin-1.
        session.auth = (user.encode(), password.encode())  # type: ignore[assignment]
    elif user is not None or password is not None:
        raise CommandError("FRAMECACHE_USER and FRAMECACHE_PASSWORD must both be set", ExitCode.USAGE)
    # Orthanc closes connections that were idle for a second, perhaps just as the next request is sent.
    adapter = HTTPAdapter(max_retries=Retry(2, connect=0, read=2, redirect=0, status=0, allowed_methods=["GET"]))
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    if arguments.ca and not os.path.isfile(arguments.ca):
        raise CommandError(f"--ca {arguments.ca} is not a file", ExitCode.USAGE)
    session.verify = False if arguments.insecure else arguments.ca or True
    if arguments.insecure:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return session
