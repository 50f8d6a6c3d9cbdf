//! The mapping of a wide object with keys alone, from nothing to one that passes `check`.
use std::path::Path;

use rusqlite::Connection;

use crate::support::command::{folder, run};
use crate::support::terminal::Terminal;

const PROJECT: &str =
    "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"sqlite\"\npath = \"new.db\"\n";

/// Columns of the old CRM with the values of a row, and the fields of the new one that hold the same; `-`: nothing does.
const COLUMNS: [(&str, &str, &str); 41] = [
    ("CONTACT_ID", "C{n}", "legacy_id"),
    ("SALUT", "Ms", "salutation"),
    ("FIRST_NM", "Anna{n}", "first_name"),
    ("LAST_NM", "Weiss{n}", "last_name"),
    ("EMAIL_ADDR", "anna{n}@mail.example", "email"),
    ("PHONE1", "+49 30 12345{n}", "phone"),
    ("MOBILE_PHONE", "+49 170 5555{n}", "mobile"),
    ("FAX_NO", "+49 30 99{n}", "fax"),
    ("JOB_TITLE", "Buyer", "title"),
    ("DEPT", "Purchasing", "department"),
    ("COMPANY_NM", "Weiss {n} GmbH", "company_name"),
    ("WEB_SITE", "https://weiss{n}.example", "website"),
    ("STREET", "Lindenweg {n}", "street"),
    ("CITY", "Bonn", "city"),
    ("ZIP", "5311{n}", "postal_code"),
    ("STATE", "NW", "state"),
    ("CTRY", "Germany", "country"),
    ("BIRTH_DT", "1980-02-1{n}", "birthdate"),
    ("CREATED_DT", "2020-03-1{n}", "created_at"),
    ("UPDATED_DT", "2024-03-1{n}", "updated_at"),
    ("LEAD_SRC", "Fair", "lead_source"),
    ("STATUS", "active", "status"),
    ("OWNER_NM", "J. Meier", "owner_name"),
    ("INDUSTRY", "Trade", "industry"),
    ("EMP_CNT", "12{n}", "number_of_employees"),
    ("ANNUAL_REV", "120000{n}", "annual_revenue"),
    ("CURRENCY", "EUR", "currency"),
    ("LANG", "de", "language"),
    ("NO_MAIL", "0", "email_opt_out"),
    ("NO_CALL", "1", "do_not_call"),
    ("NOTES", "called on Monday {n}", "description"),
    ("TWITTER", "@weiss{n}", "twitter_handle"),
    ("LINKEDIN", "https://linkedin.example/weiss{n}", "linkedin_url"),
    ("ASST_NAME", "Otto{n}", "assistant_name"),
    ("ASST_PHONE", "+49 30 77{n}", "assistant_phone"),
    ("MAIL_STREET", "Postfach {n}", "mailing_street"),
    ("MAIL_CITY", "Bonn", "mailing_city"),
    ("MAIL_ZIP", "5322{n}", "mailing_postal_code"),
    ("RATING", "hot", "rating"),
    ("XQ_SYNC_HASH", "a{n}f", "-"),
    ("ZZ_IMPORT_RUN", "run {n}", "-"),
];

fn project() -> tempfile::TempDir {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
    let mut old = names.join(",") + "\n";
    for n in 0..10 {
        let cells: Vec<String> = COLUMNS.iter().map(|(_, value, _)| value.replace("{n}", &n.to_string())).collect();
        old += &(cells.join(",") + "\n");
    }
    let dir = folder(&[("project.toml", PROJECT), ("old/people.csv", &old)]);
    let fields = COLUMNS.iter().map(|(.., field)| *field).filter(|field| *field != "-" && *field != "legacy_id");
    let fields: Vec<String> = fields.map(|field| format!("{field} TEXT")).collect();
    let sql = format!(
        "CREATE TABLE contacts (id INTEGER PRIMARY KEY, legacy_id TEXT NOT NULL UNIQUE, {}, tags TEXT)",
        fields.join(", ")
    );
    Connection::open(dir.path().join("new.db")).unwrap().execute_batch(&sql).unwrap();
    dir
}

/// What fills each field, as the mapping file says.
fn filled(dir: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(dir.join("mappings/people.toml")).unwrap();
    let mapping: toml::Table = text.parse().unwrap();
    let fields = mapping["fields"].as_table().unwrap().iter();
    let source = |field: &toml::Value| field.as_str().or_else(|| field.get("from")?.as_str()).unwrap_or("?").to_owned();
    fields.map(|(name, field)| (name.clone(), source(field))).collect()
}

#[test]
fn forty_columns_are_mapped_from_nothing_with_few_keys() {
    let dir = project();
    let dir = dir.path();
    let mut terminal = Terminal::open(dir, (80, 24));
    terminal.keys("2");
    terminal.see("+ begins one between two objects");
    terminal.keys("+");
    terminal.wait("the objects", |text, _| text.contains("from which object?") && text.contains("old:people"));
    terminal.keys("<down><enter>");
    terminal.see("To which object?");
    terminal.keys("<enter>");
    terminal.wait("suggestions", |text, _| text.contains("MAP people") && text.contains(" suggested"));
    let open = |text: &str| -> Option<usize> {
        let before = text.split(" suggested").next()?;
        before.rsplit(", ").next()?.trim().parse().ok()
    };
    terminal.keys("A");
    terminal.see("suggestions accepted");
    // What is left is looked at one by one.
    while let Some(left) = open(&terminal.text()).filter(|left| *left > 0) {
        terminal.keys("Na");
        let fewer = |text: &str| open(text).is_some_and(|now| now < left);
        terminal.wait("one less, or nothing fits it", |text, _| fewer(text) || text.contains("no suggestion"));
        assert!(terminal.typed() < 60, "{}", terminal.text());
    }
    terminal.wait("the source is described", |text, _| text.contains("left behind"));
    terminal.keys("b");
    terminal.see("Left behind, with data");
    terminal.keys("all<enter>");
    terminal.keys("<c-s>");
    terminal.see("saved people");
    let typed = terminal.typed();
    println!("{typed} keys");
    assert!(typed < 60, "{typed} keys");
    run(dir, &["check"]).expect(0);
    let filled = filled(dir);
    let right = COLUMNS
        .iter()
        .filter(|(name, _, field)| filled.iter().any(|(target, source)| target == field && source == name));
    let (right, of) = (right.count(), COLUMNS.len() - 2);
    assert!(right * 10 >= of * 9, "{right} of {of} as a person would: {filled:?}");
    // What it says is what is planned.
    let plan = run(dir, &["plan", "--json"]).expect(1).json();
    assert_eq!(plan["mappings"][0]["counts"]["inserted"], 10, "{plan}");
    // What was accepted is known to the next mapping.
    let memory = std::fs::read_to_string(dir.join("suggest.toml")).unwrap();
    assert!(memory.contains("[confirmed]"), "{memory}");
}
