"""The pyVmomi connection. Imported only when a session is opened, because pyVmomi is slow to load.

pyVmomi takes over any cookie a reply brings. With several threads a late reply to an expired
session would overwrite the cookie of the new login, so here the cookie is set by us alone.
"""

from __future__ import annotations

import ssl
from typing import Any

from pyVmomi import vim as _vim
from pyVmomi import vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter

from vmboot.vsphere.faults import SoapFault

vim: Any = _vim  # its types are made at run time
_VERSION = "vim.version.version11"  # soap.API_VERSION in pyVmomi's words
POOL_IDLE_S = 30
"""Younger than what load balancers and the vCenter's proxy keep idle connections for."""

MethodFault: type[Exception] = vmodl.MethodFault


class Stub(SoapStubAdapter):
    """A SOAP connection pool whose cookie stays what :meth:`settle` made it."""

    _settled: str | None = None
    _offered: str = ""

    @property
    def cookie(self) -> str:
        return self._offered if self._settled is None else self._settled

    @cookie.setter
    def cookie(self, value: str) -> None:
        self._offered = value

    def drop(self) -> None:
        """Close the idle connections."""
        drop: Any = self.DropConnections
        drop()

    def settle(self, cookie: str) -> None:
        """Use ``cookie`` from now on, whatever replies say."""
        self._settled = cookie


def open_stub(
    *, host: str, port: int, context: ssl.SSLContext, pool_size: int, timeout_s: float
) -> Stub:
    """A stub for ``https://host:port/sdk``; connects with the first call."""
    make: Any = Stub
    stub: Stub = make(
        host=host,
        port=port,
        path="/sdk",
        version=_VERSION,
        sslContext=context,
        poolSize=pool_size,
        connectionPoolTimeout=POOL_IDLE_S,
        httpConnectionTimeout=timeout_s,
    )
    return stub


def service_instance(stub: Stub) -> Any:
    """The root of the API."""
    return vim.ServiceInstance("ServiceInstance", stub)


def managed_object(stub: Stub, kind: str, moid: str) -> Any:
    """A reference without a call, e.g. ``managed_object(stub, "VirtualMachine", "vm-42")``."""
    return getattr(vim, kind)(moid, stub)


def soap_fault(fault: Any) -> SoapFault:
    """pyVmomi's exception as the plain one."""
    name = type(fault).__name__.rpartition(".")[2]
    facts = {
        key: value._GetMoId() if hasattr(value, "_GetMoId") else str(value)
        for key, value in vars(fault).items()
        if isinstance(value, str | int) or hasattr(value, "_GetMoId")
    }
    return SoapFault(name, str(getattr(fault, "msg", "") or ""), facts)
