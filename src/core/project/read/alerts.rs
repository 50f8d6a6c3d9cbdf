//! `[alerts]` of `project.toml`.
use std::path::PathBuf;
use std::time::Duration;

use super::settings::{SECRETS, holds_password};
use super::{Reader, Section};
use crate::project::words::did_you_mean;
use crate::project::{ALARMS, AlertsConfig, parse_duration};

const KEYS: &[&str] = &[
    "command",
    "webhook",
    "webhook_env",
    "header",
    "secret_env",
    "secret_file",
    "ca_file",
    "on",
    "after",
    "repeat",
    "timeout",
];

pub(super) fn read_alerts(reader: &mut Reader, section: &Section<'_>) -> AlertsConfig {
    for key in section.keys().into_iter().filter(|key| !KEYS.contains(key)) {
        if SECRETS.contains(&key.to_lowercase().as_str()) {
            let advice = "no secrets in project.toml: name an environment variable, secret_env = \"NAME\", or a file, secret_file";
            reader.error(section, key, advice);
        } else {
            reader.error(section, key, format!("unknown key '{key}': {}", did_you_mean(key, KEYS)));
        }
    }
    let defaults = AlertsConfig::default();
    let mut alerts = AlertsConfig {
        command: reader.texts(section, "command").unwrap_or_default(),
        webhook: reader.filled(section, "webhook"),
        webhook_env: reader.filled(section, "webhook_env"),
        header: reader.filled(section, "header").unwrap_or(defaults.header),
        secret_env: reader.filled(section, "secret_env"),
        secret_file: reader.filled(section, "secret_file").map(PathBuf::from),
        ca_file: reader.filled(section, "ca_file").map(PathBuf::from),
        on: defaults.on,
        after: span(reader, section, "after", true).unwrap_or(defaults.after),
        repeat: repeat(reader, section).unwrap_or(defaults.repeat),
        timeout: span(reader, section, "timeout", false).unwrap_or(defaults.timeout),
    };
    if section.get("command").is_some() && alerts.command.first().is_none_or(|program| program.trim().is_empty()) {
        reader.error(section, "command", "command is a program with its arguments: [\"notify-oncall\", \"--stdin\"]");
    }
    if let Some(url) = &alerts.webhook {
        let scheme = url.split_once("://");
        let fits = scheme.is_some_and(|(scheme, rest)| {
            ["http", "https"].contains(&scheme) && !rest.starts_with(['/', ':']) && !rest.is_empty()
        });
        if !fits || url.contains(char::is_whitespace) {
            reader.error(section, "webhook", "webhook is an address: \"https://hooks.example/path\"");
        } else if holds_password(url) {
            let advice = "no secrets in project.toml: name the address's environment variable, webhook_env = \"NAME\"";
            reader.error(section, "webhook", advice);
        }
    }
    if alerts.webhook.is_some() && alerts.webhook_env.is_some() {
        reader.error(section, "webhook_env", "webhook and webhook_env: one of them");
    }
    if alerts.secret_env.is_some() && alerts.secret_file.is_some() {
        reader.error(section, "secret_file", "secret_env and secret_file: one of them");
    }
    if !alerts.header.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        reader.error(section, "header", "header is the name of an HTTP header: \"X-Token\"");
    }
    if let Some(words) = reader.texts(section, "on") {
        let known = |word: &String| ALARMS.iter().copied().find(|alarm| *alarm == word.replace(['_', '-'], " "));
        if let Some(word) = words.iter().find(|word| known(word).is_none()) {
            reader.error(section, "on", format!("unknown alarm '{word}': {}", did_you_mean(word, &ALARMS)));
        }
        alerts.on = words.iter().filter_map(known).collect();
    }
    if !alerts.is_on() {
        reader.warn(section, "", "[alerts] tells nobody: name a command or a webhook");
    }
    alerts
}

fn span(reader: &mut Reader, section: &Section<'_>, key: &str, zero: bool) -> Option<Duration> {
    let text = reader.text(section, key)?;
    let span = parse_duration(&text).filter(|span| zero || !span.is_zero());
    if span.is_none() {
        reader.error(
            section,
            key,
            format!("'{text}' must be a time with its unit: \"250ms\", \"30s\", \"5m\", \"4h\""),
        );
    }
    span
}

/// `never`, or a time.
#[allow(clippy::option_option, reason = "nothing said is not the same as never")]
fn repeat(reader: &mut Reader, section: &Section<'_>) -> Option<Option<Duration>> {
    if reader.text(section, "repeat")?.trim().eq_ignore_ascii_case("never") {
        return Some(None);
    }
    span(reader, section, "repeat", false).map(Some)
}
