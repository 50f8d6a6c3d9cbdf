#![allow(clippy::unwrap_used)]
use polars::prelude::{Column, NamedFrom, Series};

use super::*;

const COLUMNS: &[&str] = &["A", "B", "N", "D", "Über Name", "*", "^x$", "from"];

fn columns() -> Vec<String> {
    COLUMNS.iter().map(ToString::to_string).collect()
}

/// A row of each kind of dirt; empty is NULL.
fn batch() -> DataFrame {
    let column = |name: &str, cells: [&str; 4]| -> Column {
        Series::new(name.into(), cells.map(|cell| Some(cell).filter(|cell| !cell.is_empty()))).into_column()
    };
    DataFrame::new(
        4,
        vec![
            column("A", ["Ann", "", "Zoë", "x%"]),
            column("B", ["Smith", "Doe", "", "b"]),
            column("N", ["12.5", "-3", "", "oops"]),
            column("D", ["2024-02-29", "2023-12-31 23:59:58", "", "soon"]),
            column("Über Name", ["ü1", "ü2", "ü3", "ü4"]),
            column("*", ["s1", "s2", "s3", "s4"]),
            column("^x$", ["r1", "r2", "r3", "r4"]),
            column("from", ["f1", "f2", "f3", "f4"]),
        ],
    )
    .unwrap()
}

