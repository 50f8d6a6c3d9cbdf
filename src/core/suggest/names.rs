//! Names as meanings: cut into words, short forms spelled out, phrases of the field taken together.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

/// What `assets/synonyms.toml` holds.
#[derive(Deserialize)]
struct Asset {
    weight: BTreeMap<String, Vec<String>>,
    words: BTreeMap<String, String>,
    same: BTreeMap<String, Vec<String>>,
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
            known.extend(phrase.split(' ').map(str::to_owned));
            phrases.entry(spell(phrase)).or_insert_with(|| meaning.clone());
            phrases.entry(phrase.clone()).or_insert_with(|| meaning.clone());
        }
    }
    let mut weights = HashMap::new();
    for (class, list) in &asset.weight {
        known.extend(list.iter().cloned());
        weights.extend(list.iter().map(|word| (word.clone(), if class == "faint" { 0.1 } else { 0.35 })));
    }
    let longest = phrases.keys().map(|phrase| phrase.split(' ').count()).max().unwrap_or(1);
    known.retain(|word| word.len() >= 3);
    Vocabulary { words: asset.words.into_iter().collect(), phrases, longest, known, weights }
});

/// One part of a name: a meaning of the field (`last_name`) or a plain word, with how much it says (0 to 1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) weight: f64,
    /// It is a meaning of the vocabulary.
    pub(super) meaning: bool,
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

/// The parts of a name or label.
pub(super) fn parts(name: &str) -> Vec<Part> {
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
        let weight = if meaning { 1.0 } else { vocabulary.weights.get(&text).copied().unwrap_or(0.9) };
        if !parts.iter().any(|part| part.text == text) {
            parts.push(Part { text, weight, meaning });
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
    for end in 3..=word.len() {
        for start in 0..=end - 3 {
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
        Some(pieces) if !pieces.is_empty() => pieces.into_iter().map(str::to_owned).collect(),
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
