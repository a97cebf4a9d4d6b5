"""Exit codes, and which error ends in which. Scripts rely on these; they never change meaning."""

from __future__ import annotations

from enum import IntEnum

from vmboot.errors import (
    AmbiguousError,
    AuthError,
    ConnectError,
    InputError,
    NotFoundError,
    VmbootError,
)


class Exit(IntEnum):
    """What ``$?`` says after a vmboot command."""

    OK = 0
    FAILED = 1
    USAGE = 2  # bad flag, file or fleet.yml; nothing was touched
    PARTLY = 3  # some machines done, some failed or refused
    CONNECT = 4  # vCenter not reachable, not trusted, or login refused
    NOT_FOUND = 5
    CHANGES = 6  # plan, status: what is differs from what is wished
    HUNG_UP = 129  # 128 and the number of the signal: SIGHUP, SIGINT, SIGTERM
    INTERRUPTED = 130
    TERMINATED = 143


_BY_ERROR: tuple[tuple[type[VmbootError], Exit], ...] = (
    (InputError, Exit.USAGE),
    (AmbiguousError, Exit.USAGE),
    (ConnectError, Exit.CONNECT),
    (AuthError, Exit.CONNECT),
    (NotFoundError, Exit.NOT_FOUND),
)


def exit_for(error: VmbootError) -> Exit:
    """The exit code of a command that ended with ``error``."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.FAILED)
