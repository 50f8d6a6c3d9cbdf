#![allow(clippy::unwrap_used)]
use polars::prelude::{IntoColumn, NamedFrom, Series};
use proptest::prelude::*;

use super::*;
use crate::platform::Source;
use crate::project::{
    Duplicates, Field, FromRef, ObjectRef, OnMiss, Origin, Otherwise, RuleConfig, RunConfig, TargetOnly, Values,
};

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
        corrections: None,
        unfinished: Vec::new(),
        run: RunConfig::default(),
        sync: crate::project::SyncConfig::default(),
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
        direction: None,
        conflict: None,
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

fn sql(target: &str, text: &str) -> Field {
    field(target, Origin::Sql(text.into()))
}

fn with_rules(mut field: Field, names: &[&str]) -> Field {
    field.clean = rules(names);
    field
}

fn pairs(pairs: &[(&str, &str)]) -> Values {
    Values::Inline(pairs.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect())
}

/// One field over one column, and what becomes of each cell: its text, `!` if it rejects the row.
fn column(field: Field, values: &[&str]) -> Vec<String> {
    let batch = batch(&[("C", values)]);
    let outcome = compiled(&mapping(vec![field]), &batch).apply(&batch).unwrap();
    let cells = cells(&outcome, "c");
    cells
        .into_iter()
        .zip(outcome.fates)
        .map(|(cell, fate)| if fate == Fate::Rejected { "!".into() } else { cell })
        .collect()
}

#[test]
fn value_maps_and_what_they_do_not_list() {
    let map = || Field { values: Some(pairs(&[("L", "lead"), ("Q", "qualified"), ("X", "")])), ..from("c", "C") };
    let values = ["L", "Q", "X", "Z", ""];
    assert_eq!(column(map(), &values), ["lead", "qualified", "", "!", ""]);
    for (otherwise, expected) in [
        (Otherwise::Reject, "!"),
        (Otherwise::Keep, "Z"),
        (Otherwise::Null, ""),
        (Otherwise::Const("other".into()), "other"),
    ] {
        let field = Field { otherwise: Some(otherwise.clone()), ..map() };
        assert_eq!(column(field, &values), ["lead", "qualified", "", expected, ""], "{otherwise:?}");
    }
    // NULL is looked up only where the map lists it.
    let field = Field { values: Some(pairs(&[("L", "lead"), ("", "none")])), ..from("c", "C") };
    assert_eq!(column(field, &["L", ""]), ["lead", "none"]);
    let field = Field { allowed: Some(vec!["a".into(), "b".into()]), ..from("c", "C") };
    assert_eq!(column(field.clone(), &["a", "A", ""]), ["a", "", ""]);
    let field = Field { otherwise: Some(Otherwise::Reject), ..field };
    assert_eq!(column(field.clone(), &["a", "A", ""]), ["a", "!", ""]);
    let field = Field { values: Some(pairs(&[("A", "a")])), ..field };
    assert_eq!(column(field, &["a", "A", "c"]), ["a", "a", "!"]);
}

#[test]
fn items_are_mapped_one_by_one() {
    let each = || Field {
        each: Some(";".into()),
        join: Some(", ".into()),
        values: Some(pairs(&[("vip", "VIP"), ("x", "")])),
        otherwise: Some(Otherwise::Drop),
        ..from("c", "C")
    };
    assert_eq!(column(each(), &["vip", "a; vip ;x;;vip", "a;b", ""]), ["VIP", "VIP, VIP", "", ""]);
    let keep = Field { otherwise: Some(Otherwise::Keep), ..each() };
    assert_eq!(column(keep, &["a; vip", "b"]), ["a, VIP", "b"]);
    let reject = Field { otherwise: Some(Otherwise::Reject), ..each() };
    assert_eq!(column(reject, &["vip;a", "vip"]), ["!", "VIP"]);
    let joined = Field { values: None, otherwise: None, ..each() };
    assert_eq!(column(joined, &["a;b; c", "a"]), ["a, b, c", "a"]);
}

