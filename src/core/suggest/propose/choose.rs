//! Which transform suits one source field and one target field.
use super::super::pairs::evidence;
use super::super::score::{Class, Field as Known};
use super::super::values::{ZERO_DATES, boolean_word, date_formats, is_null_token, number_of};
use super::super::{EvidenceKind, FieldInfo, Look, Suggestion, Vocabulary};
use super::{Transform, TransformKind, country, picklist};
use crate::project::{Field, Origin, RuleConfig, Values};
use crate::suggest::values::Meaning;

/// A pair for which a transform is looked for.
pub(in crate::suggest) struct Pair<'a> {
    pub(in crate::suggest) from: &'a FieldInfo,
    pub(in crate::suggest) to: &'a FieldInfo,
    pub(in crate::suggest) source: &'a Known,
    pub(in crate::suggest) target: &'a Known,
}

/// What a choice may come to.
type Choice = Option<(TransformKind, Field)>;

impl Pair<'_> {
    fn field(&self) -> Field {
        Field::new(&self.to.name, Origin::From(self.from.name.clone()))
    }
    /// A look at the source's values, if there are any.
    fn look(&self) -> Option<&Look> {
        self.from.look.as_deref().filter(|look| look.filled > 0)
    }
    fn target_look(&self) -> Option<&Look> {
        self.to.look.as_deref().filter(|look| look.filled > 0)
    }
    fn about(&self, meaning: &str) -> bool {
        self.source.is_about(meaning) || self.target.is_about(meaning)
    }
}

/// A rule without a setting.
pub(in crate::suggest) fn rule(name: &str) -> RuleConfig {
    RuleConfig { name: name.to_owned(), setting: None }
}

fn rule_with(name: &str, setting: impl Into<toml::Value>) -> RuleConfig {
    RuleConfig { name: name.to_owned(), setting: Some(setting.into()) }
}

fn texts(list: &[&str]) -> toml::Value {
    toml::Value::Array(list.iter().map(|text| toml::Value::from(*text)).collect())
}

/// The transform that suits the pair, if it needs one. What a choice finds out goes to the suggestion's evidence.
pub(super) fn transform(vocabulary: &Vocabulary, pair: &Pair<'_>, item: &mut Suggestion) -> Option<Transform> {
    let (kind, field) = email(pair)
        .or_else(|| boolean(pair))
        .or_else(|| date(pair, item))
        .or_else(|| number(pair))
        .or_else(|| by_country(pair))
        .or_else(|| phone(pair))
        .or_else(|| values(vocabulary, pair, item))
        .or_else(|| blanks(pair))?;
    Some(Transform::new(kind, field))
}

fn email(pair: &Pair<'_>) -> Choice {
    let is_email = pair.target.is_about("email")
        || pair.target.is_about("email_2")
        || pair.look().is_some_and(|look| look.meaning == Some(Meaning::Email));
    if !is_email || pair.about("opt_out") {
        return None;
    }
    let mut field = pair.field();
    field.clean = ["trim", "lower", "email"].map(rule).into();
    if pair.look().is_some_and(|look| look.samples.iter().any(|text| is_null_token(text))) {
        field.clean.insert(1, rule("null_tokens"));
    }
    Some((TransformKind::Clean, field))
}

fn boolean(pair: &Pair<'_>) -> Choice {
    let source = pair.look()?;
    let words: Vec<&str> = source.listed.iter().map(|(text, _)| text.as_str()).collect();
    let known = words.iter().filter(|word| boolean_word(word).is_some()).count();
    if words.is_empty() || known * 10 < words.len() * 7 || words.len() > 12 {
        return None;
    }
    let (yes, no) = match pair.target_look() {
        Some(look) => {
            let word = |wanted: bool| {
                look.listed.iter().map(|(text, _)| text).find(|text| boolean_word(text) == Some(wanted)).cloned()
            };
            let all = look.listed.iter().all(|(text, _)| boolean_word(text).is_some());
            match (word(true), word(false)) {
                _ if !all || look.listed.is_empty() => return None,
                (Some(yes), Some(no)) => (yes, no),
                (yes, no) => pair_of(yes.or(no)?.as_str())?,
            }
        }
        None if !pair.to.options.is_empty() => {
            let word = |wanted: bool| pair.to.options.iter().find(|text| boolean_word(text) == Some(wanted)).cloned();
            (word(true)?, word(false)?)
        }
        None if pair.target.class == Class::Boolean => {
            let kind = pair.to.kind.as_deref().unwrap_or_default().to_lowercase();
            if kind.contains("bit") {
                ("1".to_owned(), "0".to_owned())
            } else {
                ("true".to_owned(), "false".to_owned())
            }
        }
        None => return None,
    };
    if words.iter().all(|word| *word == yes || *word == no) && !source.padded {
        return None;
    }
    let mut field = pair.field();
    field.clean = ["trim", "lower"].map(rule).into();
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in &words {
        let to = match boolean_word(word) {
            Some(true) => yes.clone(),
            Some(false) => no.clone(),
            None if is_null_token(word) => String::new(),
            None => continue,
        };
        let from = word.to_lowercase();
        if !pairs.iter().any(|(known, _)| *known == from) {
            pairs.push((from, to));
        }
    }
    field.values = Some(Values::Inline(pairs));
    Some((TransformKind::Boolean, field))
}

