//! Values of one list to choose from and their counterparts in another.
use super::super::Vocabulary;
use super::super::names;

/// How sure a counterpart must be.
const SURE: f64 = 0.6;
/// Share of the rows whose value must have one for the map to be worth proposing.
const ENOUGH: f64 = 0.5;
/// Most values that are mapped one by one within a mapping file.
const MOST: usize = 40;

/// A value map.
#[derive(Debug, PartialEq)]
pub(super) struct Counterparts {
    /// Source value, target value.
    pub(super) pairs: Vec<(String, String)>,
    /// Share of the rows whose value has one.
    pub(super) share: f64,
}

/// The counterparts of these values (with their rows) among the options; None if too few have one.
pub(super) fn counterparts(
    vocabulary: &Vocabulary,
    values: &[(String, u64)],
    options: &[String],
) -> Option<Counterparts> {
    if values.is_empty() || values.len() > MOST || options.is_empty() {
        return None;
    }
    let short = values.iter().all(|(text, _)| text.chars().count() <= 2);
    let mut pairs = Vec::new();
    let (mut found, mut all) = (0, 0);
    for (text, rows) in values {
        all += rows;
        let mut scores: Vec<(f64, &String)> =
            options.iter().map(|option| (likeness(vocabulary, text, option, short), option)).collect();
        scores.sort_by(|a, b| b.0.total_cmp(&a.0));
        let second = scores.get(1).map_or(0.0, |(score, _)| *score);
        // Two that are as like are none.
        if scores[0].0 >= SURE && scores[0].0 > second {
            found += rows;
            pairs.push((text.clone(), scores[0].1.clone()));
        }
    }
    let share = found as f64 / all.max(1) as f64;
    // Codes of one letter that all lead to one and the same are chance.
    let mut targets: Vec<&String> = pairs.iter().map(|(_, to)| to).collect();
    targets.sort_unstable();
    targets.dedup();
    let spread = !short || targets.len() == pairs.len();
    (share >= ENOUGH && spread && pairs.len() >= 2.min(values.len())).then_some(Counterparts { pairs, share })
}

fn likeness(vocabulary: &Vocabulary, one: &str, two: &str, short: bool) -> f64 {
    let (a, b) = (names::tokenise(one), names::tokenise(two));
    let (a_text, b_text) = (a.join(" "), b.join(" "));
    if a_text == b_text {
        // Case decides between two that are the same otherwise.
        return if one == two { 1.0 } else { 0.98 };
    }
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let meaning = |text: &str| vocabulary.values.get(text);
    if let (Some(a), Some(b)) = (meaning(&a_text), meaning(&b_text)) {
        return if a == b { 0.92 } else { 0.0 };
    }
    if short {
        let first = |text: &str| text.chars().next();
        let initials: String = b.iter().filter_map(|word| first(word)).collect();
        return if a_text == initials && b.len() > 1 {
            0.8
        } else if a_text.chars().count() == 1 && first(&a_text) == first(&b_text) {
            0.65
        } else if a_text.chars().count() > 1 && b_text.starts_with(&a_text) {
            0.75
        } else {
            0.0
        };
    }
    let shared = a.iter().filter(|word| b.contains(word)).count();
    if shared == a.len().min(b.len()) && shared > 0 {
        return 0.65 + 0.25 * shared as f64 / a.len().max(b.len()) as f64;
    }
    let (short, long) = if a_text.len() <= b_text.len() { (&a_text, &b_text) } else { (&b_text, &a_text) };
    if short.chars().count() >= 3 && long.starts_with(short.as_str()) {
        return 0.75;
    }
    let likeness = strsim::jaro_winkler(&a_text, &b_text);
    if likeness >= 0.88 { likeness * 0.9 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn map(values: &[&str], options: &[&str]) -> Option<Vec<(String, String)>> {
        let values: Vec<(String, u64)> = values.iter().map(|text| ((*text).to_owned(), 1)).collect();
        let options: Vec<String> = options.iter().map(|text| (*text).to_owned()).collect();
        counterparts(Vocabulary::usual(), &values, &options).map(|found| found.pairs)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    }

    #[test]
    fn spelling_synonyms_and_codes_find_their_counterparts() {
        assert_eq!(
            map(&["Closed Won", "Verloren", "Angebot"], &["won", "lost", "proposal", "lead"]),
            Some(pairs(&[("Closed Won", "won"), ("Verloren", "lost"), ("Angebot", "proposal")]))
        );
        assert_eq!(
            map(&["technolgy", "RETAIL"], &["Technology", "Retail"]),
            Some(pairs(&[("technolgy", "Technology"), ("RETAIL", "Retail")]))
        );
        assert_eq!(map(&["A", "I"], &["active", "inactive"]), Some(pairs(&[("A", "active"), ("I", "inactive")])));
        assert_eq!(
            map(&["NB", "EB"], &["New Business", "Existing Business"]),
            Some(pairs(&[("NB", "New Business"), ("EB", "Existing Business")]))
        );
    }

    #[test]
    fn what_is_not_sure_is_left_out() {
        assert_eq!(map(&["red", "blue", "green"], &["won", "lost"]), None);
        assert_eq!(map(&["L", "L2"], &["lead", "lost"]), None, "it may be either");
        assert_eq!(map(&[], &["won"]), None);
        assert_eq!(map(&["won", "x1", "x2"], &["won", "lost"]), None, "too few");
    }
}
