"""The wire of the lab network: one tap device for the servers, one UDP port for the machine.

QEMU's ``-netdev socket,udp=`` sends each Ethernet frame as one datagram; this hub passes frames
between it and the tap. Every frame of the boot goes through here, so the observer misses none,
and a VLAN tag is taken off and put on here, so VLAN boots need no kernel support.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol

from vmboot.lab.network_frames import tagged, untagged, vlan_of

_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_FRAME_LIMIT = 65536


class Observer(Protocol):
    """Told of each frame as the machine's side sees it.

    ``at`` is seconds on the monotonic clock, ``stamp`` seconds since the epoch.
    """

    def __call__(self, at: float, stamp: float, frame: bytes) -> None: ...


def open_tap(name: str) -> int:
    """A new tap device ``name``; it goes away when the returned descriptor is closed.

    :raises OSError: no ``/dev/net/tun``, or not permitted
    """
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        request = struct.pack("16sH22x", name.encode("ascii"), _IFF_TAP | _IFF_NO_PI)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Hub:
    """Passes frames between the tap and the machine.

    :param tap: descriptor from :func:`open_tap`
    :param listen: UDP port of the hub on 127.0.0.1
    :param machine: UDP port of QEMU on 127.0.0.1
    :param vlan: the machine's frames must carry this id; others reach nobody
    """

    def __init__(
        self, *, tap: int, listen: int, machine: int, vlan: int | None, observer: Observer
    ) -> None:
        self._tap = tap
        self._vlan = vlan
        self._observer = observer
        self._machine = ("127.0.0.1", machine)
        self._link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self._link.bind(("127.0.0.1", listen))
        self._link.setblocking(False)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Pass frames until ``stopped`` says so (asked every 0.1 s when nothing moves)."""
        poller = select.poll()
        poller.register(self._tap, select.POLLIN)
        poller.register(self._link, select.POLLIN)
        while not stopped():
            for descriptor, _ in poller.poll(100):
                if descriptor == self._tap:
                    self._to_machine()
                else:
                    self._to_servers()

    def _to_machine(self) -> None:
        try:
            frame = os.read(self._tap, _FRAME_LIMIT)
        except BlockingIOError:
            return
        if self._vlan is not None:
            frame = tagged(frame, self._vlan)
        self._observer(time.monotonic(), time.time(), frame)
        try:
            self._link.sendto(frame, self._machine)
        except OSError:  # the machine is not there yet, or no longer
            return

    def _to_servers(self) -> None:
        try:
            frame = self._link.recv(_FRAME_LIMIT)
        except OSError:  # nothing left, or a late "port unreachable" for something we sent
            return
        self._observer(time.monotonic(), time.time(), frame)
        if vlan_of(frame) != self._vlan:
            return
        try:
            os.write(self._tap, untagged(frame))
        except OSError:  # a frame the kernel will not take, e.g. too short: lost, as on a wire
            return