#[test]
fn steps_run_in_their_order() {
    // Cleaned before it is looked up, looked up before it is a time, a time before it is a day.
    let field = Field {
        clean: rules(&["trim", "lower"]),
        values: Some(pairs(&[("new year", "01/01/2024 00:30")])),
        otherwise: Some(Otherwise::Keep),
        datetime: Some("%d/%m/%Y %H:%M".into()),
        zone: Some("Europe/Berlin".into()),
        kind: Some("datetime".into()),
        on_null: OnNull::Reject,
        ..from("c", "C")
    };
    assert_eq!(
        column(field, &[" New Year ", "31/03/2024 02:30", "31/03/2024 03:30", ""]),
        ["2023-12-31T23:30:00Z", "!", "2024-03-31T01:30:00Z", "!"]
    );
    let typed = Field { clean: rules(&["money"]), kind: Some("decimal(8,2)".into()), ..from("c", "C") };
    assert_eq!(column(typed, &["$1,234.5", "(7)", "1.005", "9999999.00", "x"]), ["1234.50", "-7.00", "!", "!", "!"]);
}

#[test]
fn an_expression_that_fails_is_a_failed_cell() {
    let batch = batch(&[("C", &["5", "x", "7"])]);
    for (on_error, fate, fatal) in [
        (OnError::Reject, Fate::Rejected, true),
        (OnError::Null, Fate::Accepted, false),
        (OnError::Keep, Fate::Accepted, false),
    ] {
        let field = Field { on_error, kind: Some("integer".into()), ..sql("c", "CAST(C AS INTEGER) * 2") };
        let outcome = compiled(&mapping(vec![field]), &batch).apply(&batch).unwrap();
        assert_eq!(cells(&outcome, "c"), ["10", "", "14"]);
        assert_eq!(outcome.fates, [Fate::Accepted, fate, Fate::Accepted]);
        let reason = "cannot be read as INTEGER".to_owned();
        assert_eq!(outcome.failures, [Failure { row: 1, field: 0, step: "sql".into(), reason, fatal }]);
        assert_eq!(
            outcome.counts.iter().map(|count| (count.step.as_str(), count.failed)).collect::<Vec<_>>(),
            [("sql", 1), ("type", 0)]
        );
    }
}

#[test]
fn conditions_decide_before_failures() {
    let batch = batch(&[
        ("ID", &["1", "2", "3", "4", "5", "", "7"]),
        ("STATUS", &["a", "b", "", "deleted", "deleted", "deleted", "a"]),
        ("MAIL", &["x@y.de", "bad", "bad", "bad", "bad", "bad", "bad"]),
        ("CITY", &["Rome", "", "", "", "", "", ""]),
    ]);
    let id = with_rules(from("id", "ID"), &["required"]);
    let mail = with_rules(from("mail", "MAIL"), &["email"]);
    let city = with_rules(from("city", "CITY"), &["drop_nulls"]);
    let mut mapping = mapping(vec![id, mail, city]);
    mapping.filter = Some("STATUS <> 'b'".into());
    mapping.deleted = Some("STATUS = 'deleted'".into());
    let outcome = compiled(&mapping, &batch).apply(&batch).unwrap();
    // Row 6: a tombstone without its key is rejected; row 7: what drop_nulls leaves out has not failed.
    assert_eq!(
        outcome.fates,
        [
            Fate::Accepted,
            Fate::Filtered,
            Fate::Unknown,
            Fate::Tombstone,
            Fate::Tombstone,
            Fate::Rejected,
            Fate::Filtered,
        ]
    );
    assert_eq!(
        outcome.failures.iter().map(|failure| (failure.row, failure.step.as_str())).collect::<Vec<_>>(),
        [(5, "required")]
    );
    assert!(outcome.counts.iter().all(|count| count.failed == u64::from(count.field == "id")));
    assert_eq!(outcome.mapped.height(), 7);
}

/// The job of every textbook: read, drop rows without a city, keep the listed states else nothing, write.
#[test]
fn the_textbook_job() {
    let batch = batch(&[
        ("name", &["Ann", "Bob", "Cid", "Dee"]),
        ("city", &["Rome", "", "Oslo", "Lima"]),
        ("state", &["ok", "ok", "odd", ""]),
    ]);
    let state = Field { allowed: Some(vec!["ok".into(), "fine".into()]), ..from("state", "state") };
    let city = with_rules(from("city", "city"), &["drop_nulls"]);
    let outcome = compiled(&mapping(vec![from("name", "name"), city, state]), &batch).apply(&batch).unwrap();
    let kept = |field: &str| -> Vec<String> {
        let cells = cells(&outcome, field).into_iter().zip(&outcome.fates);
        cells.filter(|(_, fate)| **fate == Fate::Accepted).map(|(cell, _)| cell).collect()
    };
    assert_eq!(kept("name"), ["Ann", "Cid", "Dee"]);
    assert_eq!(kept("city"), ["Rome", "Oslo", "Lima"]);
    assert_eq!(kept("state"), ["ok", "", ""]);
    assert_eq!(outcome.fates[1], Fate::Filtered);
    assert!(outcome.failures.is_empty());
}

