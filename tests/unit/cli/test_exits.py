import pytest

from vmboot import errors
from vmboot.cli.exits import Exit, exit_for


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("x"), 2),
        (errors.AmbiguousError("x"), 2),
        (errors.RefusedError("x"), 1),
        (errors.ConnectError("x"), 4),
        (errors.AuthError("x"), 4),
        (errors.NotFoundError("x"), 5),
        (errors.RemoteError("x", fault="F"), 1),
        (errors.MediaError("x"), 1),
        (errors.DeadlineError("x"), 1),
        (errors.MissingToolError("x"), 1),
        (errors.LockedError("x"), 1),
        (errors.VmbootError("x"), 1),
    ],
)
def test_each_error_has_its_exit_code(error, code):
    assert exit_for(error) == code


def test_every_kind_of_error_is_in_the_table_above():
    def kinds(kind):
        return {kind}.union(*(kinds(each) for each in kind.__subclasses__()))

    tested = {
        type(parameter[0])
        for mark in test_each_error_has_its_exit_code.pytestmark
        for parameter in mark.args[1]
    }
    own = {kind for kind in kinds(errors.VmbootError) if kind.__module__ == "vmboot.errors"}
    assert own == tested


def test_interrupted_is_what_a_shell_says_of_sigint():
    assert Exit.INTERRUPTED == 128 + 2
