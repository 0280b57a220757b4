import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringscope.errors import InputError
from ringscope.evidence.launcher import read


@pytest.mark.parametrize(
    ("line", "processes"),
    [
        ("./app -n 5", 1),
        ("mpirun -n 12 ./app -n 5", 12),
        ("mpirun -np 12 --bind-to core --mca pml ucx ./app", 12),
        ("/opt/ompi/bin/mpirun --map-by ppr:4:node -np 16 ./app", 4),
        ("mpirun -np 2 ./a : -np 3 ./b -np 9", 5),
        ("mpirun --np=8 ./app", 8),
        ("mpiexec -ppn 6 -n 24 -genv FOO bar ./app", 6),
        ("mpiexec.hydra -n 3 -env GPU_MAX_HW_QUEUES 2 ./app", 3),
        ("srun -n 48 -N 4 ./app", 12),
        ("srun -N2 -n7 --gpu-bind=closest -p mi300 ./app -n 99", 4),
        ("srun --ntasks=8 ./app", 8),
        ("srun --ntasks-per-node 6 --nodes=2 ./app", 6),
        ("torchrun --nproc-per-node 8 --nnodes 2 train.py --nproc-per-node 3", 8),
        ("torchrun --standalone --nproc_per_node=4 train.py", 4),
        ("python -m torch.distributed.run --nproc-per-node=4 train.py", 4),
        ("python train.py", 1),
        ("env A=1 B=2 mpirun -n 2 env C=3 ./app", 2),
    ],
)
def test_processes_on_one_host(line: str, processes: int) -> None:
    assert read(shlex.split(line)).processes == processes


@pytest.mark.parametrize(
    "line",
    [
        "GPU_MAX_HW_QUEUES=2 mpirun -n 2 ./app",
        "mpirun -x GPU_MAX_HW_QUEUES=2 -n 2 ./app",
        "mpiexec -genv GPU_MAX_HW_QUEUES 2 -n 2 ./app",
        "srun --export=ALL,GPU_MAX_HW_QUEUES=2 -n 2 ./app",
        "env GPU_MAX_HW_QUEUES=2 ./app",
    ],
)
def test_variables_that_the_command_sets(line: str) -> None:
    assert read(shlex.split(line)).environment["GPU_MAX_HW_QUEUES"] == "2"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("mpirun ./app", "say -n N, or give --ranks"),
        ("torchrun train.py", "--nproc-per-node"),
        ("mpirun -n many ./app", "no count"),
        ("torchrun --nproc-per-node gpu train.py", "no count"),
        ("mpirun -n 0 ./app", "no count"),
        ("mpirun -n", "no count"),
        ("A=1", "no command"),
        ("", "no command"),
    ],
)
def test_what_cannot_be_told_is_asked_for(line: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(shlex.split(line))


WORDS = st.sampled_from(
    ["mpirun", "srun", "torchrun", "-n", "-np", "-N", "--ntasks=3", "-x", "A=1", ":", "--", "./a", "4"]
)


@given(st.lists(WORDS | st.text(max_size=12), max_size=12))
def test_any_words_are_read_or_refused_in_one_line(words: list[str]) -> None:
    try:
        assert read(words).processes >= 1
    except InputError as error:
        assert "\n" not in str(error) or any("\n" in word for word in words)
