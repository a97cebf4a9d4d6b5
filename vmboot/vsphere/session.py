"""One login to one vCenter, shared by all threads of a run.

A session that expired is opened again, once, and the call repeated: the fault ``NotAuthenticated``
proves that it was not carried out. A connection that breaks while a *write* is on its way proves
nothing; that is said with the fault name ``ConnectionLost``, and the caller reads again.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from xml.etree import ElementTree as ET
from xml.parsers.expat import ExpatError

from vmboot.errors import AuthError, ConnectError, RemoteError, VmbootError
from vmboot.events import Event, Sink, ignore
from vmboot.vsphere import faults, soap, tls
from vmboot.vsphere.about import About, about_of
from vmboot.vsphere.credentials import Credentials
from vmboot.vsphere.faults import SoapFault
from vmboot.vsphere.httppool import HttpPool, HttpReply
from vmboot.vsphere.identity import identity_of

if TYPE_CHECKING:
    from vmboot.vsphere.stub import Stub

__all__ = ["About", "Credentials", "Session", "connect"]

T = TypeVar("T")
POOL_SIZE = 10
TIMEOUT_S = 120.0
KEEPALIVE_S = 600.0
"""A vCenter ends sessions after 30 idle minutes by default."""
_UNREACHED = (ConnectionRefusedError, ssl.SSLCertVerificationError)
_BROKEN = (OSError, http.client.HTTPException, ExpatError, ET.ParseError)


class Session:
    """A logged-in connection. Made by :func:`connect`; a context manager that logs out."""

    def __init__(self, credentials: Credentials, *, sink: Sink = ignore) -> None:
        from vmboot.vsphere import stub

        self.host = credentials.host
        self.user = credentials.user
        self._credentials = credentials
        self._sink = sink
        self._context = tls.make_context(
            thumbprint=credentials.thumbprint,
            ca_file=credentials.ca_file,
            insecure=credentials.insecure,
        )
        self._stubs = stub
        self._stub: Stub = self._new_stub()
        self._pool = HttpPool(
            host=credentials.host,
            port=credentials.port,
            context=self._context,
            timeout_s=TIMEOUT_S,
        )
        self._login_lock = threading.Lock()
        self._generation = 0
        self._refused: AuthError | None = None
        self._session_key = ""
        self._closed = threading.Event()
        self.content: Any = None
        self.about: About = About("", "", "", "", False)

    def __repr__(self) -> str:
        return f"<Session {self.user}@{self.host}>"

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- opening and closing -------------------------------------------------------------------

    def open(self) -> None:
        """Connect and log in.

        :raises ConnectError: unreachable, or not the vCenter that was pinned
        :raises AuthError: the login was refused
        :raises RefusedError: there is nothing to tell it from other hosts by
        """
        if self._credentials.insecure and not self._credentials.thumbprint:
            self._sink(
                Event(
                    "session.insecure",
                    f"the identity of {self.host} is NOT checked: anybody in between can read "
                    "the password",
                    self.host,
                )
            )
        try:
            self._attempt(self._login, write=False)
        except AuthError as error:
            error.message += f": {self.user} at {self.host}"
            raise
        about = about_of(self.content.about)
        shown = None if about.uuid else self._certificate()
        self.about = replace(about, uuid=identity_of(self, about.uuid, shown))
        keeper = threading.Thread(target=self._keep_alive, name="vmboot-keepalive", daemon=True)
        keeper.start()

    def close(self) -> None:
        """Log out; a vCenter that does not answer any more is left alone. May be called twice."""
        if self._closed.is_set():
            return
        self._closed.set()
        try:
            if self.content is not None:
                self._attempt(self.content.sessionManager.Logout, write=True)
        except _NotLoggedInError:
            pass  # it expired: that is logged out, too
        except VmbootError as error:
            self._sink(Event("session.logout-failed", error.message, self.host))
        self._pool.close()
        self._stub.drop()

    @property
    def port(self) -> int:
        """The vCenter's port."""
        return self._credentials.port

    @property
    def session_key(self) -> str:
        """``UserSession.key`` of the present login."""
        return self._session_key

    def _certificate(self) -> str | None:
        where = self._credentials.host, self._credentials.port
        return tls.peer_thumbprint(*where, context=self._context)

    def _login(self) -> None:
        """Log in with a stub of its own, so that no other thread's reply disturbs it."""
        stub = self._new_stub()
        try:
            content = self._stubs.service_instance(stub).RetrieveContent()
            login = content.sessionManager.Login(self._credentials.user, self._credentials.password)
        finally:
            stub.drop()
        self._session_key = login.key
        self._stub.settle(stub.cookie)
        if self.content is None:
            self.content = self._adopt(content)

    def _adopt(self, content: Any) -> Any:
        """The same content with references that call through the shared stub."""
        for name, value in vars(content).items():
            if hasattr(value, "_GetMoId"):
                setattr(content, name, type(value)(value._GetMoId(), self._stub))
        return content

    def _login_again(self, seen: int) -> None:
        with self._login_lock:
            if self._generation != seen:
                return  # another thread has done it meanwhile
            if self._refused is not None:
                raise self._refused  # trying on would only lock the account
            self._sink(Event("session.relogin", f"logging in to {self.host} again", self.host))
            try:
                self._attempt(self._login, write=False)
            except AuthError as refused:
                self._refused = refused
                raise
            self._generation += 1

    def _new_stub(self) -> Stub:
        return self._stubs.open_stub(
            host=self._credentials.host,
            port=self._credentials.port,
            context=self._context,
            pool_size=POOL_SIZE,
            timeout_s=TIMEOUT_S,
        )

    def _keep_alive(self) -> None:
        while not self._closed.wait(KEEPALIVE_S):
            try:
                self.check()
            except VmbootError as error:
                self._sink(Event("session.keepalive-failed", error.message, self.host))

    # -- calls -----------------------------------------------------------------------------------

    def call(self, fn: Callable[[], T], *, write: bool = False) -> T:
        """Run ``fn``, which makes API calls through this session.

        :param write: ``fn`` changes something, so it is repeated only where it provably did not
            happen
        :raises RemoteError: the vCenter's fault; ``ConnectionLost`` for a write of unknown outcome
        :raises ConnectError: the vCenter cannot be reached
        :raises AuthError: a privilege is missing, or the new login was refused
        """
        seen = self._generation
        try:
            return self._attempt(fn, write=write)
        except _NotLoggedInError:
            self._login_again(seen)
        return self._attempt(fn, write=write)

    def soap_once(self, method: str, this: soap.Ref, arguments: str = "") -> ET.Element:
        """As :meth:`soap`, but never repeated: for a read that uses up what it names.

        :raises VmbootError: it failed in whatever way; its reply, if there was one, is lost
        """
        envelope = soap.request(method, this, arguments)
        return self._unbroken(lambda: self._mapped(lambda: soap.reply(self._post(envelope))))

    def soap(self, method: str, this: soap.Ref, arguments: str = "") -> ET.Element:
        """A read by hand-made SOAP; see :mod:`vmboot.vsphere.soap`.

        :param arguments: XML of the arguments
        :return: the response element
        """
        envelope = soap.request(method, this, arguments)
        return self.call(lambda: soap.reply(self._post(envelope)))

    def _post(self, envelope: bytes) -> bytes:
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{soap.NAMESPACE}/{soap.API_VERSION}"',
            "Cookie": self._stub.cookie,
        }
        with self._pool.request("POST", "/sdk", body=envelope, headers=headers) as response:
            data = response.read()
            if response.status not in (200, 500):
                raise http.client.HTTPException(f"{response.status} {response.reason}")
            return data

    @contextmanager
    def http(
        self,
        method: str,
        target: str,
        *,
        open_body: Callable[[], Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[HttpReply]:
        """One plain HTTPS request with the session's cookie, as ``/folder`` wants it.

        :param open_body: gives the body, a file-like object; called again when the session had
            expired and the request is repeated after a new login
        :raises ConnectError: it broke; a body may have been sent in part
        """
        with ExitStack() as stack:

            def send() -> http.client.HTTPResponse:
                sent = {"Cookie": self._stub.cookie, **(headers or {})}
                body = open_body() if open_body else None
                request = self._pool.request(method, target, body=body, headers=sent)
                return stack.enter_context(request)

            seen = self._generation
            response = self._unbroken(send)
            if response.status == http.client.UNAUTHORIZED:
                response.read()
                self._login_again(seen)
                response = self._unbroken(send)
            yield HttpReply(response, self._unbroken)

    def context_for(self, thumbprint: str) -> ssl.SSLContext:
        """What checks another host that this vCenter names, e.g. one of its ESXi hosts.

        :param thumbprint: what the vCenter says of the host's certificate, SHA-256 or SHA-1; ``""``
            where it says nothing: then the same authorities count as for the vCenter itself
        """
        if thumbprint:
            return tls.PinnedContext(tls.digits_of(thumbprint))
        return tls.make_context(
            ca_file=self._credentials.ca_file, insecure=self._credentials.insecure
        )

    def check(self) -> None:
        """A call that does nothing but prove, or renew, the login.

        :raises ConnectError: the vCenter cannot be reached
        """
        self.call(self._stubs.service_instance(self._stub).CurrentTime)

    def _unbroken(self, fn: Callable[[], T]) -> T:
        try:
            return fn()
        except _BROKEN as error:
            raise self._connect_error(error) from error

    def ref(self, kind: str, moid: str) -> Any:
        """A pyVmomi reference without a call: ``session.ref("VirtualMachine", "vm-42")``."""
        return self._stubs.managed_object(self._stub, kind, moid)

    def _attempt(self, fn: Callable[[], T], *, write: bool) -> T:
        """``fn`` once, or twice where a broken connection cannot have done harm."""
        try:
            return self._mapped(fn)
        except _BROKEN as error:
            if isinstance(error, ssl.SSLCertVerificationError):
                raise self._connect_error(error) from error
            if write and not isinstance(error, _UNREACHED):
                raise RemoteError(
                    f"the connection to {self.host} broke while a change was on its way",
                    fault=faults.CONNECTION_LOST,
                    hint="whether it happened shows only when the machine is read again",
                ) from error
        self._pool.close()
        try:
            return self._mapped(fn)
        except _BROKEN as error:
            raise self._connect_error(error) from error

    def _mapped(self, fn: Callable[[], T]) -> T:
        try:
            return fn()
        except self._stubs.MethodFault as raised:
            fault = self._stubs.soap_fault(raised)
        except SoapFault as raised:
            fault = raised
        if fault.name == "NotAuthenticated":
            raise _NotLoggedInError(fault)
        raise faults.error_of(fault)

    def _connect_error(self, error: BaseException) -> ConnectError:
        if not isinstance(error, OSError) or isinstance(error, http.client.RemoteDisconnected):
            return ConnectError(
                f"{self.host} broke off or answered nonsense: {error}",
                hint="check that this is a vCenter and that it is up; then run the command again",
            )
        credentials = self._credentials
        return tls.connect_error(
            error, host=self.host, port=credentials.port, pin=credentials.thumbprint
        )


class _NotLoggedInError(AuthError):
    """The session expired; :meth:`Session.call` opens it again."""

    def __init__(self, fault: SoapFault) -> None:
        error = faults.error_of(fault)
        super().__init__(error.message, hint=error.hint)


def connect(credentials: Credentials, *, sink: Sink = ignore) -> Session:
    """Open a session. Use it as a context manager: leaving it logs out.

    :raises ConnectError: unreachable, or not the vCenter that was pinned
    :raises AuthError: the login was refused
    """
    session = Session(credentials, sink=sink)
    session.open()
    return session
