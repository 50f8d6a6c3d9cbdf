//! What is gathered of one column.
use std::collections::BTreeMap;

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::dates::{Date, Format, date};
use super::numbers::{Notation, number};
use super::sketch::{Distinct, Frequent};
use super::value::{is_boolean, is_email, is_mojibake, is_null_token, is_phone, is_url, is_uuid, shape};
use super::{ColumnProfile, guess};

/// Values longer than this are looked at as they come and not held.
const HELD_BYTES: usize = 256;
/// Patterns and values that a profile lists.
const LISTED: usize = 10;

/// How much is held of each column: less when there are many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    values: usize,
    hashes: usize,
    texts: usize,
}

impl Bounds {
    pub(super) fn for_columns(columns: usize) -> Self {
        let share = |total: usize, least: usize, most: usize| (total / columns.max(1)).clamp(least, most);
        Self {
            values: share(400_000, 100, 10_000),
            hashes: share(1_500_000, 512, 32_768),
            texts: share(100_000, 50, 2_000),
        }
    }
}

/// One column as it is read.
pub(super) struct ColumnState {
    bounds: Bounds,
    nulls: u64,
    blanks: u64,
    /// Values met first, with their counts: looked at once, at the end.
    held: HashMap<u64, (Box<str>, u64)>,
    distinct: Distinct,
    /// Values that came when no more could be held.
    late: Frequent,
    seen: Seen,
}

impl ColumnState {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            nulls: 0,
            blanks: 0,
            held: HashMap::new(),
            distinct: Distinct::new(bounds.hashes),
            late: Frequent::new(bounds.texts),
            seen: Seen::new(bounds.texts),
        }
    }

    pub(super) fn add(&mut self, cell: Option<&str>) {
        let Some(text) = cell else {
            self.nulls += 1;
            return;
        };
        if text.trim_start().is_empty() {
            self.blanks += 1;
            return;
        }
        let hash = xxh3_64(text.as_bytes());
        if let Some((_, count)) = self.held.get_mut(&hash) {
            *count += 1;
            return;
        }
        self.distinct.add(hash);
        if text.len() <= HELD_BYTES && self.held.len() < self.bounds.values {
            self.held.insert(hash, (text.into(), 1));
            return;
        }
        if text.len() <= HELD_BYTES {
            self.late.add(text, 1);
        }
        self.seen.look(text, 1);
    }

    pub(super) fn finish(mut self, name: &str) -> ColumnProfile {
        let mut spellings: HashMap<String, u32> = HashMap::new();
        for (hash, (text, count)) in &self.held {
            self.seen.look(text, *count);
            if *count > 1 {
                self.distinct.repeat(*hash);
            }
            *spellings.entry(text.trim().to_lowercase()).or_default() += 1;
        }
        self.seen.several_spellings = spellings.values().filter(|count| **count > 1).count() as u64;
        let mut top: Vec<(String, u64)> = self.held.into_values().map(|(text, count)| (text.into(), count)).collect();
        top.extend(self.late.top(LISTED));
        top.sort_unstable_by(|one, two| two.1.cmp(&one.1).then_with(|| one.0.cmp(&two.0)));
        top.truncate(LISTED);

        let seen = self.seen;
        let estimated = self.distinct.is_estimate();
        // An estimate knows no more distinct values than there are values.
        let distinct = if estimated { self.distinct.count().min(seen.values) } else { self.distinct.count() };
        let kind = guess::kind(name, &seen);
        let (min, max) = seen.bounds(kind);
        ColumnProfile {
            name: name.to_owned(),
            r#type: kind.to_owned(),
            semantic: guess::semantic(name, kind, &seen, distinct).to_owned(),
            nulls: self.nulls,
            blanks: self.blanks,
            distinct,
            distinct_estimated: estimated,
            min_length: seen.lengths.map_or(0, |(min, _)| min),
            max_length: seen.lengths.map_or(0, |(_, max)| max),
            min,
            max,
            warnings: guess::warnings(kind, &seen, distinct, self.distinct.repeated(), estimated),
            patterns: seen.shapes.top(LISTED),
            top,
        }
    }
}

/// Counts over the non-blank values.
pub(super) struct Seen {
    pub(super) values: u64,
    lengths: Option<(u64, u64)>,
    shapes: Frequent,
    shape: String,
    pub(super) integers: u64,
    pub(super) numbers: u64,
    pub(super) zero_or_one: u64,
    pub(super) points: u64,
    pub(super) commas: u64,
    pub(super) currencies: u64,
    pub(super) leading_zeros: u64,
    pub(super) beyond_float: u64,
    pub(super) booleans: u64,
    pub(super) dates: BTreeMap<Format, u64>,
    pub(super) times: u64,
    pub(super) emails: u64,
    pub(super) urls: u64,
    pub(super) phones: u64,
    pub(super) formatted_phones: u64,
    pub(super) uuids: u64,
    pub(super) wordy: u64,
    pub(super) countries: u64,
    pub(super) null_tokens: u64,
    pub(super) edges: u64,
    pub(super) mojibake: u64,
    pub(super) controls: u64,
    pub(super) several_spellings: u64,
    texts: Range<String>,
    by_number: Range<f64>,
    by_day_first: Range<(u32, u32, u32, String)>,
    by_month_first: Range<(u32, u32, u32, String)>,
}

/// Smallest and largest by some order, with the text that it was.
type Range<K> = Option<[(K, String); 2]>;

