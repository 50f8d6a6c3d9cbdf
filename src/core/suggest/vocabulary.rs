//! How CRMs name the same thing: what `assets/synonyms.toml` holds, and what an operator added to it.
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

/// What `assets/synonyms.toml` holds.
#[derive(Clone, Deserialize)]
struct Asset {
    weight: BTreeMap<String, Vec<String>>,
    role: BTreeMap<Role, Vec<String>>,
    summary: Words,
    entity: Order,
    inside: Words,
    words: BTreeMap<String, String>,
    near: Pairs,
    same: BTreeMap<String, Vec<String>>,
    value: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Deserialize)]
struct Order {
    order: Vec<String>,
}

#[derive(Clone, Deserialize)]
struct Words {
    words: Vec<String>,
}

#[derive(Clone, Deserialize)]
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

/// Weight of a word that only qualifies.
pub(super) const QUALIFIER: f64 = 0.35;
/// Words of two letters that are found inside names written without any border.
const SHORT: &[&str] = &["on", "at", "by", "of", "or", "is", "id", "no", "to", "in"];

/// The vocabulary, ready to look up.
#[derive(Debug)]
pub struct Vocabulary {
    /// Short form → words.
    pub(super) words: HashMap<String, String>,
    /// Phrase (words with blanks between) → meaning.
    pub(super) phrases: HashMap<String, String>,
    /// Most words of a phrase.
    pub(super) longest: usize,
    /// All single words known, to cut names written without any border.
    pub(super) known: HashSet<String>,
    /// Weight of words that are not full ones.
    pub(super) weights: HashMap<String, f64>,
    /// Words and meanings that tell the first from the second.
    pub(super) roles: HashMap<String, Role>,
    /// Words of fields that are worked out from other records.
    pub(super) summaries: HashSet<String>,
    /// What records are, those that name the others first.
    pub(super) entities: Vec<String>,
    /// Value of a list to choose from → what it stands for.
    pub(super) values: HashMap<String, String>,
    /// How near two meanings are that are not the same; both ways.
    near: HashMap<String, HashMap<String, f64>>,
}

static ASSET: LazyLock<Asset> = LazyLock::new(|| {
    toml::from_str(include_str!("../../../assets/synonyms.toml")).expect("the asset is checked by a test")
});

static USUAL: LazyLock<Vocabulary> = LazyLock::new(|| Vocabulary::build(&ASSET, &BTreeMap::new(), &BTreeMap::new()));