/// Both words, by one of them.
fn pair_of(word: &str) -> Option<(String, String)> {
    const PAIRS: &[(&str, &str)] = &[
        ("1", "0"),
        ("true", "false"),
        ("True", "False"),
        ("TRUE", "FALSE"),
        ("yes", "no"),
        ("Yes", "No"),
        ("YES", "NO"),
        ("y", "n"),
        ("Y", "N"),
        ("t", "f"),
        ("T", "F"),
        ("on", "off"),
        ("J", "N"),
        ("ja", "nein"),
        ("Ja", "Nein"),
    ];
    let found = PAIRS.iter().find(|(yes, no)| *yes == word || *no == word)?;
    Some((found.0.to_owned(), found.1.to_owned()))
}

fn date(pair: &Pair<'_>, item: &mut Suggestion) -> Choice {
    let source = pair.look()?;
    if !pair.target.is_date() && source.meaning != Some(Meaning::Date) {
        return None;
    }
    let Some(found) = date_formats(&source.samples) else {
        if source.meaning == Some(Meaning::Date) {
            let words = "day and month cannot be told apart: declare the format".to_owned();
            item.evidence.push(evidence(EvidenceKind::Values, 0.0, words));
        }
        return None;
    };
    // What the target holds may be written the same way: then copying does.
    let target = pair.target_look().and_then(|look| date_formats(&look.samples));
    if found.iso || target.is_some_and(|target| target.formats == found.formats && !found.formats.is_empty()) {
        return None;
    }
    let zero: Vec<&str> =
        ZERO_DATES.iter().copied().filter(|text| source.samples.iter().any(|value| value == text)).collect();
    let mut field = pair.field();
    let nothing = source.samples.iter().any(|text| is_null_token(text));
    if nothing {
        field.clean.push(rule("null_tokens"));
    }
    if !zero.is_empty() {
        field.clean.push(rule_with("null_tokens", texts(&zero)));
    }
    if found.times {
        field.clean.insert(0, rule("trim"));
        field.datetime = Some((*found.formats.first()?).to_owned());
    } else {
        field.clean.insert(0, rule("trim"));
        field.clean.push(rule_with("date", texts(&found.formats)));
    }
    Some((TransformKind::Date, field))
}

