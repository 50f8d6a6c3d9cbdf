#![allow(clippy::unwrap_used)]
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::project::{
    Mapping, OnError, OnMiss, OnNull, Origin, Otherwise, RuleConfig, Values, WriteRule, load_mapping,
};

const TEXT: &str = r#"# Contacts of the old CRM.
from = "legacy:contacts" # as exported
to   = "nova:contacts"
key  = ["legacy_id"]

[fields]
# the id
legacy_id = "CONTACT_ID"   # with leading zeros

# --- how to reach them

# mail first
email     = { from = "EMAIL_ADDR", clean = ["trim", "lower"], on_error = "null" } # may fail
stage     = { from = "STG", values = { L = "lead" }, direction = "two-way" }

[fields.notes] # long
# from the free text
sql = "concat_ws(' ', A, B)"
clean = [
  "trim", # first
  "squeeze",
]

[run]
workers = 2
"#;

fn load(text: &str) -> Mapping {
    load_mapping(Path::new("."), Path::new("mappings/x.toml"), text)
        .unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
}

fn field(text: &str, target: &str) -> Field {
    Field { span: None, ..load(text).field(target).unwrap().clone() }
}

/// Edits TEXT and answers the lines that went and the lines that came.
fn changed(edit: impl FnOnce(&mut MappingEdit)) -> (Vec<String>, Vec<String>) {
    let mut editing = MappingEdit::parse(TEXT).unwrap();
    edit(&mut editing);
    let after = editing.to_string();
    let missing = |from: &str, other: &str| {
        from.lines().filter(|line| !other.lines().any(|l| l == *line)).map(str::to_owned).collect::<Vec<_>>()
    };
    (missing(TEXT, &after), missing(&after, TEXT))
}

#[test]
fn nothing_changed_is_the_same_text() {
    let mapping = load(TEXT);
    let (gone, come) = changed(|edit| edit.set_fields(&mapping.fields));
    assert_eq!((gone, come), (vec![], vec![]));
    assert_eq!(MappingEdit::parse(TEXT).unwrap().to_string(), TEXT);
}

#[test]
fn an_attribute_changes_its_line_alone_and_comments_stay() {
    let mut email = field(TEXT, "email");
    email.on_error = OnError::Keep;
    let (_, come) = changed(|edit| edit.set_field(&email));
    assert_eq!(
        come,
        ["email     = { from = \"EMAIL_ADDR\", clean = [\"trim\", \"lower\"], on_error = \"keep\" } # may fail"]
    );

    // A key goes in at its usual place, those of sync last.
    let mut stage = field(TEXT, "stage");
    stage.otherwise = Some(Otherwise::Null);
    let (_, come) = changed(|edit| edit.set_field(&stage));
    assert_eq!(
        come,
        ["stage     = { from = \"STG\", values = { L = \"lead\" }, otherwise = \"null\", direction = \"two-way\" }"]
    );

    // Back to the short form, the trailing comment stays.
    let plain = Field::new("email", Origin::From("EMAIL_ADDR".into()));
    let (_, come) = changed(|edit| edit.set_field(&plain));
    assert_eq!(come, ["email     = \"EMAIL_ADDR\" # may fail"]);

    // A sub-table stays one, and the comment in it too.
    let mut notes = field(TEXT, "notes");
    notes.write = WriteRule::Create;
    let (gone, come) = changed(|edit| edit.set_field(&notes));
    assert_eq!((gone, come), (vec![], vec!["write = \"create\"".to_owned()]));
}

#[test]
fn a_new_field_is_aligned_and_stands_before_the_tables() {
    let mut editing = MappingEdit::parse(TEXT).unwrap();
    editing.set_field(&Field::new("phone", Origin::From("PHONE1".into())));
    let text = editing.to_string();
    assert!(text.contains("direction = \"two-way\" }\nphone     = \"PHONE1\"\n\n[fields.notes] # long\n"), "{text}");
    assert_eq!(field(&text, "phone"), Field::new("phone", Origin::From("PHONE1".into())));
}

