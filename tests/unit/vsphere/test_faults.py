"""Faults as people read them."""

from __future__ import annotations

import pytest

from vmboot.errors import AuthError, RemoteError
from vmboot.vsphere.faults import HINTS, SoapFault, error_of, is_unknown, with_unknown_outcome


def test_a_missing_privilege_names_privilege_and_entity():
    fault = SoapFault("NoPermission", "denied", {"privilegeId": "A.B", "object": "vm-1"})
    error = error_of(fault)

    assert isinstance(error, AuthError)
    assert error.message == "missing privilege A.B on vm-1"


@pytest.mark.parametrize("name", ["InvalidLogin", "NotAuthenticated"])
def test_login_trouble_is_an_auth_error(name: str):
    error = error_of(SoapFault(name, "Cannot complete login"))

    assert isinstance(error, AuthError)
    assert error.hint


@pytest.mark.parametrize("name", sorted(HINTS))
def test_known_faults_have_a_hint(name: str):
    error = error_of(SoapFault(name, "It went wrong."))

    assert isinstance(error, RemoteError)
    assert (error.fault, error.message, error.hint) == (name, "It went wrong", HINTS[name])


def test_a_fault_without_words_is_called_by_its_name():
    assert error_of(SoapFault("Weird", "")).message == "Weird"


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (RemoteError("", fault="ConnectionLost"), True),
        (RemoteError("", fault="Deadline"), True),
        (RemoteError("", fault="TaskGone"), True),
        (RemoteError("", fault="NotStarted"), False),
        (RemoteError("", fault="InvalidDeviceSpec"), False),
        (AuthError(""), False),
        (None, False),
    ],
)
def test_which_errors_leave_the_outcome_open(error, unknown: bool):
    assert is_unknown(error) is unknown


def test_whose_write_may_still_happen():
    errors = {
        "vm-1": RemoteError("", fault="Deadline"),
        "vm-2": RemoteError("", fault="NoDiskSpace"),
        "vm-3": RemoteError("", fault="ConnectionLost"),
    }
    assert with_unknown_outcome(errors) == {"vm-1", "vm-3"}
