"""A site's certificate in the Secure Boot db of a VM, by the VM's settings.

Documented for ESXi 7.0, 8.0 and 9.0 by Broadcom KB 377306 ("Secure Boot Custom Certificates"):
virtual firmware without Secure Boot variables in its NVRAM (a VM never started, or one whose .nvram
file is gone) fills db from Microsoft's certificates and from the DER files that the settings
``uefi.secureBoot.dbDefault.file0``, ``file1`` ... name in the VM's own folder. The key ``append``,
left alone here, would replace Microsoft's instead.

Not tried against an ESXi host: vmboot says what has to be done and does not do it by itself, since
a lost .nvram file takes boot entries along, and a changed db the secrets sealed by a virtual TPM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from shlex import quote

from vmboot.media.sign import Certificate

KEY = "uefi.secureBoot.dbDefault.file"
REPLACES = "uefi.secureBoot.dbDefault.append"
PLACES = 32


@dataclass(frozen=True)
class Enrolment:
    """What makes one VM trust a certificate from its next start with a fresh NVRAM.

    :param file_name: for ``data``, in the VM's own folder
    :param settings: advanced settings (extraConfig) to add; empty where they are there already
    :param steps: the whole procedure in plain words, with the commands of ``govc``
    :param warnings: what else it changes
    """

    file_name: str
    data: bytes
    settings: Mapping[str, str]
    steps: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_enrolment(
    certificate: Certificate,
    extra_config: Mapping[str, str],
    *,
    vm: str,
    datastore: str,
    folder: str,
) -> Enrolment:
    """How ``vm`` comes to trust ``certificate``. Pure: nothing is changed.

    :param extra_config: the VM's advanced settings as they are
    :param datastore: where the VM's own folder ``folder`` is
    """
    file_name = f"vmboot-{certificate.fingerprint[:12]}.der"
    settings = _settings(extra_config, file_name)
    return Enrolment(
        file_name=file_name,
        data=certificate.der,
        settings=settings,
        steps=_steps(
            settings,
            file_name,
            vm=vm,
            datastore=datastore,
            folder=folder,
            nvram=extra_config.get("nvram") or f"{PurePosixPath(folder).name}.nvram",
        ),
        warnings=_warnings(extra_config),
    )


def _settings(extra_config: Mapping[str, str], file_name: str) -> dict[str, str]:
    """The first free ``fileN``: firmware reads them from 0 on."""
    names = [f"{KEY}{number}" for number in range(PLACES)]
    if any(extra_config.get(name) == file_name for name in names):
        return {}
    free = next(name for name in names if not extra_config.get(name))
    return {free: file_name}


def _steps(
    settings: Mapping[str, str], file_name: str, *, vm: str, datastore: str, folder: str, nvram: str
) -> tuple[str, ...]:
    store, name, old = quote(datastore), quote(vm), f"{folder}/{nvram}"
    sent = f"{file_name} {quote(f'{folder}/{file_name}')}"
    moved = f"{quote(old)} {quote(f'{old}.before')}"
    key = next(iter(settings), f"{KEY}0")
    return (
        f"govc vm.power -s {name}",
        f"govc datastore.upload -ds {store} {sent}",
        *(f"govc vm.change -vm {name} -e {key}={value}" for key, value in settings.items()),
        f"only if it was started before: govc datastore.mv -ds {store} {moved}",
        f"govc vm.power -on {name}",
        f"its vmware.log then says: Added {key} to dbDefault",
    )


def _warnings(extra_config: Mapping[str, str]) -> tuple[str, ...]:
    found = [
        "a fresh NVRAM forgets the firmware's own boot entries; vCenter's boot order stays",
        "a changed db changes PCR 7: disks sealed by a virtual TPM (BitLocker) ask for their "
        "recovery key, so suspend that first",
        "taken from Broadcom KB 377306, not tried by vmboot's makers: do it to one VM first",
    ]
    if extra_config.get(REPLACES, "").upper() == "FALSE":
        found.append(f"{REPLACES} is FALSE: this VM does not trust Microsoft's certificates at all")
    return tuple(found)
