"""How a machine comes to trust a certificate: the pure plan, with what a person has to know.

vmboot sets one key and puts one file into the machine's folder. It never touches the NVRAM: a lost
.nvram file takes boot entries along, and a changed db the secrets that a virtual TPM has sealed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from shlex import quote

from vmboot.vsphere.cdrom import SlotPlan
from vmboot.vsphere.changes import Problem, SetExtra
from vmboot.vsphere.machine import Machine, SecureDb
from vmboot.vsphere.securedb import PLACES, setting

__all__ = ["plan_enrolment"]


def plan_enrolment(machine: Machine, db: SecureDb, *, file: str, is_there: bool = True) -> SlotPlan:
    """The first free place is taken, unless ``file`` has one already; no other is changed.

    :param db: the machine's settings as they are
    :param file: name of the certificate's file in the machine's own folder
    :param is_there: where the settings name it: so is the file. A clone has the settings alone; it
        gets the same setting once more, and with that its file
    """
    if file in db.files and is_there:
        return SlotPlan()
    files = (*db.files, *[""] * PLACES)[:PLACES]
    wanted = file if file in files else ""
    place = next((number for number, name in enumerate(files) if name == wanted), None)
    if place is None:
        full = Problem(
            f"its settings name {PLACES} certificates for Secure Boot already",
            hint=f"remove one of {setting(0)} to {setting(PLACES - 1)} that nothing needs",
        )
        return SlotPlan(problems=(full,))
    change = SetExtra(setting(place), files[place], file)
    return SlotPlan((change,), powered_off_only=True, problems=tuple(_warnings(machine, db, place)))


def _warnings(machine: Machine, db: SecureDb, place: int) -> Iterator[Problem]:
    yield Problem(
        "its firmware takes the certificate only while its NVRAM holds no Secure Boot variables: "
        "before its first start, or after its .nvram file was moved away (Broadcom KB 377306; not "
        "tried on an ESXi host)",
        hint=_next_step(machine, db, place),
        warning=True,
    )
    if db.replaces:
        yield Problem(
            "its firmware does not trust Microsoft's certificates: "
            "uefi.secureBoot.dbDefault.append is FALSE",
            hint="Windows does not start so; remove that setting if it has to",
            warning=True,
        )


def _next_step(machine: Machine, db: SecureDb, place: int) -> str:
    """Commands to type, for a machine that ran before."""
    store, _, folder = machine.home.partition("]")
    store, folder = store.removeprefix("["), folder.strip()
    name = db.nvram or f"{PurePosixPath(folder).name or machine.name}.nvram"
    old = f"{folder}/{name}".lstrip("/")
    return (
        "if it was started before: power it off, suspend BitLocker or whatever a virtual TPM "
        f"keeps first, then: govc datastore.mv -ds {quote(store)} {quote(old)} "
        f"{quote(f'{old}.before')} ; after its next start its vmware.log says: Added "
        f"{setting(place)} to dbDefault"
    )
