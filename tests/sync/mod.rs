//! The watch loop, on the real engine process.
mod alerts;
mod both_ways;
mod chaos;
mod directions;
mod live;
mod marks;
mod matrix;
mod one_way;
mod push;
mod service;
mod space;
mod spans;
mod trouble;

use std::path::Path;

use rusqlite::Connection;

use crate::support::command::run;

/// Runs SQL on a database of the project.
fn sql(dir: &Path, file: &str, text: &str) {
    let db = Connection::open(dir.join(file)).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    db.execute_batch(text).unwrap();
}

/// Rows of a query, cells by `|`, NULL as `-`.
fn rows(dir: &Path, file: &str, query: &str) -> Vec<String> {
    let db = Connection::open(dir.join(file)).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    let mut statement = db.prepare(query).unwrap();
    let width = statement.column_count();
    let cell = |row: &rusqlite::Row<'_>, at: usize| -> rusqlite::Result<String> {
        Ok(match row.get::<_, rusqlite::types::Value>(at)? {
            rusqlite::types::Value::Null => "-".to_owned(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    };
    let cells = |row: &rusqlite::Row<'_>| {
        Ok((0..width).map(|at| cell(row, at)).collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
    };
    let found = statement.query_map([], cells).unwrap();
    found.map(Result::unwrap).collect()
}

/// Plans and runs everything.
fn migrate(dir: &Path, target: &str) {
    let plan = run(dir, &["plan", "--json"]).expect(1).json();
    let id = plan["id"].as_str().unwrap().to_owned();
    run(dir, &["migrate", "--plan", &id, "--confirm", target]).expect(0);
}

/// One look at everything; the exit code is checked.
#[track_caller]
fn look(dir: &Path, code: i32) -> serde_json::Value {
    run(dir, &["sync", "--once", "--json"]).expect(code).json()
}

/// Events, newest first, as `key operation outcome`.
fn events(dir: &Path) -> Vec<String> {
    let lines = run(dir, &["events", "--json", "-n", "1000"]).expect(0).lines();
    lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", text("key"), text("operation"), text("outcome"))
        })
        .collect()
}
