#![allow(clippy::unwrap_used)]
use polars::prelude::{NewChunkedArray, StringChunked};
use proptest::prelude::*;

use super::*;
use crate::project::RuleConfig;

/// A rule as a mapping file writes it: `trim`, `max_length = 80`.
fn rule(written: &str) -> Box<dyn CleaningRule> {
    build(&config(written)).unwrap()
}

fn config(written: &str) -> RuleConfig {
    match written.split_once(" = ") {
        None => RuleConfig { name: written.into(), setting: None },
        Some((name, _)) => {
            let table: toml::Table = written.parse().unwrap();
            RuleConfig { name: name.into(), setting: table.get(name).cloned() }
        }
    }
}

/// What a rule makes of a value: `NULL`, `!reason`, `DROP` or the text.
fn clean(written: &str, value: &str) -> String {
    match rule(written).clean(Some(value)) {
        Cleaned::Same => value.to_owned(),
        Cleaned::Changed(None) => "NULL".into(),
        Cleaned::Changed(Some(text)) => {
            assert_ne!(text, value, "{written}: a change that changes nothing");
            text.into_owned()
        }
        Cleaned::Failed(reason) => format!("!{reason}"),
        Cleaned::DropRow => "DROP".into(),
    }
}

/// Checks a table of values; `!` stands for any failure.
fn table(written: &str, rows: &[(&str, &str)]) {
    for (value, expected) in rows {
        let found = clean(written, value);
        if *expected == "!" {
            assert!(found.starts_with('!'), "{written} of {value:?} gave {found:?}");
        } else {
            assert_eq!(found, *expected, "{written} of {value:?}");
        }
    }
}

#[test]
fn every_rule_has_its_doc_and_is_made_from_its_own_example() {
    let mut names = std::collections::HashSet::new();
    for doc in rules() {
        assert!(names.insert(doc.name), "{} is listed twice", doc.name);
        assert!(doc.doc.len() > 15 && doc.doc.ends_with('.'), "{}: a sentence", doc.name);
        let written = if doc.setting.is_empty() { doc.name } else { doc.setting };
        let made = rule(written);
        assert_eq!(made.name(), doc.name);
        assert_eq!(made.settings().is_empty(), doc.setting.is_empty(), "{}: settings as text", doc.name);
    }
}

#[test]
fn an_unknown_rule_names_the_nearest_one() {
    let error = build(&config("lowr")).err().unwrap();
    assert_eq!(error.advice(), Some("did you mean 'lower'?"));
    assert!(build(&config("xyzzy")).err().unwrap().advice().unwrap().contains("null_tokens"));
}

#[test]
fn a_wrong_setting_says_how_it_is_written() {
    for wrong in [
        "trim = 1",
        "max_length = \"x\"",
        "max_length = 0",
        "max_length = -3",
        "truncate = 1.5",
        "date = []",
        "date = 5",
        "date = \"%H\"",
        "date = \"%d/%?\"",
        "regex = [\"(\", \"\"]",
        "regex = \"a\"",
        "number = \"xx\"",
        "money = 3",
        "null_tokens = [1]",
        "strip_prefix = \"\"",
        "replace = [\"\", \"x\"]",
    ] {
        let error = build(&config(wrong)).err().unwrap_or_else(|| panic!("{wrong} was taken"));
        assert!(error.advice().unwrap().contains("it is written"), "{wrong}");
    }
    assert!(build(&config("date")).is_err(), "a date needs its format");
}

#[test]
fn whitespace() {
    table(
        "trim",
        &[
            ("  a b ", "a b"),
            ("\u{a0}a\u{200b}", "a"),
            ("\u{feff}a", "a"),
            (" \t ", "NULL"),
            ("", "NULL"),
            ("a", "a"),
            ("\u{3000}日本\n", "日本"),
        ],
    );
    table(
        "squeeze",
        &[
            (" a  b\t\nc ", "a b c"),
            ("a\u{a0}b", "a b"),
            ("a b c", "a b c"),
            ("   ", "NULL"),
            ("a ", "a"),
            ("Zoë  Ö", "Zoë Ö"),
        ],
    );
}

#[test]
fn case() {
    table(
        "lower",
        &[("AbC", "abc"), ("abc", "abc"), ("ÄÖ", "äö"), ("straße", "straße"), ("ΟΔΟΣ", "οδος"), ("42", "42")],
    );
    table("upper", &[("AbC", "ABC"), ("ABC", "ABC"), ("straße", "STRASSE"), ("ä", "Ä"), ("日本", "日本")]);
}

