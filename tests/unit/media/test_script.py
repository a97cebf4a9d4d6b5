"""The boot script: deterministic, in order, and readable back."""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv4Address
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.media.synthetic import config
from vmboot.errors import InputError, MediaError
from vmboot.media.script import parse, render
from vmboot.model import (
    BootConfig,
    BootServer,
    Bootstrap,
    Firmware,
    Network,
    NetworkMode,
    Transport,
)


def lines(**instead: object) -> list[str]:
    return render(config(**instead)).splitlines()


def test_the_script_says_what_it_does() -> None:
    assert [line for line in lines() if line.startswith("echo")] == [
        "echo vmboot: boot media started on ${platform}, iPXE ${version}",
        "echo vmboot: these media carry no bootstrap for ${platform}",
        "echo vmboot: asking for an address on ${vmboot_dev}",
        "echo vmboot: ${vmboot_dev} is ${${vmboot_dev}/ip}",
        "echo vmboot: asking pvs1 10.0.0.11 (1/2) for ${vmboot_file}",
        "echo vmboot: asking 10.0.0.12 (2/2) for ${vmboot_file}",
        "echo vmboot: no boot server answered on ${vmboot_dev}",
        "echo vmboot: nothing answered, trying again in 5 s",
        "echo vmboot: starting ${vmboot_file}",
        "echo vmboot: ${vmboot_file} did not start, or came back",
    ]


def test_servers_are_asked_in_order_with_the_timeout_in_milliseconds() -> None:
    asked = [line for line in lines(server_timeout=2.5) if line.startswith("imgfetch")]
    assert [re.findall(r"--timeout (\d+) \S+//([0-9.]+)/", line)[0] for line in asked] == [
        ("2500", "10.0.0.11"),
        ("2500", "10.0.0.12"),
    ]


def test_after_the_last_server_it_pauses_and_begins_again() -> None:
    text = render(config(retry_pause=7))
    assert ":vmboot_rest\n" in text
    assert "sleep 7\ngoto vmboot_round\n" in text


def test_a_pause_below_a_second_is_still_a_pause() -> None:
    assert "sleep 1" in lines(retry_pause=0)


def test_every_goto_has_its_label() -> None:
    for random_start, work, disk in product((False, True), repeat=3):
        text = render(config(random_start=random_start, work=work, snippet="echo x"), disk=disk)
        labels = set(re.findall(r"^:(\S+)$", text, re.MULTILINE))
        assert set(re.findall(r"goto (\S+)", text)) <= labels


def work(**instead: object) -> str:
    return render(config(work=True, **instead), disk=True)


def test_work_is_asked_for_before_any_bootstrap_of_every_server_in_order() -> None:
    asked = re.findall(r"^imgfetch \S+ (\S+) --timeout 3000 (\S+?)[?$]", work(), re.MULTILINE)
    assert asked == [
        ("vmboot_work", "http://10.0.0.11/work"),
        ("vmboot_work", "http://10.0.0.12/work"),
        ("vmboot_bootstrap", "${vmboot_scheme}://10.0.0.11/"),
        ("vmboot_bootstrap", "${vmboot_scheme}://10.0.0.12/"),
    ]


def test_the_question_for_work_says_who_asks() -> None:
    (query, *_) = re.findall(r"/work\?(\S+)", work())
    assert [part.split("=")[0] for part in query.split("&")] == [
        "uuid",
        "mac",
        "serial",
        "asset",
        "manufacturer",
        "product",
        "platform",
        "arch",
    ]


def test_an_answer_that_there_is_no_work_ends_the_questions() -> None:
    text = work()
    assert text.count("&& goto vmboot_no_work ||") == 4, "two servers, two platforms"
    after = text[text.index(":vmboot_no_work") :]
    assert "imgfetch" not in after


def test_where_no_server_answers_the_bootstrap_is_next_and_without_one_the_next_device() -> None:
    text = work()
    assert text.index("no server answered whether there is work") < text.index(":vmboot_server_1")
    alone = work(bootstrap={})
    assert "vmboot_bootstrap" not in alone
    assert "sleep" not in alone
    assert ":vmboot_rest\ngoto vmboot_next_device\n" in alone


def test_from_a_disk_the_next_device_of_a_bios_machine_is_its_second_disk() -> None:
    ending = [
        "iseq ${platform} pcbios || exit 1",
        "sanboot --no-describe --drive 0x81 ||",
        "exit 1",
    ]
    assert work().splitlines()[-3:] == ending
    assert render(config(work=True)).splitlines()[-1] == "exit 1"
    assert "sanboot" not in render(config(work=True))


