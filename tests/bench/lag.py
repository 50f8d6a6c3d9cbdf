#!/usr/bin/env python3
"""Lag of the watch loop: changes at a steady rate through one trigger, from the change to the acknowledged write.

    tests/bench/lag.py [--program target/release/crm-console] [--rate 100] [--seconds 20] [--idle 20] [--rows 10000]

Two ways in: a SQLite source that is observed, and the webhook. The time of a change is taken here, just before it is
committed or sent; that of the acknowledgement is the loop's own (`done` of its event). Prints the quantiles in
milliseconds and the processor time of the loop at rest. Fails on an event that is missing, never on time.
"""
import argparse, hashlib, hmac, http.client, json, os, pathlib, sqlite3, subprocess, sys, tempfile, time

SECRET = "0123456789abcdef0123456789abcdef"
MAPPING = """from = "old:contacts"
to = "new:contacts"
key = ["legacy_id"]

[fields]
legacy_id = "ID"
name = "NAME"

[sync]
trigger = "%s"
every = "1h"
"""
SETTINGS = """[platforms.old]
kind = "sqlite"
path = "old.db"

[platforms.new]
kind = "sqlite"
path = "new.db"

[push]
listen = "127.0.0.1:0"
secret_env = "PUSH_SECRET"
"""


def run(program, folder, *arguments):
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True)
    return done.stdout


def project(program, folder, trigger, rows):
    folder.mkdir()
    (folder / "mappings").mkdir()
    (folder / "project.toml").write_text(SETTINGS)
    (folder / "mappings/contacts.toml").write_text(MAPPING % trigger)
    with sqlite3.connect(folder / "old.db") as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("CREATE TABLE contacts (ID TEXT PRIMARY KEY, NAME TEXT)")
        old.executemany("INSERT INTO contacts VALUES (?, ?)", ((f"C{at}", f"Name {at}") for at in range(rows)))
    with sqlite3.connect(folder / "new.db") as new:
        new.execute("PRAGMA journal_mode = WAL")
        new.execute("CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT UNIQUE, name TEXT)")
    run(program, folder, "plan", "--out", "plan.json", "--json")
    run(program, folder, "migrate", "--plan", "plan.json", "--confirm", "new", "--json")


def status(program, folder):
    return json.loads(run(program, folder, "status", "--json"))


def wait(program, folder, loop):
    until = time.time() + 60
    while time.time() < until:
        now = status(program, folder)
        lanes = now["lanes"]
        if now["alive"] and lanes and all(lane["state"] == "ok" for lane in lanes):
            return now
        if loop.poll() is not None:
            sys.exit(f"the loop ended: {loop.stderr.read()}")
        time.sleep(0.1)
    sys.exit(f"the loop does not come to rest: {now}")


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def feed_sqlite(folder, listens):
    old = sqlite3.connect(folder / "old.db", isolation_level=None, timeout=30)

    def one(key, name):
        old.execute("INSERT OR REPLACE INTO contacts VALUES (?, ?)", (key, name))

    return one


def feed_webhook(folder, listens):
    connection = http.client.HTTPConnection(listens)

    def one(key, name):
        body = json.dumps({"ID": key, "NAME": name})
        stamp = str(int(time.time()))
        signature = hmac.new(SECRET.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"X-Timestamp": stamp, "X-Signature": f"sha256={signature}"}
        connection.request("POST", "/push/contacts", body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 202:
            sys.exit(f"the webhook answers {answer.status}")

    return one


def quantile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def measure(arguments, work, name, trigger, feeder):
    folder = work / name
    project(arguments.program, folder, trigger, arguments.rows)
    environment = {**os.environ, "PUSH_SECRET": SECRET}
    loop = subprocess.Popen(
        [arguments.program, "engine", "--sync"], cwd=folder, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )
    try:
        now = wait(arguments.program, folder, loop)
        before = cpu(loop.pid)
        time.sleep(arguments.idle)
        idle = (cpu(loop.pid) - before) / arguments.idle if arguments.idle else 0
        one = feeder(folder, now["loop"]["listens"])
        count = int(arguments.rate * arguments.seconds)
        sent, begun, before = {}, time.time(), cpu(loop.pid)
        for at in range(count):
            time.sleep(max(0, begun + at / arguments.rate - time.time()))
            sent[f"E{at}"] = time.time()
            one(f"E{at}", f"Changed {at}")
        took = time.time() - begun
        until = time.time() + 120
        new = sqlite3.connect(folder / "new.db", timeout=30)
        while new.execute("SELECT count(*) FROM contacts WHERE legacy_id LIKE 'E%'").fetchone()[0] < count:
            if time.time() > until:
                sys.exit(f"{name}: not all events arrived")
            time.sleep(0.05)
        time.sleep(1)
        busy = (cpu(loop.pid) - before) / took
        store = sqlite3.connect(folder / ".crm-console/sync/default.db", timeout=30)
        done = dict(store.execute("SELECT key, done FROM events WHERE outcome = 'written' AND key LIKE 'E%'"))
        missing = [key for key in sent if key not in done]
        if missing:
            sys.exit(f"{name}: {len(missing)} events are not told of, {missing[0]} first")
        lags = sorted(done[key] - sent[key] * 1000 for key in sent)
        cycles = store.execute("SELECT count(DISTINCT cycle) FROM events").fetchone()[0]
        print(
            f"{name:8} {count} events in {took:.1f} s, {cycles} cycles: p50 {quantile(lags, .5):.0f} ms,"
            f" p95 {quantile(lags, .95):.0f} ms, p99 {quantile(lags, .99):.0f} ms, most {lags[-1]:.0f} ms;"
            f" processor busy {busy:.1%}, at rest {idle:.2%} of a core",
            flush=True,
        )
    finally:
        loop.terminate()
        loop.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="target/release/crm-console")
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--idle", type=float, default=20)
    parser.add_argument("--rows", type=int, default=10_000)
    arguments = parser.parse_args()
    arguments.program = str(pathlib.Path(arguments.program).resolve())
    with tempfile.TemporaryDirectory() as work:
        measure(arguments, pathlib.Path(work), "sqlite", "observe", feed_sqlite)
        measure(arguments, pathlib.Path(work), "webhook", "push", feed_webhook)


if __name__ == "__main__":
    main()
