use super::*;

/// Every line of the design's example.
const EXAMPLE: &str = r#"
from  = "legacy:contacts"
to    = "nova:contacts"
key   = ["legacy_id"]
match = ["crosswalk", "legacy_id", "lower(email)"]   # in order; two hits = review
scope = "legacy_id IS NOT NULL"
target_only = "keep"
where   = "STATUS IS NOT NULL"
deleted = "STATUS = 'deleted'"

[fields]                                 # by target field
legacy_id = "CONTACT_ID"
full_name = { sql = "concat_ws(' ', FIRST_NM, LAST_NM)", clean = ["trim", "name_case"] }
email     = { from = "EMAIL_ADDR", clean = ["trim", "lower", "email"], on_error = "null", write = "if_blank" }
phone     = { from = "PHONE1", clean = [{ phone = "US" }], on_error = "keep" }
stage     = { from = "STG", values = { L = "lead", Q = "qualified" }, otherwise = "reject" }
revenue   = { from = "REV", type = "decimal(14,2)", clean = ["money"] }
owner_id  = { from = "OWNER", values = "maps/owners.csv", otherwise = { const = "9001" } }
company   = { from = "ACCT_NO", link = "accounts", on_miss = "defer", on_null = "keep" }
created   = { from = "CREATED", datetime = "%d/%m/%Y %H:%M", zone = "Europe/Berlin", write = "create" }
tags      = { from = "TAGS", each = ";", values = { vip = "VIP" }, otherwise = "drop", join = ";" }
opt_out   = { from = "NO_MAIL", latch = true }
source    = { const = "legacy" }

[run]
mode = "full"
workers = 2
error_budget = "1%"
max_deletes = "5%"

[sync]
trigger = "observe"
every = "30s"
freshness = "60s"
direction = "one-way"
conflict = "ask"
deletes = "mark:is_deleted"
max_changes = "5%/10m"
"#;

fn load(text: &str) -> Mapping {
    load_mapping(Path::new("."), Path::new("mappings/contacts.toml"), text).unwrap()
}

#[test]
fn every_line_of_the_designs_example_loads() {
    let mapping = load(EXAMPLE);
    assert_eq!(mapping.name, "contacts");
    assert_eq!(mapping.from.label, "legacy:contacts");
    assert_eq!(mapping.from.source, Source::Object("contacts".into()));
    assert_eq!(mapping.to.to_string(), "nova:contacts");
    assert_eq!(mapping.key, ["legacy_id"]);
    let expression = |sql: &str| MatchBy::Expression(sql.into());
    assert_eq!(mapping.matching, [MatchBy::Crosswalk, expression("legacy_id"), expression("lower(email)")]);
    assert_eq!(mapping.scope.as_deref(), Some("legacy_id IS NOT NULL"));
    assert_eq!(mapping.target_only, TargetOnly::Keep);
    assert_eq!(mapping.filter.as_deref(), Some("STATUS IS NOT NULL"));
    assert_eq!(mapping.deleted.as_deref(), Some("STATUS = 'deleted'"));
    assert_eq!(mapping.run.workers, 2);
    assert_eq!(mapping.run.error_budget, Budget::of_share(0.01));
    assert_eq!(mapping.run.max_deletes, Bound::Share(0.05));
    assert_eq!(mapping.sync.max_changes.map(|cap| cap.to_string()).as_deref(), Some("5%/10m"));

    let names: Vec<&str> = mapping.fields.iter().map(|field| field.target.as_str()).collect();
    assert_eq!(
        names,
        [
            "legacy_id",
            "full_name",
            "email",
            "phone",
            "stage",
            "revenue",
            "owner_id",
            "company",
            "created",
            "tags",
            "opt_out",
            "source"
        ]
    );
    let field = |name: &str| Field { span: None, ..mapping.field(name).unwrap().clone() };
    let rule = |name: &str| RuleConfig { name: name.into(), setting: None };
    let from = |target: &str, column: &str| Field::new(target, Origin::From(column.into()));
    let pairs = |list: &[(&str, &str)]| {
        Some(Values::Inline(list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()))
    };
    assert_eq!(field("legacy_id"), from("legacy_id", "CONTACT_ID"));
    assert_eq!(
        field("full_name"),
        Field {
            clean: vec![rule("trim"), rule("name_case")],
            ..Field::new("full_name", Origin::Sql("concat_ws(' ', FIRST_NM, LAST_NM)".into()))
        }
    );
    assert_eq!(
        field("email"),
        Field {
            clean: vec![rule("trim"), rule("lower"), rule("email")],
            on_error: OnError::Null,
            write: WriteRule::IfBlank,
            ..from("email", "EMAIL_ADDR")
        }
    );
    let phone = RuleConfig { name: "phone".into(), setting: Some(toml::Value::String("US".into())) };
    assert_eq!(field("phone"), Field { clean: vec![phone], on_error: OnError::Keep, ..from("phone", "PHONE1") });
    assert_eq!(
        field("stage"),
        Field {
            values: pairs(&[("L", "lead"), ("Q", "qualified")]),
            otherwise: Some(Otherwise::Reject),
            ..from("stage", "STG")
        }
    );
    assert_eq!(
        field("revenue"),
        Field { kind: Some("decimal(14,2)".into()), clean: vec![rule("money")], ..from("revenue", "REV") }
    );
    assert_eq!(
        field("owner_id"),
        Field {
            values: Some(Values::File("maps/owners.csv".into())),
            otherwise: Some(Otherwise::Const("9001".into())),
            ..from("owner_id", "OWNER")
        }
    );
    assert_eq!(
        field("company"),
        Field { link: Some("accounts".into()), on_miss: OnMiss::Defer, ..from("company", "ACCT_NO") }
    );
    assert_eq!(
        field("created"),
        Field {
            datetime: Some("%d/%m/%Y %H:%M".into()),
            zone: Some("Europe/Berlin".into()),
            write: WriteRule::Create,
            ..from("created", "CREATED")
        }
    );
    assert_eq!(
        field("tags"),
        Field {
            each: Some(";".into()),
            join: Some(";".into()),
            values: pairs(&[("vip", "VIP")]),
            otherwise: Some(Otherwise::Drop),
            ..from("tags", "TAGS")
        }
    );
    assert_eq!(field("opt_out"), Field { latch: true, ..from("opt_out", "NO_MAIL") });
    assert_eq!(field("source"), Field::new("source", Origin::Const("legacy".into())));
}

