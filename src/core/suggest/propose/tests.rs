#![allow(clippy::unwrap_used)]
//! Each kind of transform on rows as they are in life, through the compiled mapping.
use std::sync::Arc;

use polars::prelude::{DataFrame, IntoColumn, NamedFrom, Series};

use super::*;
use crate::suggest::{FieldInfo, Look};

/// A side with rows; a value of `` is NULL.
fn side(columns: &[(&str, &[&str])]) -> Side {
    let cells = |values: &[&str]| -> Vec<Option<String>> {
        values.iter().map(|value| Some((*value).to_owned()).filter(|value| !value.is_empty())).collect()
    };
    let fields = columns
        .iter()
        .map(|(name, values)| FieldInfo {
            look: Some(Arc::new(Look::of(cells(values).iter().map(Option::as_deref)))),
            ..FieldInfo::named(name)
        })
        .collect();
    let series: Vec<_> =
        columns.iter().map(|(name, values)| Series::new((*name).into(), cells(values)).into_column()).collect();
    let rows = DataFrame::new(columns.first().map_or(0, |(_, values)| values.len()), series).unwrap();
    Side { object: String::new(), fields, rows: Some(rows) }
}

fn best(source: &Side, target: &Side, to: &str) -> Suggestion {
    let found = propose(source, target, &Knowledge::default());
    found.into_iter().find(|item| item.to == to && item.rank == 1).unwrap_or_else(|| panic!("nothing for {to}"))
}

fn typed(name: &str, kind: &str) -> FieldInfo {
    FieldInfo { kind: Some(kind.to_owned()), ..FieldInfo::named(name) }
}

fn after(item: &Suggestion) -> Vec<&str> {
    let trial = item.transform.as_ref().unwrap().trial.as_ref().unwrap();
    trial.examples.iter().map(|(_, after)| after.as_deref().unwrap()).collect()
}

#[test]
fn first_and_last_names_are_joined_and_taken_apart() {
    let source = side(&[
        ("FIRST_NM", &["Anna", " Ben ", ""]),
        ("LAST_NM", &["Lee", "van Dyk", "Solo"]),
        ("X", &["1", "2", "3"]),
    ]);
    let item = best(&source, &Side::of(vec![FieldInfo::named("full_name")]), "full_name");
    let transform = item.transform.as_ref().unwrap();
    assert_eq!(
        (transform.kind, item.from.as_str(), transform.with.as_slice()),
        (TransformKind::Join, "FIRST_NM", &["LAST_NM".to_owned()][..])
    );
    assert_eq!(after(&item), ["Anna Lee", "Ben van Dyk", "Solo"]);
    assert_eq!(transform.trial.as_ref().unwrap().failed, 0);
    assert!(transform.field.pii && item.sources() == ["FIRST_NM", "LAST_NM"]);

    let target = Side::of(vec![FieldInfo::named("firstName"), FieldInfo::named("lastName")]);
    let source = side(&[("name", &["Anna Maria Lee", "Ben Ray", "Cher"])]);
    assert_eq!(after(&best(&source, &target, "firstName")), ["Anna Maria", "Ben"]);
    assert_eq!(after(&best(&source, &target, "lastName")), ["Lee", "Ray"]);
    let turned = side(&[("name", &["Lee, Anna Maria", "Ray, Ben"])]);
    assert_eq!(after(&best(&turned, &target, "firstName")), ["Anna Maria", "Ben"]);
    assert_eq!(after(&best(&turned, &target, "lastName")), ["Lee", "Ray"]);
    // One word each: nothing to take apart.
    let single = side(&[("name", &["Acme", "Beta"])]);
    assert!(propose(&single, &target, &Knowledge::default()).iter().all(|item| item.transform.is_none()));
}

