"""Addresses are found in configs of any make, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmboot.media.strangers import find_addresses, looks_like_config

TEXTS = {
    "plain": (b"SERVER=10.0.0.1\nSERVER=10.0.0.2", ("10.0.0.1", "10.0.0.2")),
    "once each": (b"10.0.0.1 10.0.0.1", ("10.0.0.1",)),
    "url": (b"kernel tftp://10.0.0.1/vmlinuz", ("tftp://10.0.0.1/vmlinuz",)),
    "utf-16": ("ip=10.0.0.1".encode("utf-16"), ("10.0.0.1",)),
    "netmask": (b"255.255.255.0 0.0.0.0", None),
    "version": (b"v1.2.3.4.5 1.2.3.999", None),
    "none": (b"hello", None),
}


@pytest.mark.parametrize(("text", "addresses"), TEXTS.values(), ids=TEXTS)
def test_addresses_of_a_text(text: bytes, addresses: tuple[str, ...] | None) -> None:
    assert find_addresses({"x.cfg": text}) == ({"x.cfg": addresses} if addresses else {})


@given(st.binary(max_size=400))
def test_any_bytes_do(data: bytes) -> None:
    find_addresses({"x.cfg": data})


def test_only_small_text_files_are_read() -> None:
    assert looks_like_config("EFI/BOOT/GRUB.CFG", 100)
    assert not looks_like_config("vmlinuz", 100)
    assert not looks_like_config("x.cfg", 10_000_000)
    assert not looks_like_config("x.cfg", 0)
