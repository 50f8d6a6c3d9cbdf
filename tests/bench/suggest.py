#!/usr/bin/env python3
"""How long suggestions take: FIELDS fields a side, ROWS rows of each looked at, with transforms tried.

    tests/bench/suggest.py --program target/release/crm-console [--fields 500] [--rows 10000] [--rounds 3]

Prints seconds for names alone and with rows, and the share of fields that found their counterpart; it fails on a wrong result
only, never on time.
"""
import argparse
import csv
import json
import pathlib
import random
import subprocess
import tempfile
import time

WORDS = (
    "contract branch region score visit tariff meter claim policy asset depot route crew batch vessel permit grant audit "
    "survey parcel tenant lease ward clinic batchno lane rack shelf recipe coil mould press turbine valve sensor loop "
    "ledger voucher accrual tranche margin hedge quota bonus shift roster badge locker"
).split()
KINDS = ("name", "date", "amount", "code", "flag", "email", "phone", "city", "note", "list")


def columns(count, rng):
    made = []
    for number in range(count):
        made.append((f"{WORDS[number % len(WORDS)]}_{KINDS[number % len(KINDS)]}_{number // len(WORDS)}", KINDS[number % len(KINDS)]))
    rng.shuffle(made)
    return made


def cell(kind, column, row, rng, new):
    n = rng.randrange(10_000)
    if kind == "date":
        day, month, year = n % 28 + 1, n % 12 + 1, 1990 + n % 30
        return f"{year}-{month:02}-{day:02}" if new else f"{day:02}/{month:02}/{year}"
    if kind == "amount":
        return f"{n}.{n % 100:02}" if new else f"{n // 1000}.{n % 1000:03},{n % 100:02} €"
    if kind == "flag":
        return str(n % 2) if new else "JN"[n % 2]
    if kind == "email":
        return f"u{n}@{column[:3]}.example"
    if kind == "phone":
        return f"+4930{1_000_000 + n}" if new else f"030 / {1_000_000 + n}"
    if kind == "list":
        return ("open", "won", "lost")[n % 3] if new else ("Offen", "Closed Won", "Verloren")[n % 3]
    if kind == "code":
        return f"{column[:2].upper()}-{row:06}"
    return f"{column[:4]} {n} {WORDS[n % len(WORDS)]}"


def write(path, names, kinds, rows, rng, new):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(names)
        for row in range(rows):
            out.writerow([cell(kind, name, row, rng, new) for name, kind in zip(names, kinds)])


def main():
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--program", required=True)
    ask.add_argument("--fields", type=int, default=500)
    ask.add_argument("--rows", type=int, default=10_000)
    ask.add_argument("--rounds", type=int, default=3)
    args = ask.parse_args()
    rng = random.Random(7)
    old = columns(args.fields, rng)
    new = old[:]
    rng.shuffle(new)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        renamed = {name: name.upper().replace("_", "") for name, _ in old}
        for rows in (0, args.rows):
            write(folder / "old.csv", [name for name, _ in old], [kind for _, kind in old], rows, rng, False)
            write(folder / "new.csv", [renamed[name] for name, _ in new], [kind for _, kind in new], rows, rng, True)
            best = None
            for _ in range(args.rounds):
                start = time.monotonic()
                done = subprocess.run(
                    [args.program, "suggest", folder / "old.csv", folder / "new.csv", "--json", "--progress", "none"],
                    capture_output=True, check=True,
                )
                took = time.monotonic() - start
                best = took if best is None else min(best, took)
            found = {item["from"]: item for item in json.loads(done.stdout) if item["rank"] == 1}
            right = sum(name in found and found[name]["to"] == renamed[name] for name, _ in old)
            tried = sum(item["transform"] is not None for item in found.values())
            size = (folder / "old.csv").stat().st_size / 1e6
            print(
                f"{args.fields} x {args.fields} fields, {rows:>6} rows ({size:.0f} MB a side): {best:.2f} s, "
                f"{right} of {len(old)} right, {tried} transforms"
            )
            assert right >= 0.95 * len(old), "suggestions are wrong"


if __name__ == "__main__":
    main()
