"""The lab network is alone, and nothing of it remains."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.boot.bootlab import PVS1, PVS2
from vmboot.clock import Deadline, poll
from vmboot.errors import InputError, MissingToolError, NotFoundError, RefusedError
from vmboot.lab.network import isolated_network
from vmboot.lab.network_plan import plan_network
from vmboot.lab.rehearsal import rehearse
from vmboot.lab.rehearsal_machine import RehearsalMachine
from vmboot.model import BootServer, Bootstrap, Firmware

pytestmark = [pytest.mark.netns, pytest.mark.timeout(60)]


@pytest.fixture
def open_lab(network_of_its_own, tmp_path):
    """Opens the network of two servers, the first one dead, that serve a folder with one file."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file.bin").write_bytes(b"served")
    plan = plan_network([PVS1, PVS2], dead=[PVS1])
    return lambda: isolated_network(plan, machine=bytes(6), root=root, pcap=tmp_path / "wire.pcap")


def output(network, tmp_path: Path, *argv: str) -> str:
    """Run a program inside and give its output once it has ended."""
    log = tmp_path / "program.log"
    program = network.spawn(argv, log=log)

    def ended():
        events = [e for e in network.events(0.1) if e["event"] == "exit" and e["id"] == program]
        return events or None

    poll(ended, deadline=Deadline.after(20), every=0, what=f"the end of {argv[0]}")
    return log.read_text()


def members(namespace: str) -> list[str]:
    """Processes in a network namespace."""
    found = []
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            if str(link.readlink()) == namespace:
                found.append(link.parts[2])
        except OSError:
            continue
    return found


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_only_the_labs_own_interfaces_are_inside(open_lab, tmp_path):
    with open_lab() as network:
        text = output(network, tmp_path, "ip", "-oneline", "link")
    names = [line.split(":")[1].strip() for line in text.splitlines()]
    assert set(names) & {"lo", "lab0"} == {"lo", "lab0"}
    own = {path.name for path in Path("/sys/class/net").iterdir()}
    assert "lab0" not in own
    assert not {name.split("@")[0] for name in names} & {"eth0", "wlan0", "docker0"}


def test_nothing_inside_reaches_the_outside(open_lab, tmp_path):
    code = (
        "import socket\n"
        "try: socket.create_connection(('192.0.2.1', 80), 2); print('REACHED')\n"
        "except OSError as error: print(error)"
    )
    with open_lab() as network:
        assert "REACHED" not in output(network, tmp_path, *python(code))


def test_live_servers_serve_http_and_tftp(open_lab, tmp_path):
    code = (
        "import socket, urllib.request\n"
        "print(urllib.request.urlopen('http://10.0.0.12/file.bin', timeout=5).read())\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)\n"
        "s.sendto(b'\\0\\1file.bin\\0octet\\0', ('10.0.0.12', 69)); print(s.recv(600))"
    )
    with open_lab() as network:
        text = output(network, tmp_path, *python(code))
    assert text.splitlines() == ["b'served'", r"b'\x00\x03\x00\x01served'"]


def test_nothing_remains_after_an_error_in_the_middle(open_lab, tmp_path):
    with pytest.raises(ZeroDivisionError), open_lab() as network:
        network.spawn(["sleep", "1000"], log=tmp_path / "log")
        poll(
            lambda: len(members(network.namespace)) > 3 or None,
            deadline=Deadline.after(10),
            every=0.05,
            what="the start of a program",
        )
        raise ZeroDivisionError
    assert members(network.namespace) == []
    assert not Path("/sys/class/net/lab0").exists()


def test_nothing_remains_when_the_caller_is_killed(network_of_its_own, tmp_path):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from vmboot.lab.network import isolated_network\n"
        "from vmboot.lab.network_plan import plan_network\n"
        "from vmboot.model import BootServer\n"
        "out = Path(sys.argv[1])\n"
        "with isolated_network(plan_network([BootServer('10.0.0.1')]), machine=bytes(6),"
        " root=out, pcap=out / 'p') as network:\n"
        "    network.spawn(['sleep', '1000'], log=out / 'l')\n"
        "    print(network.namespace, flush=True)\n"
        "    time.sleep(1000)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # what it leaves there, pytest sweeps
    ) as caller:
        namespace = caller.stdout.readline().strip()
        assert members(namespace)
        caller.kill()
    poll(
        lambda: not members(namespace) or None,
        deadline=Deadline.after(10),
        every=0.1,
        what="the end of the namespace",
    )


