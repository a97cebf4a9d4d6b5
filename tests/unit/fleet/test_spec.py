"""A fleet document is read once, and whatever is wrong in it is said with its place."""

import ipaddress
from pathlib import Path

import pytest

from vmboot.errors import InputError
from vmboot.fleet.spec import Fleet, json_schema, load_fleet, parse_fleet
from vmboot.model import BootMethod, BootServer, Firmware, Network, NetworkMode, Transport

GOOD = """\
version: 1
vcenter: {host: vc.example.net, datacenter: DC1, port: 8443}
boot_servers:
  - {name: pvs1, address: 10.0.0.11}
  - 10.0.0.12
bootstrap:
  bios: {file: /ARDBP32.BIN, protocol: tftp}
  uefi: pvsnbpx64.efi
network: {mode: dhcp, vlan: 12}
media:
  iso: {datastore: auto, folder: vmboot, random_start: on}
targets:
  - {vms: "/DC1/vm/PVS/**/pvs-*", method: iso}
  - {vms: ["app-01", "1.10"], method: pxe, nic: 2}
templates:
  - {vms: "/DC1/vm/Templates/win11-pvs", method: iso}
rollout: {canary: 2, wave: "10%", max_failures: 2%, power: on-next-boot, pause: 0}
"""


def parse(text: str = GOOD) -> Fleet:
    return parse_fleet(text.encode())


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse(text)
    return caught.value


def test_a_good_document_says_what_the_iso_carries() -> None:
    config = parse().boot_config()
    assert config.servers == (BootServer("10.0.0.11", "pvs1"), BootServer("10.0.0.12"))
    assert config.bootstrap[Firmware.BIOS].file == "ARDBP32.BIN"
    assert config.bootstrap[Firmware.UEFI].transport is Transport.TFTP
    assert config.network == Network(mode=NetworkMode.DHCP, vlan=12)
    assert config.random_start is True


def test_a_good_document_says_which_machines_boot_how() -> None:
    fleet = parse()
    assert [entry.vms for entry in fleet.targets] == [
        ("/DC1/vm/PVS/**/pvs-*",),
        ("app-01", "1.10"),
    ]
    assert (fleet.targets[1].method, fleet.targets[1].nic) == (BootMethod.PXE, 2)
    assert fleet.uses_iso
    assert fleet.rollout.canary == "2"


def test_scalars_stay_the_text_they_are() -> None:
    text = GOOD.replace("uefi: pvsnbpx64.efi", "uefi: 1:20").replace("ARDBP32.BIN", "007")
    fleet = parse(text)
    assert fleet.boot_config().bootstrap[Firmware.UEFI].file == "1:20"
    assert fleet.boot_config().bootstrap[Firmware.BIOS].file == "007"


