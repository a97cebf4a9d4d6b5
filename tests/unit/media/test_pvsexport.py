"""Exports of PowerShell with all their quirks become records, or an error that says where."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.pvs_samples import as_json, csv_text, ip_object
from vmboot.errors import InputError
from vmboot.media.pvsexport import read_export

ROWS = [{"Name": "a", "Note": "one, two"}, {"Name": "b", "Note": "x;y"}]


def read(text, encoding="utf-8"):
    return read_export(text.encode(encoding), file="x")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("kind", ["", "Citrix.PVS.SnapIn.PvsServer"])
def test_csv_is_read_whatever_windows_wrote(encoding, delimiter, kind):
    text = csv_text(ROWS, kind=kind, delimiter=delimiter)
    found = read(text, encoding)
    assert [each.text("name") for each in found] == ["a", "b"]
    assert [each.text("NOTE") for each in found] == ["one, two", "x;y"]
    assert [each.place.line for each in found] == ([3, 4] if kind else [2, 3])


def test_line_numbers_go_on_behind_values_of_several_lines():
    found = read('"Name","Note"\r\n"a","one\r\ntwo"\r\n\r\n"b",""\r\n')
    assert [each.place.line for each in found] == [2, 5]


@pytest.mark.parametrize(
    "document", [ROWS, {"value": ROWS, "Count": 2}], ids=["a list", "a list in an object"]
)
def test_json_is_read_in_the_forms_that_powershell_has(document):
    assert [each.text("Note") for each in read(as_json(document))] == ["one, two", "x;y"]


def test_one_object_is_a_list_of_one():
    (found,) = read(as_json({"Ip": [ip_object("10.0.0.1"), "10.0.0.2"], "On": True, "N": None}))
    assert found.text("Ip") == "10.0.0.1 10.0.0.2"
    assert found.text("On") == "true"
    assert found.text("N", "Missing") == ""
    assert found.field("Ip") == "object 1, Ip"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"a": ', "x:1:7", "not JSON"),
        ('[{"a": 1},\n 2]', "x", "object 2 is not a record"),
        ("[" * 100_000, "x", "not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "x", "not JSON"),
        ("[]", "x", "no record"),
        ("", "x", "no record"),
        ('"Name","Note"\r\n', "x", "no record"),
        ('"Name","Note"\r\n"a"\r\n', "x:2", "1 values for 2 columns"),
        ('"Name","Note"\r\n"a","b" c\r\n', "x:2", "not CSV"),
        ('"Name","Note"\r\n"a","b\r\n', "x:2", "not CSV"),
        ('"Name","name"\r\n"a","b"\r\n', "x:1", "column 'name' is there twice"),
        ('""\r\n"a"\r\n', "x:1", "no column names"),
    ],
)
def test_what_is_damaged_is_named_with_its_place(text, place, words):
    with pytest.raises(InputError, match=words) as caught:
        read(text)
    assert str(caught.value.place) == place


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw):
    try:
        assert read_export(raw, file="x")
    except InputError as error:
        assert error.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "IPAddressToString", "Ip"]), inner)
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_is_read_or_refused(document):
    try:
        found = read(json.dumps(document))
    except InputError:
        return
    assert all(isinstance(text, str) for each in found for text in each.fields)
