"""Media of ours whose UEFI side is GRUB: its script against the other side, or its config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vmboot.errors import MediaError
from vmboot.media.grubread import is_grub_script, parse_grub
from vmboot.media.own import OwnMedia
from vmboot.model import BootConfig


def with_grub_scripts(own: OwnMedia, scripts: Sequence[bytes]) -> OwnMedia:
    """``own`` with what the GRUB scripts add.

    :param scripts: copies of one script, the one that boots first; those of strangers are left out
    """
    ours = [text for raw in scripts if is_grub_script(text := raw.decode("ascii", "replace"))]
    if not ours:
        return own
    problems = list(own.problems)
    if len(set(ours)) > 1:
        problems.append("the copies of the GRUB script are not the same")
    try:
        config = parse_grub(ours[0])
    except MediaError as error:
        return replace(
            own, problems=(*problems, f"the GRUB script cannot be read: {error.message}")
        )
    if own.config is not None and _asked(own.config) != _asked(config):
        problems.append("the BIOS and the UEFI side of the media carry different scripts")
    return replace(own, config=own.config or config, problems=tuple(problems))


def _asked(config: BootConfig) -> tuple[object, ...]:
    """What both languages can say."""
    return config.servers, config.network