impl Vocabulary {
    /// The console's own.
    pub fn usual() -> &'static Self {
        &USUAL
    }

    /// The console's own, with an operator's synonyms (meaning or any name → other names for it) and short forms, which go
    /// before it.
    pub fn with(same: &BTreeMap<String, Vec<String>>, words: &BTreeMap<String, String>) -> Self {
        Self::build(&ASSET, same, words)
    }

    fn build(asset: &Asset, own_same: &BTreeMap<String, Vec<String>>, own_words: &BTreeMap<String, String>) -> Self {
        let mut words: HashMap<String, String> =
            asset.words.iter().map(|(short, long)| (short.clone(), long.clone())).collect();
        words.extend(own_words.iter().map(|(short, long)| (short.to_lowercase(), long.to_lowercase())));
        let mut phrases: HashMap<String, String> = HashMap::new();
        let mut known: HashSet<String> = words.keys().cloned().collect();
        let spell = |text: &str| -> String {
            text.split(' ').map(|word| words.get(word).map_or(word, String::as_str)).collect::<Vec<_>>().join(" ")
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
        known.extend(asset.inside.words.iter().cloned());
        let mut near: HashMap<String, HashMap<String, f64>> = HashMap::new();
        for (one, other, by) in &asset.near.pairs {
            near.entry(one.clone()).or_default().insert(other.clone(), *by);
            near.entry(other.clone()).or_default().insert(one.clone(), *by);
        }
        known.retain(|word| word.len() >= 3 || SHORT.contains(&word.as_str()));
        let mut vocabulary = Self {
            longest: 0,
            words,
            phrases,
            known,
            weights,
            roles,
            summaries: asset.summary.words.iter().cloned().collect(),
            entities: asset.entity.order.clone(),
            values: asset
                .value
                .iter()
                .flat_map(|(meaning, list)| list.iter().map(|value| (value.clone(), meaning.clone())))
                .collect(),
            near,
        };
        vocabulary.longest = vocabulary.longest_phrase();
        let own: Vec<(String, String)> = own_same
            .iter()
            .flat_map(|(meaning, list)| {
                let to = vocabulary.meaning_of(meaning);
                let plain = vocabulary.phrase_of(meaning);
                let names = list.iter().map(|name| vocabulary.phrase_of(name)).chain([plain]);
                names.map(move |name| (name, to.clone())).collect::<Vec<_>>()
            })
            .filter(|(name, _)| !name.is_empty())
            .collect();
        for (name, to) in own {
            vocabulary.known.extend(name.split(' ').filter(|word| word.len() > 3).map(str::to_owned));
            vocabulary.phrases.insert(name, to);
        }
        vocabulary.longest = vocabulary.longest_phrase();
        vocabulary
    }

    fn longest_phrase(&self) -> usize {
        self.phrases.keys().map(|phrase| phrase.split(' ').count()).max().unwrap_or(1)
    }

    /// A name as a phrase: its words with blanks between, short forms spelled out.
    fn phrase_of(&self, name: &str) -> String {
        super::names::spelled(self, name).join(" ")
    }

    /// What a name stands for: a meaning of the vocabulary, by its own name or by one of its phrases; else the name itself
    /// becomes one.
    fn meaning_of(&self, name: &str) -> String {
        let key = name.trim().to_lowercase().replace([' ', '-'], "_");
        if ASSET.same.contains_key(&key) {
            return key;
        }
        self.phrases.get(&self.phrase_of(name)).cloned().unwrap_or(key)
    }

    /// How near two meanings are that are not the same, from 0 to 1.
    pub(super) fn nearness(&self, one: &str, two: &str) -> f64 {
        self.near.get(one).and_then(|near| near.get(two)).copied().unwrap_or_default()
    }

    /// A word that says next to nothing.
    pub(super) fn faint(&self, word: &str) -> bool {
        self.weights.get(word).is_some_and(|weight| *weight < QUALIFIER)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::suggest::names::parts;

    #[test]
    fn the_vocabulary_is_lower_case_words() {
        for phrase in USUAL.phrases.keys() {
            assert_eq!(*phrase, phrase.trim().to_lowercase());
        }
        assert!(USUAL.phrases.len() > 300);
    }

    #[test]
    fn an_operators_own_words_go_before_the_usual_ones() {
        let same = BTreeMap::from([
            ("job_title".to_owned(), vec!["Dienstgrad".to_owned()]),
            ("Vertragsart".to_owned(), vec!["contract kind".to_owned()]),
            ("phone".to_owned(), vec!["FAX_NO".to_owned()]),
        ]);
        let words = BTreeMap::from([("zzz".to_owned(), "postal code".to_owned())]);
        let own = Vocabulary::with(&same, &words);
        let texts = |name: &str| parts(&own, name).into_iter().map(|part| part.text).collect::<Vec<_>>();
        assert_eq!(texts("DIENSTGRAD"), ["job_title"]);
        assert_eq!(texts("contract_kind"), texts("VERTRAGSART"));
        assert_eq!(texts("FAX_NO"), ["phone"], "the operator knows better");
        assert_eq!(texts("cust_zzz"), ["customer", "postal_code"]);
        assert_eq!(parts(&USUAL, "fax no")[0].text, "fax", "the usual vocabulary stays as it is");
    }
}
