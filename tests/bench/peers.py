"""The bench's two jobs as one would write them with other tools: peers.py TOOL migrate|diff FOLDER OUT

migrate: old.csv to OUT: rows with a key, the first of each; twelve columns under their new names; mail trimmed and lower;
stage codes by a list, others empty; dates to ISO. diff: before.csv against after.csv by ID; counts to OUT as JSON.
"""
import json
import sys

from data import COLUMNS, FIELDS, STAGES

DATES = "%d/%m/%Y %H:%M"
ISO = "%Y-%m-%dT%H:%M:%S"


def polars_migrate(folder, out):
    import polars as pl

    old = pl.scan_csv(f"{folder}/old.csv", infer_schema=False).filter(pl.col("ID").is_not_null())
    old = old.select(pl.col(source).alias(target) for target, source in FIELDS).with_columns(
        pl.col("email").str.strip_chars().str.to_lowercase(),
        pl.col("stage").replace_strict(STAGES, default=None, return_dtype=pl.String),
        pl.col("created").str.to_datetime(DATES).dt.strftime(ISO),
    )
    old.unique("legacy_id", keep="first", maintain_order=True).sink_csv(out)


def polars_diff(folder, out):
    import polars as pl

    before, after = (pl.read_csv(f"{folder}/{name}.csv", infer_schema=False) for name in ("before", "after"))
    both = before.join(after, on="ID", suffix="_after")
    cells = [both[name].ne_missing(both[f"{name}_after"]) for name in COLUMNS[1:]]
    changed = pl.select(pl.any_horizontal(cells)).to_series()
    counts = {
        "added": after.join(before, on="ID", how="anti").height, "removed": before.join(after, on="ID", how="anti").height,
        "changed": int(changed.sum()), "cells": int(sum(int(cell.sum()) for cell in cells)),
    }
    json.dump(counts, open(out, "w"))


def duckdb_migrate(folder, out):
    import duckdb

    how = {
        "email": "lower(trim(EMAIL_ADDR))",
        "stage": "CASE STG " + " ".join(f"WHEN '{code}' THEN '{word}'" for code, word in STAGES.items()) + " END",
        "created": f"strftime(strptime(CREATED, '{DATES}'), '{ISO}')",
    }
    columns = ", ".join(f'{how.get(target, source)} AS {target}' for target, source in FIELDS)
    read = f"read_csv('{folder}/old.csv', all_varchar=true, header=true, delim=',', quote='\"', escape='\"')"
    duckdb.connect().execute(f"COPY (SELECT DISTINCT ON (legacy_id) * FROM (SELECT {columns} FROM {read} WHERE ID <> '')) TO '{out}' (HEADER)")


def duckdb_diff(folder, out):
    import duckdb

    read = "read_csv('{}/{}.csv', all_varchar=true, header=true, delim=',', quote='\"', escape='\"')"
    before, after = (read.format(folder, name) for name in ("before", "after"))
    differ = " + ".join(f"(b.{name} IS DISTINCT FROM a.{name})::int" for name in COLUMNS[1:])
    both = f"SELECT b.ID AS old, a.ID AS new, {differ} AS cells FROM {before} b FULL JOIN {after} a ON a.ID = b.ID"
    pairs = "FILTER (old IS NOT NULL AND new IS NOT NULL"
    counts = duckdb.connect().execute(
        f"SELECT count(*) FILTER (old IS NULL), count(*) FILTER (new IS NULL), count(*) {pairs} AND cells > 0), "
        f"sum(cells) {pairs}) FROM ({both})"
    ).fetchall()[0]
    json.dump(dict(zip(("added", "removed", "changed", "cells"), map(int, counts))), open(out, "w"))


def pandas_migrate(folder, out):
    import pandas as pd

    old = pd.read_csv(f"{folder}/old.csv", dtype=str, keep_default_na=False, na_values=[""])
    old = old[old["ID"].notna()][[source for _, source in FIELDS]]
    old.columns = [target for target, _ in FIELDS]
    old["email"] = old["email"].str.strip().str.lower()
    old["stage"] = old["stage"].map(STAGES)
    old["created"] = pd.to_datetime(old["created"], format=DATES).dt.strftime(ISO)
    old.drop_duplicates("legacy_id").to_csv(out, index=False)


def pandas_diff(folder, out):
    import pandas as pd

    read = lambda name: pd.read_csv(f"{folder}/{name}.csv", dtype=str, keep_default_na=False).set_index("ID")
    before, after = read("before"), read("after")
    both = before.index.intersection(after.index)
    cells = before.loc[both] != after.loc[both]
    counts = {
        "added": len(after.index.difference(before.index)), "removed": len(before.index.difference(after.index)),
        "changed": int(cells.any(axis=1).sum()), "cells": int(cells.to_numpy().sum()),
    }
    json.dump(counts, open(out, "w"))


if __name__ == "__main__":
    tool, job, folder, out = sys.argv[1:]
    globals()[f"{tool}_{job}"](folder, out)
