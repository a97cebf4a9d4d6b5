"""Names that end in file names on datastores."""

from __future__ import annotations

import pytest

from vmboot.errors import InputError
from vmboot.media.naming import check_name, content_name


@pytest.mark.parametrize("name", ["a", "boot", "0-9", "x" * 40])
def test_a_plain_name_is_accepted(name: str) -> None:
    check_name(name)
    assert content_name(name, "0123456789abcdef", "vmdk") == f"vmboot-{name}-0123456789ab.vmdk"


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "ä", "a/b", "a b", "x" * 41, "a\n"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="lower-case letters") as caught:
        check_name(name)
    assert "at most 40" in (caught.value.hint or "")