fn compiled(sql: &str) -> SqlExpr {
    compile(sql, &columns()).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

/// The four rows: NULL is empty, a failure is `!`.
fn rows(sql: &str) -> [String; 4] {
    let (values, failures) = compiled(sql).eval_text(&batch()).unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(values.len(), 4, "{sql}");
    let mut out: Vec<String> = values.iter().map(|value| value.unwrap_or("").to_owned()).collect();
    for failure in failures {
        assert_eq!(out[failure.row], "", "{sql}: a failed cell has no value");
        out[failure.row] = "!".into();
    }
    out.try_into().unwrap()
}

/// A constant expression's value.
fn value(sql: &str) -> String {
    rows(sql)[0].clone()
}

fn error(sql: &str) -> (String, String) {
    let error = compile(sql, &columns()).err().unwrap_or_else(|| panic!("{sql} was taken"));
    let (start, end) = error.span;
    (error.message, sql.get(start..end).unwrap_or_else(|| panic!("{sql}: {start}..{end}")).to_owned())
}

#[test]
fn columns_are_taken_as_they_are_named() {
    assert_eq!(rows("A"), ["Ann", "", "Zoë", "x%"]);
    assert_eq!(rows("\"Über Name\""), ["ü1", "ü2", "ü3", "ü4"]);
    assert_eq!(rows("\"*\" || \"^x$\" || \"from\""), ["s1r1f1", "s2r2f2", "s3r3f3", "s4r4f4"]);
    assert_eq!(compiled("B || A || B || upper(N)").columns, ["B", "A", "N"]);
}

#[test]
fn literals_and_their_text() {
    for (sql, text) in [
        ("'it''s'", "it's"),
        ("42", "42"),
        ("1.50", "1.50"),
        ("1e3", "1000"),
        ("TRUE", "true"),
        ("NULL", ""),
        ("DATE '2024-02-29'", "2024-02-29"),
        ("TIMESTAMP '2024-02-29 10:00:00.5'", "2024-02-29T10:00:00.5"),
        ("99999999999999999999999", "99999999999999999999999"),
        ("-5", "-5"),
        ("-9223372036854775807 - 1", "-9223372036854775808"),
    ] {
        assert_eq!(value(sql), text, "{sql}");
    }
}

#[test]
fn text_functions() {
    for (sql, text) in [
        ("upper('zoë')", "ZOË"),
        ("lower('ZOË')", "zoë"),
        ("initcap('hELLO wORLD-x')", "Hello World-X"),
        ("length('Zoë')", "3"),
        ("char_length('日本')", "2"),
        ("left('Zoëy', 3)", "Zoë"),
        ("left('Zoëy', -1)", "Zoë"),
        ("left('abc', 9)", "abc"),
        ("right('Zoëy', 2)", "ëy"),
        ("right('Zoëy', -1)", "oëy"),
        ("substring('Zoëy', 2, 2)", "oë"),
        ("substring('Zoëy' from 2 for 2)", "oë"),
        ("substring('Zoëy' from 3)", "ëy"),
        ("substr('abc', -1, 3)", "a"),
        ("substring('abc', 9)", ""),
        ("position('ë' in 'Zoëy')", "3"),
        ("strpos('Zoëy', 'x')", "0"),
        ("replace('a-b-c', '-', '+')", "a+b+c"),
        ("replace('abc', '', '+')", "abc"),
        ("split_part('a;b;c', ';', 2)", "b"),
        ("split_part('a;b;c', ';', -1)", "c"),
        ("split_part('a;b;c', ';', 7)", ""),
        ("lpad('7', 3, '0')", "007"),
        ("rpad('ab', 5, 'xy')", "abxyx"),
        ("lpad('abcd', 2)", "ab"),
        ("trim('  a ')", "a"),
        ("trim(BOTH 'x' FROM 'xxaxx')", "a"),
        ("trim(LEADING 'x' FROM 'xxaxx')", "axx"),
        ("ltrim('xyxa', 'xy')", "a"),
        ("rtrim('a  ')", "a"),
        ("concat('a', NULL, 'b')", "ab"),
        ("concat_ws('-', 'a', NULL, 'b')", "a-b"),
        ("concat_ws('-', NULL, NULL)", ""),
        ("'a' || NULL", ""),
        ("'a' || 1 || 2.50 || TRUE", "a12.50true"),
        ("regexp_replace('a1b22', '[0-9]+', '#')", "a#b22"),
        ("regexp_replace('a1b22', '[0-9]+', '#', 'g')", "a#b#"),
        ("regexp_replace('Doe, Jane', '(\\w+), (\\w+)', '\\2 \\1')", "Jane Doe"),
        ("regexp_replace('a', 'A', '$1', 'gi')", "$1"),
        ("regexp_like('AB', '^a', 'i')", "true"),
        ("starts_with('abc', 'ab')", "true"),
        ("reverse('abc')", "cba"),
    ] {
        assert_eq!(value(sql), text, "{sql}");
    }
    assert_eq!(rows("concat_ws(' ', A, B)"), ["Ann Smith", "Doe", "Zoë", "x% b"]);
    assert_eq!(rows("A || ' ' || B"), ["Ann Smith", "", "", "x% b"]);
    assert_eq!(rows("left(A, 1) || lower(B)"), ["Asmith", "", "", "xb"]);
}

#[test]
fn arithmetic_is_exact_and_checked() {
    for (sql, text) in [
        ("1 + 2 * 3", "7"),
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("7 % 3", "1"),
        ("0.1 + 0.2", "0.3"),
        ("1.10 * 1.10", "1.2100"),
        ("1.00 / 3", "0.3333333333"),
        ("2.00 / 3", "0.6666666667"),
        ("-2.00 / 3", "-0.6666666667"),
        ("10 / 4.0", "2.5"),
        ("7.5 % 2", "1.5"),
        ("1e0 / 3", "0.3333333333333333"),
        ("round(2.345, 2)", "2.35"),
        ("round(-2.345, 2)", "-2.35"),
        ("round(2.5)", "3"),
        ("round(1234, -2)", "1200"),
        ("round(1.5, 3)", "1.500"),
        ("round(2.675e0, 2)", "2.68"),
        ("floor(-1.5)", "-2"),
        ("ceil(-1.5)", "-1"),
        ("ceiling(1.2)", "2"),
        ("floor(7)", "7"),
        ("abs(-1.50)", "1.50"),
        ("mod(7, 3)", "1"),
        ("greatest(1, 2.5, NULL)", "2.5"),
        ("least('b', 'a')", "a"),
        ("DATE '2024-03-01' - DATE '2024-02-01'", "29"),
        ("DATE '2024-02-28' + 2", "2024-03-01"),
        ("123456789.123456789 * 987654321.987654321", "121932631356500531.347203169112635269"),
    ] {
        assert_eq!(value(sql), text, "{sql}");
    }
    assert_eq!(rows("N * 2"), ["25", "-6", "", "!"]);
    assert_eq!(rows("N + 0.10"), ["12.6", "-2.9", "", "!"]);
    assert_eq!(rows("round(N, 2)"), ["12.50", "-3.00", "", "!"]);
    assert_eq!(rows("round(N * 1.19, 2)"), ["14.88", "-3.57", "", "!"]);
    assert_eq!(rows("10 / (N + 3)"), ["0.6451612903", "!", "", "!"]);
    assert_eq!(rows("-N"), ["-12.5", "3", "", "!"]);
    assert_eq!(rows("CAST(N AS DOUBLE) * 2"), ["25", "-6", "", "!"]);
    assert_eq!(rows("length(A) * 9223372036854775807"), ["!", "", "!", "!"]);
}

#[test]
fn casts_read_or_fail() {
    assert_eq!(rows("CAST(N AS INTEGER)"), ["!", "-3", "", "!"]);
    assert_eq!(rows("N::DECIMAL(10,2)"), ["12.50", "-3.00", "", "!"]);
    assert_eq!(rows("CAST(N AS DECIMAL(3,2))"), ["!", "-3.00", "", "!"]);
    assert_eq!(rows("CAST(N AS DECIMAL(10,0))"), ["13", "-3", "", "!"]);
    assert_eq!(rows("CAST(N AS DECIMAL)"), ["12.5", "-3", "", "!"]);
    assert_eq!(rows("CAST(CAST(N AS DOUBLE) AS INTEGER)"), ["13", "-3", "", "!"]);
    assert_eq!(rows("TRY_CAST(N AS INTEGER)"), ["", "-3", "", ""]);
    assert_eq!(rows("CAST(D AS DATE)"), ["2024-02-29", "2023-12-31", "", "!"]);
    assert_eq!(rows("CAST(D AS TIMESTAMP)"), ["2024-02-29T00:00:00", "2023-12-31T23:59:58", "", "!"]);
    assert_eq!(rows("CAST(A AS VARCHAR(2))"), ["An", "", "Zo", "x%"]);
    assert_eq!(rows("extract(YEAR FROM D)"), ["2024", "2023", "", "!"]);
    assert_eq!(rows("extract(second from D)"), ["0", "58", "", "!"]);
    for (sql, text) in [
        ("CAST('  12 ' AS INTEGER)", "12"),
        ("CAST('yes' AS BOOLEAN)", "true"),
        ("CAST(1 AS BOOLEAN)", "true"),
        ("CAST(TRUE AS INTEGER)", "1"),
        ("CAST(2.5 AS INTEGER)", "3"),
        ("CAST('1e3' AS DOUBLE)", "1000"),
        ("CAST(0.1 AS DOUBLE)", "0.1"),
        ("CAST(DATE '2024-02-29' AS TEXT)", "2024-02-29"),
        ("extract(quarter from DATE '2024-05-01')", "2"),
        ("extract(dow from DATE '2024-03-31')", "0"),
        ("extract(doy from DATE '2024-12-31')", "366"),
        ("CAST('1.005' AS DECIMAL(10,2))", "1.01"),
    ] {
        assert_eq!(value(sql), text, "{sql}");
    }
    let (_, failures) = compiled("CAST(N AS INTEGER)").eval_text(&batch()).unwrap();
    assert_eq!(failures[0].reason, "cannot be read as INTEGER");
    let (_, failures) = compiled("CAST(N AS DECIMAL(3,2))").eval_text(&batch()).unwrap();
    assert_eq!(failures[1].reason, "cannot be read as DECIMAL(3,2)");
}

#[test]
fn conditions_have_three_values() {
    for (sql, text) in [
        ("NULL AND FALSE", "false"),
        ("NULL AND TRUE", ""),
        ("NULL OR TRUE", "true"),
        ("NOT NULL", ""),
        ("NULL = NULL", ""),
        ("NULL IS NOT DISTINCT FROM NULL", "true"),
        ("1 IS DISTINCT FROM NULL", "true"),
        ("1 IN (2, NULL)", ""),
        ("1 IN (1, NULL)", "true"),
        ("1 NOT IN (2, 3)", "true"),
        ("2 BETWEEN 1 AND 3", "true"),
        ("'b' NOT BETWEEN 'a' AND 'c'", "false"),
        ("1.50 = 1.5", "true"),
        ("'10' < '9'", "true"),
        ("'10' < 9", "false"),
        ("DATE '2024-01-02' > '2024-01-01'", "true"),
        ("TRUE IS NOT FALSE", "true"),
        ("NULL IS UNKNOWN", "true"),
        ("'abc' LIKE 'a%'", "true"),
        ("'abc' LIKE '_b_'", "true"),
        ("'abc' LIKE '%c%b%'", "false"),
        ("'a%c' LIKE 'a\\%c'", "true"),
        ("'abc' LIKE 'a\\%c'", "false"),
        ("'a%c' LIKE 'a!%c' ESCAPE '!'", "true"),
        ("'ABC' LIKE 'abc'", "false"),
        ("'ÄBC' ILIKE 'ä%'", "true"),
        ("'' LIKE '%'", "true"),
        ("'mississippi' LIKE '%iss%ip%i'", "true"),
        ("'abc' NOT LIKE '%b%'", "false"),
    ] {
        assert_eq!(value(sql), text, "{sql}");
    }
    assert_eq!(rows("A = 'Ann'"), ["true", "", "false", "false"]);
    assert_eq!(rows("N > 0"), ["true", "false", "", "!"]);
    assert_eq!(rows("N IN ('12.5', '-3')"), ["true", "true", "", "false"]);
    assert_eq!(rows("N IN (12.50, 7)"), ["true", "false", "", "!"]);
    assert_eq!(rows("B IN (A, 'Doe')"), ["false", "true", "", "false"]);
    assert_eq!(rows("A LIKE '%' || 'n'"), ["true", "", "false", "false"]);
    assert_eq!(rows("D >= DATE '2024-01-01'"), ["true", "false", "", "!"]);
    assert_eq!(rows("A IS DISTINCT FROM 'Ann'"), ["false", "true", "true", "true"]);
    let truth = compiled("A IS NOT NULL AND B <> 'b'").eval_bool(&batch()).unwrap();
    assert_eq!(truth, [Some(true), Some(false), None, Some(false)]);
    assert_eq!(compiled("N > 0").eval_bool(&batch()).unwrap(), [Some(true), Some(false), None, None]);
    assert_eq!(compiled("TRUE").eval_bool(&batch()).unwrap(), [Some(true); 4]);
    assert_eq!(compiled("'yes'").eval_bool(&batch()).unwrap(), [Some(true); 4]);
    assert!(compiled("1").eval_bool(&batch()).is_err());
}

#[test]
fn branches() {
    assert_eq!(
        rows("CASE WHEN A IS NULL THEN 'none' WHEN A LIKE 'A%' THEN B ELSE A END"),
        ["Smith", "none", "Zoë", "x%"]
    );
    assert_eq!(rows("CASE A WHEN 'Ann' THEN 1 WHEN 'Zoë' THEN 2.5 END"), ["1.0", "", "2.5", ""]);
    assert_eq!(rows("CASE WHEN A = 'Ann' THEN 1 ELSE B END"), ["1", "Doe", "", "b"]);
    assert_eq!(rows("coalesce(A, B, 'x')"), ["Ann", "Doe", "Zoë", "x%"]);
    assert_eq!(rows("coalesce(N, 0)"), ["12.5", "-3", "0", "oops"]);
    assert_eq!(rows("nullif(N, '-3')"), ["12.5", "", "", "oops"]);
    assert_eq!(rows("nullif(N, 12.50)"), ["", "-3", "", "oops"]);
}

#[test]
fn a_failure_counts_only_where_the_value_is_asked_for() {
    assert_eq!(rows("CASE WHEN N <> 'oops' THEN CAST(N AS DECIMAL(5,1)) END"), ["12.5", "-3.0", "", ""]);
    assert_eq!(rows("CASE WHEN N = 'oops' THEN 0 ELSE CAST(N AS DECIMAL(5,1)) END"), ["12.5", "-3.0", "", "0.0"]);
    assert_eq!(rows("N <> 'oops' AND N > 0"), ["true", "false", "", "false"]);
    assert_eq!(rows("N = 'oops' OR N > 0"), ["true", "false", "", "true"]);
    assert_eq!(rows("coalesce(A, CAST(N AS INTEGER))"), ["Ann", "-3", "Zoë", "x%"]);
    assert_eq!(rows("coalesce(CAST(N AS INTEGER), 7)"), ["!", "-3", "7", "!"]);
    assert_eq!(rows("coalesce(TRY_CAST(N AS INTEGER), 7)"), ["7", "-3", "7", "7"]);
    assert_eq!(rows("CAST(N AS INTEGER) IS NULL"), ["!", "false", "true", "!"]);
}

#[test]
fn what_is_refused_is_pointed_at() {
    for (sql, place, words) in [
        ("sum(N)", "sum", "many rows"),
        ("row_number() over (order by A)", "row_number", "window"),
        ("A || (select 1)", "", "no place"),
        ("upper(a)", "a", "did you mean A"),
        ("\"uber name\"", "\"uber name\"", "did you mean \"Über Name\", in quotes"),
        ("upper(ann)", "ann", "single quotes"),
        ("uper(A)", "uper", "did you mean upper"),
        ("frobnicate(A)", "frobnicate", "no function"),
        ("CURRENT_DATE", "CURRENT_DATE", "depends on more"),
        ("now()", "now", "depends on more"),
        ("random()", "random", "depends on more"),
        ("left(A)", "left", "is written left(text, count)"),
        ("'ü' || missing", "missing", "no column"),
        ("A +", "", "Expected"),
        ("A B", "B", "ends before"),
        ("A; DROP TABLE x", ";", "ends before"),
        ("upper(A", "", "Expected"),
        ("", "", "empty"),
        ("'open", "'", ""),
        ("CAST('x' AS INTEGER)", "'x'", "cannot be read as INTEGER"),
        ("CAST(A AS JSON)", "A", "there is no type"),
        ("CAST(A AS DECIMAL(50,2))", "A", "38 digits"),
        ("1 / 0", "1 / 0", "division by zero"),
        ("DATE '2024-02-30'", "'2024-02-30'", "cannot be read as DATE"),
        ("TRUE + 1", "TRUE + 1", "arithmetic"),
        ("DATE '2024-01-01' > 5", "'2024-01-01' > 5", "cannot be compared"),
        ("regexp_replace(A, B, '')", "B", "as written"),
        ("regexp_replace(A, '(', '')", "'('", "not a regular expression"),
        ("A ~ 'x'", "A ~ 'x'", "operator"),
        ("t.A", "t.A", "without the name of its table"),
        ("*", "*", ""),
        ("count(*)", "count", "many rows"),
        ("A IN (SELECT B)", "", "no place"),
        ("'é' || Über", "Über", "no column"),
        ("DATE '2024-01-01' + INTERVAL '1' DAY", "", "intervals"),
        ("array[1]", "", "not part"),
        ("DISTINCT A", "", ""),
    ] {
        let (message, at) = error(sql);
        assert!(message.contains(words), "{sql}: {message}");
        assert!(at.contains(place), "{sql}: points at {at:?}");
        assert!(place.is_empty() || at.len() <= place.len() + 4, "{sql}: points at {at:?}");
    }
}

#[test]
fn every_function_in_the_help_is_one() {
    for (name, usage) in functions() {
        let message = compile(&format!("{name}()"), &columns()).err().map(|error| error.message).unwrap_or_default();
        assert!(!message.contains("no function"), "{name}: {message}");
        assert!(usage.starts_with(name) || !name.is_empty(), "{name}");
    }
}

#[test]
fn depth_and_length_have_a_limit_and_no_overflow() {
    let deep = format!("{}A{}", "(".repeat(5000), ")".repeat(5000));
    assert!(compile(&deep, &columns()).is_err());
    let chain = vec!["N = '1'"; 300].join(" OR ");
    assert_eq!(rows(&chain), ["false", "false", "", "false"]);
    assert!(error(&vec!["1"; 1900].join(" + ")).0.contains("deep"));
    assert!(error(&vec!["1"; 90000].join("+")).0.contains("long"));
    let joined = vec!["A"; 900].join(" || ");
    assert_eq!(rows(&joined)[0].len(), 2700);
    let cases =
        format!("CASE {} ELSE 'other' END", "WHEN N = 'x' THEN A WHEN CAST(N AS DECIMAL) < 0 THEN B ".repeat(150));
    assert_eq!(rows(&cases), ["other", "Doe", "other", "!"]);
    let coalesced = format!("{}A{}", "coalesce(TRY_CAST(N AS INTEGER), ".repeat(15), ")".repeat(15));
    assert_eq!(rows(&coalesced), ["Ann", "-3", "Zoë", "x%"]);
    let nested = format!("{}N{}", "upper(".repeat(39), ")".repeat(39));
    assert_eq!(rows(&nested), ["12.5", "-3", "", "OOPS"]);
}

#[test]
fn batches_of_any_height() {
    for sql in [
        "'x'",
        "A || 'x'",
        "1 + 1",
        "CAST(N AS INTEGER)",
        "CASE WHEN TRUE THEN 'x' ELSE A END",
        "coalesce('x', A)",
        "NULL",
    ] {
        for rows in [0, 1, 3] {
            let (values, _) = compiled(sql).eval_text(&batch().slice(0, rows)).unwrap();
            assert_eq!(values.len(), rows, "{sql}");
        }
    }
    assert_eq!(compiled("A IS NULL").eval_bool(&batch().slice(0, 0)).unwrap(), []);
}
