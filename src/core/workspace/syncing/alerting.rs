//! Telling outside that somebody must look: by a command, by a webhook. A thread of its own, so that the loop never waits for
//! either; what could not be told is tried again, also by the next loop.
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

use super::seen::Seen;
use crate::error::{Error, Result};
use crate::journal::sync::{LaneStatus, LogLevel, SyncStore, now_ms, text_of};
use crate::platform::Call;
use crate::project::{AlertsConfig, Problem, Severity};
use crate::sync::{Alarms, Board, News, Open, What};
use crate::workspace::Workspace;

/// Time between two looks at the alarms.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two looks at a command that runs.
const WATCH: Duration = Duration::from_millis(20);
/// How often a webhook is tried in all.
const TRIES: u32 = 8;
/// Time until the second try; it doubles from one to the next.
const FIRST: Duration = Duration::from_secs(2);
/// Longest time between two tries.
const LONGEST: Duration = Duration::from_secs(60);
/// Format of what is told.
const VERSION: u32 = 1;

/// A way to tell, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertSent {
    /// `command`, `webhook`.
    pub way: &'static str,
    /// It took it.
    pub well: bool,
    /// What it answered, or what failed.
    pub answer: String,
}

/// An alarm that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmTold {
    /// Of a mapping; None: of the loop.
    pub mapping: Option<String>,
    /// Its word.
    pub alarm: String,
    /// Since when, milliseconds since 1970.
    pub since: i64,
    /// When it was told last; None: it was not.
    pub told: Option<i64>,
}

/// A webhook that is to be tried again.
struct Again {
    news: News,
    body: String,
    due: Instant,
    tries: u32,
}

/// How a webhook answered.
enum Answer {
    Taken(u16),
    /// It makes no sense to try again.
    Refused(String),
    Failed(String),
}

/// The thread: until the loop ends.
pub(super) fn watch(workspace: &Workspace, board: &Board) -> Result<()> {
    let mut workspace = workspace.clone();
    let store = workspace.sync_store()?;
    let mut files = Seen::now(&workspace);
    let mut alarms: Alarms = store.alarms()?;
    let mut waiting: Vec<Again> = Vec::new();
    while !board.stopped() {
        let now = Seen::now(&workspace);
        if now != files {
            files = now;
            // What cannot be read is told by the lanes; until then it is as it was.
            workspace = workspace.reload().unwrap_or(workspace);
        }
        let teller = Teller { workspace: &workspace, board: Some(board) };
        if !teller.rules().is_on() {
            board.rest(LOOK);
            continue;
        }
        let lanes = store.lanes()?;
        let before = alarms.clone();
        let news = alarms.look(&open(&lanes, now_ms()), teller.rules(), now_ms());
        for one in news {
            // Whatever of it was still to be told before is over.
            waiting.retain(|again| (&again.news.mapping, &again.news.alarm) != (&one.mapping, &one.alarm));
            let body = teller.body(&one, &lanes).to_string();
            waiting.extend(teller.tell(&store, &one, body)?);
        }
        let mut later = Vec::new();
        for again in waiting {
            if again.due > Instant::now() || board.stopped() {
                later.push(again);
            } else {
                later.extend(teller.again(&store, again)?);
            }
        }
        waiting = later;
        let mut kept = alarms.clone();
        for again in &waiting {
            kept.without(&again.news);
        }
        if alarms != before || !waiting.is_empty() {
            store.put_alarms(&kept)?;
        }
        board.rest(LOOK);
    }
    Ok(())
}

/// Tells that the loop ended by an error: once, since nobody is left to try again.
pub(super) fn failed(workspace: &Workspace, store: &SyncStore, error: &Error) -> Result<()> {
    let teller = Teller { workspace, board: None };
    if !teller.rules().is_on() || !teller.rules().on.contains(&"failed") {
        return Ok(());
    }
    let mut alarms: Alarms = store.alarms()?;
    let open = [Open { mapping: None, alarm: "failed", silent: false }];
    let rules = AlertsConfig { after: Duration::ZERO, ..teller.rules().clone() };
    for news in alarms.look(&open, &rules, now_ms()).into_iter().filter(|news| news.alarm == "failed") {
        let mut body = teller.body(&news, &[]);
        body["why"] = Value::String(error.to_string());
        teller.tell(store, &news, body.to_string())?;
    }
    store.put_alarms(&alarms)
}

