from rich.text import Text

from tests.unit.cli.screens import terminal
from vmboot.cli.screenshot import write_svg


def picture(tmp_path, name):
    screen = terminal(width=60)
    screen.record = True
    screen.out.print(Text("held", style="bold green"))
    write_svg(screen.out, tmp_path / name, title="demo")
    return (tmp_path / name).read_text()


def test_the_picture_shows_the_text_in_colour_though_the_screen_has_none(tmp_path):
    svg = picture(tmp_path, "a.svg")
    assert "held" in svg
    assert "font-weight: bold" in svg


def test_the_same_screen_gives_the_same_picture(tmp_path):
    assert picture(tmp_path, "a.svg") == picture(tmp_path, "b.svg")


def test_the_picture_loads_nothing_from_the_network(tmp_path):
    svg = picture(tmp_path, "a.svg")
    assert "@font-face" not in svg
    assert "url(http" not in svg
