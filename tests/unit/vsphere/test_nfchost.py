"""Where an import's bytes go, and who must not get them; against a real TLS server on loopback."""

from __future__ import annotations

import hashlib
import io
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from vmboot.errors import ConnectError, RemoteError
from vmboot.vsphere import tls
from vmboot.vsphere.credentials import Credentials
from vmboot.vsphere.nfchost import Destination, destination, post
from vmboot.vsphere.session import Session

BODY = b"the bytes of a disk" * 1000


@dataclass
class Host:
    """A stand-in for an ESXi host: what it was sent, and by which names it can be pinned."""

    port: int
    sha1: str
    sha256: str
    certificate: Path
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


def handler(received: list[tuple[dict[str, str], bytes]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((dict(self.headers), body))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=esx-1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    return key, made


@pytest.fixture
def host(certificate: tuple[Path, Path]) -> Iterator[Host]:
    key, made = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    der = ssl.PEM_cert_to_DER_cert(made.read_text())
    sha1, sha256 = hashlib.sha1(der).hexdigest(), hashlib.sha256(der).hexdigest()
    received: list[tuple[dict[str, str], bytes]] = []
    https = HTTPServer(("127.0.0.1", 0), handler(received))
    https.socket = context.wrap_socket(https.socket, server_side=True)
    thread = threading.Thread(target=https.serve_forever, daemon=True)
    thread.start()
    yield Host(https.server_address[1], sha1, sha256, made, received)
    https.shutdown()
    https.server_close()
    thread.join()


def session(**trust: Any) -> Session:
    """One that was never opened: it only tells whom to trust."""
    login = Credentials(host="vc.example.net", port=443, user="u", password="p", **trust)
    return Session(login)


def send(host: Host, by: Session, thumbprint: str) -> int:
    where = Destination("127.0.0.1", host.port, "/nfc/1/disk-0.vmdk", is_vcenter=False)
    headers = {"Content-Length": str(len(BODY)), "Content-Type": "application/x"}
    with post(
        by, where, thumbprint=thumbprint, open_body=lambda: io.BytesIO(BODY), headers=headers
    ) as reply:
        reply.read()
        return reply.status


VC = {"vcenter": "vc.example.net", "port": 8443}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://*/nfc/1/d.vmdk", Destination("vc.example.net", 8443, "/nfc/1/d.vmdk", True)),
        ("https://*:443/nfc/1/d", Destination("vc.example.net", 8443, "/nfc/1/d", True)),
        ("https://VC.example.net:8443/a", Destination("vc.example.net", 8443, "/a", True)),
        ("https://vc.example.net/a", Destination("vc.example.net", 443, "/a", False)),
        ("https://esx-1/nfc/1/d?x=y", Destination("esx-1", 443, "/nfc/1/d?x=y", False)),
        ("https://[fd00::1]:902/a", Destination("fd00::1", 902, "/a", False)),
    ],
)
def test_where_a_url_leads(url: str, expected: Destination):
    assert destination(url, **VC) == expected


@pytest.mark.parametrize(
    "url", ["", "http://*/nfc/1", "ftp://esx-1/a", "https://", "https://[x/a", "https://a:b/c"]
)
def test_what_is_no_https_address_is_refused(url: str):
    with pytest.raises(RemoteError) as refused:
        destination(url, **VC)

    assert refused.value.hint


def test_the_path_of_a_lease_is_nobodys_business():
    with pytest.raises(RemoteError) as refused:
        destination("http://esx-1:902/nfc/52d0c7-secret/disk-0.vmdk?t=1", **VC)

    assert refused.value.message.endswith("'http://esx-1:902'")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_the_host_that_the_vcenter_names_gets_the_bytes_and_no_cookie(host: Host, algorithm: str):
    digits = getattr(host, algorithm)

    assert send(host, session(), tls.spell(digits)) == 201
    ((headers, body),) = host.received
    assert body == BODY
    assert "Cookie" not in headers


@pytest.mark.parametrize("digits", ["ab" * 20, "ab" * 32], ids=["sha1", "sha256"])
@pytest.mark.parametrize("trust", [{}, {"insecure": True}], ids=["plain", "insecure"])
def test_another_certificate_than_the_named_one_gets_nothing(
    host: Host, digits: str, trust: dict[str, Any]
):
    with pytest.raises(ConnectError) as refused:
        send(host, session(**trust), digits)

    assert host.received == []
    assert tls.spell(host.sha256) in refused.value.message
    assert refused.value.hint is not None
    assert "somebody may be between" in refused.value.hint


def test_a_host_of_which_nothing_is_told_is_not_trusted(host: Host):
    with pytest.raises(ConnectError, match="not trusted"):
        send(host, session(), "")

    assert host.received == []


def test_nor_is_it_because_the_vcenter_itself_is_pinned(host: Host):
    with pytest.raises(ConnectError, match="not trusted"):
        send(host, session(thumbprint=host.sha256), "")

    assert host.received == []


def test_the_authority_of_the_vcenter_vouches_for_its_hosts(host: Host):
    assert send(host, session(ca_file=str(host.certificate)), "") == 201


def test_who_asked_for_no_checks_gets_none(host: Host):
    assert send(host, session(insecure=True), "") == 201


def test_a_host_that_is_not_there_is_named():
    where = Destination("127.0.0.1", 1, "/", is_vcenter=False)
    with (
        pytest.raises(ConnectError, match=r"127\.0\.0\.1:1"),
        post(
            session(),
            where,
            thumbprint="ab" * 20,
            open_body=lambda: io.BytesIO(b""),
            headers={},
        ),
    ):
        pytest.fail("it cannot answer")


def test_the_vcenter_itself_is_spoken_to_through_the_session():
    used: list[tuple[str, str]] = []

    class Fake:
        def http(self, method: str, target: str, **_: Any) -> Any:
            used.append((method, target))
            return io.BytesIO()

    where = destination("https://*/nfc/1", **VC)
    with post(
        cast(Session, Fake()), where, thumbprint="", open_body=lambda: io.BytesIO(b""), headers={}
    ):
        pass

    assert used == [("POST", "/nfc/1")]