#[test]
fn names() {
    table(
        "name_case",
        &[
            ("JOHN SMITH", "John Smith"),
            ("anna maria schulz", "Anna Maria Schulz"),
            ("SHAUN O'BRIEN", "Shaun O'Brien"),
            ("shaun o’brien", "Shaun O’Brien"),
            ("RONALD MCDONALD", "Ronald McDonald"),
            ("FIONA MACDONALD", "Fiona MacDonald"),
            ("JOSE MACHADO", "Jose Machado"),
            ("VINCENT VAN DER BERG", "Vincent van der Berg"),
            ("VAN DER BERG", "Van der Berg"),
            ("juan de la cruz", "Juan de la Cruz"),
            ("JEAN-LUC PICARD", "Jean-Luc Picard"),
            ("MARY O'NEILL-MCCOY", "Mary O'Neill-McCoy"),
            ("J.R. EWING", "J.R. Ewing"),
            ("HENRY FORD III", "Henry Ford III"),
            ("JANE DOE, PHD", "Jane Doe, PhD"),
            ("ÉMILE ZOLA", "Émile Zola"),
            ("ŁUKASZ ŻUŁAWSKI", "Łukasz Żuławski"),
            ("DeShawn McNeil", "DeShawn McNeil"),
            ("Anna de Vries", "Anna de Vries"),
            ("iPhone Smith", "iPhone Smith"),
            ("李小龍", "李小龍"),
            ("MC", "Mc"),
            ("NGUYEN VAN", "Nguyen Van"),
            ("  TWO  SPACES ", "  Two  Spaces "),
            ("42", "42"),
            ("", ""),
        ],
    );
}

#[test]
fn missing_values() {
    table("drop_nulls", &[("a", "a"), ("", "DROP"), (" \t", "DROP"), ("0", "0")]);
    assert_eq!(rule("drop_nulls").clean(None), Cleaned::DropRow);
    table("required", &[("a", "a"), ("", "!"), ("  ", "!")]);
    assert!(matches!(rule("required").clean(None), Cleaned::Failed(_)));
    table(
        "null_tokens",
        &[
            ("N/A", "NULL"),
            (" n/a ", "NULL"),
            ("NULL", "NULL"),
            ("-", "NULL"),
            ("#REF!", "NULL"),
            ("  ", "NULL"),
            // People and places.
            ("Null", "Null"),
            ("NA", "NA"),
            ("Na", "Na"),
            ("Nan", "Nan"),
            ("None", "NULL"),
            ("Nil", "Nil"),
            ("-5", "-5"),
            ("0", "0"),
            ("unknown", "unknown"),
        ],
    );
    table(
        "null_tokens = [\"NA\", \"tbd\"]",
        &[("NA", "NULL"), ("tbd", "NULL"), ("TBD", "TBD"), ("N/A", "N/A"), (" NA", "NULL")],
    );
}

#[test]
fn lengths_and_patterns() {
    table("max_length = 3", &[("abc", "abc"), ("abcd", "!"), ("äöü", "äöü"), ("äöüß", "!"), ("", "")]);
    table(
        "truncate = 3",
        &[("abcd", "abc"), ("abc", "abc"), ("äöüß", "äöü"), ("ab cd", "ab"), ("ae\u{301}e\u{301}", "ae\u{301}")],
    );
    table("strip_prefix = \"C-\"", &[("C-12", "12"), ("12", "12"), ("C-", "NULL")]);
    table("strip_suffix = \" (old)\"", &[("x (old)", "x"), ("x", "x")]);
    table("regex = [\"[^0-9]+\", \"\"]", &[("a1b2", "12"), ("12", "12"), ("ab", "NULL")]);
    table("regex = [\"(\\\\w+), (\\\\w+)\", \"$2 $1\"]", &[("Doe, Jane", "Jane Doe"), ("Jane", "Jane")]);
    table("replace = [\"&amp;\", \"&\"]", &[("A &amp; B", "A & B"), ("A", "A")]);
    table("digits", &[("+49 (30) 12", "493012"), ("12", "12"), ("x", "NULL")]);
}