#[test]
fn a_field_points_at_its_entry_whether_inline_or_a_sub_table() {
    let text = "from = \"a:x\"\nto = \"b:x\"\nkey = [\"id\"]\n[fields]\nid = \"ID\" # key\n\n[fields.name]\nfrom = \"NM\"\nclean = [\"trim\"]\n";
    let mapping = load(text);
    let span = |name: &str| mapping.field(name).unwrap().span.unwrap();
    let (start, end) = span("id");
    assert_eq!(&text[start..end], "id = \"ID\"");
    let (start, end) = span("name");
    assert_eq!(&text[start..end], "[fields.name]\nfrom = \"NM\"\nclean = [\"trim\"]");
}

#[test]
fn a_mapping_without_settings_has_the_defaults_of_the_design() {
    let mapping = load(
        "from = \"a:x\"\nto = \"b:x\"\nkey = [\"id\", \"order no\"]\n[fields]\nid = \"ID\"\n\"order no\" = \"NO\"\n",
    );
    assert_eq!(mapping.matching, [MatchBy::Crosswalk, MatchBy::Expression("id || '\u{1f}' || \"order no\"".into())]);
    assert_eq!(mapping.target_only, TargetOnly::Keep);
    assert_eq!(mapping.duplicates, Duplicates::Reject);
    assert_eq!(mapping.run, RunConfig::default());
    assert!(!mapping.sync.on && mapping.ignore.is_empty() && mapping.scope.is_none());
}

#[test]
fn a_saved_query_is_loaded_with_its_id() {
    let dir = folder(&[("queries/contacts.sql", "SELECT 1 AS id")]);
    let text = "from = { on = \"legacy\", query = \"queries/contacts.sql\", id = \"id\" }\nto = \"b:x\"\nkey = [\"id\"]\n[fields]\nid = \"id\"\n";
    let mapping = load_mapping(dir.path(), Path::new("mappings/x.toml"), text).unwrap();
    assert_eq!(mapping.from.label, "legacy:queries/contacts.sql");
    assert_eq!(mapping.from.source, Source::Query { sql: "SELECT 1 AS id".into(), id: Some("id".into()) });

    let missing = load_mapping(dir.path(), Path::new("mappings/x.toml"), &text.replace("contacts.sql", "gone.sql"));
    let problem = missing.unwrap_err()[0].to_string();
    assert!(
        problem.starts_with("mappings/x.toml line 1, from.query: cannot read the query file queries/gone.sql"),
        "{problem}"
    );
}

