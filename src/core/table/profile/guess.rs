//! Guesses and warnings from what was seen of a column.
use std::collections::BTreeMap;

use super::column::Seen;
use super::dates::Format;

/// Share of the values that must fit a guess.
const MOST: f64 = 0.95;

/// The type: `integer`, `decimal`, `boolean`, `date`, `datetime`, `text`, `empty`.
pub(super) fn kind(name: &str, seen: &Seen) -> &'static str {
    let values = seen.values - seen.null_tokens;
    let most = |count: u64| count as f64 >= MOST * values as f64;
    if seen.values == 0 {
        return "empty";
    }
    if values == 0 {
        return "text";
    }
    let flag = words(name).iter().any(|word| FLAG_WORDS.contains(&word.as_str()));
    // Eight digits are a date only if nothing else says number.
    let compact = seen.dates.get(&Format::Compact).copied().unwrap_or_default();
    let dates = seen.date_count() - if compact == seen.date_count() && !about(name, DATE_WORDS) { compact } else { 0 };
    if most(seen.booleans) || (flag && most(seen.booleans + seen.zero_or_one)) {
        "boolean"
    } else if most(dates) {
        if seen.times > 0 { "datetime" } else { "date" }
    } else if seen.leading_zeros > 0 || seen.beyond_float > 0 {
        // As a number it would be another value.
        "text"
    } else if most(seen.integers) && seen.currencies == 0 {
        "integer"
    } else if most(seen.numbers) {
        "decimal"
    } else {
        "text"
    }
}

/// The meaning, or nothing.
pub(super) fn semantic(name: &str, kind: &str, seen: &Seen, distinct: u64) -> &'static str {
    let values = seen.values - seen.null_tokens;
    if values == 0 {
        return "";
    }
    let share = |count: u64| count as f64 / values as f64;
    let numeric = matches!(kind, "integer" | "decimal");
    if share(seen.emails) >= 0.6 || (about(name, &["email", "mail"]) && share(seen.emails) >= 0.3) {
        "email"
    } else if share(seen.urls) >= 0.6
        || (about(name, &["url", "website", "web", "homepage"]) && share(seen.urls) >= 0.2)
    {
        "url"
    } else if matches!(kind, "date" | "datetime") || (about(name, DATE_WORDS) && share(seen.date_count()) >= 0.5) {
        "date"
    } else if about(name, ZIP_WORDS) && kind != "boolean" {
        "zip"
    } else if about(name, PHONE_WORDS) && share(seen.phones) >= 0.3 || share(seen.formatted_phones) >= 0.7 && !numeric {
        "phone"
    } else if share(seen.countries) >= 0.8 || (about(name, COUNTRY_WORDS) && share(seen.wordy) >= 0.8) {
        "country"
    } else if share(seen.uuids) >= 0.9
        || (about(name, ID_WORDS) && (kind == "integer" || distinct as f64 >= 0.9 * values as f64))
    {
        "id"
    } else if share(seen.currencies) >= 0.5 || (about(name, MONEY_WORDS) && share(seen.numbers) >= 0.8) {
        "money"
    } else if about(name, NAME_WORDS) && share(seen.wordy) >= 0.6 {
        "name"
    } else {
        ""
    }
}

const FLAG_WORDS: &[&str] = &["is", "has", "flag", "opt", "active", "deleted", "do", "no", "enabled"];
const DATE_WORDS: &[&str] = &[
    "date", "datum", "day", "birthday", "dob", "created", "modified", "updated", "at", "on", "since", "until", "time",
];
const ZIP_WORDS: &[&str] = &["zip", "zipcode", "postal", "postcode", "plz", "cp"];
const PHONE_WORDS: &[&str] =
    &["phone", "tel", "telephone", "telefon", "mobile", "mobil", "cell", "fax", "handy", "phone1", "phone2"];
const COUNTRY_WORDS: &[&str] = &["country", "land", "nation", "ctry", "pays"];
const ID_WORDS: &[&str] = &["id", "no", "nr", "number", "key", "code", "guid", "uuid", "ref", "sku"];
const MONEY_WORDS: &[&str] = &[
    "amount", "price", "revenue", "salary", "value", "total", "cost", "budget", "betrag", "umsatz", "rev", "fee",
    "balance", "sum",
];
const NAME_WORDS: &[&str] = &[
    "name",
    "firstname",
    "lastname",
    "fullname",
    "surname",
    "first",
    "last",
    "vorname",
    "nachname",
    "fname",
    "lname",
    "nm",
    "contact",
    "owner",
    "agent",
    "manager",
    "account",
    "company",
];

/// Words of a column's name: `OWNER_id`, `ownerId` and `owner id` have the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (lower && c.is_uppercase()) {
            words.push(String::new());
        }
        lower = c.is_lowercase();
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn about(name: &str, topic: &[&str]) -> bool {
    let words = words(name);
    let whole = words.concat();
    topic.contains(&whole.as_str()) || words.iter().any(|word| topic.contains(&word.as_str()))
}

