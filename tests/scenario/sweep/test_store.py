from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sweep import SMALL, sweep

from ringscope.errors import InputError
from ringscope.report.files import write_aside
from ringscope.scenario.sweep.points import Sweep
from ringscope.scenario.sweep.results import Columns
from ringscope.scenario.sweep.store import opened

polars = pytest.importorskip("polars")
OVER = ("run.seed=1..10", 'process.service.streams=1,["high","low"]')


class KilledError(Exception):
    pass


def rows(one: Sweep, shard: int) -> Columns:
    """Rows as a run would give them, made up."""
    points = one.shard(shard)
    found: Columns = {"point": list(points), "refused": [None for _ in points]}
    for at, axis in enumerate(one.axes):
        found[axis.column] = [axis.cell(one.point(number)[at]) for number in points]
    return found | {name: [number / 7 for number in points] for name in one.metrics}


def finish(folder: Path, one: Sweep, writes: int | None = None, halved: bool = False) -> list[int]:
    """Go on until done, or dead at that write (and perhaps with half a file aside); the shards that were run."""
    ran: list[int] = []

    def write(path: Path, content: bytes) -> None:
        nonlocal writes
        if writes == 0:
            if halved:
                (path.parent / f".{path.name}.abc").write_bytes(content[: len(content) // 2])
            raise KilledError(ran)
        writes = writes if writes is None else writes - 1
        write_aside(path, content)

    with opened(folder, one, write) as store:
        for shard in store.missing():
            ran.append(shard)
            store.keep(shard, rows(one, shard))
        store.merged()
    return ran


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 22), st.booleans()), max_size=4))
def test_dead_at_any_write_nothing_is_lost_or_repeated(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[tuple[int, bool]]
) -> None:
    one = sweep(*OVER)
    folder, whole = tmp_path_factory.mktemp("sweeps") / "a", tmp_path_factory.mktemp("sweeps") / "b"
    finish(whole, one)
    for writes, halved in deaths:
        kept = {path.name for path in folder.glob("part-*.parquet")}
        merged = (folder / "results.parquet").exists()
        try:
            ran = finish(folder, one, writes, halved)
        except KilledError as killed:
            (ran,) = killed.args
        assert not kept & {f"part-{shard:06}.parquet" for shard in ran}
        assert not (merged and ran)
    finish(folder, one)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "results.parquet"]
    assert (folder / "results.parquet").read_bytes() == (whole / "results.parquet").read_bytes()


def test_a_result_that_there_is_not_is_null_in_the_file(tmp_path: Path) -> None:
    one = sweep(*OVER)
    lacks, *others = one.metrics
    with opened(tmp_path / "a", one, write_aside) as store:
        for shard in store.missing():
            points = rows(one, shard)
            points |= {name: np.array(points[name]) for name in one.metrics}
            points[lacks] = np.where(np.arange(len(points[lacks])) == 0, np.nan, points[lacks])
            store.keep(shard, points)
        found = store.merged()
    assert not found[lacks].is_nan().any()
    assert found[lacks].null_count() == one.shards
    assert all(found[name].null_count() == 0 for name in others)


def test_dead_between_the_merge_and_the_end_of_the_parts(tmp_path: Path) -> None:
    one = sweep(*OVER)
    finish(tmp_path, one)
    (tmp_path / "part-000003.parquet").write_bytes(b"left over")
    assert finish(tmp_path, one) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "results.parquet"]


def test_the_merged_file_has_every_point_in_order(tmp_path: Path) -> None:
    one = sweep(*OVER)
    finish(tmp_path / "a", one)
    frame = polars.read_parquet(tmp_path / "a" / "results.parquet")
    assert frame["point"].to_list() == list(range(20))
    assert frame["process.service.streams"].to_list()[:2] == ["1", '["high", "low"]']
    assert frame["run.seed"].dtype == polars.Int64
    assert finish(tmp_path / "a", one) == []


def test_a_damaged_part_is_run_again(tmp_path: Path) -> None:
    one = sweep(*OVER)
    with pytest.raises(KilledError):
        finish(tmp_path / "a", one, writes=6)
    parts = sorted((tmp_path / "a").glob("part-*.parquet"))
    parts[0].write_bytes(b"")
    parts[1].write_bytes(parts[2].read_bytes())
    ran = finish(tmp_path / "a", one)
    assert {0, 1} <= set(ran) and 2 not in ran
    frame = polars.read_parquet(tmp_path / "a" / "results.parquet")
    assert frame["point"].to_list() == list(range(20))


def test_what_the_folder_refuses(tmp_path: Path) -> None:
    one = sweep(*OVER)
    with pytest.raises(InputError, match="holds something else; name a new folder with --dir"):
        (tmp_path / "other.txt").write_text("mine")
        finish(tmp_path, one)
    folder = tmp_path / "a"
    finish(folder, one)
    with pytest.raises(InputError, match="holds another sweep, which differs in over, points"):
        finish(folder, sweep("run.seed=1..9"))
    with pytest.raises(InputError, match="holds another sweep, which differs in scenario"):
        finish(folder, sweep(*OVER, text=SMALL.replace("40 us", "41 us")))
    manifest = folder / "manifest.json"
    mine = manifest.read_text()
    manifest.write_text(mine.replace(one.identity["model"], "0" * 64))
    with pytest.raises(InputError, match="holds another sweep, which differs in model"):
        finish(folder, one)
    manifest.write_text(mine)
    with pytest.raises(InputError, match="cannot be made"):
        finish(tmp_path / "absent" / "a", one)
    with opened(folder, one, write_aside), pytest.raises(InputError, match="another sweep is writing to it"):
        finish(folder, one)
    (folder / "results.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read; delete it and run again"):
        finish(folder, one)
    (folder / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"manifest\.json: cannot be read"):
        finish(folder, one)