def test_work_changes_nothing_for_media_that_do_not_ask_for_it() -> None:
    assert render(config(), disk=True) == render(config())
    assert "work?" not in render(config())


def test_special_characters_cannot_become_commands() -> None:
    file = "a${b}&&c||d#e%20"
    text = render(config(bootstrap={Firmware.BIOS: Bootstrap(file)}))
    assert "set vmboot_file a%24%7Bb%7D%26%26c%7C%7Cd%23e%2520\n" in text
    assert parse(text).bootstrap[Firmware.BIOS].file == file


def test_a_vlan_is_made_on_every_card() -> None:
    text = render(config(network=Network(vlan=42)))
    assert "vcreate --tag 42 ${vmboot_dev} || goto vmboot_next_card\n" in text
    assert "set vmboot_dev ${vmboot_dev}-42\n" in text


def test_static_addresses_are_set_on_every_card_and_no_dhcp_is_asked() -> None:
    network = Network(NetworkMode.STATIC, IPv4Address("10.0.0.5"), IPv4Address("255.0.0.0"))
    text = render(config(network=network))
    assert "set ${vmboot_dev}/ip 10.0.0.5\n" in text
    assert "\ndhcp " not in text


def test_the_snippet_runs_once_before_the_first_server() -> None:
    text = render(config(snippet="set foo bar"))
    assert text.index("\nset foo bar\n") < text.index("imgfetch")
    assert text.index("isset ${vmboot_ready}") < text.index("\nset foo bar\n")


def test_what_cannot_be_checked_is_not_rendered() -> None:
    with pytest.raises(InputError):
        render(config(servers=()))


ADDRESSES = st.integers(1, 200).map(lambda last: f"10.7.0.{last}")
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True) | st.just("")
FILES = st.lists(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/"), min_size=1),
    min_size=1,
    max_size=3,
).map("/".join)
SNIPPETS = st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126))).map(
    lambda rows: "".join(f"{row}\n" for row in rows)
)


@st.composite
def configs(draw: st.DrawFn) -> BootConfig:
    addresses = draw(st.lists(ADDRESSES, min_size=1, max_size=32, unique=True))
    ports = draw(st.sampled_from(["", ":8080"]))
    asks = draw(st.booleans())
    firmwares = draw(st.sets(st.sampled_from(list(Firmware)), min_size=0 if asks else 1))
    static = Network(
        NetworkMode.STATIC,
        IPv4Address("10.7.1.5"),
        IPv4Address("255.255.0.0"),
        draw(st.none() | st.just(IPv4Address("10.7.0.1"))),
        draw(st.none() | st.just(IPv4Address("10.9.0.1"))),
    )
    network = draw(st.sampled_from([Network(), static]))
    vlan = draw(st.none() | st.integers(1, 4094))
    return BootConfig(
        servers=tuple(BootServer(each + ports, draw(NAMES)) for each in addresses),
        bootstrap={
            each: Bootstrap(draw(FILES), draw(st.sampled_from(Transport))) for each in firmwares
        },
        network=Network(
            network.mode, network.address, network.netmask, network.gateway, network.dns, vlan
        ),
        server_timeout=draw(st.integers(1, 600)) / 10,
        retry_pause=float(draw(st.integers(1, 60))),
        random_start=draw(st.booleans()) and len(addresses) > 1,
        snippet=draw(SNIPPETS),
        work=asks,
    )


@settings(max_examples=300, deadline=None)
@given(configs())
def test_a_script_reads_back_as_its_config(wanted: BootConfig) -> None:
    try:
        text = render(wanted)
    except InputError:
        return
    read = parse(text)
    same_snippet = read.snippet == wanted.snippet or not wanted.snippet.strip()
    assert same_snippet
    assert (read.servers, read.bootstrap, read.network) == (
        wanted.servers,
        wanted.bootstrap,
        wanted.network,
    )
    assert (read.server_timeout, read.retry_pause, read.random_start) == (
        wanted.server_timeout,
        wanted.retry_pause,
        wanted.random_start,
    )
    assert text.isascii()


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_changed_script_is_read_or_refused(data: st.DataObject) -> None:
    rows = render(config(random_start=True, network=Network(vlan=7))).splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(rows) - 1))
        line = st.text(max_size=40) | st.just(rows[at])
        rows[at : at + 1] = data.draw(st.lists(line, max_size=2))
        rows = rows or [""]
    with contextlib.suppress(MediaError):
        parse("\n".join(rows))


def test_a_strangers_script_is_refused() -> None:
    with pytest.raises(MediaError, match="not a vmboot"):
        parse("#!ipxe\ndhcp\nchain http://boot.example.net/\n")