/// One mapping with many slips: each is found at its line, with the nearest valid name.
#[test]
fn every_slip_is_found_at_once_with_line_field_and_nearest_name() {
    let text = r#"from = "legacy:contacts"
to = "nova"
keys = ["legacy_id"]
key = ["legcy_id"]
target_only = "kep"
duplicates = 3
match = ["lower(emial)", "a b"]
[fields]
legacy_id = { from = "ID", clen = ["trim"] }
email = { from = "EMAIL", on_error = "nul", write = "if_blnk", latch = "yes" }
name = { sql = "upper(NM)", from = "NM" }
stage = { clean = ["trim", 3, { a = 1, b = 2 }], from = "STG" }
price = { from = "P", type = "decimal" }
kind = { from = "K", type = "integr" }
when = { from = "W", datetime = "%d/%Q", zone = "Europe/Berln" }
owner = 7
nothing = {}
tags = { from = "T", join = ";", otherwise = "drop" }
miss = { from = "M", on_miss = "null" }
word = { from = "M", values = { a = "b" }, otherwise = "rejct" }
map = { from = "M", values = { a = 1 } }
[run]
worker = 2
workers = 0
error_budget = "1 percent"
"#;
    let found = problems(text);
    let expected = [
        "line 3, keys: unknown key 'keys': did you mean 'key'?",
        "line 2, to: 'nova' must be platform:object",
        "line 5, target_only: 'kep' is not one of keep, list, mark:FIELD, delete; did you mean 'keep'?",
        "line 6, duplicates: must be a text in quotes, not an integer",
        "line 9, fields.legacy_id.clen: unknown key 'clen': did you mean 'clean'?",
        "line 10, fields.email.on_error: 'nul' is not one of reject, keep, null; did you mean 'null'?",
        "line 10, fields.email.write: 'if_blnk' is not one of always, if_blank, create, never; did you mean 'if_blank'?",
        "line 10, fields.email.latch: must be true or false, not a text",
        "line 11, fields.name.sql: only one of from and sql can fill a field",
        "line 12, fields.stage.clean[1]: must be a rule's name in quotes or a table like { max_length = 80 }, not an integer",
        "line 12, fields.stage.clean[2]: a rule with a setting has one key",
        "line 13, fields.price.type: decimal says its digits",
        "line 14, fields.kind.type: 'integr' is not one of text, integer, decimal(14,2), boolean, date, datetime; did you mean 'integer'?",
        "line 15, fields.when.datetime: is not a date format",
        "line 15, fields.when.zone: unknown time zone 'Europe/Berln': did you mean 'Europe/Berlin'?",
        "line 16, fields.owner: must be a source column in quotes or a table",
        "line 17, fields.nothing: nothing fills it",
        "line 18, fields.tags.join: joins what each",
        "line 18, fields.tags.otherwise: is for values that a list lacks",
        "line 19, fields.miss.on_miss: is for a link that finds nothing, and there is no link",
        "line 20, fields.word.otherwise: 'rejct' is not one of reject, keep, null, drop, { const = \"rejct\" }; did you mean 'reject'?",
        "line 21, fields.map.values.a: must be a text in quotes, not an integer",
        "line 23, run.worker: unknown key 'worker': did you mean 'workers'?",
        "line 24, run.workers: must be an integer from 1 to 64",
        "line 25, run.error_budget: must be a share of the rows or a number of rows",
    ];
    for wanted in expected {
        assert!(found.iter().any(|line| line.starts_with(wanted)), "missing: {wanted}\nfound:\n{}", found.join("\n"));
    }
}

#[test]
fn keys_and_matches_name_mapped_fields() {
    let head = "from = \"a:x\"\nto = \"b:x\"\n";
    let fields = "[fields]\nlegacy_id = \"ID\"\nemail = \"MAIL\"\n";
    assert_eq!(
        problems(&format!("{head}key = [\"legcy_id\"]\n{fields}")),
        ["line 3, key: 'legcy_id' is not in [fields]: did you mean 'legacy_id'?"]
    );
    assert_eq!(
        problems(&format!("{head}key = [\"legacy_id\"]\nmatch = [\"crosswlk\", \"lower(emial)\"]\n{fields}")),
        [
            "line 4, match: 'crosswlk' is not in [fields], so nothing can match by it; did you mean 'crosswalk'?",
            "line 4, match: 'emial' is not in [fields], so nothing can match by it; did you mean 'email'?"
        ]
    );
    let found = problems(&format!("{head}key = [\"legacy_id\"]\nscope = \"legacy_id IS NOT\"\n{fields}"));
    assert!(found[0].starts_with("line 4, scope: scope is not an SQL expression: "), "{found:?}");
    let found = problems("to = \"b:x\"\n");
    assert_eq!(found.len(), 3, "{found:?}");
    let found = problems("from = \"a:x\"\nto = \"b:x\"\nkey = [\"k\"]\n[fields]\nk = { const = \"1\" }\n");
    assert_eq!(found, ["line 3, key: is made of fixed values alone, so every row would be the same record"]);
}

#[test]
fn text_that_is_not_toml_says_line_and_column() {
    let found = problems("from = \"a:x\"\nto = \n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("line 2: not valid TOML at column 6: "), "{found:?}");
    // Sync words of a field are checked, and a duplicate entry is refused by the parser.
    let found = problems("from = \"a:x\"\nfrom = \"a:y\"\n");
    assert!(found[0].contains("duplicate key"), "{found:?}");
}
