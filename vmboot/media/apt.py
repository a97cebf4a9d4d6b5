"""A private apt: the machine's mirrors, keys and proxy, but lists and cache of its own.

Needs no root and leaves the system's package state alone. apt does the signature and hash checks;
every option that would weaken them is set back.

Source: apt.conf(5), apt-get(8), apt-secure(8).
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vmboot.clock import Deadline
from vmboot.errors import ConnectError, DeadlineError, MissingToolError
from vmboot.media.aptsources import AptSource

_CONFIG = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "{user}";
APT::Get::AllowUnauthenticated "false";
APT::Default-Release "";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "2";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/vmboot.sources";
Dir::Etc::sourceparts "{root}/empty";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "{root}/empty";
"""


@dataclass(frozen=True)
class PrivateApt:
    """An apt whose state lives below ``root``; make one with :func:`private_apt`."""

    root: Path
    deadline: Deadline

    def update(self, sources: Iterable[AptSource]) -> str:
        """Fetch the lists of ``sources``; what apt complained of, ``""`` if nothing.

        A suite that fails does not stop the others.
        """
        stanzas = "\n".join(source.deb822() for source in sources)
        (self.root / "vmboot.sources").write_text(stanzas, "utf-8")
        done = self._run("apt-get", "update")
        return "\n".join(_complaints(done.stderr))

    def origins(self) -> Mapping[tuple[str, str], str]:
        """What the signed Release files of the sources call their origin, by address and suite.

        Only of those that :meth:`update` could fetch and verify.
        """
        form = "$(REPO_URI)\t$(RELEASE)\t$(TRUSTED)\t$(ORIGIN)"
        done = self._run("apt-get", "indextargets", "--format", form)
        rows = (line.split("\t") for line in done.stdout.splitlines())
        return {
            (address.rstrip("/"), suite): origin
            for address, suite, trusted, origin in (row for row in rows if len(row) == 4)
            if trusted == "yes"
        }

    def download(self, packages: Iterable[str]) -> tuple[Path, ...]:
        """Download the newest version of each package.

        :raises ConnectError: apt could not; the message holds apt's reason
        """
        target = self.root / "packages"
        before = set(target.iterdir())
        names = list(packages)
        done = self._run("apt-get", "download", *names, cwd=target)
        if done.returncode:
            reason = "; ".join(_complaints(done.stderr)) or "no reason given"
            raise ConnectError(
                f"apt could not download {', '.join(names)}: {reason}",
                hint="check the package sources in /etc/apt and the network",
            )
        return tuple(sorted(set(target.iterdir()) - before))

    def unpack(self, package: Path) -> Path:
        """Unpack a .deb below ``root`` and return the directory."""
        target = self.root / "unpacked" / package.stem
        done = self._run("dpkg-deb", "--extract", str(package), str(target))
        if done.returncode:
            raise ConnectError(f"{package.name} cannot be unpacked: {done.stderr.strip()}")
        return target

    def _run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        config = {"APT_CONFIG": "", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        name, *rest = command
        options = ["-c", str(self.root / "apt.conf"), "-qq"] if name == "apt-get" else []
        try:
            return subprocess.run(
                [name, *options, *rest],
                cwd=cwd or self.root,
                env={**os.environ, **config},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                text=True,
                errors="replace",
                timeout=max(1.0, self.deadline.remaining),
            )
        except subprocess.TimeoutExpired as error:
            raise DeadlineError(
                f"{name} {rest[0]} did not finish within {self.deadline.seconds:g} s",
                hint="check that the package mirrors of this machine answer",
            ) from error


def private_apt(root: Path, deadline: Deadline) -> PrivateApt:
    """Lay out the directories and the configuration below ``root``.

    :raises MissingToolError: this system has no apt
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise MissingToolError(f"{tool} is not installed")
    for folder in (
        "state/lists/partial",
        "cache/archives/partial",
        "packages",
        "unpacked",
        "empty",
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "status").touch()
    (root / "apt.conf").write_text(_CONFIG.format(root=root, user=_user()), "utf-8")
    return PrivateApt(root, deadline)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container user without a passwd entry
        return ""


def _complaints(stderr: str) -> list[str]:
    lines = (line.strip() for line in stderr.splitlines())
    return [line for line in lines if line.startswith(("E:", "W:"))]
