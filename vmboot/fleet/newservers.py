"""A boot server list as somebody gives it for an edit: texts become servers, or an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vmboot.errors import InputError
from vmboot.model import BootConfig, BootServer


def new_servers(texts: Sequence[str], *, what: str = "servers") -> tuple[BootServer, ...]:
    """``ADDRESS`` or ``NAME=ADDRESS`` each, in failover order.

    :param what: what errors begin with: the flag, or the parameter
    :raises InputError: there is none, one is listed twice or cannot be used
    """
    from vmboot.media.check import check

    hint = "write it as 10.0.0.21,pvs2=10.0.0.22"
    if not texts:
        raise InputError(f"{what}: no boot server is given", hint=hint)
    servers = tuple(map(_server, texts))
    twice = [a for a, n in Counter(server.address for server in servers).items() if n > 1]
    if twice:
        raise InputError(f"{what}: {twice[0]} is given twice", hint="leave one of them out")
    try:
        check(BootConfig(servers, {}, work=True))
    except InputError as error:
        raise InputError(f"{what}: {error.message}", hint=error.hint or hint) from None
    return servers


def _server(text: str) -> BootServer:
    name, equals, address = text.partition("=")
    return BootServer(address=address, name=name) if equals else BootServer(address=text)
