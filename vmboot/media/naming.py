"""File names of media: a name that people chose, and the content."""

from __future__ import annotations

import re

from vmboot.errors import InputError

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def check_name(name: str) -> None:
    """Refuse a name that cannot be part of a file name on a datastore.

    :raises InputError: not 1 to 40 lower-case letters, digits and hyphens
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a name of lower-case letters, digits and '-'",
            hint="it becomes part of a file name: at most 40 of them, such as site-2",
        )


def content_name(name: str, digest: str, suffix: str) -> str:
    """``vmboot-<name>-<first 12 hex digits of the SHA-256>.<suffix>``."""
    return f"vmboot-{name}-{digest[:12]}.{suffix}"
