#!/usr/bin/env python3
"""Lag of the watch loop: changes at a steady rate through one trigger, from the change to the acknowledged write.

    tests/bench/lag.py [--program target/release/crm-console] [--ways sqlite,webhook,socket,csv,batch]
                       [--rate 100] [--seconds 20] [--idle 20] [--rows 10000] [--limit]

Ways in: a SQLite source that is observed, a csv file that is appended to and observed, the webhook with one record a request or
fifty, the socket. The time of a change is taken here, just before it is committed or sent; that of the acknowledgement is
the loop's own (`done` of its event). Prints the quantiles in milliseconds and the processor time of the loop at rest. With
`--limit` the rate is doubled until the lag grows from the first to the last quarter of a round. Fails on an event that is
missing, never on time.
"""
import argparse, hashlib, hmac, http.client, json, os, pathlib, socket, sqlite3, subprocess, sys, tempfile, time

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
%s

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


def project(program, folder, trigger, rows, kind):
    folder.mkdir()
    (folder / "mappings").mkdir()
    place = 'kind = "csv"\npath = "old"' if kind == "csv" else 'kind = "sqlite"\npath = "old.db"'
    (folder / "project.toml").write_text(SETTINGS % place)
    (folder / "mappings/contacts.toml").write_text(MAPPING % trigger)
    lines = ((f"C{at}", f"Name {at}") for at in range(rows))
    if kind == "csv":
        (folder / "old").mkdir()
        (folder / "old/contacts.csv").write_text("ID,NAME\n" + "".join(f"{key},{name}\n" for key, name in lines))
    else:
        with sqlite3.connect(folder / "old.db") as old:
            old.execute("PRAGMA journal_mode = WAL")
            old.execute("CREATE TABLE contacts (ID TEXT PRIMARY KEY, NAME TEXT)")
            old.executemany("INSERT INTO contacts VALUES (?, ?)", lines)
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
        if now["alive"] and lanes and now["loop"]["pid"] == loop.pid and all(lane["state"] == "ok" for lane in lanes):
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

    def some(records):
        for record in records:
            old.execute("INSERT OR REPLACE INTO contacts VALUES (?, ?)", record)

    return some


def feed_csv(folder, listens):
    file = open(folder / "old/contacts.csv", "a")

    def some(records):
        file.write("".join(f"{key},{name}\n" for key, name in records))
        file.flush()

    return some


