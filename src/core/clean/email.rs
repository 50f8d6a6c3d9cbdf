//! E-mail addresses.
use std::borrow::Cow;

use email_address::{EmailAddress, Options};

use super::registry::Entry;
use super::text::trimmed;
use super::{Cleaned, CleaningRule};

pub(super) const ENTRIES: &[Entry] = &[Entry::new(
    "email",
    "",
    "One usable address: trims it, drops mailto: and <>, makes the domain lower case; fails on anything else.",
    |setting| {
        setting.none()?;
        Ok(Box::new(Email))
    },
)];

struct Email;

impl CleaningRule for Email {
    fn name(&self) -> &'static str {
        "email"
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else { return Cleaned::Same };
        let address = bare(value);
        if address.is_empty() {
            return Cleaned::Changed(None);
        }
        if let Err(reason) = check(address) {
            return Cleaned::failed(reason);
        }
        match address.rsplit_once('@') {
            Some((local, domain)) if domain.chars().any(char::is_uppercase) => {
                Cleaned::Changed(Some(Cow::Owned(format!("{local}@{}", domain.to_lowercase()))))
            }
            _ if address.len() == value.len() => Cleaned::Same,
            _ => Cleaned::Changed(Some(Cow::Borrowed(address))),
        }
    }
}

/// The address without what mail programs put around it.
fn bare(value: &str) -> &str {
    let mut address = trimmed(value);
    if let Some(inner) = address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        address = trimmed(inner);
    }
    if address.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:")) {
        address = trimmed(&address[7..]);
    }
    address
}

/// What people and mail servers of today accept. Stricter than the RFC: no quoted names, no address literals, a
/// top-level domain that is a word.
fn check(address: &str) -> Result<(), &'static str> {
    let (local, domain) = address.rsplit_once('@').ok_or("has no @")?;
    if local.contains('@') {
        return Err("has more than one @");
    }
    if local.is_empty() || domain.is_empty() {
        return Err("nothing before or after the @");
    }
    if address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("has whitespace inside");
    }
    if local.contains('"') {
        return Err("has a quoted name");
    }
    if local.starts_with('.') || local.ends_with('.') || address.contains("..") {
        return Err("has a dot too many");
    }
    if !address.is_ascii() && !address.chars().all(|c| c.is_ascii() || c.is_alphanumeric()) {
        return Err("has a character that no address has");
    }
    let (_, top) = domain.rsplit_once('.').ok_or("its domain has no dot")?;
    let coded = top.len() > 4 && top[..4].eq_ignore_ascii_case("xn--");
    if !(coded || top.chars().count() > 1 && top.chars().all(char::is_alphabetic)) {
        return Err("its top-level domain is not a word");
    }
    if !domain.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '-') {
        return Err("its domain has a character that no domain has");
    }
    if address.len() > 254 {
        return Err("is longer than 254 bytes");
    }
    let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
    EmailAddress::parse_with_options(address, options).map(|_| ()).map_err(|_| "is not an e-mail address")
}
