"""The one tree of errors that vmboot raises on purpose.

Every error says *what* went wrong, *where* (when a place exists) and, as ``hint``, the next step
a person can take. Library code raises these; only :mod:`vmboot.cli` turns them into exit codes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A position in a text file; ``line`` and ``column`` count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)


class VmbootError(Exception):
    """Base of every error raised on purpose.

    :param message: what happened, in one plain sentence without a trailing full stop
    :param hint: the next step, or ``None`` when there is nothing sensible to advise
    :param place: where in the user's input, when the input is to blame
    """

    def __init__(
        self, message: str, *, hint: str | None = None, place: Place | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class InputError(VmbootError):
    """The user's input (flag, file, fleet.yml) cannot be used; nothing was touched. Exit 2."""


class RefusedError(VmbootError):
    """The request is clear but vmboot will not do it, because it would break something. Exit 1."""


class ConnectError(VmbootError):
    """The vCenter cannot be reached or its identity does not match. Exit 4."""


class AuthError(VmbootError):
    """Login refused, or a privilege is missing. Exit 4."""


class NotFoundError(VmbootError):
    """Something named in the input does not exist. Exit 5."""


class AmbiguousError(VmbootError):
    """One name matches several objects; vmboot never picks one silently. Exit 2.

    :param matches: the inventory paths that match
    """

    def __init__(
        self,
        message: str,
        *,
        matches: tuple[str, ...] = (),
        hint: str | None = None,
        place: Place | None = None,
    ) -> None:
        super().__init__(message, hint=hint, place=place)
        self.matches = matches


class RemoteError(VmbootError):
    """The vCenter answered with a fault.

    :param fault: the fault's type name as the API spells it, e.g. ``"InvalidDeviceSpec"``
    """

    def __init__(self, message: str, *, fault: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.fault = fault


class MediaError(VmbootError):
    """Bytes that are not the image, loader or script they should be. Exit 1."""


class DeadlineError(VmbootError):
    """Something did not happen in the time allowed for it. Exit 1."""


class MissingToolError(VmbootError):
    """A program or loader that this step needs is not installed; the hint names the package."""


class LockedError(VmbootError):
    """Another run holds the lock; the message names its owner. Exit 1."""
