"""HTTP to one Orthanc. Every failure becomes a CommandError with a remedy."""

from __future__ import annotations

from typing import Any

import requests

from framecache.cli.errors import CommandError, ExitCode, explain_missing

# Required to change state: no page of another site can make a browser send this header.
_ACTION = {"X-Frame-Cache": "1"}
_TIMEOUTS = (5.0, 120.0)  # seconds to connect, and between two pieces of an answer
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
_LOGIN = (
    "set FRAMECACHE_USER and FRAMECACHE_PASSWORD in the environment, or add the host to ~/.netrc (never on the "
    "command line: other users of this machine could read it there)"
)


class Server:
    """One Orthanc at `url`, which may end with the path prefix of a proxy."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url, self.session = url.rstrip("/"), session
        self.number_of_requests = 0

    def get(self, path: str, **parameters: object) -> Any:
        """The JSON at `path`, relative to the URL, without a leading slash. Raises CommandError."""
        return _content(self._checked(self.ask("GET", path, params=parameters)))

    def post(self, path: str, **body: Any) -> Any:
        """The JSON answer to a POST of `json=…`, `data=…`, or no body. Raises CommandError."""
        return _content(self._checked(self.ask("POST", path, headers=_ACTION, **body)))

    def exists(self, path: str) -> bool:
        """Whether Orthanc has a resource at `path`. Raises CommandError."""
        answer = self.ask("GET", path)
        return answer.status_code != requests.codes.not_found and bool(self._checked(answer))

    def try_get(self, path: str) -> Any:
        """Like `get`, but None for errors and for answers that are not JSON."""
        answer = self.ask("GET", path)
        try:
            return answer.json() if answer.ok else None
        except requests.JSONDecodeError:
            return None

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """An answer of any status. Raises CommandError if there is none.

        Redirections are not followed, as they would send the login to another server.
        """
        # Passed with each request: REQUESTS_CA_BUNDLE would override the session's `verify`.
        defaults = {"timeout": _TIMEOUTS, "allow_redirects": False, "verify": self.session.verify}
        self.number_of_requests += 1
        try:
            return self.session.request(method, f"{self.url}/{path}", **{**defaults, **options})
        except requests.exceptions.SSLError as error:
            advice = "name its CA with --ca FILE, or skip verification with --insecure"
            message = f"the certificate of {self.url} is not trusted ({_reason(error)}): {advice}"
            raise CommandError(message, ExitCode.NOT_REACHABLE) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            message = f"{self.url} cannot be reached ({_reason(error)}): check --url, and that Orthanc is running"
            raise CommandError(message, ExitCode.NOT_REACHABLE) from error
        except _NO_ADDRESS as error:
            raise CommandError(f"{self.url} is not an address such as http://127.0.0.1:8042", ExitCode.USAGE) from error
        except requests.RequestException as error:
            raise CommandError(f"{self.url}: {_reason(error)}", ExitCode.NOT_REACHABLE) from error

    def _checked(self, answer: requests.Response) -> requests.Response:
        """`answer` if it succeeded. Raises CommandError."""
        if answer.status_code == requests.codes.unauthorized:
            given = "does not accept this login" if "Authorization" in answer.request.headers else "requires a login"
            raise CommandError(f"{self.url} {given}: {_LOGIN}", ExitCode.NOT_ALLOWED)
        if answer.status_code == requests.codes.forbidden:
            raise CommandError(f"{self.url} refuses: {_message(answer)}", ExitCode.NOT_ALLOWED)
        if answer.is_redirect:
            message = f"{self.url} redirects to {answer.headers['Location']}: use that address as --url"
            raise CommandError(message, ExitCode.USAGE)
        if answer.status_code == requests.codes.not_found and not _is_from_plugin(answer):
            path = str(answer.request.path_url).partition("?")[0]
            raise explain_missing(self, path)
        if not answer.ok:
            raise CommandError(f"the server answers: {_message(answer)} (HTTP {answer.status_code})")
        return answer

    def is_serving_frames(self) -> bool:
        """Whether the plugin owns the frame routes: only it answers for an instance that cannot exist."""
        answer = self.ask("GET", f"{self.dicom_web_root()}studies/0.0/series/0.0/instances/0.0/frames/1")
        return answer.ok and answer.content == b"frame-cache"

    def dicom_web_root(self) -> str:
        """The root of the DICOMweb routes below the URL, with a trailing slash."""
        plugin = self.try_get("plugins/dicom-web")
        # For example ../dicom-web/app/client/index.html: the plugin's own page is below its root.
        page = str(plugin.get("RootUri", "")) if isinstance(plugin, dict) else ""
        root, app, _ = page.removeprefix("../").partition("app/")
        return root if app else "dicom-web/"


def _content(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except requests.JSONDecodeError as error:
        raise CommandError(
            f"{answer.url} does not answer in JSON: check that --url is Orthanc's address", ExitCode.NO_PLUGIN
        ) from error


def _is_from_plugin(answer: requests.Response) -> bool:
    """Whether the plugin sent this error: errors of Orthanc itself have more members."""
    error = _error_body(answer)
    return "Message" in error and "OrthancStatus" not in error


def _message(answer: requests.Response) -> str:
    error = _error_body(answer)
    return str(error.get("Message") or error.get("Error") or answer.reason or "no reason given")


def _error_body(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words: requests wraps it several times."""
    inner: object = error
    while isinstance(inner, BaseException):
        error = inner
        causes = (error.__cause__, *error.args)
        inner = getattr(error, "reason", None) or next((one for one in causes if isinstance(one, BaseException)), None)
    return getattr(error, "strerror", None) or str(error).rpartition(": ")[2] or type(error).__name__
