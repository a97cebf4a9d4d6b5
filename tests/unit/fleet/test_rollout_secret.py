"""A password handed over through a FIFO."""

import stat
import subprocess
import sys
import threading

import pytest

from vmboot.fleet.rollout_secret import served_secret

SECRET = "s3cret word"


@pytest.fixture
def place(tmp_path):
    return tmp_path / "password"


def test_every_reader_gets_it_once(place):
    with served_secret(place, SECRET):
        assert [place.read_text() for _ in range(20)] == [f"{SECRET}\n"] * 20


def test_another_process_gets_it(place):
    program = "import sys; print(open(sys.argv[1]).readline(), end='')"
    with served_secret(place, SECRET):
        run = [sys.executable, "-c", program, str(place)]
        assert subprocess.run(run, capture_output=True, text=True).stdout == f"{SECRET}\n"


def test_it_is_never_in_a_file(place):
    with served_secret(place, SECRET):
        place.read_text()
        kinds = {stat.S_IFMT(path.stat().st_mode) for path in place.parent.iterdir()}
    assert kinds == {stat.S_IFIFO}


def test_only_its_owner_may_open_it(place):
    with served_secret(place, SECRET):
        place.read_text()
        assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_reader_that_hangs_up_does_no_harm(place):
    with served_secret(place, SECRET):
        with place.open("rb", buffering=0):
            pass
        assert place.read_text() == f"{SECRET}\n"


@pytest.mark.parametrize("readers", [0, 1])
def test_nothing_is_left_at_the_end(place, readers):
    with served_secret(place, SECRET):
        for _ in range(readers):
            place.read_text()
    assert list(place.parent.iterdir()) == []
    assert "secret" not in {thread.name for thread in threading.enumerate()}