#[test]
fn addresses_are_joined_and_taken_apart() {
    let source = side(&[("STREET", &["Hauptstr. 1"]), ("PLZ", &["01067"]), ("CITY", &["Dresden"]), ("COUNTRY", &[""])]);
    let item = best(&source, &Side::of(vec![FieldInfo::named("address"), FieldInfo::named("phone")]), "address");
    assert_eq!(after(&item), ["Hauptstr. 1, 01067 Dresden"]);
    let names = ["street", "city", "zip", "state"].map(FieldInfo::named).to_vec();
    let target = Side::of(names);
    let source = side(&[("ADDRESS", &["Hauptstr. 1, 01067 Dresden", "Ring 5, D-12345 Bad Ort"])]);
    assert_eq!(after(&best(&source, &target, "street")), ["Hauptstr. 1", "Ring 5"]);
    assert_eq!(after(&best(&source, &target, "zip")), ["01067", "D-12345"]);
    assert_eq!(after(&best(&source, &target, "city")), ["Dresden", "Bad Ort"]);
    let source = side(&[("ADDRESS", &["1 Main St, Springfield, IL 62701", "22 Oak Ave, Salem, OR 97301-1234"])]);
    assert_eq!(after(&best(&source, &target, "city")), ["Springfield", "Salem"]);
    assert_eq!(after(&best(&source, &target, "state")), ["IL", "OR"]);
    assert_eq!(after(&best(&source, &target, "zip")), ["62701", "97301-1234"]);
    let source = side(&[("STREET", &["Hauptstr."]), ("HOUSE_NO", &["1 a"])]);
    assert_eq!(after(&best(&source, &Side::of(vec![FieldInfo::named("street")]), "street")), ["Hauptstr. 1 a"]);
}

#[test]
fn dates_are_read_in_the_formats_they_have_and_failures_are_counted() {
    let source = side(&[("BORN", &["31/12/1980", "01/02/1990", "00/00/0000", "05.06.1999", "soon", "12/11/1970"])]);
    let item = best(&source, &Side::of(vec![FieldInfo::named("birthday")]), "birthday");
    let transform = item.transform.as_ref().unwrap();
    assert_eq!(transform.kind, TransformKind::Date);
    assert_eq!(after(&item), ["1980-12-31", "1990-02-01", "1999-06-05"]);
    let trial = transform.trial.as_ref().unwrap();
    assert_eq!((trial.rows, trial.failed), (6, 1), "{trial:?}");
    assert!((trial.share() - 1.0 / 6.0).abs() < 1e-9);
    let source = side(&[("CREATED", &["27/02/2014 15:43", "01/02/2020 06:59"])]);
    assert_eq!(
        after(&best(&source, &Side::of(vec![FieldInfo::named("created_at")]), "created_at")),
        ["2014-02-27T15:43:00", "2020-02-01T06:59:00"]
    );
    // Day or month: nobody can tell, so nothing is proposed, and that is said.
    let source = side(&[("BORN", &["01/02/1990", "03/04/1991"])]);
    let item = best(&source, &Side::of(vec![FieldInfo::named("birthday")]), "birthday");
    assert!(
        item.transform.is_none() && item.reasons.iter().any(|reason| reason.contains("cannot be told apart")),
        "{item:?}"
    );
}

#[test]
fn yes_and_no_take_the_words_of_the_target() {
    let source = side(&[("NO_MAIL", &["J", "N", "x", "n", ""])]);
    let target = side(&[("email_opt_out", &["1", "0", "0"])]);
    let item = best(&source, &target, "email_opt_out");
    assert_eq!(item.transform.as_ref().unwrap().kind, TransformKind::Boolean);
    assert_eq!(after(&item), ["1", "0", "1"]);
    let declared = Side::of(vec![typed("email_opt_out", "boolean")]);
    assert_eq!(after(&best(&source, &declared, "email_opt_out")), ["true", "false", "true"]);
}

#[test]
fn lists_are_mapped_value_by_value_and_what_is_not_sure_fails() {
    let stages = ["Closed Won", "Verloren", "Angebot", "Closed Won", "Foo", "Angebot", "Verloren", "Closed Won"];
    let source = side(&[("STAGE", &stages)]);
    let target = side(&[("stage", &["won", "lost", "proposal", "won", "lost", "proposal", "won"])]);
    let item = best(&source, &target, "stage");
    let transform = item.transform.as_ref().unwrap();
    assert_eq!(transform.kind, TransformKind::Values);
    assert!(transform.text().contains("\"Closed Won\" = \"won\""), "{}", transform.text());
    let trial = transform.trial.as_ref().unwrap();
    assert_eq!((trial.rows, trial.failed), (8, 1), "Foo is for the operator");
    let options = FieldInfo { options: vec!["Open".into(), "Won".into(), "Lost".into()], ..FieldInfo::named("stage") };
    let declared =
        best(&side(&[("STAGE", &["won", "lost", "won", "lost", "won", "lost"])]), &Side::of(vec![options]), "stage");
    assert_eq!(after(&declared), ["Won", "Lost"]);
}

#[test]
fn where_only_the_case_differs_the_rule_is_about_the_case() {
    let source =
        side(&[("CURRENCY", &["eur", "USD", "chf", "EUR", "usd", "eur", "gbp", "eur", "usd", "chf", "gbp", "gbp"])]);
    let target = side(&[("currency", &["EUR", "USD", "EUR", "CHF", "EUR", "USD"])]);
    let item = best(&source, &target, "currency");
    let transform = item.transform.as_ref().unwrap();
    assert_eq!(transform.rules(), ["trim", "upper"]);
    assert_eq!(transform.trial.as_ref().unwrap().failed, 0, "GBP is new there and no mistake");
}

