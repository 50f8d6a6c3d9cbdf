#![allow(clippy::unwrap_used)]
use polars::prelude::{IntoColumn, NamedFrom, Series};

use super::*;
use crate::platform::Source;
use crate::project::{Duplicates, Field, FromRef, ObjectRef, OnMiss, Origin, RuleConfig, RunConfig, TargetOnly};

/// A mapping with these fields and nothing else.
fn mapping(fields: Vec<Field>) -> Mapping {
    Mapping {
        name: "contacts".into(),
        path: "mappings/contacts.toml".into(),
        from: FromRef {
            platform: "old".into(),
            source: Source::Object("contacts".into()),
            label: "old:contacts".into(),
        },
        to: ObjectRef { platform: "new".into(), object: "contacts".into() },
        key: vec!["id".into()],
        matching: Vec::new(),
        scope: None,
        target_only: TargetOnly::Keep,
        filter: None,
        deleted: None,
        duplicates: Duplicates::Reject,
        fields,
        ignore: Vec::new(),
        run: RunConfig::default(),
        sync: toml::Table::new(),
    }
}

fn field(target: &str, origin: Origin) -> Field {
    Field {
        target: target.into(),
        origin,
        clean: Vec::new(),
        each: None,
        join: None,
        values: None,
        allowed: None,
        otherwise: None,
        datetime: None,
        zone: None,
        kind: None,
        link: None,
        on_miss: OnMiss::Reject,
        on_null: OnNull::Keep,
        on_error: OnError::Reject,
        write: WriteRule::Always,
        latch: false,
        pii: false,
        span: None,
    }
}

fn from(target: &str, column: &str) -> Field {
    field(target, Origin::From(column.into()))
}

fn rules(names: &[&str]) -> Vec<RuleConfig> {
    names.iter().map(|name| RuleConfig { name: (*name).into(), setting: None }).collect()
}

/// A batch of named columns; an empty cell is NULL.
fn batch(columns: &[(&str, &[&str])]) -> DataFrame {
    let columns: Vec<Column> = columns
        .iter()
        .map(|(name, cells)| {
            let cells: Vec<Option<&str>> =
                cells.iter().map(|cell| Some(*cell).filter(|cell| !cell.is_empty())).collect();
            Series::new((*name).into(), cells).into_column()
        })
        .collect();
    DataFrame::new(columns[0].len(), columns).unwrap()
}

fn columns(batch: &DataFrame) -> Vec<String> {
    batch.get_column_names().iter().map(ToString::to_string).collect()
}

fn compiled(mapping: &Mapping, batch: &DataFrame) -> Pipeline {
    Pipeline::compile(mapping, &columns(batch), Path::new("/nowhere")).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The cells of a mapped column; NULL is empty.
fn cells(outcome: &Outcome, field: &str) -> Vec<String> {
    let column = text_column(&outcome.mapped, field).unwrap();
    column.iter().map(|cell| cell.unwrap_or("").to_owned()).collect()
}

#[test]
fn plain_fields_constants_and_rules() {
    let batch = batch(&[("ID", &["1", "2", "3"]), ("MAIL", &[" A@B.com", "nonsense", ""])]);
    let mut mail = from("mail", "MAIL");
    mail.clean = rules(&["trim", "email"]);
    let pipeline =
        compiled(&mapping(vec![from("id", "ID"), mail, field("source", Origin::Const("old".into()))]), &batch);
    let outcome = pipeline.apply(&batch).unwrap();
    assert_eq!(cells(&outcome, "id"), ["1", "2", "3"]);
    assert_eq!(cells(&outcome, "mail"), ["A@b.com", "nonsense", ""]);
    assert_eq!(cells(&outcome, "source"), ["old"; 3]);
    assert_eq!(outcome.fates, [Fate::Accepted, Fate::Rejected, Fate::Accepted]);
    let failure = Failure { row: 1, field: 1, step: "email".into(), reason: "has no @".into(), fatal: true };
    assert_eq!(outcome.failures, [failure]);
    let counts: Vec<_> =
        outcome.counts.iter().map(|c| (c.field.as_str(), c.step.as_str(), c.changed, c.failed)).collect();
    assert_eq!(counts, [("mail", "trim", 1, 0), ("mail", "email", 1, 1)]);
}

#[test]
fn on_error_keeps_empties_or_rejects_and_ends_the_steps() {
    let batch = batch(&[("ID", &["1"]), ("MAIL", &[" NONSENSE "])]);
    for (on_error, cell, fate) in [
        (OnError::Keep, "NONSENSE", Fate::Accepted),
        (OnError::Null, "", Fate::Accepted),
        (OnError::Reject, "NONSENSE", Fate::Rejected),
    ] {
        let mut mail = from("mail", "MAIL");
        mail.clean = rules(&["trim", "email", "lower"]);
        mail.on_error = on_error;
        let outcome = compiled(&mapping(vec![from("id", "ID"), mail]), &batch).apply(&batch).unwrap();
        assert_eq!(cells(&outcome, "mail"), [cell], "{on_error:?}");
        assert_eq!(outcome.fates, [fate], "{on_error:?}");
        assert_eq!(outcome.failures[0].fatal, on_error == OnError::Reject);
    }
}
