"""Reading: any format, the column map, pinned versions, broken lines."""

from __future__ import annotations

from small_tables import (
    BEGIN,
    EVENT_DDL,
    csv,
    delta,
    faults,
    jsonl,
    world,
)

from reasongen.config import SourceSettings
from reasongen.schema import INPUTS
from reasongen.tables import (
    read_source,
)


def test_a_column_map_renames_and_computes(spark, tmp_path):
    source = jsonl(tmp_path / "e.jsonl", [{"who": "u1", "item_id": 5, "event": "VIEW", "seq": 60}])
    columns = {"user_id": "who", "event": "=if(event = 'VIEW', 'browse', event)", "ts": "=timestamp_seconds(seq + 0)"}
    row = read_source(spark, source.model_copy(update={"columns": columns}), INPUTS["events"]).frame.collect()[0]
    assert (row["user_id"], row["item_id"], row["event"]) == ("u1", "5", "browse")
    assert row["ts"].timestamp() == 60


def test_delta_is_read_at_the_version_it_had_when_it_was_opened(spark, tmp_path):
    source = delta(spark, tmp_path / "e", [("u1", "i1", "click", BEGIN)], EVENT_DDL)
    first = read_source(spark, source, INPUTS["events"])
    delta(spark, tmp_path / "e", [("u2", "i1", "click", BEGIN)], EVENT_DDL)
    assert (first.version, first.frame.count()) == (0, 1)
    assert read_source(spark, source, INPUTS["events"]).frame.count() == 2
    pinned = source.model_copy(update={"version": 0})
    assert read_source(spark, pinned, INPUTS["events"]).frame.count() == 1


def test_a_catalogue_name_is_read_like_a_path(spark, tmp_path):
    spark.createDataFrame([("u1", "i1", "click", BEGIN)], EVENT_DDL).write.format("delta").saveAsTable("shop_events")
    try:
        read = read_source(spark, SourceSettings(table="shop_events"), INPUTS["events"])
        assert (read.version, read.frame.count()) == (0, 1)
    finally:
        spark.sql("DROP TABLE shop_events")


def test_csv_reads_arrays_maps_and_broken_lines(spark, tmp_path):
    text = (
        "item_id,title,tags,attributes,price\n"
        'i1,"a ""big"" lamp",red| warm |,material=oak; size =2=3;material=ash,12.5\n'
        'i2,Mug,,"{""material"": ""clay"", ""material"": ""tin""}",x\n'
        "i3,too,many,fields,1,2\n"
        "i4,too few\n"
    )
    source = read_source(spark, csv(tmp_path / "i.csv", text), INPUTS["items"])
    rows = {row["item_id"]: row for row in source.frame.collect()}
    assert rows["i1"]["title"] == 'a "big" lamp'
    assert rows["i1"]["tags"] == ["red", "warm"]
    assert rows["i1"]["attributes"] == {"material": "oak", "size": "2=3"}
    assert list(rows["i2"]["attributes"]) == ["material"]
    assert rows["i2"]["price"] is None
    assert [rows[f"i{n}"]["malformed"] for n in (1, 2, 3, 4)] == [False, False, True, True]


def test_csv_files_with_different_heads_are_a_fault(spark, tmp_path):
    (tmp_path / "u").mkdir()
    csv(tmp_path / "u" / "1.csv", "user_id,personalise\nu1,yes\n")
    users = csv(tmp_path / "u" / "2.csv", "personalise,user_id\nyes,u2\n").model_copy(
        update={"path": str(tmp_path / "u")}
    )
    (text,) = faults(spark, world(spark, tmp_path, users=users))
    assert "users: wanted rows that can be read; found FAILED_READ_FILE" in text


def test_a_missing_optional_column_is_null_everywhere(spark, tmp_path):
    source = read_source(spark, csv(tmp_path / "i.csv", "item_id,title\ni1,Lamp\n"), INPUTS["items"])
    row = source.frame.collect()[0]
    assert source.faults == ()
    assert (row["tags"], row["price"], row["locale"]) == (None, None, None)
