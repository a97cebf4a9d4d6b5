"""Tiny bootstraps that prove a boot: they print one line and stop.

They stand in for the real bootstrap when a rehearsal has none to hand. Both are emitted here as
bytes, without a compiler, and are the same bytes every time. Each prints its line on the screen
and, by itself, on the first serial port (0x3f8), so the proof does not depend on the firmware's
console redirection.

References: PXE 2.1 section 4.4 (a BIOS bootstrap runs at 0000:7c00), Microsoft PE/COFF
specification, UEFI 2.10 section 2.3.4 (x64 calling convention) and 12.4 (OutputString).
"""

from __future__ import annotations

import struct

from vmboot.model import Firmware

MARKER = "VMBOOT-REHEARSAL-OK"

_COM1 = 0x3F8
_PE_ALIGNMENT = 0x200
_SECTION_ADDRESS = 0x1000


def marker_line(firmware: Firmware) -> str:
    """What the bootstrap for ``firmware`` prints, without the line end."""
    return f"{MARKER} {firmware.value}"


def marker_bootstrap(firmware: Firmware) -> bytes:
    """The bootstrap that prints :func:`marker_line` and stops the processor."""
    return bios_bootstrap() if firmware is Firmware.BIOS else uefi_bootstrap()


def bios_bootstrap() -> bytes:
    """A 16-bit program for 0000:7c00: to the serial port, then to the screen, then halt.

    Not letter by letter to both: a BIOS that copies its screen to the serial port would double
    every letter.
    """
    text = f"\r\n{marker_line(Firmware.BIOS)}\r\n".encode("ascii") + b"\0"
    serial = b"\x89\xc3"  # mov bx, ax
    serial += b"\xba" + struct.pack("<H", _COM1 + 5)  # mov dx, line status
    serial += b"\xec\xa8\x20\x74\xfb"  # wait: in al,dx; test al,20h (empty?); jz wait
    serial += b"\xba" + struct.pack("<H", _COM1)  # mov dx, data
    serial += b"\x88\xd8\xee"  # mov al,bl; out dx,al
    screen = b"\xb4\x0e\xbb\x07\x00\xcd\x10"  # mov ah,0eh; mov bx,7; int 10h
    code = bytearray()
    code += b"\xe8\x00\x00"  # call next: leaves our address on the stack, wherever we run
    code += b"\x5e"  # pop si
    code += b"\x83\xc6\x00"  # add si, distance to the text: filled in below
    distance_at = len(code) - 1
    code += b"\x0e\x1f\xfc\x56"  # push cs; pop ds; cld; push si
    code += _for_each_letter(serial)
    code += b"\x5e"  # pop si
    code += _for_each_letter(screen)
    code += b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp to hlt
    code[distance_at] = len(code) - 3
    return bytes(code) + text


def _for_each_letter(body: bytes) -> bytes:
    """16-bit loop that runs ``body`` with each letter at SI in AL, up to the closing zero."""
    head = b"\xac\x84\xc0\x74" + struct.pack("b", len(body) + 2)  # lodsb; test al,al; jz out
    return head + body + b"\xeb" + struct.pack("b", -len(head) - len(body) - 2)  # jmp to head


def uefi_bootstrap() -> bytes:
    """A PE32+ x64 EFI application that prints on ConOut and the serial port, then halts."""
    section = _uefi_code(f"\r\n{marker_line(Firmware.UEFI)}\r\n")
    return _pe_headers(len(section)) + _padded(section, _PE_ALIGNMENT)


def _uefi_code(text: str) -> bytes:
    """Position-independent code followed by the text as ASCII and as UTF-16."""
    narrow = text.encode("ascii") + b"\0"
    wide = text.encode("utf-16-le") + b"\0\0"
    code = bytearray()
    code += b"\x48\x83\xec\x28"  # sub rsp,40: shadow space, and keeps the stack 16-aligned
    code += b"\x48\x89\xd3"  # mov rbx, rdx: the system table
    code += b"\x48\x8d\x35" + bytes(4)  # lea rsi, [rip + narrow]
    narrow_at = len(code)
    serial = len(code)
    code += b"\xac\x84\xc0"  # lodsb; test al, al
    code += b"\x74\x12"  # jz screen
    code += b"\x88\xc1"  # mov cl, al
    code += b"\x66\xba" + struct.pack("<H", _COM1 + 5)  # mov dx, line status
    code += b"\xec\xa8\x20\x74\xfb"  # wait: in al,dx; test al,20h; jz wait
    code += b"\x66\xba" + struct.pack("<H", _COM1)  # mov dx, data
    code += b"\x88\xc8\xee"  # mov al,cl; out dx,al
    code += b"\xeb" + struct.pack("b", serial - len(code) - 2)  # jmp serial
    code[serial + 4] = len(code) - (serial + 5)
    code += b"\x48\x8b\x4b\x40"  # screen: mov rcx, [rbx+40h]: ConOut
    code += b"\x48\x8d\x15" + bytes(4)  # lea rdx, [rip + wide]
    wide_at = len(code)
    code += b"\xff\x51\x08"  # call [rcx+8]: OutputString
    code += b"\xf4\xeb\xfd"  # hlt; jmp to hlt
    code[narrow_at - 4 : narrow_at] = struct.pack("<i", len(code) - narrow_at)
    code[wide_at - 4 : wide_at] = struct.pack("<i", len(code) + len(narrow) - wide_at)
    return bytes(code) + narrow + wide


def _pe_headers(section_size: int) -> bytes:
    """DOS stub, COFF header, PE32+ optional header and one section header, file-aligned."""
    raw_size = len(_padded(bytes(section_size), _PE_ALIGNMENT))
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    directories = 16
    optional_size = 112 + 8 * directories
    # machine x64, 1 section, no time stamp or symbols; executable, large addresses, no debug
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, optional_size, 0x0222)
    optional = struct.pack(
        "<HBBIIIII", 0x20B, 0, 0, raw_size, 0, 0, _SECTION_ADDRESS, _SECTION_ADDRESS
    )
    optional += struct.pack("<QII", 0, _SECTION_ADDRESS, _PE_ALIGNMENT)
    optional += struct.pack("<HHHHHHI", 0, 0, 0, 0, 0, 0, 0)
    optional += struct.pack("<III", 2 * _SECTION_ADDRESS, _PE_ALIGNMENT, 0)
    optional += struct.pack("<HH", 10, 0)  # subsystem: EFI application
    optional += struct.pack("<QQQQII", 0, 0, 0, 0, 0, directories)
    optional += bytes(8 * directories)
    section = struct.pack(
        "<8sIIIIIIHHI",
        b".text",
        section_size,
        _SECTION_ADDRESS,
        raw_size,
        _PE_ALIGNMENT,
        0,
        0,
        0,
        0,
        0x60000020,  # code, executable, readable
    )
    return _padded(dos + coff + optional + section, _PE_ALIGNMENT)


def _padded(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)