#[test]
fn numbers_come_out_of_currencies_units_and_notations() {
    let amounts =
        ["142.501,54 €", "84.542,25", "k.A.", "1.000,00 €", "12,5 €", "99,95", "7 €", "3,10", "5,00", "6,20", "8,00 €"];
    let item = best(&side(&[("AMOUNT", &amounts)]), &Side::of(vec![typed("amount", "NUMERIC")]), "amount");
    let transform = item.transform.as_ref().unwrap();
    assert_eq!((transform.kind, transform.field.kind.as_deref()), (TransformKind::Number, Some("decimal(14,2)")));
    assert_eq!(after(&item)[..2], ["142501.54", "84542.25"]);
    assert_eq!(transform.trial.as_ref().unwrap().failed, 0, "{transform:?}");
    let item = best(
        &side(&[("PROB", &["60%", "80 %", "75"])]),
        &Side::of(vec![typed("probability", "INTEGER")]),
        "probability",
    );
    assert_eq!(after(&item), ["60", "80"]);
    let item =
        best(&side(&[("WEIGHT", &["12 kg", "3.5 kg", "7 kg"])]), &Side::of(vec![typed("weight", "double")]), "weight");
    assert_eq!(after(&item), ["12", "3.5", "7"]);
    let dollars = best(
        &side(&[("Price", &["$1,234.50", "$99.00", "USD 5.25"])]),
        &Side::of(vec![typed("price", "float")]),
        "price",
    );
    assert_eq!(after(&dollars), ["1234.50", "99.00", "5.25"]);
}

#[test]
fn phones_and_countries_are_made_alike() {
    let phones = [
        "+49 (0)30 23125869",
        "0421 5550599",
        "0049 911 5550902",
        "069/90009625",
        "+49 40 66969374",
        "+49 89 123456",
        "0049 30 7654321",
    ];
    let item = best(&side(&[("PHONE1", &phones)]), &Side::of(vec![FieldInfo::named("phone")]), "phone");
    assert_eq!(item.transform.as_ref().unwrap().kind, TransformKind::Phone);
    assert_eq!(after(&item), ["+493023125869", "+494215550599", "+499115550902"]);
    let item = best(
        &side(&[("LAND", &["Germany", "D", "Österreich"])]),
        &side(&[("country", &["DE", "AT", "FR"])]),
        "country",
    );
    assert_eq!(item.transform.as_ref().unwrap().kind, TransformKind::Country);
    assert_eq!(after(&item), ["DE", "DE", "AT"]);
}

#[test]
fn keys_of_another_object_are_links() {
    let keys: Vec<String> = (1..40).map(|n| format!("{n:06}")).collect();
    let parent = ParentKeys {
        mapping: "accounts".to_owned(),
        objects: vec!["accounts".to_owned()],
        key: "ACCT_NO".to_owned(),
        look: Arc::new(Look::of(keys.iter().map(|key| Some(key.as_str())))),
    };
    let knowledge = Knowledge { parents: vec![parent], ..Knowledge::default() };
    let source = side(&[("ACCT_NO", &["000003", " 000007", "000009", "000011"])]);
    let target = Side::of(vec![FieldInfo::named("account_id")]);
    let found = propose(&source, &target, &knowledge);
    let transform = found[0].transform.as_ref().unwrap();
    assert_eq!((transform.kind, transform.field.link.as_deref()), (TransformKind::Link, Some("accounts")));
    let source = side(&[("ACCT_NO", &["9000001", "9000002", "9000003", "9000004"])]);
    assert!(propose(&source, &target, &knowledge)[0].transform.is_none(), "keys that nobody has");
}

#[test]
fn what_is_written_is_what_was_tried() {
    let source = side(&[("REV", &["1.000,50 €", "2,00 €", "3,10 €"])]);
    let item = best(&source, &Side::of(vec![typed("annual_revenue", "decimal")]), "annual_revenue");
    let json = serde_json::to_value(&item).unwrap();
    assert_eq!(json["transform"]["kind"], "number");
    assert_eq!(json["transform"]["field"]["from"], "REV");
    assert_eq!(json["transform"]["failed_share"], 0.0);
    assert!(json["transform"]["toml"].as_str().unwrap().starts_with("{ from = \"REV\""), "{json}");
}
