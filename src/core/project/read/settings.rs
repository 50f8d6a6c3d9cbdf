//! `project.toml`.
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Reader, Section, plain_item};
use crate::project::keep::parse_size;
use crate::project::words::did_you_mean;
use crate::project::{AlertsConfig, ObjectRef, PlatformConfig, PushConfig, Span, StateConfig, TargetConfig};

/// What `project.toml` says, one environment folded in.
#[derive(Default)]
pub(in crate::project) struct Settings {
    pub(in crate::project) name: Option<String>,
    pub(in crate::project) envs: Vec<String>,
    pub(in crate::project) platforms: BTreeMap<String, PlatformConfig>,
    pub(in crate::project) targets: BTreeMap<ObjectRef, TargetConfig>,
    pub(in crate::project) state: StateConfig,
    pub(in crate::project) push: PushConfig,
    pub(in crate::project) alerts: AlertsConfig,
}

/// Settings that would put a secret into a file that is shared.
pub(super) const SECRETS: &[&str] =
    &["password", "passwd", "pwd", "secret", "token", "api_key", "apikey", "access_key", "private_key"];

/// Reads `project.toml`; what is wrong is in `reader`.
pub(in crate::project) fn read_settings(reader: &mut Reader, top: &Section<'_>, env: Option<&str>) -> Settings {
    reader.only_known(top, &["name", "platforms", "env", "targets", "state", "push", "alerts"]);
    let mut settings = Settings { name: reader.filled(top, "name"), ..Settings::default() };
    if let Some(platforms) = reader.section(top, "platforms") {
        for name in platforms.keys() {
            if let Some(platform) = read_platform(reader, &platforms, name) {
                settings.platforms.insert(name.to_owned(), platform);
            }
        }
    }
    if settings.platforms.is_empty() {
        reader.warn(top, "platforms", "no platforms: add [platforms.NAME] with kind and path");
    }
    if let Some(envs) = reader.section(top, "env") {
        for name in envs.keys() {
            settings.envs.push(name.to_owned());
            read_env(reader, &envs, name, env == Some(name), &mut settings.platforms);
        }
    }
    if let Some(targets) = reader.section(top, "targets") {
        for name in targets.keys() {
            read_target(reader, &targets, name, &mut settings);
        }
    }
    if let Some(section) = reader.section(top, "state") {
        settings.state = read_state(reader, &section);
    }
    if let Some(section) = reader.section(top, "push") {
        settings.push = read_push(reader, &section);
    }
    if let Some(section) = reader.section(top, "alerts") {
        settings.alerts = super::alerts::read_alerts(reader, &section);
    }
    settings
}

fn read_state(reader: &mut Reader, section: &Section<'_>) -> StateConfig {
    let known = ["snapshots", "plans", "cycles", "images", "rejects", "events", "history", "log_size", "logs", "runs"];
    reader.only_known(section, &known);
    let mut state = StateConfig::default();
    let counts = [
        ("snapshots", &mut state.snapshots),
        ("plans", &mut state.plans),
        ("cycles", &mut state.cycles),
        ("events", &mut state.events),
        ("logs", &mut state.logs),
    ];
    for (key, place) in counts {
        let Some(item) = section.get(key) else { continue };
        match item.as_integer().and_then(|number| usize::try_from(number).ok()).filter(|number| *number > 0) {
            Some(number) => *place = number,
            None => reader.error(section, key, format!("{key} is a number, 1 or more: how many are kept")),
        }
    }
    let spans = [
        ("images", &mut state.images),
        ("rejects", &mut state.rejects),
        ("history", &mut state.history),
        ("runs", &mut state.runs),
    ];
    for (key, place) in spans {
        let Some(text) = reader.filled(section, key) else { continue };
        match Span::parse(&text) {
            Some(span) => *place = span,
            None => reader.error(section, key, format!("'{text}' is no time: 12h, 30d, 8w, 2y or forever")),
        }
    }
    if let Some(text) = reader.filled(section, "log_size") {
        match parse_size(&text) {
            Some(size) => state.log_size = size,
            None => reader.error(section, "log_size", format!("'{text}' is no size: 512kB, 10MB, 1GB")),
        }
    }
    state
}