impl Seen {
    fn new(texts: usize) -> Self {
        Self {
            values: 0,
            lengths: None,
            shapes: Frequent::new(texts),
            shape: String::new(),
            integers: 0,
            numbers: 0,
            zero_or_one: 0,
            points: 0,
            commas: 0,
            currencies: 0,
            leading_zeros: 0,
            beyond_float: 0,
            booleans: 0,
            dates: BTreeMap::new(),
            times: 0,
            emails: 0,
            urls: 0,
            phones: 0,
            formatted_phones: 0,
            uuids: 0,
            wordy: 0,
            countries: 0,
            null_tokens: 0,
            edges: 0,
            mojibake: 0,
            controls: 0,
            several_spellings: 0,
            texts: None,
            by_number: None,
            by_day_first: None,
            by_month_first: None,
        }
    }

    /// Looks at a value that came `weight` times.
    fn look(&mut self, raw: &str, weight: u64) {
        self.values += weight;
        let length = if raw.is_ascii() { raw.len() } else { raw.chars().count() } as u64;
        self.lengths = Some(self.lengths.map_or((length, length), |(min, max)| (min.min(length), max.max(length))));
        let text = raw.trim();
        self.edges += if text.len() == raw.len() { 0 } else { weight };
        shape(raw, &mut self.shape);
        self.shapes.add(&self.shape, weight);
        self.mojibake += if is_mojibake(raw) { weight } else { 0 };
        self.controls +=
            if raw.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) { weight } else { 0 };
        extend(&mut self.texts, raw, |text| text.as_str().cmp(raw), || raw.to_owned());
        if is_null_token(text) {
            self.null_tokens += weight;
            return;
        }
        let digits = text.bytes().any(|byte| byte.is_ascii_digit());
        if digits {
            self.look_at_digits(text, weight);
        } else {
            self.booleans += if is_boolean(text) { weight } else { 0 };
            self.countries += if guess::is_country(text) { weight } else { 0 };
            let wordy = text.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '.' | '-' | '\'' | '’' | ','));
            self.wordy += if wordy { weight } else { 0 };
        }
        if text.contains('@') && is_email(text) {
            self.emails += weight;
        } else if is_url(text) {
            self.urls += weight;
        }
    }

    fn look_at_digits(&mut self, text: &str, weight: u64) {
        if let Some(number) = number(text) {
            self.numbers += weight;
            self.currencies += if number.currency { weight } else { 0 };
            self.leading_zeros += if number.leading_zero { weight } else { 0 };
            self.beyond_float += if number.beyond_float { weight } else { 0 };
            self.zero_or_one += if text == "0" || text == "1" { weight } else { 0 };
            match number.notation {
                Notation::Whole => self.integers += weight,
                Notation::Point => self.points += weight,
                Notation::Comma => self.commas += weight,
                Notation::Either => {}
            }
            extend(&mut self.by_number, text, |held| held.total_cmp(&number.value), || number.value);
        }
        if let Some(Date { format, ymd: (year, month, day), time }) = date(text) {
            *self.dates.entry(format).or_default() += weight;
            self.times += if time.is_empty() { 0 } else { weight };
            let swapped = if matches!(format, Format::Either(..)) { (year, day, month) } else { (year, month, day) };
            for (range, (y, m, d)) in
                [(&mut self.by_day_first, (year, month, day)), (&mut self.by_month_first, swapped)]
            {
                let order =
                    |held: &(u32, u32, u32, String)| (held.0, held.1, held.2, held.3.as_str()).cmp(&(y, m, d, time));
                extend(range, text, order, || (y, m, d, time.to_owned()));
            }
        } else if is_phone(text) {
            self.phones += weight;
            self.formatted_phones +=
                if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') { 0 } else { weight };
        } else if is_uuid(text) {
            self.uuids += weight;
        }
    }

    /// Values that are dates.
    pub(super) fn date_count(&self) -> u64 {
        self.dates.values().sum()
    }

    /// Evidence for the month standing first, and none against.
    fn months_first(&self) -> bool {
        let any = |test: fn(&Format) -> bool| self.dates.keys().any(test);
        any(|format| matches!(format, Format::MonthFirst(..))) && !any(|format| matches!(format, Format::DayFirst(..)))
    }

    fn bounds(&self, kind: &str) -> (Option<String>, Option<String>) {
        fn ends<K>(range: Option<&[(K, String); 2]>) -> (Option<String>, Option<String>) {
            (range.map(|[min, _]| min.1.clone()), range.map(|[_, max]| max.1.clone()))
        }
        match kind {
            "integer" | "decimal" => ends(self.by_number.as_ref()),
            "date" | "datetime" if self.months_first() => ends(self.by_month_first.as_ref()),
            "date" | "datetime" => ends(self.by_day_first.as_ref()),
            _ => ends(self.texts.as_ref()),
        }
    }
}

/// Widens a range to a value; long ones are cut, as they are for reading.
fn extend<K>(range: &mut Range<K>, text: &str, order: impl Fn(&K) -> std::cmp::Ordering, key: impl Fn() -> K) {
    let cut = || match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    };
    match range {
        None => *range = Some([(key(), cut()), (key(), cut())]),
        Some([min, max]) => {
            if order(&min.0).is_gt() {
                *min = (key(), cut());
            }
            if order(&max.0).is_lt() {
                *max = (key(), cut());
            }
        }
    }
}
