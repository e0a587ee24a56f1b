"""The machine, as the kernel's own texts tell it."""

from pathlib import Path

from optkit.core import machine as here

X86 = """processor	: 0
vendor_id	: GenuineIntel
model name	: Intel(R) Xeon(R) Platinum 8480+
flags		: fpu avx2 fma avx512f avx512_bf16 avx_vnni avx512_vnni amx_bf16 amx_tile amx_int8

processor	: 1
model name	: Intel(R) Xeon(R) Platinum 8480+
"""
ARM = """processor	: 0
Features	: fp asimd asimdhp asimddp sve i8mm bf16
CPU implementer	: 0x41
CPU part	: 0xd40
"""


def test_an_x86_processor() -> None:
    model, isa = here.parse_cpuinfo(X86)
    assert model == "Intel(R) Xeon(R) Platinum 8480+"
    assert isa == [
        "avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8",
        "amx_bf16", "amx_tile",
    ]  # fmt: skip


def test_an_arm_processor_has_numbers_for_a_name() -> None:
    model, isa = here.parse_cpuinfo(ARM)
    assert model == "ARM implementer 0x41 part 0xd40"
    assert isa == ["asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve"]


def test_a_board_tells_its_own_name() -> None:
    assert here.parse_cpuinfo(ARM + "\nModel		: A Board Rev 1.1\n")[0] == "A Board Rev 1.1"


def test_no_text() -> None:
    assert here.parse_cpuinfo("") == (None, [])


def test_sockets_threads_and_caches(tmp_path: Path) -> None:
    for cpu in range(8):  # two sockets of two cores of two threads
        core, socket = cpu // 2, cpu // 4
        pair, four = f"{2 * core}-{2 * core + 1}", f"{4 * socket}-{4 * socket + 3}"
        write(
            tmp_path / f"cpu{cpu}/topology", physical_package_id=socket, thread_siblings_list=pair
        )
        caches = [(1, "Data", "48K", pair), (1, "Instruction", "32K", pair),
                  (2, "Unified", "2048K", pair), (3, "Unified", "36M", four)]  # fmt: skip
        for index, (level, kind, size, shared) in enumerate(caches):
            place = tmp_path / f"cpu{cpu}/cache/index{index}"
            write(place, level=level, type=kind, size=size, shared_cpu_list=shared)
    write(tmp_path / "cpufreq", anything=1)
    assert here.parse_cpus(tmp_path) == {"sockets": 2, "threads_per_core": 2}
    assert here.parse_caches(tmp_path) == [
        {"level": 1, "bytes": 48 * 1024, "instances": 4},
        {"level": 2, "bytes": 2048 * 1024, "instances": 4},
        {"level": 3, "bytes": 36 * 1024**2, "instances": 2},
    ]


def test_nodes_that_have_memory(tmp_path: Path) -> None:
    write(tmp_path, has_memory="0-2,4")
    assert here.parse_nodes(tmp_path) == 4


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    assert here.parse_cpus(tmp_path / "none") == {"sockets": None, "threads_per_core": None}
    assert here.parse_nodes(tmp_path / "none") is None
    assert here.parse_caches(tmp_path / "none") == []


def test_this_machine() -> None:
    found = here.machine()
    assert found["cpu"]
    assert isinstance(found["cores"], int)
    assert found["cores"] >= 1
    assert set(here.topology()) == {"sockets", "threads_per_core", "numa_nodes", "caches"}


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")