/// The alarms of the lanes.
fn open(lanes: &[LaneStatus], now: i64) -> Vec<Open> {
    let of = |lane: &LaneStatus| {
        let silent = lane.silenced.as_ref().is_some_and(|(_, until)| *until > now);
        let mapping = lane.mapping.clone();
        lane.alarms(now).into_iter().map(move |alarm| Open { mapping: Some(mapping.clone()), alarm, silent })
    };
    lanes.iter().flat_map(of).collect()
}

/// Who tells.
struct Teller<'a> {
    workspace: &'a Workspace,
    board: Option<&'a Board>,
}

impl Teller<'_> {
    fn rules(&self) -> &AlertsConfig {
        &self.workspace.project().alerts
    }

    /// What is told. It holds no cells.
    fn body(&self, news: &News, lanes: &[LaneStatus]) -> Value {
        let (project, now) = (self.workspace.project(), now_ms());
        let lane = lanes.iter().find(|lane| Some(&lane.mapping) == news.mapping.as_ref());
        let time = |at: i64| text_of(at).replacen(' ', "T", 1) + "Z";
        let mut body = json!({
            "version": VERSION, "event": news.what.word(), "alarm": news.alarm, "project": project.name,
            "env": project.env, "mapping": news.mapping, "at": time(now), "since": time(news.since),
        });
        if let Some(lane) = lane {
            body["state"] = lane.state.word().into();
            body["from"] = lane.from.as_str().into();
            body["to"] = lane.to.as_str().into();
            body["why"] = lane.why.as_str().into();
            body["pending"] = lane.pending.into();
            body["oldest_seconds"] = lane.oldest.map(|oldest| (now - oldest).max(0) / 1_000).into();
            body["conflicts"] = lane.conflicts.into();
            body["left_out"] = lane.rejects.into();
            body["audit_gap"] = lane.audit_gap.into();
            body["consistency"] = lane.tally.and_then(|tally| tally.ratio()).into();
            body["timeliness"] = lane.recent.mean.into();
        }
        body
    }

    /// Tells it by every way; what is to be tried again is answered.
    fn tell(&self, store: &SyncStore, news: &News, body: String) -> Result<Option<Again>> {
        let mut told = Vec::new();
        let mut again = None;
        if !self.rules().command.is_empty() {
            told.push(self.by_command(news, &body));
        }
        match self.call(&body) {
            None => {}
            Some(Answer::Taken(status)) => told.push(sent("webhook", true, status.to_string())),
            Some(Answer::Refused(why)) => told.push(sent("webhook", false, why)),
            Some(Answer::Failed(why)) => {
                told.push(sent("webhook", false, format!("{why}; it is tried again")));
                again = Some(Again { news: news.clone(), body, due: Instant::now() + FIRST, tries: 1 });
            }
        }
        note(store, news, &told)?;
        Ok(again)
    }

    fn again(&self, store: &SyncStore, again: Again) -> Result<Option<Again>> {
        let tries = again.tries + 1;
        let told = match self.call(&again.body) {
            // The webhook is named no more.
            None => return Ok(None),
            Some(Answer::Taken(status)) => sent("webhook", true, format!("{status} at try {tries}")),
            Some(Answer::Refused(why)) => sent("webhook", false, why),
            Some(Answer::Failed(_)) if tries < TRIES => {
                let due = Instant::now() + (FIRST * 2_u32.saturating_pow(tries - 1)).min(LONGEST);
                return Ok(Some(Again { due, tries, ..again }));
            }
            Some(Answer::Failed(why)) => sent("webhook", false, format!("{why}, {tries} times: it is given up")),
        };
        note(store, &again.news, &[told])?;
        Ok(None)
    }

    fn by_command(&self, news: &News, body: &str) -> AlertSent {
        let rules = self.rules();
        let started = self.workspace.root().map_err(|error| error.to_string()).and_then(|root| {
            let project = self.workspace.project();
            Command::new(&rules.command[0])
                .args(&rules.command[1..])
                .current_dir(root)
                .env("CRM_EVENT", news.what.word())
                .env("CRM_ALARM", &news.alarm)
                .env("CRM_MAPPING", news.mapping.as_deref().unwrap_or_default())
                .env("CRM_PROJECT", &project.name)
                .env("CRM_ENVIRONMENT", project.env.as_deref().unwrap_or_default())
                .env("CRM_SINCE", text_of(news.since))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()
                .map_err(|error| format!("{} cannot be started: {}", rules.command[0], error.kind()))
        });
        match started.and_then(|child| self.await_end(child, body)) {
            Ok(()) => sent("command", true, "done"),
            Err(why) => sent("command", false, why),
        }
    }

    /// Hands the command what it is told, and waits for its end as long as it may take.
    fn await_end(&self, mut child: Child, body: &str) -> std::result::Result<(), String> {
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read it knows all from its environment.
            _ = stdin.write_all(body.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
        }
        let until = Instant::now() + self.rules().timeout;
        loop {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => {
                    return Err(status
                        .code()
                        .map_or_else(|| "ended by a signal".into(), |code| format!("exit code {code}")));
                }
                Ok(None) if Instant::now() < until && self.board.is_none_or(|board| !board.stopped()) => {
                    std::thread::sleep(WATCH);
                }
                waited => {
                    let group = rustix::process::Pid::from_child(&child);
                    _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                    _ = child.wait();
                    return Err(match waited {
                        Ok(_) => "not done in time: it was ended".to_owned(),
                        Err(error) => format!("cannot be watched: {}", error.kind()),
                    });
                }
            }
        }
    }

    /// Calls the webhook; None where there is none.
    fn call(&self, body: &str) -> Option<Answer> {
        let rules = self.rules();
        let url = match (&rules.webhook, &rules.webhook_env) {
            (Some(url), _) => url.clone(),
            (None, Some(name)) => match std::env::var(name) {
                Ok(url) => url,
                Err(_) => return Some(Answer::Refused(format!("the environment variable {name} is not set"))),
            },
            (None, None) => return None,
        };
        let Some(post) = self.workspace.registry.post() else {
            return Some(Answer::Refused("this build has no HTTP client".to_owned()));
        };
        let root = &self.workspace.project().root;
        let secret = match secret(rules, root) {
            Ok(secret) => secret,
            Err(error) => return Some(Answer::Refused(error.what().to_owned())),
        };
        let ca_file = rules.ca_file.as_ref().map(|file| root.join(file));
        let call = Call {
            url: &url,
            header: secret.as_ref().map(|secret| (rules.header.as_str(), secret.as_str())),
            body,
            timeout: rules.timeout,
            ca_file: ca_file.as_deref(),
        };
        Some(match post(&call) {
            Ok(status @ 200..300) => Answer::Taken(status),
            Ok(status @ (408 | 425 | 429 | 500..600)) => Answer::Failed(format!("it answers {status}")),
            Ok(status) => Answer::Refused(format!("it answers {status}: that is not tried again")),
            Err(why) => Answer::Failed(why),
        })
    }
}

