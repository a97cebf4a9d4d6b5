"""The inside of the lab network. Runs as the first process of its own namespaces.

Started by :mod:`vmboot.lab.network` as ``python -m vmboot.lab.netns``. It reads its configuration
as one JSON line on stdin, then one JSON line per program to start; it writes one JSON line per
event on stdout. When stdin ends it ends, and the kernel ends everything in the namespaces with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from vmboot.errors import VmbootError
from vmboot.lab.netns_http import serve_http
from vmboot.lab.netns_hub import Hub, open_tap
from vmboot.lab.network_pcap import PcapWriter
from vmboot.lab.network_plan import LabPlan, dnsmasq_config
from vmboot.lab.network_wire import WireWatch

INTERFACE = "lab0"
HUB_PORT, MACHINE_PORT = 20001, 20002  # UDP on the namespace's own loopback: nobody else is there


class _Reporter:
    """Writes events; several threads may."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def tell(self, event: str, **facts: Any) -> None:
        with self._lock:
            self._stream.write(json.dumps({"event": event, **facts}) + "\n")
            self._stream.flush()


def set_up_links(plan: LabPlan) -> int:
    """Bring up the loopback and the tap with every owned address; the tap's descriptor.

    Whatever the lab does not own vanishes without an ICMP error: a dead server says nothing.

    :raises OSError: the tap was not permitted
    :raises subprocess.CalledProcessError: ``ip`` refused a step
    """
    tap = open_tap(INTERFACE)
    steps = ["link set lo up", f"link set {INTERFACE} addrgenmode none"]
    for address in plan.owned:
        inside = plan.lease and address == plan.gateway  # DHCP wants the subnet on the interface
        length = plan.subnet.prefixlen if inside else 32
        steps.append(f"address add {address}/{length} dev {INTERFACE}")
    steps.append(f"link set {INTERFACE} up")
    steps.append(f"route replace {plan.subnet} dev {INTERFACE}")
    steps.append("route add blackhole default")
    subprocess.run(
        ["ip", "-batch", "-"],
        input="\n".join(steps) + "\n",
        text=True,
        check=True,
        capture_output=True,
    )
    return tap


@contextmanager
def _dnsmasq(plan: LabPlan, *, program: str, root: str, work: Path) -> Iterator[None]:
    config = work / "dnsmasq.conf"
    text = dnsmasq_config(plan, interface=INTERFACE, root=root, lease_file=str(work / "leases"))
    config.write_text(text)
    with (work / "dnsmasq.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "--keep-in-foreground", f"--conf-file={config}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()


@contextmanager
def _hub(plan: LabPlan, *, tap: int, machine: bytes, pcap: Path, out: _Reporter) -> Iterator[None]:
    labels = {server.address: server.label for server in plan.servers}
    watch = WireWatch(machine=machine, servers=labels, vlan=plan.vlan)
    stop = threading.Event()
    with pcap.open("wb", buffering=0) as stream:
        writer = PcapWriter(stream)

        def observe(at: float, stamp: float, frame: bytes) -> None:
            writer.write(stamp, frame)
            for event in watch.feed(at, frame):
                out.tell("wire", **event.to_json())

        hub = Hub(tap=tap, listen=HUB_PORT, machine=MACHINE_PORT, vlan=plan.vlan, observer=observe)
        thread = threading.Thread(target=hub.run, args=(stop.is_set,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _start(order: Mapping[str, Any], out: _Reporter) -> None:
    """Start one program and report its end from a thread of its own."""
    with Path(order["log"]).open("wb") as log:
        process = subprocess.Popen(
            order["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
    out.tell("started", id=order["id"], at=time.monotonic())

    def wait() -> None:
        out.tell("exit", id=order["id"], code=process.wait(), at=time.monotonic())

    threading.Thread(target=wait, daemon=True).start()


def _run(config: Mapping[str, Any], orders: TextIO, out: _Reporter) -> None:
    plan = LabPlan.from_json(config["plan"])
    work, root = Path(config["work"]), str(config["root"])
    machine = bytes.fromhex(config["machine"])
    http = [(str(s.address), s.http_port) for s in plan.servers if not s.dead]
    with ExitStack() as stack:
        tap = set_up_links(plan)
        stack.enter_context(
            _hub(plan, tap=tap, machine=machine, pcap=Path(config["pcap"]), out=out)
        )
        stack.enter_context(serve_http(http, root=root))
        stack.enter_context(_dnsmasq(plan, program=config["dnsmasq"], root=root, work=work))
        out.tell("ready", namespace=str(Path("/proc/self/ns/net").readlink()))
        for line in orders:
            _start(json.loads(line), out)


def main() -> int:
    """Run until stdin ends; 1 if the network could not be set up."""
    out = _Reporter(sys.stdout)
    config = json.loads(sys.stdin.readline())
    try:
        _run(config, sys.stdin, out)
    except (OSError, VmbootError) as error:
        out.tell("failed", reason=str(error), file=getattr(error, "filename", None))
        return 1
    except subprocess.CalledProcessError as error:
        out.tell("failed", reason=str(error.stderr).strip() or str(error), file="ip")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
