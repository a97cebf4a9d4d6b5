"""Files of a PVS site, made up for tests to the documented formats; nothing is the vendor's."""

from __future__ import annotations

import json
from collections.abc import Sequence

ANSWERS = (
    "FarmConfiguration=0\r\n"
    "UserPass=s3cret!\r\n"
    "IPServiceType=3\r\n"
    "PXEServiceType=1\r\n"
    "BootstrapFile=C:\\ProgramData\\Citrix\\Provisioning Services\\Tftpboot\\ARDBP32.BIN\r\n"
    "LS1=10.0.0.11,255.255.255.0,10.0.0.1,6910\r\n"
    "LS2=10.0.0.12,0.0.0.0,0.0.0.0,6911\r\n"
    "AdvancedVerbose=0\r\n"
    "AdvancedInterrultSafeMode=0\r\n"
    "AdvancedMemorySupport=1\r\n"
    "AdvancedRebootFromHD=0\r\n"
    "AdvancedRecoverSeconds=50\r\n"
    "AdvancedLoginPolling=5000\r\n"
    "AdvancedLoginGeneral=30000\r\n"
)


def answers(text: str = ANSWERS, *, big: bool = False) -> bytes:
    """An answer file."""
    return b"\xfe\xff" + text.encode("utf-16-be") if big else b"\xff\xfe" + text.encode("utf-16-le")


def csv_text(rows: Sequence[dict[str, str]], *, kind: str = "", delimiter: str = ",") -> str:
    """What Export-Csv writes: everything in quotes, CRLF, perhaps a type line."""
    lines = [f"#TYPE {kind}"] if kind else []
    lines.append(delimiter.join(f'"{name}"' for name in rows[0]))
    lines += [delimiter.join(f'"{value}"' for value in row.values()) for row in rows]
    return "".join(f"{line}\r\n" for line in lines)


def bootstrap(*addresses: str, port: str = "6910", **more: str) -> dict[str, str]:
    """A record of Get-PvsServerBootstrap."""
    padded = [*addresses, *["0.0.0.0"] * 4][: max(4, len(addresses))]
    record = {"Name": "ARDBP32.BIN"}
    for number, address in enumerate(padded, start=1):
        record[f"Bootserver{number}_Ip"] = address
        record[f"Bootserver{number}_Netmask"] = "255.255.255.0"
        record[f"Bootserver{number}_Gateway"] = "0.0.0.0"
        record[f"Bootserver{number}_Port"] = port
    return {**record, **more}


def server(name: str, address: str, *, port: str = "6910") -> dict[str, str]:
    """A record of Get-PvsServer, as far as it matters."""
    return {"ServerName": name, "SiteName": "Site", "FirstPort": port, "Ip": address}


def as_json(value: object) -> str:
    """What ConvertTo-Json writes."""
    return json.dumps(value, indent=4)


def ip_object(address: str) -> dict[str, object]:
    """How ConvertTo-Json writes a System.Net.IPAddress."""
    return {"Address": 184549386, "AddressFamily": 2, "ScopeId": None, "IPAddressToString": address}


def bios_program(version: str = "2402.0.100.12", *, inverted: bool = False) -> bytes:
    """Bytes with the version text of a PVS BIOS bootstrap in them."""
    text = f"Provisioning Services bootstrap v{version}".encode()
    data = (b"\xeb\x3c" + bytes(200) + text + b"\0").ljust(4096, b"\x90")
    return data.translate(bytes(255 - value for value in range(256))) if inverted else data


INI = "[boot]\r\nserver1=10.0.0.11\r\nserver2=10.0.0.12\r\nbackup=10.0.0.1\r\n"
"""A PVSBOOT.INI; its real keys are not public, so these are invented."""
