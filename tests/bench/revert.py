#!/usr/bin/env python3
"""What it costs to take a run back, and whether it is right: a target that another program edited since the run.

    tests/bench/revert.py --rows 100k --edits 50 --program target/release/crm-console --folder /tmp/bench

A run writes so many rows of a csv, a parquet and a sqlite target: a third is new, a third changes, a third goes. Then rows
that it wrote are edited, and it is taken back. Everything but the edited rows must be as it was before the run, a csv file
byte for byte with its blank and broken lines; the edited rows must be as they were edited. A wrong result fails, times do
not. parquet is left out if the Python that runs this has no polars.
"""
import argparse
import ctypes
import importlib.util
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import bench  # noqa: E402

NAMES = ["id", "legacy_id", "name", "city", "note"]
FILES = {"csv": "new/people.csv", "parquet": "new/people.parquet", "sqlite": "new.db"}
NATIVES = 100
# How a plan that is not confirmed ends.
REFUSED = 6
EDITED = " edited"


def target_rows(rows):
    """Two thirds of the keys, some without a name, and some rows that are nobody's."""
    for at in range(rows * 2 // 3):
        yield [str(at + 1), f"K{at}", f"old {at}", "" if at % 7 == 0 else f"City {at % 2003}", f"note {at}"]
    for at in range(NATIVES):
        yield [str(rows + at + 1), "", f"native {at}", "", f"note {at}"]


def csv_line(at, row):
    """As people write it: some cells quoted that need not be, blank and broken lines between."""
    cells = [row[0], row[1], f'"{row[2]}"' if at % 3 == 1 else row[2], *row[3:]]
    other = "\r\n" if at % 1000 == 2 else "broken\r\n" if at % 1000 == 5 else ""
    return ",".join(cells) + "\r\n" + other


def make(folder, rows, kind):
    """The project, its source and its target."""
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("mappings", "old", "new"):
        (folder / name).mkdir(parents=True)
    place = FILES[kind] if kind == "sqlite" else "new"
    (folder / "project.toml").write_text(
        f'[platforms.old]\nkind = "csv"\npath = "old"\n\n[platforms.new]\nkind = "{kind}"\npath = "{place}"\n'
    )
    (folder / "mappings" / "people.toml").write_text(
        'from = "old:people"\nto = "new:people"\nkey = ["legacy_id"]\ntarget_only = "delete"\n'
        'scope = "legacy_id IS NOT NULL"\n\n[fields]\nlegacy_id = "ID"\nname = "NAME"\n\n'
        '[run]\nerror_budget = "100%"\nmax_deletes = "100%"\n'
    )
    with open(folder / "old" / "people.csv", "w", encoding="utf8") as source:
        source.write("ID,NAME\n")
        source.writelines(f"K{at},new {at}\n" for at in range(rows // 3, rows))
    file = folder / FILES[kind]
    if kind == "csv":
        with open(file, "w", newline="", encoding="utf8") as target:
            target.write(",".join(NAMES) + "\r\n")
            target.writelines(csv_line(at, row) for at, row in enumerate(target_rows(rows)))
    elif kind == "sqlite":
        target = sqlite3.connect(file)
        target.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, legacy_id TEXT, name TEXT, city TEXT, note TEXT)")
        cells = ([cell or None for cell in row] for row in target_rows(rows))
        target.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?)", cells)
        target.commit()
    else:
        import polars

        columns = list(zip(*target_rows(rows)))
        frame = polars.DataFrame({name: [cell or None for cell in column] for name, column in zip(NAMES, columns)})
        frame.with_columns(polars.col("id").cast(polars.Int64)).write_parquet(file, row_group_size=max(rows // 8, 1))
    shutil.copy(file, folder / "before")


def edit(folder, kind, edits):
    """Another program edits rows that the run wrote, spread over all of them; their keys."""
    folder = Path(folder)
    file = folder / FILES[kind]
    written = lambda name: (name or "").startswith("new ")  # noqa: E731
    if kind == "csv":
        lines = file.read_bytes().splitlines(keepends=True)
        found = [at for at, line in enumerate(lines) if line.count(b",") == 4 and written(key_of(line, 2))]
        found = found[:: max(len(found) // edits, 1)][:edits]
        for at in found:
            lines[at] = lines[at].rstrip(b"\r\n") + EDITED.encode() + b"\r\n"
        file.write_bytes(b"".join(lines))
        keys = [key_of(lines[at]) for at in found]
    elif kind == "sqlite":
        target = sqlite3.connect(file)
        found = target.execute("SELECT legacy_id FROM people WHERE name LIKE 'new %' ORDER BY id").fetchall()
        keys = [key for (key,) in found[:: max(len(found) // edits, 1)][:edits]]
        target.executemany(
            "UPDATE people SET note = coalesce(note, '') || ? WHERE legacy_id = ?", [(EDITED, key) for key in keys]
        )
        target.commit()
    else:
        import polars

        frame = polars.read_parquet(file)
        found = [key for key, name in frame.select("legacy_id", "name").iter_rows() if written(name)]
        keys = found[:: max(len(found) // edits, 1)][:edits]
        note = polars.when(polars.col("legacy_id").is_in(keys)).then(
            polars.col("note").fill_null("") + EDITED).otherwise(polars.col("note"))
        frame.with_columns(note).write_parquet(file)
    shutil.copy(file, folder / "edited")
    return keys


def key_of(line, column=1):
    """A cell of a csv line, the key if not told otherwise."""
    cells = line.decode().rstrip("\r\n").split(",")
    return cells[column].strip('"') if len(cells) == len(NAMES) else None


def read(file, kind):
    """What is compared, in order: each line or row, with its key."""
    if kind == "csv":
        return [(key_of(line), line) for line in file.read_bytes().splitlines(keepends=True)]
    if kind == "sqlite":
        rows = sqlite3.connect(file).execute("SELECT * FROM people ORDER BY id").fetchall()
    else:
        import polars

        frame = polars.read_parquet(file)
        rows = [tuple(frame.schema.items()), *frame.iter_rows()]
    return [(row[1], row) for row in rows]


def wrong(folder, kind, keys):
    """What is not as it must be."""
    folder, keys = Path(folder), set(keys)
    before, edited, now = (read(folder / name, kind) for name in ("before", "edited", FILES[kind]))
    part = lambda rows, own: [row for key, row in rows if (key in keys) == own]  # noqa: E731
    found = []
    if part(now, False) != part(before, False):
        pairs = zip(part(now, False), part(before, False))
        place = next((at for at, (one, other) in enumerate(pairs) if one != other), "the end")
        found.append(f"what nobody edited is not as before the run, from row {place} on")
    if sorted(part(now, True), key=str) != sorted(part(edited, True), key=str):
        found.append("the edited rows are not as they were edited")
    return found


def same(folder, kind):
    """The run itself changed the target."""
    return read(Path(folder) / FILES[kind], kind) == read(Path(folder) / "before", kind)


class Project:
    def __init__(self, folder, program):
        self.folder = folder
        self.ours = [program, "-C", folder, "--progress", "none"]

    def said(self):
        """The last answer."""
        lines = (self.folder / "bench.log").read_text().splitlines()
        return next(json.loads(line) for line in reversed(lines) if line.startswith('{"run":'))

    def run_id(self):
        """The last run."""
        command = [str(part) for part in [*self.ours, "--json", "runs"]]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[0])["id"]

    def time(self, job, words, expected=(0,)):
        wall, cpu, peak = bench.measure([*self.ours, *words], self.folder, expected)
        print(f"  {job:<24} {wall:7.2f} {cpu:8.2f} {peak:8.0f}", flush=True)

    def migrate(self, job, plan, confirm):
        self.time(job, ["migrate", "--plan", plan, "--confirm", confirm])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="100k", help="rows that the run writes: 100k, 1M")
    parser.add_argument("--edits", type=int, default=50, help="rows that are edited before the run is taken back")
    parser.add_argument("--kinds", default=",".join(FILES), help="which targets: " + ", ".join(FILES))
    parser.add_argument("--program", default="target/release/crm-console")
    parser.add_argument("--folder", default="/tmp/bench")
    parser.add_argument("--call", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.call:
        name, *arguments = json.loads(options.call)
        print(json.dumps({"make": make, "edit": edit, "wrong": wrong, "same": same}[name](*arguments)))
        return
    ctypes.CDLL(None).prctl(bench.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rows = bench.count(options.rows)
    program = Path(options.program).resolve()

    def apart(what, *arguments):
        # What is started counts the peak of who starts it as its own, so this process stays small.
        call = json.dumps([what.__name__, *arguments])
        return json.loads(subprocess.run([sys.executable, __file__, "--call", call], stdout=subprocess.PIPE, check=True).stdout)

    failed = 0
    for kind in options.kinds.split(","):
        if kind == "parquet" and not importlib.util.find_spec("polars"):
            print("parquet is left out: no polars here")
            continue
        folder = Path(options.folder).resolve() / f"revert-{kind}"
        apart(make, str(folder), rows, kind)
        print(f"{kind}, a run of {rows} rows, {options.edits} edited since    wall s    CPU s  peak MiB", flush=True)
        project = Project(folder, program)
        plan = folder / "plan.json"
        project.time("plan", ["plan", "--out", plan], (1,))
        project.migrate("run", plan, json.loads(plan.read_text())["confirm"])
        found = ["the run changed nothing"] if apart(same, str(folder), kind) else []
        keys = apart(edit, str(folder), kind, options.edits)
        project.time("plan of the revert", ["--json", "revert", project.run_id()], (REFUSED,))
        back = project.said()["plan"]
        counts = back["mappings"][0]["counts"]
        if counts["held"] != len(keys) or len(keys) != options.edits:
            found.append(f"{counts['held']} rows are held, {len(keys)} of {options.edits} were edited")
        project.migrate("run of the revert", back["id"], back["confirm"])
        found += apart(wrong, str(folder), kind, keys)
        print(f"  {counts['inserted']} back, {counts['updated']} as before, {counts['deleted']} gone, {counts['held']} held; "
              + ("right" if not found else "WRONG: " + "; ".join(found)), flush=True)
        failed += len(found)
        shutil.rmtree(folder)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
