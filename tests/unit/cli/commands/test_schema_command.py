import json

from tests.unit.cli.screens import out, terminal
from vmboot.cli.commands.schema import Options, run
from vmboot.fleet.spec import json_schema


def test_the_schema_is_printed_as_json_whether_asked_for_or_not():
    for screen in (terminal(), terminal(json=True)):
        assert run(Options(), screen) == 0
        assert json.loads(out(screen)) == json_schema()