#[test]
fn emails() {
    table(
        "email",
        &[
            ("jane@example.com", "jane@example.com"),
            (" Jane.Doe@Example.COM ", "Jane.Doe@example.com"),
            ("mailto:jane@example.com", "jane@example.com"),
            ("MAILTO:<jane@example.com>", "!"),
            ("<mailto:jane@example.com>", "jane@example.com"),
            ("jane+crm@sub.example.co.uk", "jane+crm@sub.example.co.uk"),
            ("o'brien@example.com", "o'brien@example.com"),
            ("jörg@müller.de", "jörg@müller.de"),
            ("jane@xn--mller-kva.de", "jane@xn--mller-kva.de"),
            ("", "NULL"),
            ("jane", "!"),
            ("jane@", "!"),
            ("@example.com", "!"),
            ("jane@localhost", "!"),
            ("jane@example.c", "!"),
            ("jane@example.123", "!"),
            ("jane@[192.168.0.1]", "!"),
            ("jane@@example.com", "!"),
            ("jane@example..com", "!"),
            (".jane@example.com", "!"),
            ("jane.@example.com", "!"),
            ("ja ne@example.com", "!"),
            ("jane@exam_ple.com", "!"),
            ("jane@-example.com", "!"),
            ("\"jane doe\"@example.com", "!"),
            ("jane@example.com, joe@example.com", "!"),
            ("jane@example.com;joe@example.com", "!"),
            ("jane@example.com.", "!"),
            ("Jane <jane@example.com>", "!"),
            ("jane@exa\u{200b}mple.com", "!"),
        ],
    );
    let long = format!("{}@example.com", "a".repeat(65));
    table("email", &[(&long, "!")]);
}

#[test]
fn dates() {
    table(
        "date = \"%d/%m/%Y\"",
        &[
            ("31/03/2024", "2024-03-31"),
            ("1/3/2024", "2024-03-01"),
            ("29/02/2023", "!"),
            ("03/31/2024", "!"),
            ("31/03/24", "!"),
            ("31/03/2024 10:00", "!"),
            (" 31/03/2024", "!"),
            ("31-03-2024", "!"),
            ("", "NULL"),
        ],
    );
    table(
        "date = [\"%d/%m/%Y\", \"%m/%d/%Y\", \"%Y-%m-%d\"]",
        &[
            ("31/03/2024", "2024-03-31"),
            ("03/31/2024", "2024-03-31"),
            ("05/05/2024", "2024-05-05"),
            ("04/05/2024", "!is ambiguous: two of the declared formats give different days"),
            ("2024-03-31", "2024-03-31"),
            ("20240331", "!"),
        ],
    );
    table("date = \"%d. %B %Y\"", &[("31. March 2024", "2024-03-31"), ("31. Maerz 2024", "!")]);
    table("date = \"%d.%m.%y\"", &[("31.03.24", "2024-03-31"), ("31.03.2024", "!"), ("31.03.99", "1999-03-31")]);
}

#[test]
fn numbers() {
    table(
        "number",
        &[
            ("1234.50", "1234.50"),
            ("1,234.50", "1234.50"),
            ("1.234,50", "1234.50"),
            ("1 234,50", "1234.50"),
            ("1\u{202f}234\u{202f}567", "1234567"),
            ("1'234.50", "1234.50"),
            ("1,234,567", "1234567"),
            ("12,34,567.8", "1234567.8"),
            ("1.234.567", "1234567"),
            ("0,5", "0.5"),
            ("0.123", "0.123"),
            ("12345.678", "12345.678"),
            ("1,5", "1.5"),
            ("1,234", "!"),
            ("1.234", "!"),
            ("001.234", "!"),
            ("1,23,4", "!"),
            ("1,2345.6", "!"),
            ("1.2.3", "!"),
            ("1,234.567,8", "!"),
            ("12 34", "!"),
            ("-5", "-5"),
            ("+5", "5"),
            ("−5", "-5"),
            ("5-", "-5"),
            ("(5)", "-5"),
            ("(5", "!"),
            ("-(5)", "!"),
            ("--5", "!"),
            ("007", "7"),
            ("-0.00", "0.00"),
            (".5", "0.5"),
            ("5.", "5"),
            ("5,", "!"),
            ("1e5", "!"),
            ("5%", "!"),
            ("$5", "!"),
            ("abc", "!"),
            ("10-20", "!"),
            ("", "NULL"),
            ("99999999999999999999999999999999999999999.01", "99999999999999999999999999999999999999999.01"),
        ],
    );
    table("number = \"en\"", &[("1,234", "1234"), ("1.234", "1.234"), ("1,23", "!"), ("1.234,5", "!"), ("0,234", "!")]);
    table(
        "number = \"de\"",
        &[("1.234", "1234"), ("1,234", "1.234"), ("1.5", "!"), ("1.234,5", "1234.5"), ("1,234.5", "!")],
    );
}

