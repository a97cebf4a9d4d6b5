"""What a fleet document may say: one model per section, each field with its limits and its words.

The descriptions feed the JSON schema and the reference in the documentation. Values arrive as text
(see :mod:`vmboot.fleet.specyaml`), and pydantic turns them into what is declared here.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vmboot.model import BootMethod, NetworkMode, Transport

#: How many boot servers one ISO or BDM disk may carry.
MAX_SERVERS = 32
MIB = 1 << 20
_SIZES = range(2 * MIB, 256 * MIB + 1)

_AMOUNT = re.compile(r"(?:\d+|(?:100|\d{1,2})(?:\.\d+)?%)\Z")


def _amount(value: Any) -> str:
    """A count (``3``) or a share (``2%``)."""
    text = str(value).strip()
    if not _AMOUNT.match(text):
        raise ValueError("should be a number of machines such as 3, or a share such as 2%")
    return text


def _size(value: Any) -> int | None:
    """``auto``, or a number of MiB such as ``8M``, in bytes."""
    text = str(value).strip()
    if text == "auto":
        return None
    match = re.fullmatch(r"(\d{1,6})M", text)
    size = int(match[1]) * MIB if match else 0
    if size not in _SIZES:
        raise ValueError("should be auto, or a size from 2M to 256M such as 8M")
    return size


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _address_only(value: Any) -> Any:
    return {"address": value} if isinstance(value, str) else value


def _file_only(value: Any) -> Any:
    return {"file": value} if isinstance(value, str) else value


def _is_address(value: str) -> str:
    """An address made of digits and dots only is meant to be an IPv4 address."""
    host = value.partition(":")[0]
    if host.replace(".", "").isdigit():
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            raise ValueError(f"{host!r} is no IPv4 address") from None
    return value


def _nothing_is_default(value: Any) -> Any:
    """``media:`` with nothing below it means the defaults."""
    return {} if value is None else value


Amount = Annotated[str, BeforeValidator(_amount, json_schema_input_type=int | str)]
Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
    Field(min_length=1),
]
Size = Annotated[int | None, BeforeValidator(_size, json_schema_input_type=str)]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._\-]+$", max_length=253)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Vcenter(Section):
    """Which vCenter. User and password come from the environment, a keyring or a prompt."""

    host: HostName | None = Field(None, description="host name; else VMBOOT_HOST or GOVC_URL")
    port: int = Field(443, ge=1, le=65535, description="of its API")
    datacenter: str | None = Field(None, description="only machines of this datacenter")
    thumbprint: str | None = Field(
        None,
        pattern=r"^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$",
        description="SHA-256 of the vCenter's certificate",
    )
    ca_file: str | None = Field(None, description="PEM file, relative to this document")


class Server(Section):
    """A host that serves the bootstrap."""

    address: Annotated[str, AfterValidator(_is_address)] = Field(
        pattern=r"^[A-Za-z0-9._\-]+(?::\d{1,5})?$",
        max_length=259,
        description="IPv4 address or DNS name, optionally with :port",
    )
    name: str = Field("", description="what people call it")


class BootstrapFile(Section):
    """The file the loader downloads and starts."""

    file: str = Field(
        min_length=1, pattern=r"^[^\s\x00-\x1f]+$", description="path on the boot server"
    )
    protocol: Transport = Transport.TFTP
    sha256: Sha256 | None = Field(None, description="what doctor compares the served file with")


class BootstrapFiles(Section):
    """Per firmware; media boot only the firmwares named here."""

    bios: Annotated[BootstrapFile, BeforeValidator(_file_only)] | None = None
    uefi: Annotated[BootstrapFile, BeforeValidator(_file_only)] | None = None


class NetworkSection(Section):
    """How a target gets its IPv4 configuration."""

    mode: NetworkMode = Field(
        NetworkMode.DHCP, description="static: address and netmask below, for one machine at a time"
    )
    address: ipaddress.IPv4Address | None = Field(
        None, description="mode static: the machine's own address"
    )
    netmask: ipaddress.IPv4Address | None = Field(
        None, description="mode static: such as 255.255.255.0"
    )
    gateway: ipaddress.IPv4Address | None = Field(
        None, description="mode static: where boot servers in other subnets are reached"
    )
    dns: ipaddress.IPv4Address | None = Field(
        None, description="mode static: for boot servers given by name"
    )
    vlan: int | None = Field(
        None,
        ge=1,
        le=4094,
        description="tag that the loader puts on its frames; not on access ports",
    )

    @model_validator(mode="after")
    def _complete(self) -> NetworkSection:
        static = self.mode is NetworkMode.STATIC
        if static and not (self.address and self.netmask):
            raise ValueError("mode static needs address and netmask")
        if not static and (self.address or self.netmask or self.gateway or self.dns):
            raise ValueError("address, netmask, gateway and dns belong to mode static")
        return self


class LoaderSection(Section):
    """What boot media of every kind have in common."""

    folder: str = Field(
        "vmboot",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_ .-]*(/[A-Za-z0-9_][A-Za-z0-9_ .-]*)*$",
        description="folder on the datastore",
    )
    name: str = Field(
        "boot",
        pattern=r"^[a-z0-9](?:[a-z0-9-]{0,29}[a-z0-9])?$",
        description="part of the file name of ISO or disk",
    )
    server_timeout: float = Field(3.0, ge=0.5, le=60, description="seconds a dead server costs")
    retry_pause: float = Field(5.0, ge=0, le=3600, description="seconds between two rounds")
    random_start: bool = Field(False, description="begin at a random server")
    snippet: str = Field("", description="iPXE commands, or the name of a file with them")
    image: str = Field(
        "",
        description="a site's own image instead of one that vmboot builds, relative to this "
        "document",
    )


class IsoSection(LoaderSection):
    """The boot ISO all targets of method iso share."""

    datastore: str = Field("auto", min_length=1, description="name, or auto")


class BdmSection(LoaderSection):
    """The BDM disk that each target of method bdm has a copy of."""

    layout: Literal["auto", "mbr", "gpt"] = Field("auto", description="of its partition table")
    size: Size = Field(
        None,
        description="of the disk: auto, or such as 8M",
        json_schema_extra={"default": "auto"},
    )
    way: Literal["auto", "nfc", "flat"] = Field(
        "auto",
        alias="import",
        description="how it gets onto a datastore; nfc: as an appliance, where an application is "
        "imported (works on vSAN too); flat: by file upload",
    )
    pxe_on_disk: bool = Field(
        False,
        description="ask the boot servers for work first; without work boot the machine's own disk",
    )


class SecureBootSection(Section):
    """What machines with Secure Boot get instead of the plain media."""

    chain: Literal["none", "shim-grub", "shim-ipxe", "site-key"] = Field(
        "none",
        description="how their firmware comes to the bootstrap; none: nothing else than the others",
    )
    certificate: str = Field(
        "",
        description="chain site-key: PEM or DER file of the certificate that loaders must be "
        "signed with, relative to this document; without it any that is not Microsoft's will do",
    )
    enroll: bool = Field(
        False,
        description="chain site-key: put the certificate into the Secure Boot db of these machines "
        "by their settings; not tried on an ESXi host",
    )

    @model_validator(mode="after")
    def _of_site_key(self) -> SecureBootSection:
        if self.certificate and self.chain != "site-key":
            raise ValueError("certificate belongs to chain site-key")
        if self.enroll and not self.certificate:
            raise ValueError("enroll needs certificate, and chain site-key")
        return self


class Media(Section):
    """What targets boot from."""

    iso: Annotated[IsoSection, BeforeValidator(_nothing_is_default)] = IsoSection()
    bdm: Annotated[BdmSection, BeforeValidator(_nothing_is_default)] = BdmSection()
    secure_boot: Annotated[SecureBootSection, BeforeValidator(_nothing_is_default)] = (
        SecureBootSection()
    )


class Target(Section):
    """Machines that boot alike."""

    vms: Patterns = Field(description="paths, globs or names; upper and lower case count")
    method: BootMethod = Field(
        description="iso: CD first, with the boot ISO; bdm: a boot disk of its own first; "
        "pxe: NIC first"
    )
    nic: int = Field(1, ge=1, le=10, description="which NIC boots with method pxe; 1 is the first")


class Rollout(Section):
    """How fast a rollout goes and when it stops."""

    canary: Amount = Field("1", description="machines of the first wave")
    wave: Amount = Field("100%", description="machines of each further wave")
    max_failures: Amount = Field("10%", description="a run stops when more machines failed")
    power: Literal["on-next-boot", "off"] = Field(
        "on-next-boot", description="off: shut machines down where a change needs it"
    )
    verify: Literal["none", "read-back", "boot-seen"] = Field(
        "read-back",
        description="the gate after the canary; read-back: it must read back as wished; "
        "boot-seen is not available in this version and reads back",
    )
    pause: float = Field(0, ge=0, le=86400, description="seconds between two waves")


class Document(Section):
    """A fleet document, version 1."""

    version: Literal["1"] = Field(
        json_schema_extra={"enum": [1, "1"], "type": ["integer", "string"]},
        description="of the format of this document",
    )
    vcenter: Annotated[Vcenter, BeforeValidator(_nothing_is_default)] = Vcenter()
    boot_servers: tuple[Annotated[Server, BeforeValidator(_address_only)], ...] = Field(
        (), max_length=MAX_SERVERS, description="the order is the failover order"
    )
    bootstrap: Annotated[BootstrapFiles, BeforeValidator(_nothing_is_default)] = BootstrapFiles()
    network: Annotated[NetworkSection, BeforeValidator(_nothing_is_default)] = NetworkSection()
    media: Annotated[Media, BeforeValidator(_nothing_is_default)] = Media()
    targets: tuple[Target, ...] = Field((), description="VMs that boot alike, an entry per kind")
    templates: tuple[Target, ...] = Field((), description="the same for VM templates")
    rollout: Annotated[Rollout, BeforeValidator(_nothing_is_default)] = Rollout()
