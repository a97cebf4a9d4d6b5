"""Which vCenter a fleet document means."""

import pytest

from vmboot.errors import InputError
from vmboot.fleet.login import credentials_for
from vmboot.fleet.spec import parse_fleet

THUMBPRINT = ":".join(["AB"] * 32)
FLEET = """
version: 1
vcenter: {host: vc.example.net, port: 8443, thumbprint: "%s", ca_file: ca.pem}
targets: [{vms: pvs-001, method: pxe}]
"""
ENV = {"VMBOOT_USER": "me", "VMBOOT_PASSWORD": "hunter2"}


@pytest.fixture
def fleet(tmp_path):
    return parse_fleet((FLEET % THUMBPRINT).encode(), file=tmp_path / "fleet.yml")


def test_the_document_names_the_vcenter(fleet, tmp_path):
    found = credentials_for(fleet, env=ENV)
    assert (found.host, found.port, found.thumbprint) == ("vc.example.net", 8443, THUMBPRINT)
    assert found.ca_file == str(tmp_path / "ca.pem")


def test_a_given_host_wins_and_must_have_the_certificate_of_the_document(fleet):
    found = credentials_for(fleet, host="other:444", env=ENV)
    assert (found.host, found.port, found.thumbprint) == ("other", 444, THUMBPRINT)


def test_a_given_thumbprint_wins(fleet):
    assert credentials_for(fleet, thumbprint="cd" * 32, env=ENV).thumbprint == "cd" * 32


def test_a_document_without_a_host_leaves_it_to_the_environment():
    fleet = parse_fleet(b"version: 1\ntargets: [{vms: pvs-001, method: pxe}]")
    found = credentials_for(fleet, env={**ENV, "VMBOOT_HOST": "vc2:8989"})
    assert (found.host, found.port) == ("vc2", 8989)


def test_a_password_for_another_host_is_not_used(fleet):
    with pytest.raises(InputError):
        credentials_for(fleet, env={**ENV, "VMBOOT_HOST": "vc2"})
