from types import SimpleNamespace

from tests.unit.cli.screens import rendered
from vmboot.cli.views.sweep import sweep_plan_view

PATH = "[shared-01] vmboot/vmboot-boot-0123456789ab.iso"


def test_at_80_columns_the_name_of_an_iso_is_not_broken():
    reason = "undo of run 20261121-2330-11eb needs it"
    fate = SimpleNamespace(value="keep")
    file = SimpleNamespace(fate=fate, path=PATH, size=1_646_592, reason=reason)
    text = rendered(sweep_plan_view(SimpleNamespace(files=(file,), to_remove=())))
    assert PATH in text
    assert reason in text
