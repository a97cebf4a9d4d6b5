"""Trust, against a real TLS server on loopback."""

from __future__ import annotations

import hashlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from vmboot.errors import InputError
from vmboot.vsphere import tls


@dataclass(frozen=True)
class Server:
    port: int
    thumbprint: str
    certificate: Path


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    https = HTTPServer(("127.0.0.1", 0), Hello)
    https.socket = context.wrap_socket(https.socket, server_side=True)
    thread = threading.Thread(target=https.serve_forever, daemon=True)
    thread.start()
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    yield Server(https.server_address[1], hashlib.sha256(der).hexdigest(), certificate)
    https.shutdown()
    https.server_close()
    thread.join()


def get(server: Server, context: ssl.SSLContext, host: str = "localhost") -> int:
    connection = HTTPSConnection(host, server.port, context=context, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("spelling", [str.upper, tls.spell, str], ids=["upper", "colons", "plain"])
def test_the_right_pin_connects_though_the_certificate_is_self_signed(server: Server, spelling):
    assert get(server, tls.make_context(thumbprint=spelling(server.thumbprint))) == 200


def test_the_pin_counts_whatever_the_name(server: Server):
    assert get(server, tls.make_context(thumbprint=server.thumbprint), "127.0.0.1") == 200


def test_a_wrong_pin_is_refused_in_the_handshake_and_both_thumbprints_are_named(server: Server):
    pin = "ab" * 32
    with pytest.raises(tls.PinMismatchError) as refused:
        get(server, tls.make_context(thumbprint=pin))

    told = tls.connect_error(refused.value, host="localhost", port=server.port, pin=pin)
    assert tls.spell(server.thumbprint) in told.message
    assert tls.spell(pin) in told.message
    assert told.hint


def test_insecure_does_not_weaken_a_pin(server: Server):
    with pytest.raises(tls.PinMismatchError):
        get(server, tls.make_context(thumbprint="ab" * 32, insecure=True))


def test_a_stranger_is_refused_and_its_thumbprint_offered_for_comparing(server: Server):
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        get(server, tls.make_context())

    told = tls.connect_error(refused.value, host="localhost", port=server.port, pin=None)
    assert "not trusted" in told.message
    assert told.hint is not None
    assert tls.spell(server.thumbprint) in told.hint


def test_its_authority_makes_it_trusted(server: Server):
    assert get(server, tls.make_context(ca_file=str(server.certificate))) == 200


def test_an_authority_does_not_make_another_name_trusted(server: Server):
    with pytest.raises(ssl.SSLCertVerificationError):
        get(server, tls.make_context(ca_file=str(server.certificate)), "127.0.0.1")


def test_insecure_trusts_anybody(server: Server):
    assert get(server, tls.make_context(insecure=True)) == 200


def test_anybody_can_be_asked_for_the_thumbprint(server: Server):
    assert tls.peer_thumbprint("localhost", server.port) == server.thumbprint


def test_nobody_there_has_no_thumbprint():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert tls.peer_thumbprint("127.0.0.1", unused.getsockname()[1]) is None


@pytest.mark.parametrize("text", ["", "ab", "ab" * 20, "zz" * 32, "ab" * 33])
def test_what_is_no_sha256_is_refused(text: str):
    with pytest.raises(InputError, match="not a SHA-256 thumbprint"):
        tls.normalise(text)


def test_a_ca_file_that_is_missing_or_no_pem_is_refused(tmp_path: Path):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    for name in (str(nonsense), str(tmp_path / "missing.pem")):
        with pytest.raises(InputError, match="cannot be used"):
            tls.make_context(ca_file=name)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "no answer in time"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "WRONG_VERSION_NUMBER"),
    ],
)
def test_each_way_of_not_reaching_it_has_words_and_a_hint(error: OSError, words: str):
    told = tls.connect_error(error, host="vc", port=443, pin=None)

    assert told.message == f"cannot reach vc:443: {words}"
    assert told.hint