def test_a_static_address_is_an_address() -> None:
    static = "network: {mode: static, address: 10.0.0.5, netmask: 255.255.255.0}"
    network = parse(GOOD.replace("network: {mode: dhcp, vlan: 12}", static)).boot_config().network
    assert network.address == ipaddress.IPv4Address("10.0.0.5")


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("boot_servers:", "boot_servres:", "3:1: unknown key 'boot_servres'", "'boot_servers'"),
        ("method: pxe", "methd: pxe", "14:31: unknown key 'methd'", "'method'"),
        ("{host: vc", "{hosst: vc", "2:11: unknown key 'hosst'", "'host'"),
        ("folder: vmboot", "zzz: x", "11:26: unknown key 'zzz'", "known here: folder"),
        ("vlan: 12", "vlan: many", "9:29: network.vlan: should be a whole number", "'many'"),
        ("vlan: 12", "vlan: 4095", "9:29: network.vlan: should be less than or equal to 4094", ""),
        ("vlan: 12", "mode: dhcp", "9:23: key 'mode' is here twice; first in line 9", "remove"),
        ("method: pxe", "method: http", "14:39: method 'http' is not available", "pxe or bdm"),
        (
            "method: pxe",
            "method: usb",
            "14:39: targets[1].method: should be iso, pxe or bdm",
            "'usb'",
        ),
        ("nic: 2", "nic: 0", "14:49: targets[1].nic: should be greater than or equal to 1", "'0'"),
        ("version: 1\n", "", "key 'version' is missing", "version: 1"),
        ("version: 1\n", "version: 2\n", "1:10: version: should be 1", "'2'"),
        ("  iso: {", "  bdm: {size: 9}\n  iso: {", "11:15: media.bdm.size: should be auto", "'9'"),
        ("  iso: {", "  bdm: {size: 1M}\n  iso: {", "media.bdm.size: should be auto, or", "'1M'"),
        ("  iso: {", "  bdm: {way: nfc}\n  iso: {", "11:9: unknown key 'way'", "import"),
        ("  iso: {", "  bdm: {import: x}\n  iso: {", "media.bdm.import: should be auto", "'x'"),
        ("  iso: {", "  bdm: {impot: nfc}\n  iso: {", "unknown key 'impot'", "'import'"),
        ("  iso: {", "  secure_boot: {chain: shim}\n  iso: {", "should be none, shim-grub", "shim"),
        (
            "  iso: {",
            "  secure_boot: {chain: shim-grub, certificate: a.crt}\n  iso: {",
            "media.secure_boot: certificate belongs to chain site-key",
            "",
        ),
        (
            "  iso: {",
            "  secure_boot: {chain: site-key, enroll: true}\n  iso: {",
            "media.secure_boot: enroll needs certificate",
            "",
        ),
        ("targets:", "services: {}\ntargets:", "12:1: 'services' is not available", "remove"),
        ("port: 8443", "password: s3cret", "2:50: 'password' does not belong", "VMBOOT_PASSWORD"),
        ("port: 8443", "user: root", "2:50: 'user' does not belong", "VMBOOT_USER"),
        ("port: 8443", "thumbprint: AA:BB", "vcenter.thumbprint: should be a SHA-256", "AA:BB"),
        ("canary: 2", "canary: two", "17:19: rollout.canary: should be a number of", "'two'"),
        ("2%", "200%", "rollout.max_failures: should be a number of machines", "200%"),
        ("mode: dhcp,", "mode: static,", "9:10: network: mode static needs address", ""),
        ("vlan: 12", "gateway: 10.0.0.1", "gateway and dns belong to mode static", ""),
        ("random_start: on", "random_start: maybe", "11:56: media.iso.random_start", "'maybe'"),
        (
            "folder: vmboot",
            "folder: ../x",
            "11:34: media.iso.folder: should be a folder path",
            "../x",
        ),
        ("10.0.0.12", "10.0.0.11", "boot server 10.0.0.11 is listed twice", "slower"),
        ("network: {", "network: {{", "not YAML", "indentation"),
        ("version: 1", "[1, 2]", "not YAML", ""),
    ],
)
def test_a_mistake_is_named_with_its_place(old: str, new: str, message: str, hint: str) -> None:
    error = refusal(GOOD.replace(old, new, 1))
    assert message in str(error)
    assert str(error).startswith("fleet.yml:")
    assert hint in (error.hint or "")


def test_a_secret_in_the_file_is_not_repeated_in_the_message() -> None:
    error = refusal(GOOD.replace("port: 8443", "password: s3cret"))
    assert "s3cret" not in f"{error} {error.hint}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("- a\n- b\n", "is a mapping of keys"),
        ("version: 1\n", "the fleet has no machines"),
        ("version: 1\ntargets: [{vms: a, method: iso}]\n", "method iso needs boot_servers"),
        (
            "version: 1\nboot_servers: [a]\ntargets: [{vms: a, method: iso}]\n",
            "method iso needs a bootstrap",
        ),
        ("version: 1\ntargets: [{vms: [], method: pxe}]\n", "targets[0].vms"),
        ("? [a, b]\n: c\n", "a key must be a plain word"),
        ("version: 1\ntargets:\n\t- x\n", "fleet.yml:3:1: not YAML: a line begins with a tab"),
        (
            "version: 1\nboot_servers: [{address: 10.0.0.300}]\n",
            "fleet.yml:2:26: boot_servers[0].address: '10.0.0.300' is no IPv4 address",
        ),
        ("version: 1\nboot_servers: [10.0.0]\n", "fleet.yml:2:16: boot_servers[0].address"),
        ("x" * (1 << 20) + "y", "has more than 1048576 bytes"),
    ],
)
def test_a_document_that_cannot_be_meant_is_refused(text: str, message: str) -> None:
    assert message in str(refusal(text))


