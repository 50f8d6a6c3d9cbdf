//! Case of personal names.
use super::registry::Entry;
use super::text::rewritten;
use super::{Cleaned, CleaningRule};

pub(super) const ENTRIES: &[Entry] = &[Entry::new(
    "name_case",
    "",
    "JOHN O'BRIEN-MCDONALD and anna van der berg get the case of names; values in mixed case stay as they are.",
    |setting| {
        setting.none()?;
        Ok(Box::new(NameCase))
    },
)];

/// Lower case inside a name, never as its first or last word.
const PARTICLES: &[&str] = &[
    "van", "von", "vom", "zu", "zum", "zur", "der", "den", "de", "del", "della", "di", "da", "das", "dos", "ten",
    "ter", "y", "e", "und", "bin", "bint",
];

/// Words that keep a case of their own, except as the first word.
const FIXED: &[(&str, &str)] =
    &[("ii", "II"), ("iii", "III"), ("iv", "IV"), ("phd", "PhD"), ("ph.d.", "Ph.D."), ("mba", "MBA")];

/// Mac is a prefix in these only: Mack, Macy and Machado are names of their own.
const MACS: &[&str] = &[
    "macallister",
    "macarthur",
    "macaulay",
    "macbeth",
    "macbride",
    "maccarthy",
    "macdonald",
    "macdougall",
    "macduff",
    "macfarlane",
    "macgregor",
    "macintosh",
    "macintyre",
    "mackenzie",
    "mackinnon",
    "maclean",
    "maclellan",
    "macleod",
    "macmahon",
    "macmillan",
    "macnab",
    "macnamara",
    "macneil",
    "macpherson",
    "macqueen",
    "macrae",
    "mactavish",
];

struct NameCase;

impl CleaningRule for NameCase {
    fn name(&self) -> &'static str {
        "name_case"
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else { return Cleaned::Same };
        let (mut lower, mut upper) = (false, false);
        for c in value.chars() {
            lower |= c.is_lowercase();
            upper |= c.is_uppercase();
            if lower && upper {
                return Cleaned::Same;
            }
        }
        if !lower && !upper {
            return Cleaned::Same;
        }
        rewritten(value, cased(value))
    }
}

fn cased(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.split_whitespace().count().saturating_sub(1);
    let mut index = 0;
    for piece in value.split_inclusive(char::is_whitespace) {
        let word = piece.trim_end();
        if !word.is_empty() {
            let small = word.to_lowercase();
            let bare = small.trim_end_matches(',');
            if index > 0 && index < last && (PARTICLES.contains(&bare) || is_article(value, index, bare)) {
                out.push_str(&small);
            } else if let Some((_, fixed)) = FIXED.iter().find(|(name, _)| index > 0 && *name == bare) {
                out.push_str(fixed);
                out.push_str(&small[bare.len()..]);
            } else {
                push_word(&mut out, &small);
            }
            index += 1;
        }
        out.push_str(&piece[word.len()..]);
    }
    out
}

/// `de la`, `de los`, `van het`, `von dem`: an article is small only behind its particle.
fn is_article(value: &str, index: usize, word: &str) -> bool {
    const ARTICLES: &[&str] = &["la", "las", "los", "le", "het", "'t", "dem"];
    ARTICLES.contains(&word)
        && value
            .split_whitespace()
            .nth(index - 1)
            .is_some_and(|before| matches!(before.to_lowercase().as_str(), "de" | "van" | "von" | "op" | "in"))
}

/// One word in lower case, hyphens and all, gets its capitals.
fn push_word(out: &mut String, small: &str) {
    for part in small.split_inclusive(['-', '‐', '/', '.', '(', '"']) {
        push_part(out, part);
    }
}

fn push_part(out: &mut String, part: &str) {
    let mut chars = part.chars();
    let Some(first) = chars.next() else { return };
    let rest = chars.as_str();
    let mut following = rest.chars();
    // O'Brien, D’Angelo: one letter, an apostrophe, and a name behind it; but not the genitive of a letter.
    if first.is_alphabetic() && following.next().is_some_and(|c| matches!(c, '\'' | '’')) {
        let name = following.as_str();
        if name.chars().filter(|c| c.is_alphabetic()).count() >= 2 {
            out.push(capital(first));
            out.push_str(&rest[..rest.len() - name.len()]);
            push_part(out, name);
            return;
        }
    }
    let letters = part.trim_end_matches(|c: char| !c.is_alphabetic());
    if letters.starts_with("mc") && letters.chars().count() > 3 {
        out.push_str("Mc");
        push_capital(out, &part[2..]);
    } else if MACS.contains(&letters) {
        out.push_str("Mac");
        push_capital(out, &part[3..]);
    } else {
        push_capital(out, part);
    }
}

fn push_capital(out: &mut String, part: &str) {
    let mut chars = part.chars();
    if let Some(first) = chars.next() {
        // A leading apostrophe or bracket is not what is capitalised.
        if first.is_alphabetic() {
            out.push(capital(first));
            out.push_str(chars.as_str());
        } else {
            out.push(first);
            if matches!(first, '\'' | '’' | '‘' | '“' | '[') {
                push_capital(out, chars.as_str());
            } else {
                out.push_str(chars.as_str());
            }
        }
    }
}

/// The capital of a letter; one that has none of a single letter (`ß`) stays.
fn capital(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(capital), None) => capital,
        _ => letter,
    }
}
