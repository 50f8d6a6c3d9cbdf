//! A look at a column: what is kept of its values to compare it with another, whatever the number of rows.
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::Meaning;
use super::text::{meanings, number_of};
use crate::table::profile::value::shape;

/// Hashes kept of a column's values: the smallest ones, so that two columns keep the same where they share values.
const SKETCH: usize = 256;
/// Distinct values that are looked at closely; more say no more.
const LOOKED_AT: usize = 400;
/// Distinct values that are kept with their counts, as long as there are not more.
const LISTED: usize = 100;
/// Shapes that are kept, those of most rows.
const SHAPES: usize = 12;
/// Share of the values that must be of a kind for the column to be of it.
const MOST: f64 = 0.8;

/// What is kept of a column's values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// Rows seen.
    pub rows: u64,
    /// Rows with a value that is not blank.
    pub filled: u64,
    /// Distinct values, trimmed and without regard to case; an estimate beyond some hundred.
    pub distinct: u64,
    /// Some values, each once, in order of appearance.
    pub samples: Vec<String>,
    /// All values with their rows, most first, if they are few.
    pub listed: Vec<(String, u64)>,
    /// What most of them are.
    pub meaning: Option<Meaning>,
    /// Some have blanks around them.
    pub padded: bool,
    pub(super) hashes: Vec<u64>,
    /// All distinct values are in `hashes`.
    pub(super) whole: bool,
    /// Hashes of words of values that have several.
    pub(super) words: Vec<u64>,
    /// Shapes by hash, with their share of the rows.
    pub(super) shapes: Vec<(u64, f32)>,
    /// Mean and spread of lengths.
    pub(super) length: (f32, f32),
    /// 5 %, 25 %, 50 %, 75 % and 95 % of the numbers, if they are numbers.
    pub(super) quantiles: Option<[f64; 5]>,
}

/// The smallest hashes of many.
#[derive(Default)]
struct Smallest {
    hashes: Vec<u64>,
    limit: Option<u64>,
}

impl Smallest {
    fn push(&mut self, hash: u64) {
        if self.limit.is_some_and(|limit| hash >= limit) {
            return;
        }
        self.hashes.push(hash);
        if self.hashes.len() >= 8 * SKETCH {
            self.settle();
        }
    }
    fn settle(&mut self) {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        if self.hashes.len() > SKETCH {
            self.limit = Some(self.hashes[SKETCH]);
            self.hashes.truncate(SKETCH);
        }
    }
}

/// A value that was looked at.
struct Seen {
    text: String,
    rows: u64,
}

/// Makes a [`Look`], value by value.
#[derive(Default)]
pub struct LookBuilder {
    rows: u64,
    filled: u64,
    padded: bool,
    /// Values as they are → place in `seen`; those beyond the bound are not in it.
    places: HashMap<u64, u32>,
    seen: Vec<Seen>,
    hashes: Smallest,
    words: Smallest,
}

impl LookBuilder {
    /// One more row.
    pub fn push(&mut self, cell: Option<&str>) {
        self.rows += 1;
        let Some(cell) = cell else { return };
        let text = cell.trim();
        if text.is_empty() {
            return;
        }
        self.filled += 1;
        self.padded |= text.len() != cell.len();
        let raw = xxh3_64(text.as_bytes());
        if let Some(place) = self.places.get(&raw) {
            self.seen[*place as usize].rows += 1;
            return;
        }
        let hash = folded(text);
        self.hashes.push(hash);
        if self.seen.len() < LOOKED_AT {
            self.places.insert(raw, self.seen.len() as u32);
            if text.contains(' ') {
                for word in text.split([' ', ',']).filter(|word| word.len() > 3) {
                    self.words.push(folded(word));
                }
            }
            self.seen.push(Seen { text: text.to_owned(), rows: 1 });
        }
    }

