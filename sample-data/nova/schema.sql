-- The new CRM. `crm-console demo` builds nova.db and nova-sandbox.db from this and rows.sql.
CREATE TABLE users (
  id     INTEGER PRIMARY KEY,
  name   TEXT NOT NULL,
  email  TEXT NOT NULL UNIQUE,
  active INTEGER NOT NULL DEFAULT 1
);

CREATE TABLE accounts (
  id             INTEGER PRIMARY KEY,
  legacy_id      TEXT,
  name           TEXT NOT NULL,
  phone          TEXT,
  website        TEXT,
  street         TEXT,
  postcode       TEXT,
  city           TEXT,
  country        TEXT,
  industry       TEXT,
  annual_revenue NUMERIC,
  employees      INTEGER,
  owner_id       INTEGER NOT NULL REFERENCES users (id),
  status         TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'inactive')),
  origin         TEXT NOT NULL DEFAULT 'nova',
  health_score   INTEGER,
  created_at     TEXT,
  updated_at     TEXT
);
CREATE UNIQUE INDEX accounts_legacy_id ON accounts (legacy_id);

CREATE TABLE contacts (
  id         INTEGER PRIMARY KEY,
  legacy_id  TEXT,
  full_name  TEXT NOT NULL,
  email      TEXT,
  phone      TEXT,
  mobile     TEXT,
  job_title  TEXT,
  account_id INTEGER REFERENCES accounts (id),
  owner_id   INTEGER NOT NULL REFERENCES users (id),
  tags       TEXT,
  opt_out    INTEGER NOT NULL DEFAULT 0 CHECK (opt_out IN (0, 1)),
  birth_date TEXT,
  notes      TEXT,
  origin     TEXT NOT NULL DEFAULT 'nova',
  newsletter TEXT,
  created_at TEXT,
  updated_at TEXT
);
CREATE UNIQUE INDEX contacts_legacy_id ON contacts (legacy_id);
CREATE INDEX contacts_email ON contacts (lower(email));

CREATE TABLE deals (
  id          INTEGER PRIMARY KEY,
  legacy_id   TEXT,
  name        TEXT NOT NULL,
  account_id  INTEGER REFERENCES accounts (id),
  contact_id  INTEGER REFERENCES contacts (id),
  stage       TEXT NOT NULL
              CHECK (stage IN ('lead', 'qualified', 'proposal', 'negotiation', 'won', 'lost')),
  amount      NUMERIC,
  currency    TEXT NOT NULL DEFAULT 'EUR',
  probability INTEGER,
  close_date  TEXT,
  owner_id    INTEGER NOT NULL REFERENCES users (id),
  lost_reason TEXT,
  forecast    TEXT,
  origin      TEXT NOT NULL DEFAULT 'nova',
  created_at  TEXT,
  updated_at  TEXT
);
CREATE UNIQUE INDEX deals_legacy_id ON deals (legacy_id);

-- Whoever changes a row, the new CRM notes when.
CREATE TRIGGER accounts_touch AFTER UPDATE ON accounts BEGIN
  UPDATE accounts SET updated_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE id = NEW.id;
END;
CREATE TRIGGER contacts_touch AFTER UPDATE ON contacts BEGIN
  UPDATE contacts SET updated_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE id = NEW.id;
END;
CREATE TRIGGER deals_touch AFTER UPDATE ON deals BEGIN
  UPDATE deals SET updated_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE id = NEW.id;
END;
