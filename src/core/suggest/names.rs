//! Names as meanings: cut into words, short forms spelled out, phrases of the field taken together.
use std::collections::HashSet;

use super::vocabulary::{QUALIFIER, Role, Vocabulary};

/// One part of a name: a meaning of the field (`last_name`) or a plain word, with how much it says (0 to 1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) weight: f64,
    /// It is a meaning of the vocabulary.
    pub(super) meaning: bool,
    /// It says which of two.
    pub(super) role: Option<Role>,
    /// It says that the value is worked out from other records.
    pub(super) summary: bool,
}

/// For a name that says `id of ENTITY` and nothing else (`accountid`, `lead_id`, `id`): the place of the entity in the order
/// in which records name each other, the last for `id` alone.
pub(super) fn own_id(vocabulary: &Vocabulary, name: &str) -> Option<usize> {
    let words: Vec<String> = spelled(vocabulary, name).into_iter().filter(|word| !vocabulary.faint(word)).collect();
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
    vocabulary.entities.iter().position(|known| *known == entity).map(|place| place + if plain { 101 } else { 1 })
}

/// A name that says how a record is called and nothing else (`name`, `deal_name`, `subject`): how sure that is, 0 the surest.
pub(super) fn own_name(vocabulary: &Vocabulary, name: &str) -> Option<usize> {
    let words: Vec<String> = spelled(vocabulary, name).into_iter().filter(|word| !vocabulary.faint(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["name"] => Some(0),
        ["subject" | "title" | "topic" | "headline"] => Some(1),
        [entity @ .., "name" | "title" | "subject" | "topic"] => {
            let entity = entity.join(" ");
            vocabulary.entities.iter().position(|known| *known == entity).map(|place| place + 2)
        }
        _ => None,
    }
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
pub(super) fn spelled(vocabulary: &Vocabulary, name: &str) -> Vec<String> {
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
pub(super) fn parts(vocabulary: &Vocabulary, name: &str) -> Vec<Part> {
    let words = spelled(vocabulary, name);
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
            let summary = !meaning && vocabulary.summaries.contains(&text);
            parts.push(Part { text, weight, meaning, role, summary });
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
        parts(Vocabulary::usual(), name).into_iter().map(|part| part.text).collect()
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
        assert!(texts("").is_empty());
        assert!(texts("___").is_empty());
        assert_eq!(texts("Straße"), ["straße"]);
        assert_eq!(texts("日付"), ["日付"]);
    }
}
