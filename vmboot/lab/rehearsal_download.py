"""The verdict on a boot that downloaded its bootstrap: did that start? Pure."""

from __future__ import annotations

from vmboot.lab.network_wire import WireEvent
from vmboot.lab.rehearsal_case import Case
from vmboot.lab.rehearsal_evidence import Evidence
from vmboot.lab.rehearsal_report import Reached, Verdict


def downloaded(case: Case, seen: Evidence) -> Verdict:
    """What followed a whole download of a bootstrap that said nothing on the console."""
    download = seen.download(case.file)
    assert download is not None
    how = "downloaded" if download.kind == "transfer.finished" else "sent"
    size = f"{case.file} was {how} whole from {download.server} ({download.size} bytes)"
    refused = _refused(seen)
    if refused:
        return _by_secure_boot(case, size, refused)
    if seen.ended_by_itself(download.at):
        return Verdict(Reached.STARTED, True, f"{size} and started; then it ended by itself")
    error = next((f for f in seen.serial if f.kind == "loader.error" and f.at > download.at), None)
    if error:
        return Verdict(
            Reached.DOWNLOADED,
            False,
            f"{size}, but the loader could not start it: {error.detail};"
            f" is it a bootstrap for {case.machine.firmware.value} machines?",
        )
    if case.marked:
        return Verdict(Reached.DOWNLOADED, False, f"{size}, but it did not start")
    return _unknown(seen, download, size)


def _refused(seen: Evidence) -> str:
    """What the loader says when it may not start what it downloaded."""
    loader = seen.loader
    later = (f for f in seen.serial if f.kind == "boot.refused" and loader and f.at > loader.at)
    return next((fact.detail for fact in later), "")


def _by_secure_boot(case: Case, size: str, refused: str) -> Verdict:
    """A refusal of the lab's own program proves everything but the site's signature."""
    if case.marked:
        return Verdict(
            Reached.DOWNLOADED,
            True,
            f"{size} and offered to Secure Boot, which refused it ({refused}): it is the lab's"
            " stand-in, which no key signs. All before it works; to see your own start, give it by"
            f" --bootstrap-file {case.file}=signed.efi",
        )
    return Verdict(
        Reached.DOWNLOADED,
        False,
        f"{size}, but Secure Boot is on and it is not signed by a key that the machine trusts:"
        f" {refused}",
    )


def _unknown(seen: Evidence, download: WireEvent, size: str) -> Verdict:
    """A bootstrap of the user's own: whether it runs can be seen from the wire only."""
    later = next((e for e in seen.wire if e.at > download.at + 0.2), None)
    if later:
        then = f"then the machine went on by itself ({later.kind}), so the bootstrap runs"
        return Verdict(Reached.STARTED, True, f"{size}; {then}")
    handed = "the loader handed over to it; " if seen.fact("script.starting") else ""
    unknown = "what it does then cannot be seen from outside: look at the screenshot"
    return Verdict(Reached.DOWNLOADED, True, f"{size}; {handed}{unknown}")