#[test]
fn an_entry_that_outgrows_its_line_becomes_a_table_with_its_comments() {
    let mut email = field(TEXT, "email");
    email.clean.extend(
        ["null_tokens", "email", "squeeze", "lower", "trim"]
            .map(|name| RuleConfig { name: name.into(), setting: None }),
    );
    email.write = WriteRule::IfBlank;
    let mut editing = MappingEdit::parse(TEXT).unwrap();
    editing.set_field(&email);
    let text = editing.to_string();
    assert!(text.contains("# mail first\n[fields.email] # may fail\nfrom = \"EMAIL_ADDR\"\n"), "{text}");
    assert!(text.lines().all(|line| columns(line) <= MAX_COLUMNS), "{text}");
    assert_eq!(field(&text, "email"), email);
    assert_eq!(load(&text).fields.len(), 4);
}

#[test]
fn long_lists_and_long_value_maps_are_broken_into_lines() {
    let values = (0..40).map(|n| (format!("code {n}"), format!("stage number {n}"))).collect();
    let mut stage = Field::new("stage", Origin::From("STG".into()));
    stage.values = Some(Values::Inline(values));
    stage.allowed = Some((0..30).map(|n| format!("stage number {n}")).collect());
    stage.otherwise = Some(Otherwise::Null);
    let mut editing = MappingEdit::parse(TEXT).unwrap();
    editing.set_field(&stage);
    let text = editing.to_string();
    assert!(text.lines().all(|line| columns(line) <= MAX_COLUMNS), "{text}");
    assert_eq!(field(&text, "stage"), stage, "{text}");
    // Once more over the broken form: nothing moves.
    let mut again = MappingEdit::parse(&text).unwrap();
    again.set_field(&stage);
    assert_eq!(again.to_string(), text);
}

#[test]
fn removing_takes_the_comment_right_above_and_leaves_the_heading() {
    let (gone, come) = changed(|edit| assert!(edit.remove_field("email")));
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert_eq!(come, [""; 0]);
    let mut editing = MappingEdit::parse(TEXT).unwrap();
    assert!(!editing.remove_field("emial"));
    assert!(editing.remove_field("notes"));
    assert!(load(&editing.to_string()).field("notes").is_none());
}

#[test]
fn renaming_keeps_the_place_and_follows_in_key_and_match() {
    let mut editing =
        MappingEdit::parse(&TEXT.replace("key  =", "match = [\"crosswalk\", \"legacy_id\"]\nkey  =")).unwrap();
    editing.rename_field("legacy_id", "old_id").unwrap();
    let text = editing.to_string();
    let mapping = load(&text);
    assert_eq!(mapping.fields[0].target, "old_id");
    assert_eq!(mapping.key, ["old_id"]);
    assert!(text.contains("# the id\nold_id    = \"CONTACT_ID\"   # with leading zeros\n"), "{text}");
    assert!(text.contains("match = [\"crosswalk\", \"old_id\"]"), "{text}");
    editing.rename_field("notes", "remarks").unwrap();
    assert!(editing.to_string().contains("[fields.remarks] # long"));
    assert!(editing.rename_field("old_id", "email").unwrap_err().what().contains("already"));
    assert!(editing.rename_field("nope", "x").is_err());
}

#[test]
fn a_value_goes_into_the_map() {
    let (_, come) = changed(|edit| edit.set_value("stage", "W", "won").unwrap());
    assert_eq!(
        come,
        ["stage     = { from = \"STG\", values = { L = \"lead\", W = \"won\" }, direction = \"two-way\" }"]
    );
    let mut editing = MappingEdit::parse(TEXT).unwrap();
    editing.set_value("legacy_id", "0", "none").unwrap();
    editing.set_value("legacy_id", "0", "zero").unwrap();
    assert_eq!(
        field(&editing.to_string(), "legacy_id").values,
        Some(Values::Inline(vec![("0".to_owned(), "zero".to_owned())]))
    );
    let mut editing = MappingEdit::parse(&TEXT.replace("{ L = \"lead\" }", "\"maps/stage.csv\"")).unwrap();
    assert!(editing.set_value("stage", "W", "won").unwrap_err().what().contains("maps/stage.csv"));
}

