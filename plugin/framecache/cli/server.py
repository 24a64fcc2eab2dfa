"""HTTP to one Orthanc. What goes wrong becomes a CommandError that says what to do."""

from __future__ import annotations

from typing import Any

import requests

from framecache.cli.errors import CommandError, ExitCode, explain_missing

# What changes something is refused without it: no page of another site can make a browser send it.
_ACTION = {"X-Frame-Cache": "1"}
_TIMEOUTS = (5.0, 120.0)  # seconds until there is a connection, and between two pieces of an answer
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
_LOGIN = (
    "set FRAMECACHE_USER and FRAMECACHE_PASSWORD in the environment, or name the machine in ~/.netrc (never on the "
    "command line: other users of this machine could read it there)"
)


class Server:
    """One Orthanc under `url`, which may end with the path prefix of a proxy."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url, self.session = url.rstrip("/"), session
        self.number_of_requests = 0

    def get(self, path: str, **parameters: object) -> Any:
        """The JSON under `path`, which begins behind the URL's slash. Raises CommandError."""
        return _content(self._checked(self.ask("GET", path, params=parameters)))

    def post(self, path: str, **body: Any) -> Any:
        """The JSON that is answered to `json=` something, `data=` as it is, or nothing. Raises CommandError."""
        return _content(self._checked(self.ask("POST", path, headers=_ACTION, **body)))

    def exists(self, path: str) -> bool:
        """Whether Orthanc knows what lies under its own `path`. Raises CommandError."""
        answer = self.ask("GET", path)
        return answer.status_code != requests.codes.not_found and bool(self._checked(answer))

    def try_get(self, path: str) -> Any:
        """The same as `get`, but None for whatever is not an answer in JSON."""
        answer = self.ask("GET", path)
        try:
            return answer.json() if answer.ok else None
        except requests.JSONDecodeError:
            return None

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any answer, whatever its status. Raises CommandError where there is none.

        Redirections are not followed: a login would go where nobody meant it to.
        """
        # Said for each request: what the session says of certificates gives way to REQUESTS_CA_BUNDLE.
        defaults = {"timeout": _TIMEOUTS, "allow_redirects": False, "verify": self.session.verify}
        self.number_of_requests += 1
        try:
            return self.session.request(method, f"{self.url}/{path}", **{**defaults, **options})
        except requests.exceptions.SSLError as error:
            advice = "--ca FILE names the authority that signed it, --insecure asks nobody"
            message = f"the certificate of {self.url} is not trusted ({_reason(error)}): {advice}"
            raise CommandError(message, ExitCode.NOT_REACHABLE) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            message = f"{self.url} cannot be reached ({_reason(error)}): is Orthanc running, and is --url right?"
            raise CommandError(message, ExitCode.NOT_REACHABLE) from error
        except _NO_ADDRESS as error:
            raise CommandError(f"{self.url} is no address such as http://127.0.0.1:8042", ExitCode.USAGE) from error
        except requests.RequestException as error:
            raise CommandError(f"{self.url}: {_reason(error)}", ExitCode.NOT_REACHABLE) from error

    def _checked(self, answer: requests.Response) -> requests.Response:
        """`answer` if it is a good one. Raises CommandError."""
        if answer.status_code == requests.codes.unauthorized:
            given = "does not accept this login" if "Authorization" in answer.request.headers else "requires a login"
            raise CommandError(f"{self.url} {given}: {_LOGIN}", ExitCode.NOT_ALLOWED)
        if answer.status_code == requests.codes.forbidden:
            raise CommandError(f"{self.url} refuses: {_message(answer)}", ExitCode.NOT_ALLOWED)
        if answer.is_redirect:
            message = f"{self.url} sends elsewhere, to {answer.headers['Location']}: give that server as --url"
            raise CommandError(message, ExitCode.USAGE)
        if answer.status_code == requests.codes.not_found and not _is_from_plugin(answer):
            path = str(answer.request.path_url).partition("?")[0]
            raise explain_missing(self, path)
        if not answer.ok:
            raise CommandError(f"the server says: {_message(answer)} (HTTP {answer.status_code})")
        return answer

    def is_serving_frames(self) -> bool:
        """Whether the plugin owns the frame routes: nothing else answers for an instance that cannot exist."""
        answer = self.ask("GET", f"{self.dicom_web_root()}studies/0.0/series/0.0/instances/0.0/frames/1")
        return answer.ok and answer.content == b"frame-cache"

    def dicom_web_root(self) -> str:
        """Where the DICOMweb routes begin below the URL, with a slash at its end."""
        plugin = self.try_get("plugins/dicom-web")
        # Such as ../dicom-web/app/client/index.html: the plugin's own page lies below its root.
        page = str(plugin.get("RootUri", "")) if isinstance(plugin, dict) else ""
        root, app, _ = page.removeprefix("../").partition("app/")
        return root if app else "dicom-web/"


def _content(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except requests.JSONDecodeError as error:
        raise CommandError(f"{answer.url} does not answer in JSON: is that Orthanc?", ExitCode.NO_PLUGIN) from error


def _is_from_plugin(answer: requests.Response) -> bool:
    """Whether the plugin says so itself: what Orthanc does not know it answers with more than these."""
    told = _told(answer)
    return "Message" in told and "OrthancStatus" not in told


def _message(answer: requests.Response) -> str:
    told = _told(answer)
    return str(told.get("Message") or told.get("Error") or answer.reason or "no reason given")


def _told(answer: requests.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except requests.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words: requests wraps it several times."""
    inner: object = error
    while isinstance(inner, BaseException):
        error = inner
        causes = (error.__cause__, *error.args)
        inner = getattr(error, "reason", None) or next((one for one in causes if isinstance(one, BaseException)), None)
    return getattr(error, "strerror", None) or str(error).rpartition(": ")[2] or type(error).__name__
