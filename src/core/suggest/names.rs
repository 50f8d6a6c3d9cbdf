//! Names as meanings: cut into words, short forms spelled out, phrases of the field taken together.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

/// What `assets/synonyms.toml` holds.
#[derive(Deserialize)]
struct Asset {
    weight: BTreeMap<String, Vec<String>>,
    role: BTreeMap<Role, Vec<String>>,
    entity: Order,
    inside: Words,
    words: BTreeMap<String, String>,
    near: Pairs,
    same: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Order {
    order: Vec<String>,
}

#[derive(Deserialize)]
struct Words {
    words: Vec<String>,
}

#[derive(Deserialize)]
struct Pairs {
    pairs: Vec<(String, String, f64)>,
}

/// Which of two things of one kind a name speaks of: a record has two addresses more often than not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// The one for daily use: business, billing, mailing.
    First,
    /// The other one: home, shipping.
    Second,
}

/// The vocabulary, ready to look up.
struct Vocabulary {
    /// Short form → words.
    words: HashMap<String, String>,
    /// Phrase (words with blanks between) → meaning.
    phrases: HashMap<String, String>,
    /// Most words of a phrase.
    longest: usize,
    /// All single words known, to cut names written without any border.
    known: HashSet<String>,
    /// Weight of words that are not full ones.
    weights: HashMap<String, f64>,
    /// Words and meanings that tell the first from the second.
    roles: HashMap<String, Role>,
    /// What records are, those that name the others first.
    entities: Vec<String>,
    /// How near two meanings are that are not the same; both ways.
    near: HashMap<String, HashMap<String, f64>>,
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let asset: Asset =
        toml::from_str(include_str!("../../../assets/synonyms.toml")).expect("the asset is checked by a test");
    let mut phrases = HashMap::new();
    let mut known: HashSet<String> = asset.words.keys().cloned().collect();
    let spell = |text: &str| -> String {
        text.split(' ').map(|word| asset.words.get(word).map_or(word, String::as_str)).collect::<Vec<_>>().join(" ")
    };
    for (meaning, list) in &asset.same {
        for phrase in list {
            // Short ones are found in too many words (`ort` in `report`).
            known.extend(phrase.split(' ').filter(|word| word.len() > 3).map(str::to_owned));
            phrases.entry(spell(phrase)).or_insert_with(|| meaning.clone());
            phrases.entry(phrase.clone()).or_insert_with(|| meaning.clone());
        }
    }
    let mut weights = HashMap::new();
    for (class, list) in &asset.weight {
        known.extend(list.iter().cloned());
        weights.extend(list.iter().map(|word| (word.clone(), if class == "faint" { 0.1 } else { QUALIFIER })));
    }
    let roles: HashMap<String, Role> =
        asset.role.iter().flat_map(|(role, words)| words.iter().map(|word| (word.clone(), *role))).collect();
    for word in roles.keys() {
        weights.entry(word.clone()).or_insert(QUALIFIER);
    }
    known.extend(asset.inside.words);
    let mut near: HashMap<String, HashMap<String, f64>> = HashMap::new();
    for (one, other, by) in asset.near.pairs {
        near.entry(one.clone()).or_default().insert(other.clone(), by);
        near.entry(other).or_default().insert(one, by);
    }
    let longest = phrases.keys().map(|phrase| phrase.split(' ').count()).max().unwrap_or(1);
    known.retain(|word| word.len() >= 3 || SHORT.contains(&word.as_str()));
    let words = asset.words.into_iter().collect();
    Vocabulary { words, phrases, longest, known, weights, roles, entities: asset.entity.order, near }
});

/// Weight of a word that only qualifies.
const QUALIFIER: f64 = 0.35;
/// Words of two letters that are found inside names written without any border.
const SHORT: &[&str] = &["on", "at", "by", "of", "or", "is", "id", "no", "to", "in"];

/// One part of a name: a meaning of the field (`last_name`) or a plain word, with how much it says (0 to 1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) weight: f64,
    /// It is a meaning of the vocabulary.
    pub(super) meaning: bool,
    /// It says which of two.
    pub(super) role: Option<Role>,
}

/// How near two meanings are that are not the same, from 0 to 1.
pub(super) fn nearness(one: &str, two: &str) -> f64 {
    VOCABULARY.near.get(one).and_then(|near| near.get(two)).copied().unwrap_or_default()
}

/// For a name that says `id of ENTITY` and nothing else (`accountid`, `lead_id`, `id`): the place of the entity in the order
/// in which records name each other, the last for `id` alone.
pub(super) fn own_id(name: &str) -> Option<usize> {
    let words: Vec<String> = spelled(name).into_iter().filter(|word| !faint(word)).collect();
    let is_id = |word: &String| matches!(word.as_str(), "id" | "identifier" | "uuid" | "guid" | "key" | "number");
    if words.iter().filter(|word| is_id(word)).count() != 1 {
        return None;
    }
    let plain = words.iter().any(|word| word == "number");
    let entity: Vec<&str> = words.iter().filter(|word| !is_id(word)).map(String::as_str).collect();
    if entity.is_empty() {
        return Some(0);
    }
    let entity = entity.join(" ");
    VOCABULARY.entities.iter().position(|known| *known == entity).map(|place| place + if plain { 101 } else { 1 })
}

