"""``/vmboot.json``: what media were made of, readable without booting it.

It repeats the config and names the loaders; the user's snippet, which may hold a password, is
represented by its digest only.
"""

from __future__ import annotations

import hashlib
from typing import Any

from vmboot.media.loaders import LoaderSet
from vmboot.model import BootConfig, Network

FORMAT = 1


def make_manifest(config: BootConfig, loaders: LoaderSet, script: bytes) -> dict[str, Any]:
    """The manifest as a JSON object; no clock, host name or path of this machine goes in."""
    return {
        "format": FORMAT,
        "made_by": "vmboot",
        "servers": [{"address": each.address, "name": each.name} for each in config.servers],
        "bootstrap": {
            firmware.value: {
                "file": bootstrap.file,
                "protocol": bootstrap.transport.value,
                "sha256": bootstrap.sha256,
            }
            for firmware, bootstrap in sorted(config.bootstrap.items())
        },
        "network": _network(config.network),
        "server_timeout": config.server_timeout,
        "retry_pause": config.retry_pause,
        "random_start": config.random_start,
        **({"work": True} if config.work else {}),
        "snippet_sha256": _digest(config.snippet.encode()) if config.snippet else None,
        "script_sha256": _digest(script),
        "loaders": {
            part: {
                "kind": loader.kind,
                "version": loader.version,
                "sha256": loader.sha256,
                "signers": list(loader.signers),
            }
            for part, loader in sorted(loaders.loaders.items())
            if loader.firmware in config.firmwares
        },
    }


def _network(network: Network) -> dict[str, Any]:
    values = {
        "address": network.address,
        "netmask": network.netmask,
        "gateway": network.gateway,
        "dns": network.dns,
    }
    given = {name: str(value) for name, value in values.items() if value is not None}
    vlan = {} if network.vlan is None else {"vlan": network.vlan}
    return {"mode": network.mode.value, **given, **vlan}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
