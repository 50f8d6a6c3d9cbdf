//! Users of the old CRM and who they are in the new one: by e-mail, by name, by both.
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use super::score::Field;
use super::values::{boolean_word, is_null_token};
use super::{Side, Vocabulary, names};

/// A user of one side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// What records name them by.
    pub key: String,
    /// Name as people know them.
    pub name: String,
    /// Address, lower-case.
    pub email: String,
    /// Whether they still work with it; None: the side does not say.
    pub active: Option<bool>,
}

/// Somebody in the new CRM who may be meant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OwnerCandidate {
    /// Their id in the new CRM.
    pub to: String,
    /// Their name.
    pub name: String,
    /// Still active there.
    pub active: Option<bool>,
    /// From 0 to 1.
    pub score: f64,
    /// Why, in words.
    pub why: String,
}

/// Which columns of a list of users say what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeopleColumns {
    /// What records name them by.
    pub key: String,
    /// The whole name, or first and last.
    pub name: Vec<String>,
    /// The address.
    pub email: Option<String>,
    /// Whether they are active, and what is meant by yes: false for a column `disabled`.
    pub active: Option<(String, bool)>,
}

/// Finds the columns of a list of users. `key`: the one that records name them by, if that is known already.
pub fn people_columns(side: &Side, key: Option<&str>) -> PeopleColumns {
    let vocabulary = Vocabulary::usual();
    let known: Vec<Field> = side.fields.iter().map(|info| Field::new(vocabulary, info, None)).collect();
    let find = |meanings: &[&str]| {
        meanings.iter().find_map(|meaning| {
            let at = known.iter().position(|field| field.is_only(meaning))?;
            Some(side.fields[at].name.clone())
        })
    };
    let plain = |wanted: &[&str]| {
        wanted.iter().find_map(|name| {
            let at = known.iter().position(|field| field.plain == *name)?;
            Some(side.fields[at].name.clone())
        })
    };
    let key = key
        .map(str::to_owned)
        .or_else(|| plain(&["id", "userid", "login", "username", "ownerid", "user", "key", "code"]))
        .or_else(|| {
            side.fields.iter().find(|field| super::id_likeness(&field.name) >= 3).map(|field| field.name.clone())
        })
        .or_else(|| side.fields.first().map(|field| field.name.clone()))
        .unwrap_or_default();
    let whole =
        find(&["full_name"]).or_else(|| plain(&["name", "username", "displayname"]).filter(|name| *name != key));
    let name = match whole {
        Some(whole) => vec![whole],
        None => [find(&["first_name"]), find(&["last_name"])].into_iter().flatten().collect(),
    };
    let active =
        find(&["active"]).or_else(|| plain(&["isactive", "active", "aktiv", "enabled"])).map(|name| (name, true));
    let active = active.or_else(|| {
        plain(&["disabled", "isdisabled", "inactive", "deleted", "isdeleted", "archived"]).map(|name| (name, false))
    });
    PeopleColumns { key, name, email: find(&["email"]), active }
}

/// Whether a cell of the column for it says that somebody is active.
pub fn is_active(cell: Option<&str>, yes_is_active: bool) -> Option<bool> {
    let text = cell?.trim();
    let word = match text.to_lowercase().as_str() {
        "active" | "aktiv" | "enabled" | "current" => Some(true),
        "inactive" | "inaktiv" | "disabled" | "left" | "former" | "deleted" => Some(false),
        "" => None,
        _ if is_null_token(text) => None,
        _ => boolean_word(text),
    }?;
    Some(word == yes_is_active)
}

/// Who of the new CRM each of the old may be, best first; for each at most five.
pub fn match_people(old: &[Person], new: &[Person]) -> Vec<Vec<OwnerCandidate>> {
    let folded: Vec<Vec<String>> = new.iter().map(|person| words(&person.name)).collect();
    old.iter()
        .map(|person| {
            let own = words(&person.name);
            let mut found: Vec<OwnerCandidate> = new
                .iter()
                .zip(&folded)
                .filter_map(|(other, theirs)| {
                    let (score, why) = likeness(person, &own, other, theirs)?;
                    Some(OwnerCandidate {
                        to: other.key.clone(),
                        name: other.name.clone(),
                        active: other.active,
                        score,
                        why,
                    })
                })
                .collect();
            // Of two of the same name the one who still works with it.
            found.sort_by(|a, b| {
                b.score
                    .total_cmp(&a.score)
                    .then((b.active != Some(false)).cmp(&(a.active != Some(false))))
                    .then(a.to.cmp(&b.to))
            });
            // Two that are as like are two: neither is sure.
            if let [one, two, ..] = found.as_mut_slice()
                && (one.score - two.score).abs() < 0.005
                && (one.active != Some(false)) == (two.active != Some(false))
            {
                for same in [one, two] {
                    same.score = same.score.min(0.7);
                    same.why.push_str(", as has another user");
                }
            }
            found.truncate(5);
            found
        })
        .collect()
}

