"""The boot program in our MBR: start the active partition, or say plainly why not.

Ours, because GRUB's own boot.img in the MBR ignores the active flag, so a disk whose flag was
cleared would boot all the same. It needs no installer: 440 bytes at most, position 0000:7c00,
moved to 0000:0600. The partition's first sector gets what an MBR hands over by custom: the drive
in DL, the partition's entry at DS:SI. Where nothing can be started it ends with int 18h, which
tells the BIOS to go on with its next boot device.

Sources: Ralf Brown's Interrupt List (int 10h AH=0Eh, int 13h AH=42h, int 18h); BIOS Boot
Specification 1.01, section 6.5.
"""

from __future__ import annotations

MAX_CODE = 440  # behind it: disk signature, partition table, 55 AA
NO_ACTIVE = "vmboot: no active partition"
UEFI_ONLY = "vmboot: this disk starts UEFI machines only"
_UNREADABLE = "vmboot: the active partition cannot be read"
_NOT_BOOTABLE = "vmboot: the active partition is not bootable"
_RUNS_AT = 0x0600
_PROGRAM = (
    "fa"  # cli
    "31c0 8ed0 bc007c"  # xor ax,ax; mov ss,ax; mov sp,7c00h
    "8ed8 8ec0 fb fc"  # mov ds,ax; mov es,ax; sti; cld
    "89e6 bf0006 b90001 f3a5"  # mov si,sp; mov di,600h; mov cx,256; rep movsw
    "ea1d060000"  # jmp 0:next
    "bebe07 b104"  # next: mov si,7beh (the table); mov cl,4
    "f60480 750a"  # look: test byte [si],80h; jnz found
    "83c610 e2f6"  # add si,16; loop look
    "be{none} eb31"  # mov si,none; jmp say
    "89f5"  # found: mov bp,si
    "666a00 66ff7408"  # push dword 0; push dword [si+8]: the block to read, 64 bits
    "0e 68007c 6a01 6a10"  # push cs; push 7c00h; push 1; push 16: to 0:7c00, one block, size
    "89e6 b442 cd13"  # mov si,sp; mov ah,42h; int 13h
    "be{unreadable} 7215"  # mov si,unreadable; jc say
    "be{not_bootable}"  # mov si,not_bootable
    "813efe7d55aa 750a"  # cmp word [7dfeh],0aa55h; jne say
    "bc007c 89ee ea007c0000"  # mov sp,7c00h; mov si,bp; jmp 0:7c00h
    "ac 84c0 7409"  # say: lodsb; test al,al; jz out
    "b40e bb0700 cd10 ebf2"  # mov ah,0eh; mov bx,7; int 10h; jmp say
    "cd18 f4 ebfd"  # out: int 18h; halt: hlt; jmp halt
)
_PROGRAM_SIZE = 0x75


def boot_code(*, none: str = NO_ACTIVE) -> bytes:
    """The program, padded to 440 bytes.

    :param none: what it says when no partition is active, in ASCII
    """
    texts = [f"{text}\r\n\0".encode("ascii") for text in (_UNREADABLE, _NOT_BOOTABLE, none)]
    at = [_RUNS_AT + _PROGRAM_SIZE + sum(map(len, texts[:n])) for n in range(3)]
    unreadable, not_bootable, none_at = (each.to_bytes(2, "little").hex() for each in at)
    program = bytes.fromhex(
        _PROGRAM.format(unreadable=unreadable, not_bootable=not_bootable, none=none_at)
    )
    return (program + b"".join(texts)).ljust(MAX_CODE, b"\0")
