//! The functions there are.
use chrono::{DateTime, Datelike, Timelike};

use super::SqlType;
use super::text;
use super::value::{Reason, Value};

/// What a function takes and gives. All of these are NULL where an argument is, but for those that say otherwise.
pub(super) struct Function {
    /// Its names, the first is the one in the help.
    pub(super) names: &'static [&'static str],
    /// How it is written.
    pub(super) usage: &'static str,
    /// Kinds of its arguments.
    pub(super) arguments: &'static [SqlType],
    /// How many of them must be there.
    pub(super) required: usize,
    pub(super) gives: SqlType,
    pub(super) may_fail: bool,
    pub(super) run: for<'a> fn(&[Value<'a>]) -> Result<Value<'a>, Reason>,
}

const TEXT: SqlType = SqlType::Text;
const INTEGER: SqlType = SqlType::Integer;

const fn function(
    names: &'static [&'static str],
    usage: &'static str,
    arguments: &'static [SqlType],
    gives: SqlType,
    run: for<'a> fn(&[Value<'a>]) -> Result<Value<'a>, Reason>,
) -> Function {
    Function { names, usage, arguments, required: arguments.len(), gives, may_fail: false, run }
}

impl Function {
    const fn optional(mut self, last: usize) -> Self {
        self.required = self.arguments.len() - last;
        self
    }
    const fn may_fail(mut self) -> Self {
        self.may_fail = true;
        self
    }
}

/// Functions of fixed arguments. Those with a shape of their own are in [`SPECIAL`].
pub(super) static FUNCTIONS: &[Function] = &[
    function(&["lower"], "lower(text)", &[TEXT], TEXT, text::lower),
    function(&["upper"], "upper(text)", &[TEXT], TEXT, text::upper),
    function(&["initcap"], "initcap(text)", &[TEXT], TEXT, text::initcap),
    function(&["length", "char_length", "character_length", "len"], "length(text)", &[TEXT], INTEGER, text::length),
    function(&["left"], "left(text, count)", &[TEXT, INTEGER], TEXT, text::left),
    function(&["right"], "right(text, count)", &[TEXT, INTEGER], TEXT, text::right),
    function(
        &["substring", "substr"],
        "substring(text, from, count)",
        &[TEXT, INTEGER, INTEGER],
        TEXT,
        text::substring,
    )
    .optional(1)
    .may_fail(),
    function(&["strpos", "instr"], "strpos(text, wanted)", &[TEXT, TEXT], INTEGER, text::position),
    function(&["replace"], "replace(text, from, to)", &[TEXT, TEXT, TEXT], TEXT, text::replace),
    function(&["split_part"], "split_part(text, at, number)", &[TEXT, TEXT, INTEGER], TEXT, text::split_part)
        .may_fail(),
    function(&["lpad"], "lpad(text, length, filler)", &[TEXT, INTEGER, TEXT], TEXT, text::lpad).optional(1).may_fail(),
    function(&["rpad"], "rpad(text, length, filler)", &[TEXT, INTEGER, TEXT], TEXT, text::rpad).optional(1).may_fail(),
    function(&["trim", "btrim"], "trim(text, characters)", &[TEXT, TEXT], TEXT, text::btrim).optional(1),
    function(&["ltrim"], "ltrim(text, characters)", &[TEXT, TEXT], TEXT, text::ltrim).optional(1),
    function(&["rtrim"], "rtrim(text, characters)", &[TEXT, TEXT], TEXT, text::rtrim).optional(1),
    function(&["reverse"], "reverse(text)", &[TEXT], TEXT, text::reverse),
    function(&["starts_with"], "starts_with(text, start)", &[TEXT, TEXT], SqlType::Boolean, text::starts_with),
];

/// Functions that the compiler handles by name, and how they are written.
pub(super) const SPECIAL: &[(&str, &str)] = &[
    ("coalesce", "coalesce(value, …)"),
    ("nullif", "nullif(value, other)"),
    ("concat", "concat(text, …)"),
    ("concat_ws", "concat_ws(separator, text, …)"),
    ("greatest", "greatest(value, …)"),
    ("least", "least(value, …)"),
    ("abs", "abs(number)"),
    ("round", "round(number, decimals)"),
    ("floor", "floor(number)"),
    ("ceil", "ceil(number)"),
    ("ceiling", "ceiling(number)"),
    ("mod", "mod(number, by)"),
    ("regexp_replace", "regexp_replace(text, 'pattern', 'replacement', 'flags')"),
    ("regexp_like", "regexp_like(text, 'pattern')"),
];

/// Written with words inside: `position('x' in text)`.
pub(super) const WORDED: &[(&str, &str)] = &[
    ("cast", "cast(value as integer)"),
    ("try_cast", "try_cast(value as integer)"),
    ("position", "position(wanted in text)"),
    ("extract", "extract(year from day)"),
];

/// All functions: name and how it is written, by name. For help and completion.
pub fn functions() -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> = FUNCTIONS
        .iter()
        .flat_map(|function| function.names.iter().map(|name| (*name, function.usage)))
        .chain(SPECIAL.iter().copied())
        .chain(WORDED.iter().copied())
        .collect();
    all.sort_unstable();
    all
}

/// Functions that are not pure functions of the row.
pub(super) const IMPURE: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "now",
    "getdate",
    "sysdate",
    "today",
    "random",
    "rand",
    "uuid",
    "newid",
    "gen_random_uuid",
    "nextval",
    "current_user",
    "user",
    "session_user",
];

/// Aggregates, to tell them from misspelt names.
pub(super) const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "string_agg",
    "group_concat",
    "array_agg",
    "stddev",
    "variance",
    "first_value",
    "last_value",
    "row_number",
    "rank",
    "dense_rank",
    "lag",
    "lead",
    "listagg",
    "median",
    "any_value",
];

/// A part of a day or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DayPart {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Hour,
    Minute,
    Second,
    Epoch,
}

impl DayPart {
    /// Of microseconds since 1970.
    pub(super) fn of(self, micros: i64) -> Option<i64> {
        let moment = DateTime::from_timestamp_micros(micros)?.naive_utc();
        Some(match self {
            Self::Year => i64::from(moment.year()),
            Self::Quarter => i64::from(moment.month0() / 3 + 1),
            Self::Month => i64::from(moment.month()),
            Self::Week => i64::from(moment.iso_week().week()),
            Self::Day => i64::from(moment.day()),
            Self::DayOfWeek => i64::from(moment.weekday().num_days_from_sunday()),
            Self::IsoDayOfWeek => i64::from(moment.weekday().number_from_monday()),
            Self::DayOfYear => i64::from(moment.ordinal()),
            Self::IsoYear => i64::from(moment.iso_week().year()),
            Self::Hour => i64::from(moment.hour()),
            Self::Minute => i64::from(moment.minute()),
            Self::Second => i64::from(moment.second()),
            Self::Epoch => micros.div_euclid(1_000_000),
        })
    }
}