#[test]
fn settings_at_the_top_and_of_a_run() {
    let mut editing = MappingEdit::parse(TEXT).unwrap();
    editing.set_text("from", Some("legacy:people"));
    editing.set_text("where", Some("STATUS = 'x'"));
    editing.set_texts("key", Some(&["legacy_id".to_owned(), "email".to_owned()]));
    editing.set_in("run", "error_budget", Some(&toml::Value::String("2%".into())));
    editing.set_in("sync", "every", Some(&toml::Value::String("30s".into())));
    let text = editing.to_string();
    assert!(text.contains("from = \"legacy:people\" # as exported\n"), "{text}");
    let mapping = load(&text);
    assert_eq!(mapping.filter.as_deref(), Some("STATUS = 'x'"));
    assert_eq!(mapping.key, ["legacy_id", "email"]);
    assert_eq!(mapping.run.error_budget, crate::project::Budget::of_share(0.02));
    assert_eq!(mapping.run.workers, 2);
    editing.set_text("where", None);
    assert!(load(&editing.to_string()).filter.is_none());
    let mut new = MappingEdit::new("a:x", "b:x", &["id".to_owned()]);
    new.set_field(&Field::new("id", Origin::From("ID".into())));
    assert_eq!(new.to_string(), "from = \"a:x\"\nto = \"b:x\"\nkey = [\"id\"]\n\n[fields]\nid = \"ID\"\n");
}

#[test]
fn value_map_files_keep_their_other_lines() {
    let text = "from,to,note\r\nL,lead,\"a, b\"\r\n\r\nQ,qualified,x\r\n";
    assert_eq!(set_value_in_csv(text, "W", "won, sir").unwrap(), format!("{text}W,\"won, sir\",\r\n"));
    assert_eq!(set_value_in_csv(text, "Q", "asked").unwrap(), "from,to,note\r\nL,lead,\"a, b\"\r\n\r\nQ,asked,x\r\n");
    assert_eq!(
        set_value_in_csv(text, "L", "l").unwrap(),
        "from,to,note\r\nL,l,\"a, b\"\r\nQ,qualified,x\r\n".replace("\r\nQ", "\r\n\r\nQ")
    );
    assert_eq!(set_value_in_csv("", "a", "b").unwrap(), "from,to\na,b\n");
    assert_eq!(set_value_in_csv("from,to\na,b", "c", " d").unwrap(), "from,to\na,b\nc,\" d\"\n");
    assert!(set_value_in_csv("x,y\n", "a", "b").is_err());
}

#[test]
fn a_file_is_replaced_whole_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mappings/x.toml");
    write_text(&path, "one").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = dir.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    write_text(&link, "two").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    assert!(write_text(dir.path(), "a folder").is_err());
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_][a-zA-Z0-9_]{0,12}",
        // Quotes, blanks, control characters, other scripts.
        proptest::string::string_regex("[ -~äß日\u{1f600}\t\n\r\u{1}\u{7f}]{1,24}").unwrap(),
    ]
}

fn name() -> impl Strategy<Value = String> {
    text().prop_filter("names are not blank", |text| !text.trim().is_empty())
}

fn rule() -> impl Strategy<Value = RuleConfig> {
    let setting = prop_oneof![
        text().prop_map(toml::Value::String),
        any::<i64>().prop_map(toml::Value::Integer),
        any::<bool>().prop_map(toml::Value::Boolean),
        prop::collection::vec(text().prop_map(toml::Value::String), 0..4).prop_map(toml::Value::Array),
        prop::collection::btree_map(name(), text().prop_map(toml::Value::String), 0..3)
            .prop_map(|map| toml::Value::Table(map.into_iter().collect())),
    ];
    (name(), prop::option::of(setting)).prop_map(|(name, setting)| RuleConfig { name, setting })
}