#[test]
fn canonical_forms_of_target_cells() {
    let batch = batch(&[("C", &["1"])]);
    let fields = vec![
        Field { kind: Some("decimal(14,2)".into()), ..from("amount", "C") },
        from("name", "C"),
        Field { datetime: Some("%d/%m/%Y %H:%M".into()), ..from("at", "C") },
        Field { kind: Some("boolean".into()), ..from("flag", "C") },
    ];
    let pipeline = compiled(&mapping(fields), &batch);
    for (field, cell, form) in [
        (0, "12.5", "12.50"),
        (0, "12.500", "12.50"),
        (0, "n/a", "n/a"),
        (1, "Zoe\u{308}", "Zo\u{eb}"),
        (1, " 007 ", " 007 "),
        (2, "2024-03-31 14:05:00", "2024-03-31T14:05:00"),
        (3, "1", "true"),
        (9, "x", "x"),
    ] {
        assert_eq!(pipeline.canonical(field, cell), form, "{field} {cell}");
    }
}

#[test]
fn problems_are_all_named_with_line_field_and_nearest_name() {
    let project = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(project.path().join("mappings")).unwrap();
    std::fs::create_dir_all(project.path().join("maps")).unwrap();
    std::fs::write(project.path().join("maps/twice.csv"), "from,to\na,1\na,2\n").unwrap();
    std::fs::write(project.path().join("maps/head.csv"), "a,b\n1,2\n").unwrap();
    let text = "from = \"old:contacts\"\nwhere = \"STATU = 1\"\n[fields]\nmail = { from = \"EMIAL\" }\n[fields.name]\nfrom = \"NAME\"\nclean = [\"trm\"]\n";
    std::fs::write(project.path().join("mappings/contacts.toml"), text).unwrap();
    let span = |entry: &str| text.find(entry).map(|start| (start, start + entry.len()));
    let fields = vec![
        Field { span: span("mail = { from = \"EMIAL\" }"), ..from("mail", "EMIAL") },
        Field {
            span: span(&text[text.find("[fields.name]").unwrap()..]),
            ..with_rules(from("name", "NAME"), &["trim", "trm"])
        },
        sql("x", "upper(NAME) || nam"),
        Field { kind: Some("decimal".into()), ..from("y", "NAME") },
        Field { values: Some(Values::File("maps/twice.csv".into())), ..from("z", "NAME") },
        Field { values: Some(Values::File("maps/none.csv".into())), ..from("u", "NAME") },
        Field { values: Some(Values::File("maps/head.csv".into())), ..from("v", "NAME") },
        Field { otherwise: Some(Otherwise::Drop), join: Some(",".into()), ..from("w", "NAME") },
        Field { datetime: Some("%d/%m/%Y".into()), zone: Some("Europe/Berln".into()), ..from("t", "NAME") },
        from("t", "NAME"),
    ];
    let mut mapping = mapping(fields);
    mapping.filter = Some("STATU = 1".into());
    let columns: Vec<String> = ["EMAIL", "NAME", "STATUS"].map(String::from).into();
    let problems = Pipeline::compile(&mapping, &columns, project.path()).err().unwrap();
    let found: Vec<(&str, usize, &str)> =
        problems.iter().map(|p| (p.field.as_str(), p.line, p.message.as_str())).collect();
    for (field, line, words) in [
        ("where", 2, "did you mean STATUS"),
        ("fields.mail.from", 4, "did you mean 'EMAIL'"),
        ("fields.name.clean[1]", 7, "did you mean 'trim'"),
        ("fields.x.sql", 0, "did you mean NAME"),
        ("fields.y.type", 0, "decimal(14,2)"),
        ("fields.z.values", 0, "twice"),
        ("fields.u.values", 0, "cannot read the value map"),
        ("fields.v.values", 0, "from,to"),
        ("fields.w.otherwise", 0, "values or allowed"),
        ("fields.w.join", 0, "each"),
        ("fields.t.zone", 0, "Europe/Berlin"),
        ("fields.t", 0, "twice"),
    ] {
        let hit = found.iter().any(|(f, l, m)| *f == field && *l == line && m.contains(words));
        assert!(hit, "{field} line {line}: {words}\n{found:#?}");
    }
    let sql = problems.iter().find(|problem| problem.field == "fields.x.sql").unwrap().sql.clone().unwrap();
    assert_eq!(&sql.0[sql.1..sql.2], "nam");
    assert!(problems.iter().all(|problem| problem.file == Path::new("mappings/contacts.toml")));
}

