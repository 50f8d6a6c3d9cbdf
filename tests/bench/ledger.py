#!/usr/bin/env python3
"""What one change costs a watch loop, by the size of what it watches.

    tests/bench/ledger.py [--program target/release/crm-console] [--sizes 10k,100k,1M] [--events 20]
                          [--kinds cursor,one-way,two-way]

For each size and kind (read from a cursor's value on, compared whole, compared whole on both sides): the first run (which makes the ledger) with the time of an order and of a status meanwhile, the
loop's time for one changed row, for an audit of everything, its peak memory and the size of the ledger. SQLite on both
sides. Fails on an event that does not arrive, never on time.
"""
import argparse, json, os, pathlib, sqlite3, subprocess, sys, tempfile, threading, time

SETTINGS = """[platforms.old]
kind = "sqlite"
path = "old.db"

[platforms.new]
kind = "sqlite"
path = "new.db"
"""
MAPPING = """from = "old:contacts"
to = "new:contacts"
key = ["legacy_id"]

[fields]
legacy_id = "ID"
name = "NAME"
city = "CITY"
%s
[sync]
trigger = "observe"
every = "1h"
direction = "%s"
conflict = "source"
"""
CURSOR = """
[run]
cursor = "AT"
"""


def number(text):
    return int(text.lower().replace("k", "000").replace("m", "000000"))


def run(program, folder, *arguments):
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)


def make(folder, rows, direction):
    (folder / "mappings").mkdir(parents=True)
    (folder / "project.toml").write_text(SETTINGS)
    both = "two-way" if direction == "two-way" else "one-way"
    (folder / "mappings/contacts.toml").write_text(MAPPING % (CURSOR if direction == "cursor" else "", both))
    with sqlite3.connect(folder / "old.db") as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("CREATE TABLE contacts (ID TEXT PRIMARY KEY, NAME TEXT, CITY TEXT, AT INTEGER)")
        old.execute("CREATE INDEX contacts_at ON contacts (AT)")
        line = ((f"C{at}", f"Name {at}", f"City {at % 97}", at) for at in range(rows))
        old.executemany("INSERT INTO contacts VALUES (?, ?, ?, ?)", line)
    with sqlite3.connect(folder / "new.db") as new:
        new.execute("PRAGMA journal_mode = WAL")
        new.execute("CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT, city TEXT)")


def lane(program, folder):
    lanes = json.loads(run(program, folder, "status", "--json").stdout)["lanes"]
    return lanes[0] if lanes else {"state": "none"}


def until(what, is_so, patience=600):
    end = time.time() + patience
    while not is_so():
        if time.time() > end:
            sys.exit(f"{what} did not come")
        time.sleep(0.01)


def peak(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) // 1024
    return 0


def middle(values):
    return sorted(values)[len(values) // 2]


def first_run(program, folder, rows):
    """Plans and migrates; answers the seconds, and the milliseconds that orders and status took meanwhile."""
    begun = time.time()
    run(program, folder, "plan", "--out", "plan.json", "--json")
    planned = time.time() - begun
    orders, stop = [], threading.Event()

    def tell():
        while not stop.wait(0.05):
            for words in (["lane", "pause", "contacts"], ["lane", "resume", "contacts"], ["status", "--json"]):
                at = time.time()
                run(program, folder, *words)
                orders.append((time.time() - at) * 1000)

    teller = threading.Thread(target=tell)
    teller.start()
    begun = time.time()
    answer = run(program, folder, "migrate", "--plan", "plan.json", "--confirm", "new", "--json")
    took = time.time() - begun
    stop.set()
    teller.join()
    if answer.returncode != 0:
        sys.exit(f"the first run of {rows} rows failed: {answer.stderr}")
    return planned, took, orders


def measure(program, work, rows, direction, events):
    folder = work / f"{direction}-{rows}"
    make(folder, rows, direction)
    planned, took, orders = first_run(program, folder, rows)
    told = f"an order or a status meanwhile (each a process): p50 {middle(orders):.0f} ms, most {max(orders):.0f} ms" if orders else ""
    print(f"{direction} {rows}: planned in {planned:.1f} s, run in {took:.1f} s; {told}", flush=True)
    loop = subprocess.Popen(
        [program, "engine", "--sync"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        until("the loop", lambda: loop.poll() is not None or json.loads(run(program, folder, "status", "--json").stdout)["alive"])
        until("a lane at rest", lambda: lane(program, folder)["state"] == "ok")
        old = sqlite3.connect(folder / "old.db", isolation_level=None, timeout=60)
        new = sqlite3.connect(folder / "new.db", timeout=60)
        lags, costs = [], []
        for at in range(events):
            key, name = f"C{at * (rows // events)}", f"Changed {at}"
            begun = time.time()
            old.execute("UPDATE contacts SET NAME = ?, AT = ? WHERE ID = ?", (name, rows + at, key))
            one = "SELECT name FROM contacts WHERE legacy_id = ?"
            until("a change", lambda: new.execute(one, (key,)).fetchone()[0] == name)
            lags.append((time.time() - begun) * 1000)
            now = lane(program, folder)
            until("rest", lambda: lane(program, folder)["pending"] == 0)
            costs.append(now["cycle_ms"])
        back = []
        if direction == "two-way":
            new.isolation_level = None
            for at in range(min(events, 5)):
                key, name = f"C{at * (rows // events)}", f"Back {at}"
                begun = time.time()
                new.execute("UPDATE contacts SET name = ? WHERE legacy_id = ?", (name, key))
                one = "SELECT NAME FROM contacts WHERE ID = ?"
                until("a change back", lambda: old.execute(one, (key,)).fetchone()[0] == name)
                back.append((time.time() - begun) * 1000)
        before = lane(program, folder)["looked"]
        begun = time.time()
        run(program, folder, "lane", "audit", "contacts")
        until("an audit", lambda: lane(program, folder)["looked"] > before and lane(program, folder)["pending"] == 0)
        audit = time.time() - begun
        ledger = folder / ".crm-console/ledger"
        size = sum(file.stat().st_size for file in ledger.glob("*.db")) >> 20
        ways = f", back {middle(back):.0f} ms" if back else ""
        print(
            f"{direction} {rows}: one change arrives after {middle(lags):.0f} ms{ways} (the look itself {middle(costs)} ms);"
            f" audit {audit:.1f} s; peak of the loop {peak(loop.pid)} MB; ledger {size} MB",
            flush=True,
        )
    finally:
        loop.terminate()
        loop.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="target/release/crm-console")
    parser.add_argument("--sizes", default="10k,100k,1M")
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--kinds", default="cursor,one-way,two-way")
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.program).resolve())
    with tempfile.TemporaryDirectory() as work:
        for direction in arguments.kinds.split(","):
            for rows in arguments.sizes.split(","):
                measure(program, pathlib.Path(work), number(rows), direction, arguments.events)


if __name__ == "__main__":
    main()
