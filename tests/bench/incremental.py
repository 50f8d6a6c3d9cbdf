#!/usr/bin/env python3
"""What an incremental plan and its run cost, next to a full one: database to database, a share of the rows changed.

    tests/bench/incremental.py --rows 1M --changed 1% --program target/release/crm-console --folder /tmp/bench

Three mappings of the same data, each in a project of its own: without a cursor (every row is hashed once), with a cursor
whose values are spread over the rows, and with a cursor that has one value in all rows, as after a bulk import. Each is
planned and run in full, then 1 % of its rows changes and it is planned and run incrementally, twice, and once more with
nothing changed. Wrong counts are said to be wrong; nothing passes or fails by time.
"""
import argparse
import ctypes
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import bench  # noqa: E402

NAMES = ["no", "first", "last", "mail", "phone", "street", "city", "note"]
KINDS = {"hash": "no cursor", "cursor": "cursor, spread values", "bulk": "cursor, one value in all rows"}


def make(folder, rows, kind):
    """A source of `rows` rows, an empty target, and the mapping between them."""
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mappings").mkdir(parents=True)
    source = sqlite3.connect(folder / "old.db")
    source.execute("PRAGMA journal_mode = OFF")
    source.execute("PRAGMA synchronous = OFF")
    source.execute(f"CREATE TABLE contacts ({', '.join(f'{name} TEXT' for name in NAMES)}, at INTEGER)")

    def row(n):
        at = 1_700_000_000 + (0 if kind == "bulk" else n)
        return (f"C{n:07}", f" First{n % 997}", f"Last{n % 7919}", f"first{n}.last{n % 7919}@example.org",
                f"+49 30 {n:08}", f"{n % 300} Main Street", f"City {n % 2003}", f"note number {n} of this customer", at)

    marks = ", ".join("?" * (len(NAMES) + 1))
    source.executemany(f"INSERT INTO contacts VALUES ({marks})", (row(n) for n in range(rows)))
    source.execute("CREATE INDEX contacts_at ON contacts (at)")
    source.commit()
    target = sqlite3.connect(folder / "new.db")
    columns = ", ".join(f"{name} TEXT" for name in NAMES[1:])
    target.execute(f"CREATE TABLE contacts (id INTEGER PRIMARY KEY AUTOINCREMENT, legacy_id TEXT UNIQUE, {columns}, at INTEGER)")
    target.commit()
    (folder / "project.toml").write_text(
        '[platforms.old]\nkind = "sqlite"\npath = "old.db"\n\n[platforms.new]\nkind = "sqlite"\npath = "new.db"\n'
    )
    fields = "".join(f'{name} = {{ from = "{name}", clean = ["trim"] }}\n' for name in NAMES[1:])
    cursor = "" if kind == "hash" else '[run]\ncursor = "at"\noverlap = "1s"\n'
    (folder / "mappings" / "contacts.toml").write_text(
        'from = "old:contacts"\nto = "new:contacts"\nkey = ["legacy_id"]\nmatch = ["crosswalk", "legacy_id"]\n\n'
        f'[fields]\nlegacy_id = "no"\n{fields}at = {{ from = "at", type = "integer" }}\n\n{cursor}'
    )


def change(folder, rows, every, turn):
    """Changes one row of `every`, with a later time; answers how many."""
    source = sqlite3.connect(Path(folder) / "old.db")
    later = 1_800_000_000 + turn
    changed = source.execute(
        "UPDATE contacts SET note = note || ' x', at = ? WHERE rowid % ? = ?", (later, every, 3 + turn)
    ).rowcount
    source.commit()
    return changed


class Project:
    def __init__(self, folder, program):
        self.folder = folder
        self.ours = [program, "-C", folder, "--progress", "none"]
        self.wrong = 0

    def say(self, job, taken, words=""):
        wall, cpu, peak = taken
        print(f"  {job:<28} {wall:7.2f} {cpu:8.2f} {peak:8.0f}  {words}", flush=True)

    def plan(self, job, mode, updated):
        out = self.folder / "plan.json"
        taken = bench.measure([*self.ours, "plan", "--mode", mode, "--out", out], self.folder, (0, 1))
        part = json.loads(out.read_text())["mappings"][0]
        counts, incremental = part["counts"], part["incremental"]
        words = f"read {counts['read']}"
        if incremental:
            begun = incremental["from"]
            words += f", looked at {incremental['looked']}, " + (f"from {begun[0]} {begun[1]} on" if begun else "all compared")
        if counts["updated"] != updated:
            self.wrong += 1
            words += f", WRONG: {counts['updated']} updated instead of {updated}"
        self.say(job, taken, "; ".join([words, *part["warnings"]]))

    def run(self, job):
        out = self.folder / "plan.json"
        confirm = json.loads(out.read_text())["confirm"]
        self.say(job, bench.measure([*self.ours, "migrate", "--plan", out, "--confirm", confirm], self.folder))

    def same(self):
        """Both sides hold the same records."""
        both = sqlite3.connect(self.folder / "new.db")
        both.execute("ATTACH ? AS old", (str(self.folder / "old.db"),))
        columns = ", ".join(f"trim({name})" for name in NAMES[1:])
        apart = both.execute(
            f"SELECT count(*) FROM (SELECT no, {columns}, at FROM old.contacts EXCEPT "
            f"SELECT legacy_id, {', '.join(NAMES[1:])}, at FROM contacts)"
        ).fetchone()[0]
        if apart:
            self.wrong += 1
            print(f"  WRONG: {apart} records differ")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="100k", help="rows of the source: 100k, 1M")
    parser.add_argument("--changed", default="1%", help="share of the rows that changes each time")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which mappings: " + ", ".join(KINDS))
    parser.add_argument("--program", default="target/release/crm-console")
    parser.add_argument("--folder", default="/tmp/bench")
    parser.add_argument("--call", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.call:
        name, *arguments = json.loads(options.call)
        print(json.dumps({"make": make, "change": change}[name](*arguments)))
        return
    ctypes.CDLL(None).prctl(bench.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rows = bench.count(options.rows)
    every = round(100 / float(options.changed.rstrip("%")))
    program = Path(options.program).resolve()

    def apart(what, *arguments):
        # What is started counts the peak of who starts it as its own, so this process stays small.
        call = json.dumps([what.__name__, *arguments])
        return json.loads(subprocess.run([sys.executable, __file__, "--call", call], capture_output=True, check=True).stdout)

    wrong = 0
    for kind in options.kinds.split(","):
        folder = Path(options.folder).resolve() / f"incremental-{kind}"
        apart(make, str(folder), rows, kind)
        print(f"{KINDS[kind]}, {rows} rows, one of {every} changed each time   wall s    CPU s  peak MiB")
        project = Project(folder, program)
        project.plan("full plan", "full", 0)
        project.run("full run")
        for turn in (1, 2):
            changed = apart(change, str(folder), rows, every, turn)
            if turn == 1:
                project.plan("full plan of the change", "full", changed)
            project.plan(f"incremental plan {turn}", "incremental", changed)
            project.run(f"incremental run {turn}")
            project.same()
        project.plan("nothing changed", "incremental", 0)
        wrong += project.wrong
        shutil.rmtree(folder)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
