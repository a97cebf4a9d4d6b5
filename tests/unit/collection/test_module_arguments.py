"""What a module's documentation says and what it accepts are the same."""

import importlib

import pytest
import yaml
from ansible_collections.vmboot.vsphere.plugins.doc_fragments.vcenter import ModuleDocFragment

MODULES = ("fleet", "fleet_info")
PACKAGE = "ansible_collections.vmboot.vsphere.plugins.modules"


@pytest.fixture(params=MODULES)
def module(request):
    return importlib.import_module(f"{PACKAGE}.{request.param}")


def documented(module):
    own = yaml.safe_load(module.DOCUMENTATION)["options"]
    shared = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    return own | shared


def in_short(option):
    keys = ("type", "elements", "choices", "default", "aliases", "required")
    return {key: option[key] for key in keys if key in option}


def test_each_option_is_documented_as_it_is_accepted(module):
    accepted = {name: in_short(option) for name, option in module.ARGUMENTS.items()}
    assert {name: in_short(option) for name, option in documented(module).items()} == accepted


def test_each_option_has_a_description(module):
    assert all(option["description"] for option in documented(module).values())


def test_the_password_is_never_logged(module):
    assert module.ARGUMENTS["password"]["no_log"] is True


def test_the_name_in_the_documentation_is_the_module_s(module):
    name = module.__name__.rpartition(".")[2]
    assert yaml.safe_load(module.DOCUMENTATION)["module"] == name


def test_examples_use_only_options_that_exist(module):
    for task in yaml.safe_load(module.EXAMPLES):
        for name, options in task.items():
            if name.startswith("vmboot."):
                action = importlib.import_module(f"{PACKAGE}.{name.rpartition('.')[2]}")
                assert set(options) <= set(action.ARGUMENTS)


def test_examples_name_modules_in_full(module):
    known = {f"vmboot.vsphere.{name}" for name in MODULES}
    for task in yaml.safe_load(module.EXAMPLES):
        assert len(known & set(task)) == 1


def test_attributes_promise_check_mode(module):
    attributes = yaml.safe_load(module.DOCUMENTATION)["attributes"]
    assert attributes["check_mode"]["support"] == "full"


def test_every_return_value_says_when_it_comes_and_what_it_is(module):
    for value in yaml.safe_load(module.RETURN).values():
        assert {"description", "returned", "type"} <= set(value)
