"""What the tests of imports import."""

from __future__ import annotations

import hashlib

from vmboot.media.vmdk import stream_optimized

MIB = 1 << 20
RAW = b"".join(
    (
        hashlib.shake_256(b"a boot disk").digest(3 * MIB),  # does not compress
        bytes(4 * MIB),
        b"its last sector".ljust(MIB, b"."),
    )
)
SHA256 = hashlib.sha256(RAW).hexdigest()
NAME = f"vmboot-boot-{SHA256[:12]}.vmdk"
PATH = f"vmboot/{NAME}"


def stream() -> bytes:
    """The same as a streamOptimized VMDK."""
    return stream_optimized(RAW)
