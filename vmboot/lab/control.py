"""The client of the lab's control API: counters, faults, and edits behind the client's back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any, Literal
from urllib.parse import urlsplit

from vmboot.errors import ConnectError, InputError, RefusedError

_SECONDS = 30.0

FaultKind = Literal[
    "task-fails",
    "slow-task",
    "fault",
    "not-authenticated",
    "no-permission",
    "drop-connection",
    "truncate-upload",
    "disk-full",
    "ignored",
]


@dataclass(frozen=True)
class Counters:
    """What reached the vCenter since the start or the last reset.

    :param writes: the part of ``calls`` that changes inventory or files
    :param folder_puts: uploads over HTTP, also counted as ``FolderPUT``
    """

    calls: Mapping[str, int]
    writes: Mapping[str, int]
    total_calls: int
    total_writes: int
    folder_puts: int
    folder_bytes: int


@dataclass(frozen=True)
class Rule:
    """Something a vCenter enforces, and how often the lab refused something by it."""

    name: str
    text: str
    refused: int


@dataclass(frozen=True)
class LabDisk:
    """A VMDK with a descriptor, attached or not.

    :param capacity: bytes, as ``allocated``
    :param allocated: what of it was ever written, in blocks of 1 MiB
    :param digest: SHA-256 of its bytes and size; a hole is the same as zeros
    :param attached: names of the VMs that have it or a child of it
    :param policy: id of its storage policy, which no property of the API shows
    """

    capacity: int
    allocated: int
    thin: bool
    digest: str
    attached: tuple[str, ...]
    policy: str


@dataclass(frozen=True)
class Control:
    """Steers one running lab.

    :param control: base URL of the control API, ``""`` when the lab has none
    """

    control: str
    token: str = field(repr=False)

    def counters(self) -> Counters:
        """What was called so far."""
        return Counters(**self._ask("GET", "/counters"))

    def reset_counters(self) -> None:
        """Start to count from nothing."""
        self._ask("POST", "/counters/reset")

    def fault(
        self,
        kind: FaultKind,
        *,
        method: str = "",
        vm: str = "",
        after: int = 0,
        count: int = 1,
        ms: int = 0,
        nbytes: int = 0,
        fault: str = "",
        message: str = "",
        privilege: str = "",
        when: Literal["before", "after"] = "before",
    ) -> None:
        """Inject a fault.

        :param method: API method (``"ReconfigVM_Task"``), ``"FolderPUT"``...; any when empty
        :param vm: name of the VM it strikes; any when empty. Of a disk task, the VM in whose
            directory the disk is made; of an import, the VM that it makes
        :param after: matching calls to let pass first
        :param count: how often it strikes; -1 for always
        :param ms: how much longer a ``slow-task`` takes
        :param nbytes: what a cut upload keeps; half of it when 0
        :param fault: type name of the fault; GenericVmConfigFault when empty
        :param when: whether a dropped connection drops before or after the call was done
        """
        self._ask(
            "POST",
            "/faults",
            {
                "kind": kind,
                "method": method,
                "vm": vm,
                "after": after,
                "count": count,
                "ms": ms,
                "bytes": nbytes,
                "fault": fault,
                "message": message,
                "privilege": privilege,
                "when": when,
            },
        )

    def faults(self) -> tuple[Mapping[str, Any], ...]:
        """The faults in force, each with ``struck``: how often it did."""
        return tuple(self._ask("GET", "/faults"))

    def clear_faults(self) -> None:
        """No more faults."""
        self._ask("DELETE", "/faults")

    def disks(self) -> Mapping[str, LabDisk]:
        """Every valid VMDK of every datastore, by ``"[datastore] path"``."""
        found = self._ask("GET", "/disks")
        return {
            path: LabDisk(**{**disk, "attached": tuple(disk["attached"])})
            for path, disk in sorted(found.items())
        }

    def switch(self, *, refuse_predicted_keys: bool) -> None:
        """Whether a boot order may only name devices that were there before its own call."""
        self._ask("POST", "/switches", {"refuse_predicted_keys": refuse_predicted_keys})

    def rules(self) -> tuple[Rule, ...]:
        """Every rule that the lab enforces beyond what the simulator does."""
        return tuple(Rule(**rule) for rule in self._ask("GET", "/rules"))

    def withhold_privilege(self, entity: str, *privileges: str) -> None:
        """Take privileges away on an inventory path and everything below it."""
        self._ask("POST", "/privileges", {"entity": entity, "missing": list(privileges)})

    def grant_privileges(self) -> None:
        """Give back all that was withheld."""
        self._ask("DELETE", "/privileges")

    def edit(self, vm: str, **changes: Any) -> None:
        """Change a VM as another administrator would, without a call that counts.

        :param vm: inventory path, or a name that only one VM has
        :param changes: ``name``, ``annotation``, ``boot_order`` (a list of ``cd``, ``disk``,
            ``nic``, ``floppy``; empty clears), ``boot_delay``, ``cd_iso`` (``""`` empties the
            drive), ``cd_start_connected``, ``power`` (``"on"``, ``"off"``), ``template``,
            ``extra_config``, ``tools``, ``ignores_shutdown``, ``locks_cd``, ``touch``
        """
        self._ask("POST", "/edit", {"vm": vm, **changes})

    def expire_sessions(self) -> int:
        """End every session; how many there were."""
        return int(self._ask("POST", "/session/expire")["expired"])

    def datastore(
        self,
        name: str,
        *,
        host: str = "",
        accessible: bool | None = None,
        mounted: bool | None = None,
        access_mode: str | None = None,
        free_mib: int | None = None,
        maintenance: str | None = None,
        type: str | None = None,  # the API's own word
    ) -> None:
        """Change what a host sees of a datastore; every host that mounts it when empty.

        :param free_mib: free space from now on; what is written and deleted changes it
        :param type: ``"VMFS"``, ``"NFS"`` or ``"vsan"``: there no flat extent has a path, and a
            directory is destroyed with its VM
        """
        changes = {
            "accessible": accessible,
            "mounted": mounted,
            "access_mode": access_mode,
            "free_mib": free_mib,
            "maintenance": maintenance,
            "type": type,
        }
        self._ask("POST", "/datastore", {"name": name, "host": host, **_given(changes)})

    def host_state(
        self, name: str, *, maintenance: bool | None = None, connection: str | None = None
    ) -> None:
        """Put a host into maintenance, or disconnect it (``connection="disconnected"``)."""
        changes = {"maintenance": maintenance, "connection": connection}
        self._ask("POST", "/host", {"name": name, **_given(changes)})

    def delays(self, *, delay_ms: int | None = None, task_ms: int | None = None) -> None:
        """Change how much longer calls and tasks take from now on."""
        self._ask("POST", "/delays", _given({"delay_ms": delay_ms, "task_ms": task_ms}))

    def lab_status(self) -> Mapping[str, Any]:
        """Number of VMs and sessions, capabilities, release of govmomi."""
        answer: Mapping[str, Any] = self._ask("GET", "/status")
        return answer

    def stop(self) -> None:
        """Ask the lab to end."""
        self._ask("POST", "/stop")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One request; the answer's JSON.

        :raises ConnectError: nobody answers
        :raises InputError: the lab does not take the request
        """
        if not self.control:
            raise RefusedError("this vCenter has no control API", hint="use a lab of vmboot's own")
        at = urlsplit(self.control)
        connection = HTTPConnection(at.hostname or "", at.port, timeout=_SECONDS)
        try:
            payload = None if body is None else json.dumps(body)
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request(method, path, body=payload, headers=headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, HTTPException, ValueError) as error:
            raise ConnectError(f"the lab at {self.control} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise InputError(f"lab: {method} {path}: {answer.get('error', response.status)}")
        return answer


def _given(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if value is not None}