#[test]
fn money() {
    table(
        "money",
        &[
            ("$1,234.50", "1234.50"),
            ("1.234,50 €", "1234.50"),
            ("EUR 12", "12"),
            ("12 eur", "12"),
            ("US$ 5.00", "5.00"),
            ("-$5.00", "-5.00"),
            ("$-5.00", "-5.00"),
            ("($5.00)", "-5.00"),
            ("$(5.00)", "-5.00"),
            ("5.00- EUR", "-5.00"),
            ("CHF 1'234.50", "1234.50"),
            ("Fr. 12.50", "12.50"),
            ("12,- €", "12"),
            ("12.– ", "12"),
            ("1.198,- kr", "1198"),
            ("12,000円", "12000"),
            ("12.000 KRW", "12000"),
            ("12,50円", "12.50"),
            ("12,000 EUR", "!"),
            ("- $5", "!"),
            ("100 Ft", "100"),
            ("100 ft", "!"),
            ("kr 100", "100"),
            ("100 Kč", "100"),
            ("£.99", "0.99"),
            ("R$ 1.234,56", "1234.56"),
            ("$19.95 USD", "19.95"),
            ("¥12,000,000", "12000000"),
            ("$1,234", "!"),
            ("50¢", "!"),
            ("Price: 5", "!"),
            ("5 apples", "!"),
            ("$5 - $10", "!"),
            ("$$", "!"),
            ("1,50 € 1.50", "!"),
            ("5 k", "!"),
        ],
    );
}

#[test]
fn columns_are_shared_until_a_cell_changes() {
    let column = StringChunked::from_iter_options("c".into(), [Some("a"), None, Some(" b "), Some("")].into_iter());
    let cleaned = clean_column(&*rule("trim"), &column);
    assert_eq!(cleaned.values.iter().collect::<Vec<_>>(), [Some("a"), None, Some("b"), None]);
    assert_eq!((cleaned.changed, cleaned.failures.len(), cleaned.values.name().as_str()), (2, 0, "c"));
    let cleaned = clean_column(&*rule("email"), &column);
    assert_eq!(cleaned.failures.iter().map(|failure| failure.row).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(cleaned.values.get(2), Some(" b "), "a failed cell is as it came");
    assert_eq!(clean_column(&*rule("drop_nulls"), &column).dropped, [1, 3]);
}

/// A value as it comes: any text, or bits of what the rules look at.
fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ a-zA-Z'\u{a0}\u{200b}.,-]{0,16}",
        "[-+(]?[$€]? ?[0-9]{0,4}([., '][0-9]{1,3}){0,3}[)-]?",
        "(mailto:)?<?[A-Za-z.+]{0,8}@[A-Za-z.-]{0,10}>?",
        "(MC|MAC|O'|VAN |DE LA )?[A-ZÄÉ]{0,6}[ -]?[A-Z]{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a rule has made it leaves alone, and no reason tells the value.
    #[test]
    fn rules_are_idempotent_and_discreet(value in values()) {
        for written in [
            "trim", "squeeze", "lower", "upper", "name_case", "null_tokens", "required", "email", "number", "money", "digits",
            "max_length = 5", "truncate = 5", "date = [\"%d/%m/%Y\", \"%Y-%m-%d\"]", "regex = [\"[^0-9]+\", \"\"]",
        ] {
            let rule = rule(written);
            match rule.clean(Some(&value)) {
                Cleaned::Changed(Some(once)) => {
                    prop_assert_ne!(once.as_ref(), &value);
                    let again = rule.clean(Some(&once));
                    prop_assert_eq!(again, Cleaned::Same, "{} of {:?} gave {:?}", written, value, once);
                }
                Cleaned::Failed(reason) if value.chars().count() > 12 => {
                    prop_assert!(!reason.contains(&value), "{} tells the value", written);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_letter_without_a_capital_of_one_letter_stays() {
    assert_eq!(rule("name_case").clean(Some("ß")), Cleaned::Same);
}
