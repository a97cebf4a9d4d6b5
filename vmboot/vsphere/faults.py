"""Faults of the API, told as vmboot's errors: one mapping for every way a fault reaches us."""

from __future__ import annotations

from collections.abc import Mapping

from vmboot.errors import AuthError, RemoteError, VmbootError

CONNECTION_LOST = "ConnectionLost"
"""Our own fault name: the connection broke while a write was on its way; it may have happened."""
DEADLINE = "Deadline"
"""Our own fault name: a task did not end in the time allowed; it may still end."""
NOT_STARTED = "NotStarted"
"""Our own fault name: stopped before this write was sent; it certainly did not happen."""
TASK_GONE = "TaskGone"
"""Our own fault name: the vCenter forgot the task before its end was seen."""

UNKNOWN_OUTCOME = frozenset({CONNECTION_LOST, DEADLINE, TASK_GONE})
"""After one of these only a fresh read tells whether the write happened."""

HINTS: Mapping[str, str] = {
    "ConcurrentAccess": "somebody changed the machine meanwhile: run plan again",
    "InvalidPowerState": "this change needs another power state: power the machine off first",
    "InvalidDeviceSpec": "the device slot is taken or unknown: run plan again",
    "InvalidVmConfig": "run plan again; the machine's configuration does not allow this",
    "TaskInProgress": "another task works on the machine: wait for it, then run apply again",
    "FileNotFound": "the file vanished from its datastore: run apply again, it uploads it",
    "FileAlreadyExists": "a file of this name is there already; vmboot never overwrites",
    "NoDiskSpace": "free space on the datastore, or choose another one",
    "HostNotConnected": "the machine's host is disconnected: reconnect it, then run apply again",
    "HostNotReachable": "the vCenter cannot reach the machine's host",
    "ManagedObjectNotFound": "the machine was removed meanwhile: run plan again",
    "VmConfigFault": "the vCenter refuses this configuration; see its task list for the detail",
    "NotSupported": "the vCenter does not support this on such an object",
    "QuestionPending": "answer the machine's pending question in the vSphere client",
}


class SoapFault(Exception):
    """A fault as it came over the wire, before anybody judged it.

    :param name: type name as the API spells it, e.g. ``"NotAuthenticated"``
    :param facts: leaf fields of the fault by name, e.g. ``{"privilegeId": "..."}``
    """

    def __init__(self, name: str, message: str, facts: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
        self.facts: Mapping[str, str] = facts or {}


def error_of(fault: SoapFault) -> VmbootError:
    """The error a person gets for ``fault``."""
    message = fault.message.strip().rstrip(".") or fault.name
    if fault.name == "NoPermission":
        privilege, entity = fault.facts.get("privilegeId", "?"), fault.facts.get("object", "?")
        return AuthError(
            f"missing privilege {privilege} on {entity}",
            hint=f"grant {privilege} there to the user vmboot logs in with",
        )
    if fault.name in ("InvalidLogin", "NoSubjectName"):
        return AuthError(
            "the vCenter refuses this user name and password",
            hint="check user (name@domain) and password; a locked account looks the same. The "
            "password is taken from VMBOOT_PASSWORD, VMBOOT_PASSWORD_FILE, GOVC_PASSWORD, "
            "VMWARE_PASSWORD, the keyring or a prompt: the first that has one for this host",
        )
    if fault.name == "NotAuthenticated":
        return AuthError("the vCenter ended the session", hint="run the command again")
    return RemoteError(message, fault=fault.name, hint=HINTS.get(fault.name))


def is_unknown(error: VmbootError | None) -> bool:
    """True if the write this error belongs to may have happened all the same."""
    return isinstance(error, RemoteError) and error.fault in UNKNOWN_OUTCOME


def with_unknown_outcome(errors: Mapping[str, VmbootError]) -> frozenset[str]:
    """The keys of those errors after which the write may have happened, or may still."""
    return frozenset(key for key, error in errors.items() if is_unknown(error))
