"""Exceptions: docker-py's, made from the one error document that every face of barque has (`docs/errors.md`).

Test the class or `reason`, show the message. Messages may change; classes and reasons do not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from .models.containers import Container


class BarqueError(Exception):
    """What every error of barque is."""


DockerException = BarqueError
"""docker-py's name for it."""


class APIError(BarqueError):
    """An operation failed."""

    kind: str
    """Class of error: `not_found`, `conflict`, … (the table in `docs/errors.md`)."""
    code: int
    """Its number in the C interface."""
    status_code: int
    """The HTTP status the Docker Engine API has for it."""
    reason: str
    """Which case of the class: a short stable word such as `unknown_field`."""
    object: Optional[tuple[str, str]]
    """What it is about: `("container", "web")`."""
    explanation: str
    """The line for a person."""
    causes: list[str]
    """What was underneath, nearest first."""
    errno: Optional[int]
    """The system's error number, where one was the cause."""

    def __init__(self, message: str = "", document: Optional[dict[str, Any]] = None) -> None:
        document = document or {}
        subject = document.get("subject")
        causes = list(document.get("causes", ()))
        message = message or document.get("message", "")
        super().__init__(": ".join([message, *causes]))
        self.kind = document.get("kind", "internal")
        self.code = document.get("code", -1)
        self.status_code = document.get("status", 500)
        self.reason = document.get("reason", self.kind)
        self.object = (subject["type"], subject["id"]) if subject else None
        self.explanation = message
        self.causes = causes
        self.errno = document.get("errno")
        self._document = document

    def __str__(self) -> str:
        return ": ".join([self.explanation, *self.causes])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.explanation, self._document)

    def is_error(self) -> bool:
        """Whether it is an error at all, as docker-py asks."""
        return self.is_client_error() or self.is_server_error()

    def is_client_error(self) -> bool:
        """Whether the request was at fault."""
        return 400 <= self.status_code < 500

    def is_server_error(self) -> bool:
        """Whether the engine or the system was."""
        return 500 <= self.status_code < 600


class InvalidArgument(APIError, ValueError):
    """The request cannot be: a wrong value, an unknown field, a malformed name."""


class Unauthorized(APIError):
    """Credentials are missing or wrong."""


class PermissionDenied(APIError):
    """The kernel, or a registry, does not let this caller do it."""


class NotFound(APIError):
    """There is no such thing."""


class ImageNotFound(NotFound):
    """There is no such image."""


class Conflict(APIError):
    """A thing of that name is there already, or the thing is in a state that does not allow it."""


class NotModified(APIError):
    """It is so already. Only the low-level calls raise it; `Container.start` and the like take it for success."""


class NotSupported(APIError):
    """Known, and not to be had in this version, kernel or configuration."""


class Unavailable(APIError):
    """Not to be had now."""


class ResourceExhausted(APIError):
    """Space, memory, descriptors or a limit of the engine's own ran out."""


class Timeout(APIError, TimeoutError):
    """A time limit ran out."""


class Cancelled(APIError):
    """The caller cancelled it."""


class Corrupt(APIError):
    """What is stored or was read is not what its digest or format says."""


class Busy(APIError):
    """Another process holds it."""


class SystemFailure(APIError):
    """A system call failed; see `errno`."""


class InternalError(APIError):
    """A bug in barque."""


class ForkedError(BarqueError, RuntimeError):
    """An engine, container or stream was used in a forked child of the process that opened it."""


class ContainerError(BarqueError):
    """A container that was run to its end exited with another code than 0."""

    def __init__(
        self,
        container: Optional[Container],
        exit_status: int,
        command: Any,
        image: str,
        stderr: Optional[bytes],
        reason: str = "exited",
    ) -> None:
        self.container = container
        self.exit_status = exit_status
        self.command = command
        self.image = image
        self.stderr = stderr
        self.reason = reason
        why = "" if reason == "exited" else f" ({reason})"
        tail = f": {stderr.decode(errors='replace').strip()}" if stderr else ""
        super().__init__(
            f"Command '{command}' in image '{image}' returned non-zero exit status {exit_status}{why}{tail}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # A container belongs to the client that made it, and clients cannot be pickled.
        return type(self), (
            None,
            self.exit_status,
            self.command,
            self.image,
            self.stderr,
            self.reason,
        )


_CLASSES: dict[str, type[APIError]] = {
    "invalid_argument": InvalidArgument,
    "unauthorized": Unauthorized,
    "permission_denied": PermissionDenied,
    "not_found": NotFound,
    "already_exists": Conflict,
    "conflict": Conflict,
    "not_modified": NotModified,
    "unsupported": NotSupported,
    "unavailable": Unavailable,
    "resource_exhausted": ResourceExhausted,
    "timeout": Timeout,
    "cancelled": Cancelled,
    "corrupt": Corrupt,
    "busy": Busy,
    "system": SystemFailure,
    "internal": InternalError,
}


def from_document(document: dict[str, Any]) -> APIError:
    """The exception for an error's document."""
    kind = document["kind"]
    error = _CLASSES.get(kind, APIError)
    subject = document.get("subject")
    if error is NotFound and subject and subject["type"] == "image":
        error = ImageNotFound
    return error(document["message"], document)


def from_json(text: str) -> APIError:
    """The same from its text. The native module calls it."""
    return from_document(json.loads(text))


def unexpected_keyword(function: str, keyword: str, known: list[str]) -> TypeError:
    """A keyword nobody knows, with its nearest neighbour."""
    from difflib import get_close_matches

    near = get_close_matches(keyword, known, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return TypeError(f"{function}() got an unexpected keyword argument '{keyword}'{hint}")
