"""The demo's own fleet document; vmboot's examples have one for a real site."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vmboot.model import Firmware

DEAD, ALIVE = "192.0.2.11", "192.0.2.12"  # TEST-NET-1 (RFC 5737); played in an isolated network
FILES = {Firmware.BIOS: "demo.bin", Firmware.UEFI: "demo.efi"}
FOLDERS = {Firmware.BIOS: "/DC1/vm/PVS/BIOS/*", Firmware.UEFI: "/DC1/vm/PVS/UEFI/*"}
TEMPLATES = {
    Firmware.BIOS: ("tpl-win10-bios", "tpl-rhel-bios"),
    Firmware.UEFI: ("tpl-win11-pvs", "tpl-linux-uefi"),
}


def fleet_text(*, host: str, port: int, thumbprint: str, firmwares: Collection[Firmware]) -> str:
    """A fleet document for the lab's ordinary machines with one of ``firmwares``."""
    chosen = sorted(firmwares)
    lines = [
        "version: 1",
        f'vcenter: {{host: "{host}", port: {port}, thumbprint: "{thumbprint}"}}',
        "boot_servers:          # the order is the failover order; the first one is dead",
        f"  - {{name: pvs1, address: {DEAD}}}",
        f"  - {{name: pvs2, address: {ALIVE}}}",
        "bootstrap:",
        *(f"  {firmware.value}: {{file: {FILES[firmware]}}}" for firmware in chosen),
        "targets:",
        *(f'  - {{vms: "{FOLDERS[firmware]}", method: iso}}' for firmware in chosen),
        "templates:",
        *(f'  - {{vms: "{pattern}", method: iso}}' for pattern in _templates(chosen)),
    ]
    return "\n".join(lines) + "\n"


def _templates(firmwares: Sequence[Firmware]) -> list[str]:
    """Patterns for the templates with these firmwares; they lie in one folder."""
    if len(firmwares) == len(Firmware):
        return ["/DC1/vm/Templates/*"]
    names = (name for firmware in firmwares for name in TEMPLATES[firmware])
    return [f"/DC1/vm/Templates/{name}" for name in names]
