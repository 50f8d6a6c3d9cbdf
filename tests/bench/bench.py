#!/usr/bin/env python3
"""Whole processes against the clock: the console's plan, migrate, verify and diff, and other tools on the same jobs.

    tests/bench/bench.py --rows 1M --rounds 3 --program target/release/crm-console --folder /tmp/bench

The tools take turns within one run, so that what else the machine does hits all of them alike. A tool that is not installed
(polars, duckdb, pandas in the Python that runs this) is left out. Nothing here passes or fails by time; a job whose result
is wrong is said to be wrong. Linux only: a run's engine is a process of its own, whose time is counted by adopting it.
"""
import argparse
import csv
import ctypes
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import data  # noqa: E402

PEERS = ["polars", "duckdb", "pandas"]
PR_SET_CHILD_SUBREAPER = 36


def measure(command, cwd, expected=(0,)):
    """Wall and CPU seconds and the peak in MiB of a command with all its processes."""
    log = open(cwd / "bench.log", "ab")
    start = time.monotonic()
    child = subprocess.Popen([str(part) for part in command], cwd=cwd, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    wall, code, cpu, peak = None, None, 0.0, 0
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)
        if pid == child.pid:
            wall, code = time.monotonic() - start, os.waitstatus_to_exitcode(status)
            child.returncode = code
    if code not in expected:
        sys.exit(f"{command} ended with {code}; see {log.name}")
    return wall, cpu, peak / 1024