fn sent(way: &'static str, well: bool, answer: impl Into<String>) -> AlertSent {
    AlertSent { way, well, answer: answer.into() }
}

/// Notes in the log what was told, and how.
fn note(store: &SyncStore, news: &News, told: &[AlertSent]) -> Result<()> {
    for one in told {
        let level = if one.well { LogLevel::Info } else { LogLevel::Warn };
        let text = format!("{} '{}' by {}: {}", news.what.word(), news.alarm, one.way, one.answer);
        store.log(news.mapping.as_deref(), level, &text)?;
    }
    Ok(())
}

/// What stands in the header, from the environment or from a file that is its owner's alone.
fn secret(rules: &AlertsConfig, root: &Path) -> Result<Option<String>> {
    if let Some(name) = &rules.secret_env {
        return std::env::var(name)
            .map(|secret| Some(secret.trim_end().to_owned()))
            .map_err(|_| Error::usage(format!("the environment variable {name} is not set")));
    }
    let Some(file) = &rules.secret_file else { return Ok(None) };
    let path = root.join(file);
    let metadata = std::fs::metadata(&path).map_err(|error| Error::io("open", &path, &error))?;
    if metadata.mode() & 0o077 != 0 {
        return Err(Error::usage(format!("{} can be read by others", path.display()))
            .advise(format!("chmod 600 {}", path.display())));
    }
    let secret = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
    Ok(Some(secret.trim_end().to_owned()))
}