#[test]
fn the_hash_follows_all_that_decides_the_output() {
    let project = tempfile::tempdir().unwrap();
    let path = project.path().join("map.csv");
    std::fs::write(&path, "from,to\na,1\n").unwrap();
    let columns = vec!["C".to_owned(), "D".to_owned()];
    let base = mapping(vec![Field { values: Some(Values::File("map.csv".into())), ..from("c", "C") }]);
    let hash = |mapping: &Mapping| Pipeline::compile(mapping, &columns, project.path()).unwrap().hash().to_owned();
    let first = hash(&base);
    assert_eq!(first, hash(&base));
    assert_eq!(first.len(), 64);
    let mut seen = vec![first.clone()];
    let mut changed = |change: &dyn Fn(&mut Mapping)| {
        let mut other = base.clone();
        change(&mut other);
        let hash = hash(&other);
        assert!(!seen.contains(&hash), "{} changes leave the hash as it is", seen.len());
        seen.push(hash);
    };
    changed(&|m| m.filter = Some("C IS NOT NULL".into()));
    changed(&|m| m.deleted = Some("C IS NOT NULL".into()));
    changed(&|m| m.fields[0].origin = Origin::From("D".into()));
    changed(&|m| m.fields[0].origin = Origin::Const("C".into()));
    changed(&|m| m.fields[0].clean = rules(&["trim"]));
    changed(&|m| m.fields[0].clean = rules(&["trim", "lower"]));
    changed(&|m| {
        m.fields[0].clean = vec![RuleConfig { name: "max_length".into(), setting: Some(toml::Value::Integer(3)) }];
    });
    changed(&|m| m.fields[0].each = Some(";".into()));
    changed(&|m| m.fields[0].otherwise = Some(Otherwise::Keep));
    changed(&|m| m.fields[0].allowed = Some(vec!["x".into()]));
    changed(&|m| m.fields[0].kind = Some("integer".into()));
    changed(&|m| m.fields[0].datetime = Some("%Y-%m-%d".into()));
    changed(&|m| m.fields[0].on_error = OnError::Null);
    changed(&|m| m.fields[0].on_null = OnNull::Reject);
    changed(&|m| m.fields[0].write = WriteRule::IfBlank);
    changed(&|m| m.fields[0].latch = true);
    changed(&|m| m.fields[0].link = Some("accounts".into()));
    changed(&|m| m.key = vec!["c".into()]);
    std::fs::write(&path, "from,to\na,2\n").unwrap();
    assert_ne!(first, hash(&base), "the contents of a value map");
}

#[test]
fn a_pipeline_is_shared_between_threads_and_takes_an_empty_batch() {
    fn shared<T: Send + Sync>(_: &T) {}
    let whole = batch(&[("A", &["a"]), ("B", &["b"]), ("C", &["1"])]);
    let pipeline = compiled(&all_kinds(), &whole);
    shared(&pipeline);
    let outcome = pipeline.apply(&whole.slice(0, 0)).unwrap();
    assert_eq!((outcome.mapped.height(), outcome.mapped.width(), outcome.fates.len()), (0, 10, 0));
    assert!(pipeline.apply(&whole.drop("A").unwrap()).is_err_and(|error| error.what().contains("no column 'A'")));
    assert!(pipeline.trace(&whole, 1, 0).is_err() && pipeline.trace(&whole, 0, 99).is_err());
}

/// A mapping with a step of every kind.
fn all_kinds() -> Mapping {
    let mut mapping = mapping(vec![
        with_rules(from("id", "A"), &["trim", "required"]),
        Field { on_error: OnError::Keep, ..with_rules(from("mail", "B"), &["trim", "lower", "email"]) },
        Field {
            on_error: OnError::Null,
            kind: Some("decimal(8,2)".into()),
            ..with_rules(from("amount", "C"), &["money"])
        },
        Field {
            values: Some(pairs(&[("a", "1"), ("b", "2")])),
            otherwise: Some(Otherwise::Null),
            ..with_rules(from("code", "A"), &["trim"])
        },
        Field {
            each: Some(";".into()),
            values: Some(pairs(&[("a", "x")])),
            otherwise: Some(Otherwise::Drop),
            ..from("tags", "B")
        },
        Field { on_error: OnError::Null, ..sql("sum", "CAST(C AS DECIMAL(6,1)) + length(A)") },
        Field { datetime: Some("%d/%m/%Y %H:%M".into()), on_error: OnError::Null, ..from("at", "C") },
        with_rules(from("dropped", "B"), &["null_tokens", "drop_nulls"]),
        Field { on_null: OnNull::Reject, ..sql("name", "concat_ws(' ', A, B)") },
        field("const", Origin::Const("k".into())),
    ]);
    mapping.filter = Some("A <> 'skip' OR CAST(C AS INTEGER) > 3".into());
    mapping.deleted = Some("B = 'gone'".into());
    mapping
}