def project(folder, target):
    """A project that does the job of peers.py, into the csv file `target`."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "mappings").mkdir(parents=True)
    (folder / "new").mkdir()
    if target:
        shutil.copy(target, folder / "new" / "contacts.csv")
    (folder / "project.toml").write_text(
        '[platforms.old]\nkind = "csv"\npath = ".."\n\n[platforms.new]\nkind = "csv"\npath = "new"\n'
    )
    how = {
        "email": ', clean = ["trim", "lower"]',
        "stage": ", values = {{ {} }}, otherwise = \"null\"".format(", ".join(f'{code} = "{word}"' for code, word in data.STAGES.items())),
        "created": ', datetime = "%d/%m/%Y %H:%M"',
    }
    fields = "".join(f'{to} = {{ from = "{source}"{how.get(to, "")} }}\n' for to, source in data.FIELDS)
    (folder / "mappings" / "contacts.toml").write_text(
        'from = "old:old"\nto = "new:contacts"\nkey = ["legacy_id"]\nduplicates = "first"\n'
        f'where = "ID IS NOT NULL"\n\n[fields]\n{fields}\n[run]\nerror_budget = "5%"\n'
    )


def rows_of(path):
    """The rows of a csv file as a set: how many, and a hash that no order changes."""
    total, count = 0, 0
    with open(path, newline="", encoding="utf8") as file:
        for row in csv.reader(file):
            total ^= int.from_bytes(hashlib.blake2b("\x1f".join(row).encode(), digest_size=8).digest(), "big")
            count += 1
    return count - 1, f"{total:016x}"


def right(truth, answer, words):
    """The answer to a diff says what was done to the data."""
    truth, answer = (json.loads(Path(path).read_text()) for path in (truth, answer))
    return all(answer[word] == truth[word] for word in words or answer)


def make(folder, rows):
    """Makes the data, and notes what a diff of it must find."""
    truth = data.make(Path(folder), rows)
    (Path(folder) / "truth.json").write_text(json.dumps(truth))


def disturb(source, target):
    """Makes a target that differs from what a migration makes."""
    data.disturb(Path(source), Path(target))


def apart(what, *arguments):
    """Calls a function of this file in a process of its own: what is started counts the peak of who starts it as its own,
    so this process must stay small."""
    call = json.dumps([what.__name__, *(str(one) if isinstance(one, Path) else one for one in arguments)])
    answer = subprocess.run([sys.executable, __file__, "--call", call], capture_output=True, check=True)
    return json.loads(answer.stdout or "null")


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = Path(options.folder).resolve() / options.rows
        self.program = Path(options.program).resolve()
        self.times = {}
        self.wrong = []

    def time(self, job, tool, command, expected=(0,), cwd=None):
        taken = measure(command, cwd or self.folder, expected)
        self.times.setdefault((job, tool), []).append(taken)
        print(f"  {job:<16} {tool:<14} {taken[0]:8.2f} s {taken[1]:8.2f} s CPU {taken[2]:8.0f} MiB", flush=True)

    def check(self, what, is_right):
        if not is_right:
            self.wrong.append(what)

    def ours(self, name, target):
        """Plan, migrate, verify into an empty target, or into one that is there."""
        where = self.folder / name
        project(where, target)
        ours = [self.program, "-C", where, "--progress", "none"]
        self.time(name, "plan", [*ours, "plan", "--out", where / "plan.json"], (1,))
        confirm = json.loads((where / "plan.json").read_text())["confirm"]
        run = [*ours, "migrate", "--plan", where / "plan.json", "--confirm", confirm]
        self.time(name, "migrate", run)
        self.time(name, "verify", [*ours, "verify"], (0, 1))
        return where / "new" / "contacts.csv"

    def round(self):
        truth = self.folder / "truth.json"
        ours = self.ours("new target", None)
        mine = apart(rows_of, ours)
        disturbed = self.folder / "disturbed.csv"
        if not disturbed.exists():
            apart(disturb, ours, disturbed)
        self.check("migrate into a target that is there", apart(rows_of, self.ours("updates", disturbed)) == mine)
        diff = [self.program, "diff", "before.csv", "after.csv", "--key", "ID", "--summary", "--json", "--progress", "none"]
        self.time("diff", "crm-console", diff, (1,))
        answer = self.folder / "crm-console.json"
        with open(answer, "wb") as file:
            subprocess.run(diff, cwd=self.folder, stdout=file, check=False)
        self.check("diff", apart(right, truth, answer, ["added", "removed"]))
        for tool in PEERS:
            if importlib.util.find_spec(tool) is None or tool in self.options.without:
                continue
            for job in ("migrate", "diff"):
                out = self.folder / f"{tool}.{'csv' if job == 'migrate' else 'json'}"
                peer = [sys.executable, HERE / "peers.py", tool, job, self.folder, out]
                self.time("new target" if job == "migrate" else job, tool, peer)
                if job == "migrate":
                    self.check(f"{tool}: migrate", apart(rows_of, out) == mine)
                else:
                    self.check(f"{tool}: diff", apart(right, truth, out, None))

    def table(self):
        median = lambda key, place: statistics.median(taken[place] for taken in self.times[key])
        print(f"\n{self.options.rows} rows of {len(data.COLUMNS)} columns, {self.options.rounds} rounds, medians; {platform.machine()}, "
              f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        print(f"{'job':<16} {'tool':<14} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'CPU to ours':>12} {'peak to ours':>13}")
        both = {}
        for place in range(3):
            steps = [median(("new target", step), place) for step in ("plan", "migrate")]
            both[place] = max(steps) if place == 2 else sum(steps)
        for (job, tool), _ in sorted(self.times.items()):
            own = both if job == "new target" else {place: median((job, "crm-console"), place) for place in range(3)} if job == "diff" else None
            wall, cpu, peak = (median((job, tool), place) for place in range(3))
            ratio = "" if own is None or tool not in PEERS else f"{cpu / own[1]:>12.2f} {peak / own[2]:>13.2f}"
            print(f"{job:<16} {tool:<14} {wall:8.2f} {cpu:8.2f} {peak:9.0f} {ratio}")
        print(f"{'new target':<16} {'plan + migrate':<14} {both[0]:8.2f} {both[1]:8.2f} {both[2]:9.0f}")
        print("results: " + ("all tools made the same rows" if not self.wrong else "WRONG: " + "; ".join(sorted(set(self.wrong)))))


def count(text):
    number = text.lower().replace("k", "000").replace("m", "000000")
    return int(number)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="100k", help="lines of the old export: 100k, 1M")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--program", default="target/release/crm-console")
    parser.add_argument("--folder", default="/tmp/crm-console-bench", help="where data and results are kept")
    parser.add_argument("--without", nargs="*", default=[], help="tools to leave out")
    options = parser.parse_args()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("cannot adopt the processes that a run leaves: Linux is needed")
    bench = Bench(options)
    apart(make, bench.folder, count(options.rows))
    for number in range(options.rounds):
        print(f"round {number + 1}", flush=True)
        bench.round()
    bench.table()
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--call"]:
        name, *given = json.loads(sys.argv[2])
        print(json.dumps(globals()[name](*given)))
    else:
        sys.exit(main())