fn read_push(reader: &mut Reader, section: &Section<'_>) -> PushConfig {
    let mut push = PushConfig::default();
    let known = ["listen", "secret_env", "secret_file", "max_bytes"];
    for key in section.keys().into_iter().filter(|key| !known.contains(key)) {
        if SECRETS.contains(&key.to_lowercase().as_str()) {
            let advice = "no secrets in project.toml: name an environment variable, secret_env = \"NAME\", or a file, secret_file";
            reader.error(section, key, advice);
        } else {
            reader.error(section, key, format!("unknown key '{key}': {}", did_you_mean(key, &known)));
        }
    }
    if let Some(text) = reader.filled(section, "listen") {
        match text.parse() {
            Ok(address) => push.listen = Some(address),
            Err(_) => reader.error(
                section,
                "listen",
                format!("'{text}' is no address with a port: \"127.0.0.1:7777\", port 0 for any that is free"),
            ),
        }
    }
    push.secret_env = reader.filled(section, "secret_env");
    push.secret_file = reader.filled(section, "secret_file").map(PathBuf::from);
    if push.listen.is_some() && push.secret_env.is_none() == push.secret_file.is_none() {
        let advice = "requests are signed: name the secret's environment variable (secret_env) or its file of mode 0600 (secret_file)";
        reader.error(section, "listen", advice);
    }
    if let Some(item) = section.get("max_bytes") {
        match item.as_integer().and_then(|number| usize::try_from(number).ok()).filter(|number| *number >= 1024) {
            Some(number) => push.max_bytes = number,
            None => reader.error(section, "max_bytes", "max_bytes is a number, 1024 or more"),
        }
    }
    push
}

fn read_platform(reader: &mut Reader, platforms: &Section<'_>, name: &str) -> Option<PlatformConfig> {
    let section = reader.section(platforms, name)?;
    if name.is_empty() || name.contains(':') || name.trim() != name {
        reader.error(platforms, name, "a platform's name has no colon, no blanks around it and is not empty");
        return None;
    }
    if section.get("kind").is_none() {
        reader.error(&section, "", "'kind' is missing: csv, parquet, ndjson, excel, sqlite …");
        return None;
    }
    let kind = reader.filled(&section, "kind")?;
    let mut platform = PlatformConfig { name: name.to_owned(), kind, ..PlatformConfig::default() };
    fold_in(reader, &section, &mut platform);
    Some(platform)
}

/// Path and options of a section, over what the platform has already.
fn fold_in(reader: &mut Reader, section: &Section<'_>, platform: &mut PlatformConfig) {
    if let Some(path) = reader.filled(section, "path") {
        platform.path = Some(PathBuf::from(path));
    }
    for key in section.keys() {
        if key == "kind" || key == "path" {
            continue;
        }
        if SECRETS.contains(&key.to_lowercase().as_str()) {
            reader.error(
                section,
                key,
                format!("no secrets in project.toml: name an environment variable, {key}_env = \"NAME\", or a file, {key}_file"),
            );
            continue;
        }
        if let Some(value) = section.get(key).and_then(plain_item) {
            if value.as_str().is_some_and(holds_password) {
                reader.error(section, key, "no secrets in project.toml: leave the password out of the address");
                continue;
            }
            platform.options.insert(key.to_owned(), value);
        }
    }
}

/// `scheme://user:password@host`.
pub(super) fn holds_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, pass)| !pass.is_empty()))
}

fn read_env(
    reader: &mut Reader,
    envs: &Section<'_>,
    name: &str,
    in_force: bool,
    platforms: &mut BTreeMap<String, PlatformConfig>,
) {
    let Some(section) = reader.section(envs, name) else { return };
    reader.only_known(&section, &["platforms"]);
    let Some(overrides) = reader.section(&section, "platforms") else { return };
    for platform in overrides.keys() {
        let Some(section) = reader.section(&overrides, platform) else { continue };
        let Some(base) = platforms.get(platform) else {
            let known: Vec<&str> = platforms.keys().map(String::as_str).collect();
            reader.error(
                &overrides,
                platform,
                format!("no platform '{platform}' to override: {}", did_you_mean(platform, &known)),
            );
            continue;
        };
        // Every environment is read, so that a slip in one that is not in force is found too.
        let mut changed = base.clone();
        if let Some(kind) = reader.filled(&section, "kind") {
            changed.kind = kind;
        }
        fold_in(reader, &section, &mut changed);
        if in_force {
            platforms.insert(platform.to_owned(), changed);
        }
    }
}

fn read_target(reader: &mut Reader, targets: &Section<'_>, name: &str, settings: &mut Settings) {
    let Some(section) = reader.section(targets, name) else { return };
    let Some(object) = ObjectRef::parse(name) else {
        reader.error(targets, name, format!("'{name}' must be platform:object, as in [targets.\"nova:contacts\"]"));
        return;
    };
    if !settings.platforms.contains_key(&object.platform) {
        let known: Vec<&str> = settings.platforms.keys().map(String::as_str).collect();
        reader.error(
            targets,
            name,
            format!("no platform '{}': {}", object.platform, did_you_mean(&object.platform, &known)),
        );
    }
    reader.only_known(&section, &["id", "sources"]);
    let config = TargetConfig {
        id: reader.filled(&section, "id"),
        sources: reader.texts(&section, "sources").unwrap_or_default(),
    };
    settings.targets.insert(object, config);
}