/// Any field that the files can say.
fn any_field() -> impl Strategy<Value = Field> {
    let origin =
        prop_oneof![name().prop_map(Origin::From), name().prop_map(Origin::Sql), text().prop_map(Origin::Const)];
    let pairs = prop::collection::btree_map(text(), text(), 1..6)
        .prop_map(|map| Values::Inline(map.into_iter().rev().collect()));
    let values =
        prop::option::of(prop_oneof![pairs, "[a-z]{1,8}/[a-z]{1,8}\\.csv".prop_map(|path| Values::File(path.into()))]);
    let otherwise = prop::option::of(prop_oneof![
        Just(Otherwise::Reject),
        Just(Otherwise::Keep),
        Just(Otherwise::Null),
        Just(Otherwise::Drop),
        text().prop_map(Otherwise::Const)
    ]);
    let lists = (prop::collection::vec(rule(), 0..5), prop::option::of(text()), prop::option::of(text()), values);
    let more =
        (prop::option::of(prop::collection::vec(text(), 0..6)), otherwise, any::<bool>(), prop::option::of(name()));
    let words = (
        prop::sample::select(vec![OnMiss::Reject, OnMiss::Defer, OnMiss::Null]),
        prop::sample::select(vec![OnNull::Keep, OnNull::Reject]),
        prop::sample::select(vec![OnError::Reject, OnError::Keep, OnError::Null]),
        prop::sample::select(vec![WriteRule::Always, WriteRule::IfBlank, WriteRule::Create, WriteRule::Never]),
        prop::sample::select(vec![None, Some("decimal(14,2)"), Some("date"), Some("text")]),
    );
    ((name(), origin), lists, more, words, (any::<bool>(), any::<bool>())).prop_map(
        |((target, origin), (clean, each, join, values), (allowed, otherwise, time, link), words, (latch, pii))| {
            let (on_miss, on_null, on_error, write, kind) = words;
            let lists = values.is_some() || allowed.is_some();
            Field {
                clean,
                join: each.is_some().then_some(join).flatten(),
                otherwise: otherwise.filter(|other| lists && (*other != Otherwise::Drop || each.is_some())),
                each,
                values,
                allowed,
                datetime: time.then(|| "%d/%m/%Y %H:%M".to_owned()),
                zone: time.then(|| "Europe/Berlin".to_owned()),
                kind: kind.map(str::to_owned),
                on_miss: if link.is_some() { on_miss } else { OnMiss::Reject },
                link,
                on_null,
                on_error,
                write,
                latch,
                pii,
                ..Field::new(target, origin)
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Field → TOML → Field is the identity: as a new entry, and over any other entry of the same target.
    #[test]
    fn a_field_written_and_read_is_the_same(first in any_field(), second in any_field()) {
        let id = Field::new("the key", Origin::From("ID".into()));
        let mut edit = MappingEdit::new("a:x", "b:x", std::slice::from_ref(&id.target));
        edit.set_field(&id);
        let first = if first.target == id.target { Field { target: "other".into(), ..first } } else { first };
        edit.set_field(&first);
        prop_assert_eq!(&field(&edit.to_string(), &first.target), &first);

        let second = Field { target: first.target.clone(), ..second };
        let mut edit = MappingEdit::parse(&edit.to_string()).unwrap();
        edit.set_field(&second);
        let text = edit.to_string();
        prop_assert_eq!(&field(&text, &second.target), &second);
        prop_assert_eq!(&field(&text, "the key"), &id);

        let mut again = MappingEdit::parse(&text).unwrap();
        again.set_field(&second);
        prop_assert_eq!(again.to_string(), text, "setting what is there already changes nothing");
    }

    /// The text after removing a field is still a mapping without it.
    #[test]
    fn a_removed_field_is_gone_and_the_rest_stays(one in any_field()) {
        let mut edit = MappingEdit::parse(TEXT).unwrap();
        let one = Field { target: "one".into(), ..one };
        edit.set_field(&one);
        let mut edit = MappingEdit::parse(&edit.to_string()).unwrap();
        prop_assert!(edit.remove_field("one"));
        let left = load(&edit.to_string());
        prop_assert_eq!(left.fields.len(), 4);
        prop_assert!(left.field("one").is_none());
    }
}

#[test]
fn a_field_that_is_filled_is_no_longer_unfinished() {
    let text =
        "from = \"a:b\"\nto = \"c:d\"\nkey = [\"id\"]\nunfinished = [\"name\", \"stage\"]\n\n[fields]\nid = \"ID\"\n";
    let mut edit = MappingEdit::parse(text).unwrap();
    edit.set_field(&Field::new("name", Origin::From("NM".into())));
    assert!(
        edit.to_string().contains("unfinished = [\"stage\"]") || edit.to_string().contains("unfinished = [ \"stage\"]"),
        "{edit}"
    );
    edit.set_field(&Field::new("stage", Origin::From("STG".into())));
    assert!(!edit.to_string().contains("unfinished"), "{edit}");
}
