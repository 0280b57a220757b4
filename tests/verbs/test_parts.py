"""``ringscope parts`` through the command line."""

import json
from collections.abc import Callable

import pytest

from ringscope import cli
from ringscope.parts.layout import Generation
from ringscope.verbs import parts

Call = Callable[[str], str]


@pytest.fixture
def parts_of(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(line: str) -> str:
        assert cli.main(["parts", *line.split()]) == 0
        return capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    "line",
    [
        "",
        "devices",
        "devices mi308x fiji",
        *(f"{what} --gfx {gfx}" for what in ("mqd", "hqd", "hiq", "sdma-mqd", "pm4") for gfx in ("803", "90a", "1201")),
        *(f"{what} *" for what in ("mqd", "hqd", "pm4", "aql", "sdma", "ioctl")),
        "aql",
        "sdma --gfx 1100",
        "ioctl",
    ],
)
def test_text_fits_100_columns_and_json_names_its_schema(line: str, parts_of: Call) -> None:
    text = parts_of(line)
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 100
    assert json.loads(parts_of(f"{line} --json"))["schema"] == "ringscope.parts/1"


def test_a_register_is_shown_whole(parts_of: Call) -> None:
    text = parts_of("mqd --gfx 942 cp_hqd_quantum")
    assert "compute MQD: 512 dwords (gfx942, generation v9.4.3)" in text
    for said in ("dword 135, byte 0x21c", "generations: all", "source: structs, sh_mask, kfd_mqd", "13:8"):
        assert said in text
    assert "\n  kfd_mqd: amdkfd/" in text


def test_a_value_is_taken_apart(parts_of: Call) -> None:
    data = json.loads(parts_of("mqd --gfx 942 cp_hqd_pq_control --value 0x1401c511 --json"))
    fields = data["fields"]
    assert (fields["queue_size"], fields["slot_based_wptr"], fields["pq_empty"], fields["priv_state"]) == (17, 2, 1, 0)
    assert (data["value"], data["unnamed"]) == ("0x1401c511", "0x0")
    assert json.loads(parts_of("mqd --dword 145 --value 0x1401c511 --json"))["fields"] == fields
    text = parts_of("mqd cp_hqd_pq_control --value 0x1401c511")
    assert any(line.split()[:4] == ["5:0", "queue_size", "17", "0x11"] for line in text.splitlines())


def test_bits_that_no_table_names_are_said(parts_of: Call) -> None:
    assert "set, but not named for v9.4.3: 0x8000" in parts_of("hqd cp_hqd_vmid --value 0x8303")


def test_an_address_is_moved_into_place(parts_of: Call) -> None:
    assert "0x41b5200000" in parts_of("mqd cp_hqd_pq_base_lo --value 0x41b52000")


def test_packets_are_found_by_name_glob_and_number(parts_of: Call) -> None:
    assert "MAP_PROCESS: 21 dwords, 0xc013a100, format aldebaran" in parts_of("pm4 map_process --gfx 90a")
    assert "MAP_PROCESS: 16 dwords, 0xc00ea100, format v9" in parts_of("pm4 map_process --gfx 908")
    assert "ACQUIRE_MEM: 8 dwords, 0xc0065800, format nv" in parts_of("pm4 acquire* --gfx 1100")
    assert "queue_priority" in parts_of("ioctl 0xC0604b02 queue_pri*")
    dispatch = json.loads(parts_of("aql kernel-dispatch header --value 0xb02 --json"))
    assert dispatch["fields"] == {"type": 2, "barrier": 1, "acquire": 1, "release": 1}


def test_the_hqd_block_is_the_56_registers(parts_of: Call) -> None:
    rows = json.loads(parts_of("hqd --json"))["tables"][0]["rows"]
    assert [row["dword"] for row in rows] == list(range(128, 184))
    assert "dword 145, byte 0x244, word 17 of the block" in parts_of("hqd cp_hqd_pq_control")


def test_devices_as_json(parts_of: Call) -> None:
    device = json.loads(parts_of("devices mi308x --json"))["devices"][0]
    assert (device["cus"], device["vmids"], device["packet_format"]) == (80, 13, "aldebaran")
    assert device["partitions"][2] == {"name": "CPX", "nodes": 4, "xccs_per_node": 1, "vmids": [[4, 9], [10, 15]]}
    assert "unknown" in parts_of("devices mi300a")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mqd cp_hqd_pq_ctrl", "no register 'cp_hqd_pq_ctrl' in this table; near ones: cp_hqd_pq_control"),
        ("mqd zzzz", "no register 'zzzz' in this table; print the table without a name"),
        ("pm4 MAPQ", "no packet 'MAPQ' in this table; near ones: MAP_QUEUES"),
        ("pm4 MAP_QUEUES contrl", "no register 'contrl' in this table; near ones: control"),
        ("mqd --gfx 1234", "no target gfx1234"),
        ("devices mi309x", "no device 'mi309x' in the catalogue; near ones:"),
        ("mqd --value 3", "--value needs one register, 221 match"),
        ("mqd --dword 400", "nothing named at dword 400"),
        ("mqd header --value 0x100000000", "does not fit the 4 bytes of header"),
        ("sdma --gfx 803", "SDMA packets of vi are not in the tables"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_2(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["parts", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("line", ["nothing", "mqd --value x", "mqd --dword -1"])
def test_a_wrong_option_is_one_line_and_exit_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["parts", *line.split()])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (tuple(Generation), "all"),
        ((Generation.V9_4_3,), "v9.4.3"),
        ((Generation.V11, Generation.V12), "v11+"),
        ((Generation.VI, Generation.V9), "vi..v9"),
        ((Generation.VI, Generation.V12), "vi v12"),
    ],
)
def test_generations_are_said_shortly(held: tuple[Generation, ...], said: str) -> None:
    assert parts._generations(held) == said
