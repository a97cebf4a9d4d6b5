"""The server list of a site, from an answer file, from CSV and from JSON."""

from __future__ import annotations

import pytest

from tests.unit.media.pvs_samples import (
    ANSWERS,
    answers,
    as_json,
    bootstrap,
    csv_text,
    ip_object,
    server,
)
from vmboot.errors import InputError, NotFoundError
from vmboot.media.check import check
from vmboot.media.pvslogin import LoginServer
from vmboot.media.pvsservers import parse_servers, read_servers
from vmboot.model import BootConfig, BootServer, Bootstrap, Firmware

TWO = (BootServer("10.0.0.11"), BootServer("10.0.0.12"))


def of_rows(*rows, **options):
    return parse_servers(csv_text(rows).encode(), file="x.csv", **options)


def test_the_answer_file_is_recognised():
    found = parse_servers(answers())
    assert (found.source, found.servers) == ("answers", TWO)
    assert found.notes == ("the login port is 6911, not 6910",)


def test_bootstraps_as_csv_are_recognised():
    found = of_rows(bootstrap("10.0.0.11", "10.0.0.12"))
    assert (found.source, found.servers) == ("bootstrap", TWO)
    assert found.logins[0] == LoginServer("10.0.0.11", "255.255.255.0")


def test_bootstraps_as_json_are_recognised_with_addresses_as_objects():
    record = {**bootstrap("10.0.0.11"), "Bootserver2_Ip": ip_object("10.0.0.12")}
    assert parse_servers(as_json(record).encode()).servers == TWO


def test_empty_places_in_a_bootstrap_are_left_out():
    assert of_rows(bootstrap("0.0.0.0", "10.0.0.11", "", "10.0.0.12")).servers == TWO


def test_servers_as_csv_have_names():
    rows = server("PVS1", "10.0.0.11,10.1.0.11"), server("PVS2", "10.0.0.12")
    found = of_rows(*rows)
    assert found.source == "servers"
    assert found.servers == (BootServer("10.0.0.11", "PVS1"), BootServer("10.0.0.12", "PVS2"))
    (note,) = found.notes
    assert note == "PVS1 has further streaming addresses (10.1.0.11); the first one is taken"


def test_a_name_that_a_fleet_document_cannot_have_is_left_out_and_told():
    found = of_rows(server("pvs süd 1", "10.0.0.11"), server("PVS2", "10.0.0.12"))
    assert found.servers == (BootServer("10.0.0.11"), BootServer("10.0.0.12", "PVS2"))
    assert check(BootConfig(found.servers, {Firmware.UEFI: Bootstrap("pvsnbpx64.efi")})) == ()
    (note,) = found.notes
    assert note.startswith("the name 'pvs süd 1' is left out")


def test_servers_as_json_have_lists_of_addresses():
    record = {"Name": "PVS1", "FirstPort": 6920, "Ip": [ip_object("10.0.0.11")]}
    found = parse_servers(as_json([record]).encode("utf-16"))
    assert found.logins == (LoginServer("10.0.0.11", port=6920, name="PVS1"),)
    assert found.notes == ("the login port is 6920, not 6910",)


def test_bootstraps_of_several_servers_must_be_alike():
    one, other = bootstrap("10.0.0.11", "10.0.0.12"), bootstrap("10.0.0.12", "10.0.0.11")
    assert of_rows(one, one).servers == TWO
    with pytest.raises(InputError, match=r"x\.csv:3: .*another list"):
        of_rows(one, other)


def test_a_bootstrap_that_asks_dns_is_told():
    found = of_rows(bootstrap("10.0.0.11", Lookup="True"))
    assert "asks DNS" in found.notes[0]


def test_more_servers_than_a_bios_bootstrap_knows_are_told_or_refused():
    rows = [server(f"P{n}", f"10.0.0.{n}") for n in range(1, 7)]
    assert "2 of these are more" in of_rows(*rows).notes[0]
    with pytest.raises(InputError, match="6 servers, and a BIOS bootstrap knows 4"):
        of_rows(*rows, bios=True)
    many = [server(f"P{n}", f"10.0.0.{n}") for n in range(1, 34)]
    with pytest.raises(InputError, match="33 servers, and boot media carry at most 32"):
        of_rows(*many)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([bootstrap("10.0.0.11", port="80")], r"x\.csv:2: Bootserver1_Port: '80' is not a number"),
        ([bootstrap("10.0.0.11", port="65537")], "1025 to 65536"),
        ([bootstrap("10.0.0")], r"Bootserver1_Ip: '10\.0\.0' is no IPv4 address"),
        ([{**bootstrap("10.0.0.11"), "Bootserver1_Gateway": "x"}], "Bootserver1_Gateway"),
        ([bootstrap("10.0.0.11", "10.0.0.11")], "listed twice"),
        ([bootstrap(*(f"10.0.0.{n}" for n in range(1, 6)))], "bootserver5_ip: a bootstrap has"),
        ([bootstrap()], "no boot server is set"),
        ([server("P", "System.Net.IPAddress[]")], r"Ip: Export-Csv wrote System.Net.IPAddress\[\]"),
        ([server("P", "")], "Ip: it is empty"),
        ([server("P", "10.0.0.11", port="x")], "FirstPort"),
        ([{"Name": "x"}], "no column Ip and no column Bootserver1_Ip"),
    ],
)
def test_what_cannot_be_meant_names_line_and_field(rows, words):
    with pytest.raises(InputError, match=words) as caught:
        of_rows(*rows)
    assert caught.value.hint


def test_an_answer_file_in_the_wrong_encoding_is_said_to_be_one():
    with pytest.raises(InputError, match="an answer file is UTF-16"):
        parse_servers(ANSWERS.encode())


def test_what_a_file_is_can_be_said():
    with pytest.raises(InputError, match="an answer file is UTF-16"):
        parse_servers(csv_text([server("P", "10.0.0.11")]).encode(), kind="answers")


def test_a_file_is_read(tmp_path):
    file = tmp_path / "x.json"
    file.write_text(as_json(server("PVS1", "10.0.0.11")))
    found = read_servers(file)
    assert found.to_json() == {
        "source": "servers",
        "servers": [
            {
                "address": "10.0.0.11",
                "name": "PVS1",
                "netmask": "0.0.0.0",
                "gateway": "0.0.0.0",
                "login_port": 6910,
            }
        ],
        "notes": [],
    }
    with pytest.raises(NotFoundError):
        read_servers(tmp_path / "gone.csv")