def test_nested_anchors_do_not_grow_without_end() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        inner = ", ".join([f"*a{level - 1}"] * 10)
        bomb += f"a{level}: &a{level} [{inner}]\n"
    assert "once aliases are followed" in str(refusal(bomb))


def test_an_anchor_that_holds_itself_ends() -> None:
    assert "levels" in str(refusal("a: &a [*a]\n"))


def test_several_mistakes_are_counted() -> None:
    error = refusal(GOOD.replace("nic: 2", "nic: x").replace("canary: 2", "canary: y"))
    assert "targets[1].nic" in str(error)
    assert "1 more problem" in (error.hint or "")


def test_pxe_needs_neither_servers_nor_bootstrap() -> None:
    fleet = parse("version: 1\ntargets: [{vms: app-*, method: pxe}]\nmedia:\nrollout:\n")
    assert not fleet.uses_iso
    assert fleet.targets[0].vms == ("app-*",)


BDM = """\
version: 1
boot_servers: [10.0.0.11]
bootstrap: {bios: ARDBP32.BIN}
media:
  bdm: {size: 16M, layout: gpt, import: flat, pxe_on_disk: on, retry_pause: 1}
  secure_boot: {chain: shim-grub}
targets: [{vms: a, method: bdm}]
"""


def test_method_bdm_has_a_section_of_its_own() -> None:
    fleet = parse(BDM)
    section = fleet.media.bdm
    assert (section.size, section.layout, section.way) == (16 << 20, "gpt", "flat")
    assert fleet.media.secure_boot.chain == "shim-grub"
    config = fleet.boot_config(BootMethod.BDM)
    assert (config.work, config.retry_pause) == (True, 1)
    assert fleet.boot_config().work is False
    assert fleet.builds == (BootMethod.BDM,)


def test_a_disk_that_asks_for_work_needs_no_bootstrap() -> None:
    fleet = parse(BDM.replace("bootstrap: {bios: ARDBP32.BIN}\n", ""))
    assert fleet.boot_config(BootMethod.BDM).bootstrap == {}
    plain = BDM.replace("bootstrap: {bios: ARDBP32.BIN}\n", "").replace("pxe_on_disk: on, ", "")
    assert "method bdm needs a bootstrap" in str(refusal(plain))


@pytest.mark.parametrize("method", ["iso", "bdm"])
def test_an_image_of_the_sites_own_needs_neither_servers_nor_bootstrap(method: str) -> None:
    text = f"version: 1\ntargets: [{{vms: a, method: {method}}}]\n"
    assert f"method {method} needs boot_servers" in str(refusal(text))
    fleet = parse(f"{text}media: {{{method}: {{image: pvs/bdm.img}}}}\n")
    assert fleet.builds == ()
    image = fleet.image(BootMethod(method))
    assert image == fleet.file.parent / "pvs/bdm.img"


def test_a_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        load_fleet(tmp_path / "fleet.yml")


def test_bytes_that_are_not_utf8_are_an_input_error() -> None:
    with pytest.raises(InputError, match="byte 9 is not UTF-8"):
        parse_fleet(b"version: \xff\n")


def test_a_snippet_is_read_from_its_file_or_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "extra.ipxe").write_text("echo hello\n")
    file = tmp_path / "fleet.yml"
    file.write_text(GOOD.replace("random_start: on", "snippet: extra.ipxe"))
    assert load_fleet(file).boot_config().snippet == "echo hello\n"
    file.write_text(GOOD.replace("random_start: on", "snippet: echo hi"))
    assert load_fleet(file).boot_config().snippet == "echo hi"
    file.write_text(GOOD.replace("random_start: on", "snippet: missing.ipxe"))
    with pytest.raises(InputError, match=r"cannot read .*missing\.ipxe"):
        load_fleet(file)


def test_the_schema_describes_every_key_and_forbids_others() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) >= {"version", "vcenter", "targets", "templates", "rollout"}
    assert schema["$defs"]["Target"]["properties"]["vms"]["anyOf"][0]["type"] == "string"