fn number(pair: &Pair<'_>) -> Choice {
    let source = pair.look()?;
    let wanted = pair.target.class == Class::Number
        || pair.target_look().is_some_and(|look| look.meaning == Some(Meaning::Number))
        || (pair.target_look().is_none()
            && ["amount", "revenue", "price", "probability"].iter().any(|one| pair.target.is_about(one)));
    if !wanted || pair.source.is_date() || source.meaning == Some(Meaning::Phone) {
        return None;
    }
    let (numbers, others): (Vec<&str>, Vec<&str>) =
        source.samples.iter().map(String::as_str).partition(|text| number_of(text).is_some());
    // Texts are no numbers whatever the target would like.
    if numbers.len() * 10 < source.samples.len() * 8 {
        return None;
    }
    let plain = numbers.iter().all(|text| text.parse::<f64>().is_ok());
    if plain && others.is_empty() {
        return None;
    }
    let mut field = pair.field();
    field.clean.push(rule("trim"));
    if !others.is_empty() && others.len() <= 6 {
        field.clean.push(rule_with("null_tokens", texts(&others)));
    }
    if numbers.iter().any(|text| text.ends_with('%')) {
        field.clean.push(rule_with("regex", texts(&["\\s*%$", ""])));
    }
    let unit = |text: &&&str| text.trim_end_matches('%').ends_with(|c: char| c.is_alphabetic()) && !is_currency(text);
    if numbers.iter().filter(unit).count() * 2 > numbers.len() {
        field.clean.push(rule_with("regex", texts(&["\\s*[A-Za-z]+\\.?$", ""])));
    }
    if !plain {
        let signs = numbers.iter().any(|text| text.contains(|c: char| !c.is_ascii_digit() && !" .,-+'%".contains(c)));
        let name = if signs { "money" } else { "number" };
        field.clean.push(match notation(&numbers) {
            Some(notation) => rule_with(name, notation),
            None => rule(name),
        });
    }
    let kind = pair.to.kind.as_deref().unwrap_or_default().to_lowercase();
    if kind.contains("int") {
        field.kind = Some("integer".to_owned());
    } else if ["decimal", "numeric", "money", "currency"].iter().any(|word| kind.contains(word)) {
        field.kind = Some(format!("decimal(14,{})", decimals(&numbers).max(2)));
    }
    Some((TransformKind::Number, field))
}