fn rows_of_dirt() -> impl Strategy<Value = Vec<[String; 3]>> {
    let a =
        prop_oneof![Just(String::new()), Just("skip".into()), Just("a".into()), Just(" b ".into()), "[ a-c;é]{0,4}"];
    let b = prop_oneof![
        Just(String::new()),
        Just("gone".into()),
        Just("N/A".into()),
        "[A-Z ]{0,3}@[a-z]{1,4}\\.de",
        "[ab;]{0,5}"
    ];
    let c = prop_oneof![
        Just(String::new()),
        "[0-9]{1,4}",
        "\\$?[0-9]{1,3}[.,][0-9]{1,3}",
        Just("31/03/2024 14:05".into()),
        "[x(-]{0,3}"
    ];
    prop::collection::vec((a, b, c).prop_map(|(a, b, c)| [a, b, c]), 1..24)
}

/// Whatever the batches are, a row comes out the same: fates, cells, failures; and the counts add up.
fn merged(outcomes: impl IntoIterator<Item = Outcome>) -> (Vec<Fate>, Vec<Vec<String>>, Vec<Failure>, Vec<StepCount>) {
    let (mut fates, mut table, mut failures): (Vec<Fate>, Vec<Vec<String>>, Vec<Failure>) = Default::default();
    let mut counts: Vec<StepCount> = Vec::new();
    for outcome in outcomes {
        let offset = fates.len();
        let columns: Vec<Vec<String>> =
            outcome.mapped.get_column_names().iter().map(|name| cells(&outcome, name.as_str())).collect();
        table.extend((0..outcome.fates.len()).map(|row| columns.iter().map(|column| column[row].clone()).collect()));
        fates.extend(&outcome.fates);
        failures.extend(outcome.failures.into_iter().map(|failure| Failure { row: failure.row + offset, ..failure }));
        if counts.is_empty() {
            counts = outcome.counts;
        } else {
            for (sum, count) in counts.iter_mut().zip(outcome.counts) {
                assert_eq!((&sum.field, &sum.step), (&count.field, &count.step));
                sum.changed += count.changed;
                sum.failed += count.failed;
            }
        }
    }
    (fates, table, failures, counts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_out_the_same_in_any_batch_and_as_they_are_traced(rows in rows_of_dirt(), size in 1_usize..7) {
        let column = |at: usize| rows.iter().map(|row| row[at].as_str()).collect::<Vec<_>>();
        let whole = batch(&[("A", &column(0)), ("B", &column(1)), ("C", &column(2))]);
        let pipeline = compiled(&all_kinds(), &whole);
        let outcome = pipeline.apply(&whole).unwrap();
        for (row, fate) in outcome.fates.iter().enumerate() {
            for field in 0..pipeline.fields().len() {
                let trace = pipeline.trace(&whole, row, field).unwrap();
                let cell = text_column(&outcome.mapped, &pipeline.fields()[field].target).unwrap();
                prop_assert_eq!(trace.last().unwrap().value.as_deref(), cell.get(row), "row {} field {}", row, field);
                // Of a tombstone nothing but its key counts.
                if matches!(fate, Fate::Accepted | Fate::Rejected) && rows[row][1] != "gone" {
                    let failed: Vec<_> = trace.iter().filter_map(|step| step.failed.as_deref()).collect();
                    let found: Vec<_> = outcome.failures.iter().filter(|f| f.row == row && f.field == field).map(|f| f.reason.as_str()).collect();
                    prop_assert_eq!(failed, found, "row {} field {}", row, field);
                }
            }
        }
        let chunks = (0..rows.len()).step_by(size).map(|start| pipeline.apply(&whole.slice(start as i64, size)).unwrap());
        prop_assert_eq!(merged([outcome]), merged(chunks));
    }
}