/// A country by name or ISO code of three letters; codes of two are too short to tell.
pub(crate) fn is_country(text: &str) -> bool {
    const COUNTRIES: &[&str] = &[
        "argentina",
        "australia",
        "austria",
        "belgium",
        "brazil",
        "bulgaria",
        "canada",
        "chile",
        "china",
        "colombia",
        "croatia",
        "cyprus",
        "czech republic",
        "czechia",
        "denmark",
        "egypt",
        "estonia",
        "finland",
        "france",
        "germany",
        "great britain",
        "greece",
        "hong kong",
        "hungary",
        "iceland",
        "india",
        "indonesia",
        "iran",
        "ireland",
        "israel",
        "italy",
        "japan",
        "kenya",
        "korea",
        "latvia",
        "liechtenstein",
        "lithuania",
        "luxembourg",
        "malaysia",
        "malta",
        "mexico",
        "morocco",
        "netherlands",
        "new zealand",
        "nigeria",
        "norway",
        "pakistan",
        "panama",
        "peru",
        "philippines",
        "poland",
        "portugal",
        "romania",
        "russia",
        "saudi arabia",
        "serbia",
        "singapore",
        "slovakia",
        "slovenia",
        "south africa",
        "south korea",
        "spain",
        "sweden",
        "switzerland",
        "taiwan",
        "thailand",
        "turkey",
        "uae",
        "uk",
        "ukraine",
        "united arab emirates",
        "united kingdom",
        "united states",
        "united states of america",
        "uruguay",
        "usa",
        "venezuela",
        "vietnam",
        "jordan",
        "deutschland",
        "österreich",
        "schweiz",
        "frankreich",
        "italien",
        "spanien",
        "aut",
        "bel",
        "bra",
        "can",
        "che",
        "chn",
        "deu",
        "dnk",
        "esp",
        "fin",
        "fra",
        "gbr",
        "ind",
        "irl",
        "ita",
        "jpn",
        "mex",
        "nld",
        "nor",
        "pol",
        "prt",
        "swe",
    ];
    text.len() <= 30 && {
        let text = text.to_lowercase();
        COUNTRIES.contains(&text.as_str())
    }
}

/// What an operator must know, most dangerous first. Counts only: a warning is read where values are not shown.
pub(super) fn warnings(kind: &str, seen: &Seen, distinct: u64, repeated: u64, estimated: bool) -> Vec<String> {
    let about = if estimated { "about " } else { "" };
    let mut warnings = Vec::new();
    let mut warn = |count: u64, text: String| {
        if count > 0 {
            warnings.push(text);
        }
    };
    let n = seen.leading_zeros;
    warn(n, format!("leading zeros in {}: keep as text, a number would lose them", values(n)));
    let n = seen.beyond_float;
    warn(n, format!("long numbers above 2^53 in {}: keep as text, a spreadsheet would round them", values(n)));
    warn(seen.mojibake, format!("mixed encodings in {}: UTF-8 read as Latin-1 (like Ã¼ for ü)", values(seen.mojibake)));
    warn(seen.controls, format!("control characters in {}", values(seen.controls)));
    if let Some(text) = mixed_dates(seen) {
        warn(1, text);
    }
    if let Some(text) = ambiguous_dates(seen) {
        warn(1, text);
    }
    if seen.points > 0 && seen.commas > 0 {
        let text =
            format!("numbers in two notations: decimal point in {}, decimal comma in {}", seen.points, seen.commas);
        warn(u64::from(seen.numbers * 2 > seen.values), text);
    }
    let text = format!("yes and no are written in {distinct} ways");
    warn(u64::from(kind == "boolean" && distinct > 2), text);
    let likely_key = seen.values >= 20 && distinct as f64 >= 0.97 * seen.values as f64;
    let text =
        format!("almost unique, likely a key: {about}{repeated} of its values occur more than once (duplicate keys)");
    warn(if likely_key { repeated } else { 0 }, text);
    warn(seen.edges, format!("blanks at the start or end of {}", values(seen.edges)));
    warn(seen.null_tokens, format!("{} may stand for nothing (like N/A, null, -)", values(seen.null_tokens)));
    let n = seen.several_spellings;
    warn(n, format!("{} in several spellings that differ in case or blanks only", values(n)));
    warnings
}

fn values(count: u64) -> String {
    if count == 1 { "1 value".into() } else { format!("{count} values") }
}

/// Where enough values are dates: formats with counts, `Either` counted to the one its separator decides for.
fn date_formats(seen: &Seen) -> BTreeMap<Format, u64> {
    let mut formats = seen.dates.clone();
    if seen.date_count() * 2 < seen.values {
        return BTreeMap::new();
    }
    for (format, count) in &seen.dates {
        if let Format::Either(sign, years) = *format {
            let (day, month) = (Format::DayFirst(sign, years), Format::MonthFirst(sign, years));
            let decided = match (seen.dates.contains_key(&day), seen.dates.contains_key(&month)) {
                (true, false) => day,
                (false, true) => month,
                _ => continue,
            };
            formats.remove(format);
            *formats.entry(decided).or_default() += count;
        }
    }
    formats
}

fn mixed_dates(seen: &Seen) -> Option<String> {
    let mut formats: Vec<(Format, u64)> = date_formats(seen).into_iter().collect();
    if formats.len() < 2 {
        return None;
    }
    formats.sort_by(|one, two| two.1.cmp(&one.1).then(one.0.cmp(&two.0)));
    let list: Vec<String> = formats.iter().map(|(format, count)| format!("{} {count}", format.label())).collect();
    Some(format!("mixed date formats: {}", list.join(", ")))
}

fn ambiguous_dates(seen: &Seen) -> Option<String> {
    let count: u64 = date_formats(seen)
        .iter()
        .filter(|(format, _)| matches!(format, Format::Either(..)))
        .map(|(_, count)| count)
        .sum();
    (count > 0).then(|| format!("day and month cannot be told apart in {}: declare the format", values(count)))
}