@pytest.fixture
def for_everyone(repository):
    """A folder that every user may use, with a copy of the package."""
    with TemporaryDirectory(prefix="vmboot-test-") as name:
        folder = Path(name)
        copied = shutil.copytree(
            repository / "vmboot", folder / "vmboot", ignore=shutil.ignore_patterns("__pycache__")
        )
        for path in (folder, copied, *copied.rglob("*")):
            path.chmod(0o755)
        (folder / "out").mkdir()
        (folder / "out").chmod(0o777)
        yield folder


def test_an_ordinary_user_may_open_it(network_of_its_own, for_everyone):
    if os.geteuid() != 0:
        pytest.skip("every other test here runs as an ordinary user already")
    code = (
        "from pathlib import Path\n"
        "from vmboot.lab.network import isolated_network\n"
        "from vmboot.lab.network_plan import plan_network\n"
        "from vmboot.model import BootServer\n"
        "plan = plan_network([BootServer('10.0.0.1')])\n"
        "with isolated_network(plan, machine=bytes(6), root=Path(), pcap=Path('out/p')) as network:"
        " print(network.namespace)\n"
    )
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    device = "mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200"
    usual_device = ["unshare", "--mount", "sh", "-c", f'{device} && exec "$@"', "sh"]
    programs = [sys.executable, "/usr/bin/python3"]  # root's own may lie where only root can go
    allowed = [p for p in programs if subprocess.run([*user, "test", "-x", p]).returncode == 0]
    if not allowed:
        pytest.skip("no Python here may be run by user 65534")
    ran = subprocess.run(
        [*usual_device, *user, allowed[0], "-c", code],
        cwd=for_everyone,
        capture_output=True,
        text=True,
    )
    if "RefusedError" in ran.stderr or "MissingToolError" in ran.stderr:
        pytest.skip(f"only root may here: {ran.stderr.strip().splitlines()[-1]}")
    assert ran.stdout.startswith("net:["), ran.stderr


@pytest.fixture
def fake_program(tmp_path, monkeypatch):
    """Puts a shell script in front of the PATH."""

    def make(name: str, script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return make


def test_a_system_that_refuses_is_quoted(fake_program, tmp_path):
    fake_program("unshare", "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1")
    with (
        pytest.raises(RefusedError, match="unshare failed: Operation not permitted") as caught,
        isolated_network(
            plan_network([PVS1]), machine=bytes(6), root=tmp_path, pcap=tmp_path / "p"
        ),
    ):
        pytest.fail("it opened")
    assert "user namespaces" in (caught.value.hint or "")


def test_a_step_that_fails_inside_is_quoted(fake_program, network_of_its_own, tmp_path):
    fake_program("ip", "cat >/dev/null; echo 'RTNETLINK answers: No' >&2; exit 2")
    with (
        pytest.raises(RefusedError, match="RTNETLINK answers: No"),
        isolated_network(
            plan_network([PVS1]), machine=bytes(6), root=tmp_path, pcap=tmp_path / "p"
        ),
    ):
        pytest.fail("it opened")


def test_qemu_that_cannot_play_the_machine_is_quoted(fake_program, network_of_its_own, tmp_path):
    fake_program("qemu-system-x86_64", "echo 'qemu: cannot do this' >&2; exit 1")
    report = rehearse(
        RehearsalMachine("vm1", Firmware.BIOS, "00:50:56:01:02:03"),
        servers=(PVS1,),
        bootstrap={Firmware.BIOS: Bootstrap("x")},
        out=tmp_path / "out",
    )
    assert not report.ok
    assert "qemu: cannot do this" in report.verdict


def start(tmp_path, **changes):
    machine = RehearsalMachine(
        "vm1", Firmware.BIOS, "00:50:56:01:02:03", iso=changes.pop("iso", None)
    )
    arguments = {"servers": (PVS1,), "bootstrap": {Firmware.BIOS: Bootstrap("x")}, **changes}
    return rehearse(machine, out=tmp_path / "out", **arguments)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"bootstrap": {}}, InputError, "and one bootstrap"),
        ({"servers": ()}, InputError, "at least one boot server"),
        ({"iso": Path("/no/such.iso")}, NotFoundError, "/no/such.iso does not exist"),
        ({"files": {"x": Path("/no/file")}}, NotFoundError, "/no/file does not exist"),
        ({"bootstrap": {Firmware.BIOS: Bootstrap("../x")}}, InputError, "not a name"),
        ({"servers": (BootServer("10.0.0.1:70"),)}, InputError, "port 69 only"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(tmp_path, changes, error, words):
    with pytest.raises(error, match=words):
        start(tmp_path, **changes)


def test_missing_program_names_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda *_args, **_more: None)
    with pytest.raises(MissingToolError) as caught:
        start(tmp_path)
    assert "Install the package" in (caught.value.hint or "")