/// It has the sign or the code of a currency.
fn is_currency(text: &str) -> bool {
    const CODES: &[&str] =
        &["EUR", "USD", "GBP", "CHF", "JPY", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN", "CZK", "INR", "BRL"];
    let upper = text.to_uppercase();
    text.contains(['€', '$', '£', '¥']) || CODES.iter().any(|code| upper.ends_with(code) || upper.starts_with(code))
}

/// Digits behind the last separator, at most.
fn decimals(numbers: &[&str]) -> usize {
    let behind = |text: &&str| {
        let at = text.rfind(['.', ','])?;
        let digits = text[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        (digits != 3).then_some(digits)
    };
    numbers.iter().filter_map(behind).max().unwrap_or(0).min(6)
}

/// Decimal comma or point, where the numbers tell.
fn notation(numbers: &[&str]) -> Option<&'static str> {
    let (mut comma, mut point) = (0_usize, 0_usize);
    for text in numbers {
        let Some(at) = text.rfind(['.', ',']) else { continue };
        let mark = text.as_bytes()[at];
        let other = if mark == b',' { b'.' } else { b',' };
        let behind = text[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let again = text.bytes().filter(|byte| *byte == mark).count() > 1;
        let decimal = !again && (behind != 3 || text.bytes().any(|byte| byte == other));
        match (mark, decimal) {
            (b',', true) | (b'.', false) if decimal || again => comma += 1,
            (b'.', true) | (b',', false) if decimal || again => point += 1,
            _ => {}
        }
    }
    match (comma, point) {
        (0, 0) => None,
        _ if comma > point => Some("de"),
        _ => Some("en"),
    }
}

fn by_country(pair: &Pair<'_>) -> Choice {
    let source = pair.look()?;
    if !pair.about("country") && source.meaning != Some(Meaning::Country) {
        return None;
    }
    let pairs = country::map(source, pair.to)?;
    let mut field = pair.field();
    field.clean.push(rule("trim"));
    field.values = Some(Values::Inline(pairs));
    Some((TransformKind::Country, field))
}

fn phone(pair: &Pair<'_>) -> Choice {
    let source = pair.look()?;
    let named = ["phone", "phone_2", "mobile", "home_phone", "fax"].iter().any(|meaning| pair.about(meaning));
    let dialled = |text: &&String| text.bytes().filter(u8::is_ascii_digit).count() >= 6;
    let some = source.samples.iter().filter(dialled).count();
    let id = super::super::id_likeness(&pair.to.name) >= 3 || super::super::id_likeness(&pair.from.name) >= 3;
    if (!named && (id || source.meaning != Some(Meaning::Phone))) || some * 10 < source.samples.len() * 6 {
        return None;
    }
    let plain = |text: &str| text.strip_prefix('+').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
    // Where the target keeps them as people write them, there is nothing to make alike.
    let target_plain = pair
        .target_look()
        .is_none_or(|look| look.samples.iter().filter(|text| plain(text)).count() * 10 >= look.samples.len() * 8);
    if !target_plain || source.samples.iter().all(|text| plain(text) && !text.starts_with("00")) {
        return None;
    }
    let mut field = pair.field();
    if source.samples.iter().any(|text| is_null_token(text)) {
        field.clean.push(rule("null_tokens"));
    }
    field.clean.extend([
        rule_with("replace", texts(&["(0)", ""])),
        rule_with("regex", texts(&["(?i)\\s*(ext|x|durchwahl|dw)\\.?\\s*[0-9]+$", ""])),
        rule_with("regex", texts(&["[^0-9+]+", ""])),
        rule_with("regex", texts(&["^00", "+"])),
    ]);
    if let Some(code) = home(&source.samples) {
        field.clean.push(rule_with("regex", texts(&["^0", &format!("+{code}")])));
    }
    Some((TransformKind::Phone, field))
}

/// The country that most of the numbers written with one have: numbers without are taken to be from there, if some begin
/// with the 0 of a number within a country.
fn home(samples: &[String]) -> Option<&'static str> {
    const CODES: &[&str] = &[
        "49", "43", "41", "33", "44", "39", "34", "31", "32", "45", "46", "47", "48", "353", "352", "351", "358",
        "420", "61", "27", "81",
    ];
    let mut counts = vec![0_usize; CODES.len()];
    let (mut abroad, mut national) = (0, 0);
    for text in samples {
        let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        let rest = digits.strip_prefix('+').or_else(|| digits.strip_prefix("00"));
        match rest {
            Some(rest) => {
                abroad += 1;
                if let Some(at) = CODES.iter().position(|code| rest.starts_with(code)) {
                    counts[at] += 1;
                }
            }
            None if digits.starts_with('0') => national += 1,
            None => {}
        }
    }
    let (at, most) = counts.iter().enumerate().max_by_key(|(_, count)| **count)?;
    (abroad >= 5 && national > 0 && *most * 10 >= abroad * 8).then(|| CODES[at])
}

/// Fields whose values are few by chance: a name or a town is chosen from no list.
const FREE: &[&str] = &[
    "city",
    "street",
    "postal_code",
    "company_name",
    "first_name",
    "last_name",
    "full_name",
    "owner",
    "job_title",
    "description",
];

/// Share of the rows that must have a counterpart where the target's list is only seen.
const SEEN: f64 = 0.7;

fn values(vocabulary: &Vocabulary, pair: &Pair<'_>, item: &mut Suggestion) -> Choice {
    if pair.to.options.is_empty() && FREE.iter().any(|meaning| pair.target.is_about(meaning)) {
        return None;
    }
    let source = pair.look().filter(|look| look.is_picklist())?;
    let options: Vec<String> = if pair.to.options.is_empty() {
        let target = pair.target_look().filter(|look| look.is_picklist() && look.distinct <= 40)?;
        target.listed.iter().map(|(text, _)| text.clone()).collect()
    } else {
        pair.to.options.clone()
    };
    let declared = !pair.to.options.is_empty();
    let map = picklist::counterparts(vocabulary, &source.listed, &options)?;
    let words = format!("{} of {} values have a counterpart", map.pairs.len(), source.listed.len());
    item.evidence.push(evidence(EvidenceKind::Values, 0.0, words));
    if map.pairs.iter().all(|(from, to)| from == to) && !source.padded {
        return None;
    }
    let mut field = pair.field();
    field.clean.push(rule("trim"));
    // Nothing but the case differs: what the target does not hold yet may come as it is.
    if map.pairs.iter().all(|(from, to)| from.to_lowercase() == to.to_lowercase()) {
        let all = |case: fn(&str) -> String| options.iter().all(|text| case(text) == *text);
        if all(str::to_uppercase) {
            field.clean.push(rule("upper"));
            return Some((TransformKind::Clean, field));
        }
        if all(str::to_lowercase) {
            field.clean.push(rule("lower"));
            return Some((TransformKind::Clean, field));
        }
    }
    // Of a list that is only seen, not declared, nobody knows what else belongs to it.
    if !declared && map.share < SEEN {
        return None;
    }
    field.values = Some(Values::Inline(map.pairs));
    Some((TransformKind::Values, field))
}

fn blanks(pair: &Pair<'_>) -> Choice {
    let source = pair.look()?;
    if !source.padded {
        return None;
    }
    let mut field = pair.field();
    field.clean.push(rule("trim"));
    Some((TransformKind::Clean, field))
}