fn likeness(one: &Person, own: &[String], two: &Person, theirs: &[String]) -> Option<(f64, String)> {
    if !one.email.is_empty() && one.email == two.email {
        return Some((0.99, "the same e-mail address".to_owned()));
    }
    let local = |email: &str| email.split_once('@').map(|(user, _)| user.to_owned()).unwrap_or_default();
    let (mine, other) = (local(&one.email), local(&two.email));
    let same_user =
        (!mine.is_empty() && mine == other) || (!other.is_empty() && one.key.trim().to_lowercase() == other);
    let same_name = !own.is_empty() && own == theirs;
    if same_name && same_user {
        return Some((0.98, "the same name, and the same user of another e-mail domain".to_owned()));
    }
    if same_name {
        return Some((if own.len() > 1 { 0.94 } else { 0.75 }, "the same name".to_owned()));
    }
    // A middle name or initial that only one of them has; a name spelled otherwise.
    let (few, many) = if own.len() <= theirs.len() { (own, theirs) } else { (theirs, own) };
    let within = few.len() > 1 && few.iter().all(|word| many.contains(word));
    if within {
        return Some((if same_user { 0.95 } else { 0.88 }, "the same name but for a part".to_owned()));
    }
    let near = strsim::jaro_winkler(&own.join(" "), &theirs.join(" "));
    let spelled = own.len() > 1 && theirs.len() > 1 && near >= 0.93;
    match (same_user, spelled) {
        (true, true) => Some((0.93, "a name spelled alike, and the same user of another e-mail domain".to_owned())),
        (true, false) if own.is_empty() || theirs.is_empty() => {
            Some((0.85, "the same user of another e-mail domain".to_owned()))
        }
        (true, false) => Some((0.72, "the same user of another e-mail domain, but another name".to_owned())),
        (false, true) => Some((0.9 * near, "a name spelled alike".to_owned())),
        (false, false) => None,
    }
}

/// The words of a name without accents and titles, sorted: `Jung, Eva` and `Eva Jung` are one.
fn words(name: &str) -> Vec<String> {
    let plain: String = name
        .nfd()
        .filter(|c| !unicode_normalization::char::is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect();
    let plain = plain.replace('ß', "ss");
    let mut words: Vec<String> = names::tokenise(&plain)
        .into_iter()
        .filter(|word| !matches!(word.as_str(), "dr" | "prof" | "mr" | "mrs" | "ms" | "herr" | "frau"))
        .collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::suggest::FieldInfo;

    fn person(key: &str, name: &str, email: &str, active: Option<bool>) -> Person {
        Person { key: key.to_owned(), name: name.to_owned(), email: email.to_owned(), active }
    }

    #[test]
    fn users_are_found_by_address_then_name_then_spelling() {
        let new = [
            person("1", "Eva Jung", "eva.jung@new.example", Some(true)),
            person("2", "Dr. Björn Müller", "bm@new.example", Some(true)),
            person("3", "Anna Maria Lee", "lee@new.example", Some(false)),
            person("4", "Katherine Johnson", "kj@new.example", None),
        ];
        let old = [
            person("ejung", "E. Young", "eva.jung@new.example", None),
            person("bm", "Muller, Bjorn", "bm@old.example", None),
            person("alee", "Anna Lee", "", None),
            person("kj2", "Katharine Johnson", "", None),
            person("zz", "Nobody Known", "zz@old.example", None),
        ];
        let found = match_people(&old, &new);
        let best: Vec<Option<(&str, bool)>> =
            found.iter().map(|list| list.first().map(|one| (one.to.as_str(), one.score >= 0.9))).collect();
        assert_eq!(best, [Some(("1", true)), Some(("2", true)), Some(("3", false)), Some(("4", false)), None]);
        assert_eq!(found[2][0].active, Some(false), "that they left is said");
    }

    #[test]
    fn two_of_one_name_are_not_sure_unless_one_has_left() {
        let old = [person("am", "Ann Miller", "", None)];
        let two = [person("1", "Ann Miller", "", Some(true)), person("2", "Ann Miller", "", Some(true))];
        assert!(match_people(&old, &two)[0][0].score <= 0.7);
        let left = [person("1", "Ann Miller", "", Some(false)), person("2", "Ann Miller", "", Some(true))];
        let found = match_people(&old, &left);
        assert_eq!((found[0][0].to.as_str(), found[0][0].score > 0.9), ("2", true));
    }

    #[test]
    fn columns_of_users_are_found() {
        let side = |names: &[&str]| Side::of(names.iter().map(|name| FieldInfo::named(name)).collect());
        let found = people_columns(&side(&["LOGIN", "NAME", "EMAIL", "ACTIVE", "TEAM"]), None);
        assert_eq!((found.key.as_str(), found.email.as_deref()), ("LOGIN", Some("EMAIL")));
        assert_eq!((found.name, found.active), (vec!["NAME".to_owned()], Some(("ACTIVE".to_owned(), true))));
        let found = people_columns(&side(&["id", "first_name", "last_name", "email", "is_disabled"]), None);
        assert_eq!((found.name.len(), found.active), (2, Some(("is_disabled".to_owned(), false))));
        assert_eq!(is_active(Some("J"), true), Some(true));
        assert_eq!(is_active(Some("1"), false), Some(false));
        assert_eq!(is_active(Some(""), true), None);
    }
}
