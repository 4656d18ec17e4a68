"""A store that took every set in order holds what the table holds, killed and repeated or not. With a real Redis."""

from __future__ import annotations

import importlib.util
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from served import KEY, LATER, ROOT, SERVER, Lake, config_at, redis_server, row, stored

from reasongen.errors import ConfigError, ExportError, LeaseError, MachineError
from reasongen.serving import connect, export_changes, load_sets, loading, read_reasons
from reasongen.serving.sets import erase_set, read_sets
from reasongen.serving.store import STATE

pytestmark = pytest.mark.skipif(SERVER is None, reason="no redis-server on this machine")
TODAY = date(2026, 3, 2)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture
def store(port: int) -> Iterator[Redis]:
    with Redis(port=port, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Version 1: two users, two items each."""
    made = Lake(tmp_path / "lake")
    made.publish([row(f"u{n % 2}", f"i{n // 2}", f"Words {n}.") for n in range(4)])
    return made


def export(lake: Lake, **asked: Any) -> Path:
    """Makes a set; returns the folder of all of them."""
    export_changes(config_at(lake.root), **asked)
    return lake.root / "exports"


def test_full_then_changes_then_nothing(lake: Lake, store: Redis) -> None:
    done = load_sets(export(lake), store)
    assert (done.sets, done.version, done.upserts, done.deletes) == (["full-00000001"], 1, 4, 0)
    assert stored(store) == lake.served()
    lake.publish([row("u0", "i0", "Other words."), row("u9", "i0", "New.")], gone=[("u1", "i0"), ("u1", "i1")])
    done = load_sets(export(lake), store)
    assert (done.sets, done.upserts, done.deletes) == (["00000001-00000002"], 2, 2)
    assert stored(store) == lake.served()
    before = store.hgetall(STATE)
    assert load_sets(export(lake), store).sets == []
    assert {**store.hgetall(STATE), "loader": ""} == {**before, "loader": ""}


def test_a_recommender_reads_what_may_be_shown_today(lake: Lake, store: Redis) -> None:
    lake.publish(
        [
            row("u0", "i7", "Until yesterday.", valid_until=TODAY - timedelta(days=1)),
            row("u0", "i8", "Today.", valid_until=TODAY),
        ]
    )
    load_sets(export(lake), store)
    found = read_reasons(store, "recommendation", "u0", ["i0", "i7", "i8", "none"], today=TODAY)
    assert {item: value["reason"] for item, value in found.items()} == {"i0": "Words 0.", "i8": "Today."}
    assert found["i0"] == {
        "reason": "Words 0.", "source": "model", "locale": "en", "valid_until": LATER.isoformat(),
        "run_id": "2026-03-02-recommendation-000001", "ai_label": row("", "", "")["ai_label"],
    }  # fmt: skip
    assert read_reasons(store, "recommendation", "nobody", ["i0"], today=TODAY) == {}
    assert read_reasons(store, "other", "u0", ["i0"], today=TODAY) == {}


def end_of(day: date) -> int:
    """Seconds since 1970 at which a day is over, UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + 86_400


def test_a_key_expires_when_its_last_reason_does(lake: Lake, store: Redis) -> None:
    soon, late, over = (datetime.now(UTC).date() + timedelta(days=days) for days in (3, 9, -2))
    lake.publish(
        [
            row("a", "i0", "x", valid_until=soon),
            row("a", "i1", "x", valid_until=late),
            row("b", "i0", "x", valid_until=soon),
        ]
    )
    lake.publish([row("c", "i0", "x", valid_until=over)])
    done = load_sets(export(lake), store)
    assert (done.upserts, done.expired) == (8, 1)
    assert "1 of them may be shown no more" in done.text()
    key = f"reasons:{store.hget(STATE, 'generation')}:recommendation:"
    assert [store.expiretime(key + user) for user in "abc"] == [end_of(late), end_of(soon), -2]
    lake.publish([row("b", "i1", "x", valid_until=late), row("a", "i2", "x", valid_until=soon)], gone=[("a", "i0")])
    load_sets(export(lake), store)
    assert [store.expiretime(key + user) for user in "ab"] == [end_of(late), end_of(late)]
    lake.publish([row("b", "i0", "x", valid_until=soon)], gone=[("b", "i1")])
    load_sets(export(lake), store)
    assert store.hkeys(key + "b") == ["i0"]  # the key stays longer than it has to: who reads looks at valid_until


def test_a_set_that_is_missing_in_the_chain_is_refused_and_mended(lake: Lake, store: Redis) -> None:
    load_sets(export(lake), store)
    lake.publish([row("u0", "i0", "Two.")])
    folder = export(lake)
    lake.publish([row("u0", "i0", "Three."), row("u2", "i2", "Three.")])
    export(lake)
    lost = folder / "00000001-00000002"
    for path in lost.iterdir():
        path.unlink()
    lost.rmdir()
    before = stored(store)
    with pytest.raises(ExportError, match=r"holds version 1.*export\.py --since 1, or export\.py --full"):
        load_sets(folder, store)
    assert stored(store) == before
    export(lake, since=1)
    assert load_sets(folder, store).sets == ["00000001-00000003"]
    assert stored(store) == lake.served()


def test_a_store_that_begins_wants_a_full_set(lake: Lake, store: Redis) -> None:
    with pytest.raises(ConfigError, match="wanted the folder of exported sets"):
        load_sets(lake.root / "exports", store)
    (lake.root / "exports").mkdir()
    with pytest.raises(ExportError, match="wanted a full set"):
        load_sets(lake.root / "exports", store)
    folder = export(lake)
    lake.publish([row("u0", "i0", "Two.")])
    export(lake)
    erase_set(folder, "full-00000001")
    with pytest.raises(ExportError, match=r"export\.py --full"):
        load_sets(folder, store)
    export(lake, full=True)
    assert load_sets(folder, store).sets == ["full-00000002"]
    assert stored(store) == lake.served()


def test_a_set_that_a_forgetting_has_erased_is_passed_by_a_full_one(lake: Lake, store: Redis) -> None:
    load_sets(export(lake), store)
    lake.publish([row("u0", "i0", "Two.")])
    folder = export(lake)
    erase_set(folder, "00000001-00000002")
    with pytest.raises(ExportError, match="a forgetting has erased"):
        load_sets(folder, store)
    lake.publish([], gone=[("u1", "i0")])
    export(lake)
    with pytest.raises(ExportError, match="a forgetting has erased"):
        load_sets(folder, store)
    export(lake, full=True)
    assert load_sets(folder, store).sets == ["full-00000003"]
    assert stored(store) == lake.served()


def test_a_full_set_takes_the_place_of_everything_and_the_old_keys_go(lake: Lake, store: Redis) -> None:
    load_sets(export(lake), store)
    lake.publish([row("u5", "i5", "Five.")], gone=[("u0", "i0"), ("u0", "i1")])
    lake.vacuum()
    assert load_sets(export(lake), store).sets == [f"full-{lake.version:08d}"]
    assert stored(store) == lake.served()


def test_another_table_takes_the_place_of_everything(lake: Lake, store: Redis, tmp_path: Path) -> None:
    load_sets(export(lake), store)
    other = Lake(tmp_path / "other")
    other.publish([row("u7", "i7", "Another table.")])
    assert load_sets(export(other), store).sets == ["full-00000001"]
    assert stored(store) == other.served()


def test_a_damaged_set_is_seen_before_its_first_row(lake: Lake, store: Redis) -> None:
    load_sets(export(lake), store)
    lake.publish([row("u0", "i0", "Two.")])
    folder = export(lake)
    (file,) = folder.glob("00000001-*/*.parquet")
    file.write_bytes(file.read_bytes()[:-1])
    before = stored(store)
    with pytest.raises(ExportError, match=r"upserts-00000\.parquet is damaged.*export\.py --since 1"):
        load_sets(folder, store)
    assert stored(store) == before
    export(lake)
    load_sets(folder, store)
    assert stored(store) == lake.served()


@pytest.mark.parametrize("where", ["before its look at who loads", "after it"])
def test_a_loader_that_slept_writes_nothing_over_a_later_one(
    lake: Lake, store: Redis, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first sleeps before its fourth commit; the second loads this set and the next one meanwhile."""
    monkeypatch.setattr(loading, "COMMIT_ROWS", 10)
    load_sets(export(lake), store)
    lake.publish([row("v", f"i{n:03d}", "Two.") for n in range(60)])
    folder = export(lake)
    real, seen = loading._Load._commit, []

    def meanwhile() -> None:
        lake.publish([row("v", f"i{n:03d}", "Three.") for n in range(60)])
        load_sets(export(lake), store)

    def commit(load: Any, queue: Any) -> None:
        seen.append(1)
        if len(seen) != 4:
            real(load, queue)
        elif where == "after it":
            real(load, lambda pipe: (meanwhile(), queue(pipe)))
        else:
            meanwhile()
            real(load, queue)

    monkeypatch.setattr(loading._Load, "_commit", commit)
    with pytest.raises(LeaseError, match="another one began later"):
        load_sets(folder, store)
    assert stored(store) == lake.served()
    assert load_sets(folder, store).sets == []


KILLED = """
import os, random, sys
from pathlib import Path
from redis import Redis
from redis.client import Pipeline
from reasongen.serving import load_sets, loading
port, folder, kill_at, after = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "after"
loading.COMMIT_ROWS = 4
real, sent = Redis.execute_command, [0]
real_pipe = Pipeline.execute
def counted(do):
    def run(self, *given, **named):
        sent[0] += 1
        if sent[0] == kill_at and not after:
            os.kill(os.getpid(), 9)
        told = do(self, *given, **named)
        if sent[0] == kill_at:
            os.kill(os.getpid(), 9)
        return told
    return run
Redis.execute_command, Pipeline.execute = counted(real), counted(real_pipe)
load_sets(folder, Redis(port=port, decode_responses=True))
"""


@pytest.mark.parametrize(("nights", "kills"), [(2, 2), pytest.param(6, 5, marks=pytest.mark.slow)])
def test_killed_anywhere_the_next_load_completes_it(
    lake: Lake, store: Redis, port: int, nights: int, kills: int
) -> None:
    """Full set, changes, a gap that a full set passes: SIGKILL before or after a command, drawn anew each time."""
    rng = random.Random(11)
    killed = 0
    for night in range(nights):
        gone = [key[1:] for key in lake.served() if rng.random() < 0.3 and key[1].startswith("k")]
        new = [row(f"k{n}", f"i{n % 3}", f"Night {night}.") for n in rng.sample(range(200), 120)]
        lake.publish([one for one in new if (one["user_id"], one["item_id"]) not in gone], gone)
        if night % 3 == 2:
            lake.vacuum()
        folder = export(lake)
        for _ in range(kills):
            where = [str(rng.randrange(3, 25)), rng.choice(["before", "after"])]
            words = [sys.executable, "-c", KILLED, str(port), str(folder), *where]
            killed += subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
        load_sets(folder, store)
        assert stored(store) == lake.served()
        assert set(store.hgetall(STATE)) == {"loader", "version", "table", "generation"}
    assert killed > nights * kills / 2


def test_half_of_a_set_is_never_left_under_a_longer_step(
    lake: Lake, store: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that changed and changed back is in the first step and not in the longer one."""
    load_sets(export(lake), store)
    lake.publish([row("u0", "i0", "For a day."), row("u1", "i1", "Two.")])
    folder = export(lake)
    lake.publish([row("u0", "i0", "Words 0.")])
    with monkeypatch.context() as broken:
        real = loading._Load._state
        broken.setattr(
            loading._Load, "_state", lambda s, now, *done: real(s, now, *done) if "applying" in now else 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            load_sets(folder, store)
    export(lake, since=1)
    with pytest.raises(ExportError, match=r"holds version 2\).*export\.py --since 2"):
        load_sets(folder, store)
    export(lake, since=2)
    load_sets(folder, store)
    assert stored(store) == lake.served()


USERS, ITEMS, WORDS = ["u1", "u2", "u:3", "用户"], ["i1", "i2"], ["One.", "Two.", "三。"]
PAIR = st.tuples(st.sampled_from(USERS), st.sampled_from(ITEMS))
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.dictionaries(PAIR, st.sampled_from([*WORDS, None]), min_size=1, max_size=5)),
    st.tuples(st.sampled_from(["compact", "vacuum", *["export"] * 3, "load", "load", "full", "remove"]), st.none()),
    st.tuples(st.just("forget"), st.sampled_from(USERS)),
)  # fmt: skip


@pytest.mark.parametrize("examples", [8, pytest.param(150, marks=pytest.mark.long)])
def test_whatever_happens_to_the_table_and_the_folder_a_store_ends_with_what_the_table_holds(
    examples: int, tmp_path_factory: pytest.TempPathFactory, port: int
) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(steps=st.lists(STEPS, min_size=3, max_size=14))
    def run(steps: list[tuple[str, Any]]) -> None:
        ends_with_what_the_table_holds(steps, tmp_path_factory.mktemp("lake") / "lake", port)

    run()


def ends_with_what_the_table_holds(steps: list[tuple[str, Any]], root: Path, port: int) -> None:
    lake = Lake(root)
    folder = lake.root / "exports"
    with Redis(port=port, decode_responses=True) as client:
        client.flushall()
        forgotten: set[str] = set()
        for verb, what in [*steps, ("export", None)]:
            if verb == "publish":
                here = {(user, item) for _, user, item in lake.served()}
                rows = [row(*pair, words) for pair, words in what.items() if words and pair[0] not in forgotten]
                gone = [pair for pair, words in what.items() if not words and pair in here]
                if rows or gone:
                    lake.publish(rows, gone)
            elif verb == "forget":
                forgotten.add(what)
                lake.suppress(what)
                lake.publish([], [key[1:] for key in lake.served() if key[1] == what])
            elif verb in ("compact", "vacuum"):
                getattr(lake, verb)()
            elif verb in ("export", "full"):
                export(lake, full=verb == "full")
                if verb == "export":
                    stands = {one.to_version for one in read_sets(folder)}
                    assert lake.version in stands
            elif verb == "remove" and (sets := read_sets(folder)):
                erase_set(folder, sets[len(sets) // 2].name)
            elif verb == "load" and folder.is_dir():
                load_as_told(lake, folder, client)
        load_as_told(lake, folder, client)
        assert stored(client) == lake.served()
        version = client.hget(STATE, "version")
        assert load_sets(folder, client).sets == []
        assert (client.hget(STATE, "version"), stored(client)) == (version, lake.served())
        client.flushall()  # and a store that begins now, by whatever chain there is
        load_as_told(lake, folder, client)
        assert stored(client) == lake.served()


def load_as_told(lake: Lake, folder: Path, client: Redis) -> None:
    """Loads; where no chain leads on, does what the message says."""
    try:
        load_sets(folder, client)
    except ExportError as error:
        if "export.py --full" not in str(error):
            raise
        export(lake, full=True)
        load_sets(folder, client)


@pytest.fixture
def job() -> ModuleType:
    """jobs/load_redis.py as a module."""
    spec = importlib.util.spec_from_file_location("load_job", ROOT / "jobs" / "load_redis.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_job_with_a_password(
    job: ModuleType, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame 77\n")
    folder = str(export(lake))
    with redis_server(tmp_path, "--requirepass", "open sesame 77") as port:
        words = [folder, "--redis", f"127.0.0.1:{port}"]
        assert job.main(words) == 2
        monkeypatch.setenv("REASONGEN_REDIS_PASSWORD", "another")
        assert job.main(words) == 2
        assert job.main([*words, "--password", f"file:{secret}", "--json", str(tmp_path / "done.json")]) == 0
        monkeypatch.setenv("REASONGEN_REDIS_PASSWORD", "open sesame 77")
        assert job.main(words) == 0
        assert job.main([*words, "--password", "open sesame 77"]) == 2
        assert job.main([folder, "--redis", f"redis://:open sesame 77@127.0.0.1:{port}"]) == 2
    assert job.main(words) == 1
    told = capsys.readouterr()
    assert "full-00000001: 4 upserts" in told.out
    assert "sesame" not in told.out + told.err
    assert json.loads((tmp_path / "done.json").read_text())["state"] == "loaded"


def test_what_redis_says_is_told_without_the_command(lake: Lake, tmp_path: Path, port: int, store: Redis) -> None:
    folder = export(lake)
    lake.publish([row("a-secret-user", "i1", "Words about somebody.")])
    load_sets(folder, store)
    store.set(f"reasons:{store.hget(STATE, 'generation')}:recommendation:a-secret-user", "no hash")
    export(lake)
    with pytest.raises(MachineError, match="WRONGTYPE") as caught, connect(f"127.0.0.1:{port}", "env:NONE") as client:
        load_sets(folder, client)
    assert "secret-user" not in str(caught.value)
    assert caught.value.__suppress_context__
    with pytest.raises(ConfigError, match="wanted HOST:PORT"), connect("ftp://x", "env:NONE"):
        pass