/// The file of a program, as the system would find it; None: there is none.
fn is_program(program: &str, root: &Path) -> bool {
    let executable = |path: &Path| path.metadata().is_ok_and(|one| one.is_file() && one.mode() & 0o111 != 0);
    if program.contains('/') {
        return executable(&root.join(program));
    }
    std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|path| executable(&path.join(program))))
}

impl Workspace {
    /// What `check` finds in `[alerts]`, beyond how it is written.
    pub(in crate::workspace) fn check_alerts(&self, problems: &mut Vec<Problem>) {
        let rules = &self.project().alerts;
        let mut found = |severity, key: &str, message: String| {
            let file = Path::new(crate::project::PROJECT_FILE);
            problems.push(Problem { severity, field: format!("alerts.{key}"), ..Problem::error(file, message) });
        };
        if let Some(program) = rules.command.first().filter(|program| !is_program(program, &self.project().root)) {
            let message =
                format!("there is no program '{program}' here: in the project's folder with a /, else in PATH");
            found(Severity::Warning, "command", message);
        }
        for (key, name) in [("webhook_env", &rules.webhook_env), ("secret_env", &rules.secret_env)] {
            if let Some(name) = name.as_ref().filter(|name| std::env::var_os(name).is_none()) {
                let message = format!("{name} is not set here: set it for the process that runs sync");
                found(Severity::Warning, key, message);
            }
        }
        if rules.secret_env.is_none()
            && let Err(error) = secret(rules, &self.project().root)
        {
            found(Severity::Error, "secret_file", error.to_string().replace("\n  ", ": "));
        }
        if let Some(file) = rules.ca_file.as_ref().filter(|file| !self.project().root.join(file).is_file()) {
            found(Severity::Error, "ca_file", format!("there is no file {}", file.display()));
        }
    }

    /// Tells that this is a test, by every way of `[alerts]`; answers what came of each.
    pub fn test_alert(&self) -> Result<Vec<AlertSent>> {
        let teller = Teller { workspace: self, board: None };
        let rules = teller.rules();
        if !rules.is_on() {
            return Err(Error::usage("nobody is told of alarms")
                .at(crate::project::PROJECT_FILE)
                .advise("add [alerts] with command = [\"PROGRAM\", …] or webhook = \"https://…\""));
        }
        let news = News { what: What::Test, mapping: None, alarm: "test".to_owned(), since: now_ms() };
        let body = teller.body(&news, &[]).to_string();
        let mut told = Vec::new();
        if !rules.command.is_empty() {
            told.push(teller.by_command(&news, &body));
        }
        told.extend(teller.call(&body).map(|answer| match answer {
            Answer::Taken(status) => sent("webhook", true, status.to_string()),
            Answer::Refused(why) | Answer::Failed(why) => sent("webhook", false, why),
        }));
        self.note(&crate::journal::Entry::new("sent a test alert"))?;
        if let Some(store) = self.known_sync()? {
            note(&store, &news, &told)?;
        }
        Ok(told)
    }

    /// The alarms that are there, as far as they are told outside.
    pub fn told_alarms(&self) -> Result<Vec<AlarmTold>> {
        let Some(store) = self.known_sync()? else { return Ok(Vec::new()) };
        let alarms: Alarms = store.alarms()?;
        let told = alarms.known.into_iter().map(|one| AlarmTold {
            mapping: one.mapping,
            alarm: one.alarm,
            since: one.since,
            told: one.told,
        });
        Ok(told.collect())
    }
}
