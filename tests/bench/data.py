"""Contacts of an old CRM as they are in life, made for the bench: the same seed gives the same bytes.

old.csv     ROWS lines: some without a key, some exported twice, dates as day/month/year, codes, quotes, line breaks
before.csv  the first column of old.csv is a key: what a diff compares
after.csv   before.csv with some rows changed, removed, added, in another order
truth.json  what a diff must find
"""
import csv
import json
import random
from pathlib import Path

COLUMNS = [
    "ID", "FIRST_NM", "LAST_NM", "COMPANY", "POSITION", "EMAIL_ADDR", "PHONE1", "STREET", "TOWN", "REGION", "ZIP",
    "COUNTRY", "CREATED", "CHANGED", "STG", "OWNER", "REV", "NO_MAIL", "TAGS", "REMARKS",
]
# Target column, source column: what the migration carries over.
FIELDS = [
    ("legacy_id", "ID"), ("first_name", "FIRST_NM"), ("last_name", "LAST_NM"), ("company", "COMPANY"),
    ("job_title", "POSITION"), ("email", "EMAIL_ADDR"), ("phone", "PHONE1"), ("postcode", "ZIP"), ("country", "COUNTRY"),
    ("stage", "STG"), ("created", "CREATED"), ("remarks", "REMARKS"),
]
STAGES = {"S": "subscriber", "L": "lead", "Q": "qualified", "O": "opportunity", "C": "customer", "X": "other"}

FIRST = "Anna Ben Carla Deniz Emil Françoise Goran Hanako Ines Jürgen Kwame Lucía Mária Noor Øyvind Priya Søren Tomasz Ünal 明".split()
LAST = "Abe Brandt Çelik Dvořák Eriksson Fernández Grün Haddad Ito Jansen Khan Lange Müller Novak O'Hara Petit Quist Rossi Śliwa 田中".split()
FIRMS = "Alpenglas Brückner Corvo Dunmore Ebbe Fjord Gamma Hollow Iris Juno Kestrel Lumen".split()
FORMS = ["GmbH", "Ltd", "Ltd.", "Inc", "S.A.", "& Sons", "AG", "", ""]
ROLES = ["Buyer", "Head of Sales", "CEO", "Owner, Founder", "Einkauf", "Analyst", "", "Office \"Manager\""]
TOWNS = [("Berlin", "BE", "DE"), ("Lyon", "", "France"), ("Boston", "MA", "USA"), ("Leeds", "", "UK"), ("大阪", "", "JP"), ("Graz", "ST", "AT")]
REMARKS = [
    "", "", "", "called, no answer", "Met at the fair; wants a quote", "said: \"later\"", "line one\nline two",
    "bittet um Angebot, möglichst bald", "see mail\r\nof March", "no. 4711; three years; renews by itself",
    "moved house, the address is old. " * 4,
]


def contact(rng, number):
    first, last, firm = rng.choice(FIRST), rng.choice(LAST), rng.choice(FIRMS)
    town, region, country = rng.choice(TOWNS)
    mail = f"{first}.{last}{number % 977}@{firm}.example"
    if rng.random() < 0.3:
        mail = rng.choice([mail.upper(), " " + mail, mail + " ", ""])
    when = lambda: f"{rng.randint(1, 28):02}/{rng.randint(1, 12):02}/{rng.randint(2009, 2024)} {rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    return [
        f"C{number:08}", first, last, f"{firm} {rng.choice(FORMS)}".strip(), rng.choice(ROLES), mail,
        f"0{rng.randint(30, 899)} {rng.randint(100_000, 9_999_999)}", f"Road {rng.randint(1, 400)}", town, region,
        f"{rng.randint(0, 99_999):05}", country, when(), when(), rng.choice("SLQOCX?"), rng.choice(LAST).lower(),
        f"{rng.randint(0, 9_000_000) / 100:.2f}", rng.choice(["Y", "N", "", "true"]), rng.choice(["", "vip", "vip;eu", "fair"]),
        rng.choice(REMARKS),
    ]


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def make(folder, rows, seed=1):
    """Writes the files of ROWS lines to the folder, unless they are there."""
    folder = Path(folder)
    truth = folder / "truth.json"
    if truth.exists():
        return json.loads(truth.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    unique = []
    lines = 0
    with open(folder / "old.csv", "w", newline="", encoding="utf8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        while lines < rows:
            row = contact(rng, len(unique))
            dice = rng.random()
            lines += 1
            if dice < 0.004:
                out.writerow(["", *row[1:]])
                continue
            unique.append(row)
            out.writerow(row)
            if dice < 0.024 and lines < rows:
                out.writerow(row)
                lines += 1
    write(folder / "before.csv", COLUMNS, unique)
    found = {"before": len(unique), "added": 0, "removed": 0, "changed": 0, "cells": 0}
    after = []
    for row in unique:
        dice = rng.random()
        if dice < 0.005:
            found["removed"] += 1
            continue
        if dice < 0.015:
            row = list(row)
            for place in rng.sample([4, 6, 13, 15], rng.randint(1, 3)):
                row[place] += "*"
                found["cells"] += 1
            found["changed"] += 1
        after.append(row)
    for number in range(len(unique) // 200):
        after.append(contact(rng, 90_000_000 + number))
        found["added"] += 1
    rng.shuffle(after)
    write(folder / "after.csv", COLUMNS, after)
    truth.write_text(json.dumps(found))
    return found


def disturb(source, target, seed=2):
    """A target as others left it: every row of `source` in another order, nine of ten with another job title."""
    rng = random.Random(seed)
    with open(source, newline="", encoding="utf8") as file:
        header, *rows = csv.reader(file)
    title = header.index("job_title")
    for row in rows:
        if rng.random() < 0.9:
            row[title] += " (old)"
    rng.shuffle(rows)
    write(target, header, rows)