def feed_webhook(folder, listens):
    connection = http.client.HTTPConnection(listens)

    def some(records):
        body = json.dumps([{"ID": key, "NAME": name} for key, name in records])
        stamp = str(int(time.time()))
        signature = hmac.new(SECRET.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
        headers = {"X-Timestamp": stamp, "X-Signature": f"sha256={signature}"}
        connection.request("POST", "/push/contacts", body, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 202:
            sys.exit(f"the webhook answers {answer.status}")

    return some


def feed_socket(folder, listens):
    stream = socket.socket(socket.AF_UNIX)
    # The path of a socket is short.
    here = os.getcwd()
    os.chdir(folder)
    stream.connect(".crm-console/sync/push.sock")
    os.chdir(here)
    answers = stream.makefile("r")

    def some(records):
        for key, name in records:
            line = {"mapping": "contacts", "record": {"ID": key, "NAME": name}}
            stream.sendall((json.dumps(line) + "\n").encode())
            if json.loads(answers.readline()).get("accepted") != 1:
                sys.exit("the socket does not take a record")

    return some


# Trigger, kind of the source, feeder, records at once.
WAYS = {
    "sqlite": ("observe", "sqlite", feed_sqlite, 1),
    "csv": ("observe", "csv", feed_csv, 1),
    "webhook": ("push", "sqlite", feed_webhook, 1),
    "batch": ("push", "sqlite", feed_webhook, 50),
    "socket": ("push", "sqlite", feed_socket, 1),
}


def quantile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def feed(some, at_once, rate, seconds, mark):
    """Sends records at a steady rate; answers when each was sent, and how long it took."""
    count = int(rate * seconds) // at_once * at_once
    sent, begun = {}, time.time()
    for at in range(0, count, at_once):
        time.sleep(max(0, begun + at / rate - time.time()))
        records = [(f"{mark}{one}", f"Changed {one}") for one in range(at, at + at_once)]
        for key, _ in records:
            sent[key] = time.time()
        some(records)
    return sent, time.time() - begun


def arrived(folder, name, sent, mark):
    """Waits until all have arrived; answers their lags in the order in which they were sent."""
    until = time.time() + 300
    new = sqlite3.connect(folder / "new.db", timeout=30)
    while new.execute(f"SELECT count(*) FROM contacts WHERE legacy_id LIKE '{mark}%'").fetchone()[0] < len(sent):
        if time.time() > until:
            sys.exit(f"{name}: not all events arrived")
        time.sleep(0.05)
    time.sleep(1)
    store = sqlite3.connect(folder / ".crm-console/sync/default.db", timeout=30)
    done = dict(store.execute(f"SELECT key, done FROM events WHERE outcome = 'written' AND key LIKE '{mark}%'"))
    missing = [key for key in sent if key not in done]
    # What comes in one go beyond ten thousand is counted, and not listed.
    if len(missing) > max(0, len(sent) - 10_000):
        sys.exit(f"{name}: {len(missing)} events are not told of, {missing[0]} first")
    return [done[key] - at * 1000 for key, at in sent.items() if key in done]


def measure(arguments, work, name):
    trigger, kind, feeder, at_once = WAYS[name]
    folder = work / name
    project(arguments.program, folder, trigger, arguments.rows, kind)
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
        some = feeder(folder, now["loop"]["listens"])
        if arguments.limit:
            return limit(arguments, folder, name, some, at_once)
        before = cpu(loop.pid)
        sent, took = feed(some, at_once, arguments.rate, arguments.seconds, "E")
        busy = (cpu(loop.pid) - before) / took
        lags = sorted(arrived(folder, name, sent, "E"))
        store = sqlite3.connect(folder / ".crm-console/sync/default.db", timeout=30)
        cycles = store.execute("SELECT count(DISTINCT cycle) FROM events").fetchone()[0]
        print(
            f"{name:8} {len(sent)} events in {took:.1f} s, {cycles} cycles: p50 {quantile(lags, .5):.0f} ms,"
            f" p95 {quantile(lags, .95):.0f} ms, p99 {quantile(lags, .99):.0f} ms, most {lags[-1]:.0f} ms;"
            f" processor busy {busy:.1%}, at rest {idle:.2%} of a core",
            flush=True,
        )
    finally:
        loop.terminate()
        loop.wait()


def limit(arguments, folder, name, some, at_once):
    """Doubles the rate until the lag grows, or the sender cannot send any faster."""
    rate, held = arguments.rate, 0
    while True:
        mark = f"R{int(rate)}x"
        sent, took = feed(some, at_once, rate, arguments.seconds, mark)
        lags = arrived(folder, name, sent, mark)
        quarter = max(1, len(lags) // 4)
        first, last = quantile(sorted(lags[:quarter]), 0.5), quantile(sorted(lags[-quarter:]), 0.5)
        real = len(sent) / took
        grows = last > 2 * first + 250
        word = "the lag grows" if grows else "it keeps up"
        print(f"{name:8} {real:.0f} events/s: {word}, from {first:.0f} ms to {last:.0f} ms", flush=True)
        if not grows:
            held = real
        if grows or real < rate * 0.8:
            why = "above it the lag grows" if grows else "the sender sends no faster"
            print(f"{name:8} limit: {held:.0f} events/s; {why}", flush=True)
            return
        rate *= 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="target/release/crm-console")
    parser.add_argument("--ways", default="sqlite,webhook")
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--idle", type=float, default=20)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--limit", action="store_true")
    arguments = parser.parse_args()
    arguments.program = str(pathlib.Path(arguments.program).resolve())
    for name in arguments.ways.split(","):
        with tempfile.TemporaryDirectory() as work:
            measure(arguments, pathlib.Path(work), name)


if __name__ == "__main__":
    main()