/// A name that says how a record is called and nothing else (`name`, `deal_name`, `subject`): how sure that is, 0 the surest.
pub(super) fn own_name(name: &str) -> Option<usize> {
    let words: Vec<String> = spelled(name).into_iter().filter(|word| !faint(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["name"] => Some(0),
        ["subject" | "title" | "topic" | "headline"] => Some(1),
        [entity @ .., "name" | "title" | "subject" | "topic"] => {
            let entity = entity.join(" ");
            VOCABULARY.entities.iter().position(|known| *known == entity).map(|place| place + 2)
        }
        _ => None,
    }
}

fn faint(word: &str) -> bool {
    VOCABULARY.weights.get(word).is_some_and(|weight| *weight < QUALIFIER)
}

/// Lower-case words of a name: borders are anything but letters and digits, camelCase humps, and letters against digits.
pub(super) fn tokenise(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = vec![String::new()];
    for (at, &c) in chars.iter().enumerate() {
        if c == '\'' || c == '’' {
            continue;
        }
        if !c.is_alphanumeric() {
            words.push(String::new());
            continue;
        }
        let before = at.checked_sub(1).map(|at| chars[at]).filter(|c| c.is_alphanumeric());
        let next_is_lower = chars.get(at + 1).is_some_and(|c| c.is_lowercase());
        let border = before.is_some_and(|before| {
            (before.is_lowercase() && c.is_uppercase())
                || (before.is_uppercase() && c.is_uppercase() && next_is_lower)
                || before.is_numeric() != c.is_numeric()
        });
        if border {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The words of a name: cut at its borders and where it has none, short forms spelled out.
fn spelled(name: &str) -> Vec<String> {
    let vocabulary = &*VOCABULARY;
    let mut words: Vec<String> = Vec::new();
    for token in tokenise(name) {
        let singular = token.strip_suffix('s').filter(|word| vocabulary.known.contains(*word));
        let pieces = match singular {
            _ if vocabulary.known.contains(&token) => vec![token],
            Some(word) => vec![word.to_owned()],
            None => cut(&token, &vocabulary.known),
        };
        for piece in pieces {
            let spelled = vocabulary.words.get(&piece).unwrap_or(&piece);
            words.extend(spelled.split(' ').map(str::to_owned));
        }
    }
    words
}

/// The parts of a name or label.
pub(super) fn parts(name: &str) -> Vec<Part> {
    let vocabulary = &*VOCABULARY;
    let words = spelled(name);
    let mut parts: Vec<Part> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let found = (1..=vocabulary.longest.min(words.len() - at)).rev().find_map(|length| {
            let phrase = words[at..at + length].join(" ");
            // A word that only qualifies stays itself beside others: `contact email` is an e-mail, `contact` a contact.
            if length == 1 && words.len() > 1 && vocabulary.weights.contains_key(&phrase) {
                return None;
            }
            vocabulary.phrases.get(&phrase).map(|meaning| (meaning.clone(), length))
        });
        let (text, length, meaning) = match found {
            Some((meaning, length)) => (meaning, length, true),
            None => (words[at].clone(), 1, false),
        };
        let role = vocabulary.roles.get(&text).copied();
        let weight = match (meaning, role) {
            // `owner id` is an owner, `owner id id` too.
            (true, None) if text == "id" && words.len() > 1 => QUALIFIER,
            (true, None) => 1.0,
            (_, Some(_)) => QUALIFIER,
            (false, None) => vocabulary.weights.get(&text).copied().unwrap_or(0.9),
        };
        if !parts.iter().any(|part| part.text == text) {
            parts.push(Part { text, weight, meaning, role });
        }
        at += length;
    }
    parts
}

/// Cuts a word such as `firstname` or `emailaddr` into known words, fewest first; itself if that cannot be done.
fn cut(word: &str, known: &HashSet<String>) -> Vec<String> {
    let whole = vec![word.to_owned()];
    if word.len() > 40 || !word.is_ascii() {
        return whole;
    }
    // best[n]: the fewest words that make up the first n bytes.
    let mut best: Vec<Option<Vec<&str>>> = vec![None; word.len() + 1];
    best[0] = Some(Vec::new());
    for end in 2..=word.len() {
        for start in 0..=end - 2 {
            let piece = &word[start..end];
            let Some(head) = best[start].as_ref().filter(|_| known.contains(piece)) else { continue };
            if best[end].as_ref().is_none_or(|old| old.len() > head.len() + 1) {
                let mut pieces = head.clone();
                pieces.push(piece);
                best[end] = Some(pieces);
            }
        }
    }
    match best.pop().flatten() {
        // Names made of short words alone are names of something else.
        Some(pieces) if pieces.iter().any(|piece| piece.len() > 2) => pieces.into_iter().map(str::to_owned).collect(),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn texts(name: &str) -> Vec<String> {
        parts(name).into_iter().map(|part| part.text).collect()
    }

    #[test]
    fn names_are_cut_at_every_kind_of_border() {
        for name in ["FIRST_NM", "firstName", "First Name", "first-name", "FirstName", "firstname"] {
            assert_eq!(texts(name), ["first_name"], "{name}");
        }
        assert_eq!(tokenise("HTTPServer2Name"), ["http", "server", "2", "name"]);
        assert_eq!(texts("ACCT_NO"), ["account_number"]);
        assert_eq!(texts("BillingPostalCode"), ["billing", "postal_code"]);
        assert_eq!(texts("EMAIL_ADDR"), ["email"]);
        assert_eq!(texts("persons"), texts("person"));
    }

    #[test]
    fn odd_names_do_no_harm() {
        assert!(parts("").is_empty());
        assert!(parts("___").is_empty());
        assert_eq!(texts("Straße"), ["straße"]);
        assert_eq!(texts("日付"), ["日付"]);
    }

    #[test]
    fn the_vocabulary_is_lower_case_words() {
        for phrase in VOCABULARY.phrases.keys() {
            assert_eq!(*phrase, phrase.trim().to_lowercase());
        }
        assert!(VOCABULARY.phrases.len() > 300);
    }
}