    /// What was seen.
    pub fn finish(mut self) -> Look {
        self.hashes.settle();
        self.words.settle();
        let hashes = self.hashes.hashes;
        let whole = self.hashes.limit.is_none();
        let distinct = match self.hashes.limit {
            Some(_) => {
                let last = hashes.last().copied().unwrap_or(u64::MAX) as f64 / u64::MAX as f64;
                ((SKETCH as f64 - 1.0) / last).round() as u64
            }
            None => hashes.len() as u64,
        };
        let rows: u64 = self.seen.iter().map(|one| one.rows).sum();
        let mut look = Look {
            rows: self.rows,
            filled: self.filled,
            distinct: distinct.min(self.filled),
            padded: self.padded,
            whole,
            words: self.words.hashes,
            hashes,
            ..Look::default()
        };
        if rows == 0 {
            return look;
        }
        let (mut kinds, mut shapes) = (HashMap::<Meaning, u64>::new(), HashMap::<u64, u64>::new());
        let (mut sum, mut squares, mut buffer) = (0.0, 0.0, String::new());
        let mut numbers = Vec::new();
        for one in &self.seen {
            meanings(&one.text, |meaning| *kinds.entry(meaning).or_default() += one.rows);
            shape(&one.text, &mut buffer);
            *shapes.entry(xxh3_64(buffer.as_bytes())).or_default() += one.rows;
            let length = one.text.chars().count().min(200) as f64;
            sum += length * one.rows as f64;
            squares += length * length * one.rows as f64;
            if let Some(number) = number_of(&one.text) {
                numbers.push((number, one.rows));
            }
        }
        let total = rows as f64;
        let most = |kind: Meaning| kinds.get(&kind).is_some_and(|count| *count as f64 >= MOST * total);
        // 0 and 1 alone are numbers as well as yes and no: the declared type or the name decides elsewhere.
        look.meaning = [
            Meaning::Email,
            Meaning::Url,
            Meaning::Uuid,
            Meaning::Boolean,
            Meaning::Date,
            Meaning::Country,
            Meaning::Number,
            Meaning::Phone,
        ]
        .into_iter()
        .find(|kind| most(*kind));
        // Dialled numbers with all digits count as numbers too; where many are written as phones they are phones.
        if look.meaning == Some(Meaning::Number)
            && kinds.get(&Meaning::Phone).is_some_and(|count| *count as f64 >= 0.6 * total)
        {
            look.meaning = Some(Meaning::Phone);
        }
        // Digits alone and all of one length: an id with zeros in front.
        let ids = || {
            let length = self.seen.first().map_or(0, |one| one.text.len());
            self.seen.iter().all(|one| one.text.len() == length && one.text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if look.meaning == Some(Meaning::Phone) && ids() {
            look.meaning = Some(Meaning::Number);
        }
        let mut shapes: Vec<(u64, u64)> = shapes.into_iter().collect();
        shapes.sort_unstable_by_key(|(hash, rows)| (std::cmp::Reverse(*rows), *hash));
        look.shapes =
            shapes.into_iter().take(SHAPES).map(|(hash, rows)| (hash, (rows as f64 / total) as f32)).collect();
        let mean = sum / total;
        look.length = (mean as f32, (squares / total - mean * mean).max(0.0).sqrt() as f32);
        if numbers.iter().map(|(_, rows)| rows).sum::<u64>() as f64 >= MOST * total {
            look.quantiles = Some(quantiles(numbers));
        }
        if whole && self.seen.len() <= LISTED {
            look.listed = self.seen.iter().map(|one| (one.text.clone(), one.rows)).collect();
            look.listed.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        }
        look.samples = self.seen.into_iter().map(|one| one.text).collect();
        look
    }
}

impl Look {
    /// Of these values.
    pub fn of<'v>(values: impl IntoIterator<Item = Option<&'v str>>) -> Self {
        let mut builder = LookBuilder::default();
        for value in values {
            builder.push(value);
        }
        builder.finish()
    }

    /// Share of this column's values that another one holds, and of how many that was told.
    pub fn within(&self, other: &Self) -> (f64, usize) {
        within(self, other)
    }

    /// Few values that come again and again: a list to choose from.
    pub fn is_picklist(&self) -> bool {
        !self.listed.is_empty() && self.listed.len() <= 60 && self.filled >= 2 * self.distinct && self.filled >= 4
    }
}

fn within(one: &Look, other: &Look) -> (f64, usize) {
    let (shared, mine, _) = common(one, other);
    if mine == 0 { (0.0, 0) } else { (shared as f64 / mine as f64, mine) }
}

/// How many values both have, of how many of each that can be told: beyond the last hash that a sketch kept nobody knows.
pub(super) fn common(one: &Look, other: &Look) -> (usize, usize, usize) {
    let bound = |look: &Look| if look.whole { u64::MAX } else { look.hashes.last().copied().unwrap_or_default() };
    let bound = bound(one).min(bound(other));
    let told = |look: &Look| look.hashes.partition_point(|hash| *hash <= bound);
    let (mine, theirs) = (told(one), told(other));
    (shared(&one.hashes[..mine], &other.hashes[..theirs]), mine, theirs)
}

/// How many values two ascending lists share.
pub(super) fn shared(one: &[u64], two: &[u64]) -> usize {
    let (mut a, mut b, mut count) = (0, 0, 0);
    while a < one.len() && b < two.len() {
        match one[a].cmp(&two[b]) {
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
            std::cmp::Ordering::Equal => {
                count += 1;
                a += 1;
                b += 1;
            }
        }
    }
    count
}

/// Hash without regard to case.
fn folded(text: &str) -> u64 {
    const MOST: usize = 64;
    let bytes = text.as_bytes();
    if bytes.len() <= MOST && text.is_ascii() {
        let mut buffer = [0_u8; MOST];
        let buffer = &mut buffer[..bytes.len()];
        buffer.copy_from_slice(bytes);
        buffer.make_ascii_lowercase();
        return xxh3_64(buffer);
    }
    xxh3_64(text.to_lowercase().as_bytes())
}

fn quantiles(mut numbers: Vec<(f64, u64)>) -> [f64; 5] {
    numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: u64 = numbers.iter().map(|(_, rows)| rows).sum();
    [0.05, 0.25, 0.5, 0.75, 0.95].map(|share| {
        let wanted = (share * total as f64) as u64;
        let mut seen = 0;
        let found = numbers.iter().find(|(_, rows)| {
            seen += rows;
            seen > wanted
        });
        found.or(numbers.last()).map_or(0.0, |(number, _)| *number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(values: &[&str]) -> Look {
        Look::of(values.iter().map(|value| Some(*value)))
    }

    #[test]
    fn values_tell_what_they_are() {
        assert_eq!(look(&["a@b.com", "", "c@d.org"]).meaning, Some(Meaning::Email));
        assert_eq!(look(&["https://a.com", "www.b.com"]).meaning, Some(Meaning::Url));
        assert_eq!(look(&["2024-01-31", "31/12/1999"]).meaning, Some(Meaning::Date));
        assert_eq!(look(&["12", "3.5", "1.200,00 €"]).meaning, Some(Meaning::Number));
        assert_eq!(look(&["Y", "n"]).meaning, Some(Meaning::Boolean));
        assert_eq!(look(&["030 1234567", "+49 30 7654321"]).meaning, Some(Meaning::Phone));
        assert_eq!(look(&["0010001", "0010002"]).meaning, Some(Meaning::Number), "ids");
        assert_eq!(look(&["0000010001", "0000010002"]).meaning, Some(Meaning::Number), "ids");
        assert_eq!(look(&["Germany", "FRANCE"]).meaning, Some(Meaning::Country));
        assert_eq!(look(&["Ann", "Ben"]).meaning, None);
        assert_eq!(look(&["  "]).meaning, None);
    }

    #[test]
    fn counts_are_exact_while_they_are_few_and_near_beyond() {
        let few = look(&["a", "A ", "b", "", "b"]);
        assert_eq!((few.rows, few.filled, few.distinct, few.padded), (5, 4, 2, true));
        assert_eq!(few.listed.first().map(|(text, rows)| (text.as_str(), *rows)), Some(("b", 2)));
        let many: Vec<String> = (0..20_000).map(|n| format!("v{n}")).collect();
        let many = Look::of(many.iter().map(|text| Some(text.as_str())));
        assert!((16_000..24_000).contains(&many.distinct), "{}", many.distinct);
        assert!(many.listed.is_empty() && many.samples.len() == LOOKED_AT);
    }

    #[test]
    fn what_is_within_another_is_told_from_sketches() {
        let all: Vec<String> = (0..10_000).map(|n| format!("id{n}")).collect();
        let whole = Look::of(all.iter().map(|text| Some(text.as_str())));
        let part = Look::of(all[..3_000].iter().map(|text| Some(text.as_str())));
        let (share, told_from) = part.within(&whole);
        assert!(share > 0.99 && told_from > 50, "{share} {told_from}");
        let (share, _) = whole.within(&part);
        assert!((0.15..0.45).contains(&share), "{share}");
        assert_eq!(look(&[]).within(&whole), (0.0, 0));
    }
}
