//! The cut-over of an environment as a checklist: freeze, delta, verify, sign-off, switch. What was confirmed is kept in the
//! state folder; whether it still holds is looked at anew each time.
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Workspace;
use crate::error::{Error, Result};
use crate::journal::{Entry, RunRecord, RunState, StateDir, now, private_folder, state_file_name, who};
use crate::migrate::recovery::read_plan;
use crate::migrate::write_whole;
use crate::plan::{Plan, Purpose, Selection};
use crate::platform::{Connector, ObjectVersion, Source};
use crate::score::percent;

/// One step of a cut-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CutoverStep {
    /// The old CRM is read-only from here on.
    Freeze,
    /// What changed since the last run is carried over.
    Delta,
    /// The target is as it should be.
    Verify,
    /// Somebody answers for it.
    Signoff,
    /// The new CRM is the one that is worked with.
    Switch,
}

impl CutoverStep {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Freeze, Self::Delta, Self::Verify, Self::Signoff, Self::Switch];

    /// Its word, as in lists and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Delta => "delta",
            Self::Verify => "verify",
            Self::Signoff => "signoff",
            Self::Switch => "switch",
        }
    }
}

/// How an item of the checklist stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CutoverState {
    /// Its turn has not come.
    Waits,
    /// It is the next to do.
    Next,
    /// Done, and it holds.
    Done,
    /// It was done and does not hold any more, or it failed.
    Red,
}

impl CutoverState {
    /// Its word, as in lists and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waits => "waits",
            Self::Next => "next",
            Self::Done => "done",
            Self::Red => "RED",
        }
    }
}

/// An item of the checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CutoverItem {
    /// Which.
    pub step: CutoverStep,
    /// How it stands.
    pub state: CutoverState,
    /// What is known of it, with figures.
    pub detail: String,
    /// What to do next, where there is something to do.
    pub advice: Option<String>,
}

/// The checklist of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cutover {
    /// Environment; None: the real one.
    pub env: Option<String>,
    /// The items in order.
    pub items: Vec<CutoverItem>,
    /// The run that is signed off: the newest one since the freeze that took the whole source.
    pub run: Option<String>,
    /// What must be typed to switch.
    pub confirm: String,
    /// How far the other environments came: name (`live` for the real one) and words.
    pub others: Vec<(String, String)>,
}

impl Cutover {
    /// An item.
    pub fn item(&self, step: CutoverStep) -> &CutoverItem {
        &self.items[step as usize]
    }
}

/// The old CRM was confirmed to be read-only.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Freeze {
    at: String,
    who: String,
    /// What each source's state can be told by, by its label; the others cannot be watched.
    versions: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Signoff {
    at: String,
    who: String,
    names: Vec<String>,
    note: Option<String>,
    run: String,
    /// The report that was signed for.
    report: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Switched {
    at: String,
    who: String,
    run: String,
}

/// What is kept: `cutover/ENV.json`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    freeze: Option<Freeze>,
    signoff: Option<Signoff>,
    switch: Option<Switched>,
}

impl Kept {
    fn words(&self) -> String {
        let day = |at: &str| at.get(..16).unwrap_or(at).replace('T', " ");
        match (&self.switch, &self.signoff, &self.freeze) {
            (Some(switch), _, _) => format!("switched {} by {}", day(&switch.at), switch.who),
            (None, Some(signoff), _) => {
                format!("signed off {} by {}, run {}", day(&signoff.at), signoff.names.join(", "), signoff.run)
            }
            (None, None, Some(freeze)) => format!("frozen {}", day(&freeze.at)),
            (None, None, None) => "not begun".to_owned(),
        }
    }
}

/// Clock times of both are RFC 3339 in UTC to the second or finer: the text's order is that of time to the second.
fn not_before(time: &str, other: &str) -> bool {
    time.get(..19) >= other.get(..19)
}

impl Workspace {
    /// The checklist as it stands now: each item is looked at anew.
    pub fn cutover(&self) -> Result<Cutover> {
        let env = self.project().env.clone();
        let kept = self.cutover_kept(env.as_deref())?;
        let delta = match &kept.freeze {
            Some(freeze) => self.delta_since(&freeze.at)?,
            None => None,
        };
        let mut items = vec![
            self.freeze_item(&kept)?,
            delta_item(&kept, delta.as_ref()),
            self.verify_item(delta.as_ref())?,
            signoff_item(&kept, delta.as_ref().map(|(run, _)| run)),
            switch_item(&kept),
        ];
        // What comes later waits for what comes first; what was done stays to be seen.
        let mut open = true;
        for item in &mut items {
            if item.state == CutoverState::Next && !open {
                item.state = CutoverState::Waits;
                item.advice = None;
            }
            open &= item.state == CutoverState::Done;
        }
        let mut others = Vec::new();
        let known = std::iter::once(None).chain(self.project().envs.iter().map(|name| Some(name.clone())));
        for other in known.filter(|other| *other != env) {
            let words = self.cutover_kept(other.as_deref())?.words();
            others.push((other.unwrap_or_else(|| "live".to_owned()), words));
        }
        let confirm = match &delta {
            Some((_, plan)) => plan.confirm.clone(),
            None => self.target_word(),
        };
        Ok(Cutover { env, items, run: delta.map(|(run, _)| run.id), confirm, others })
    }

    /// Confirms that the old CRM is read-only from now on. The versions of its objects are kept and watched. What was signed
    /// off before is void.
    pub fn cutover_freeze(&self) -> Result<Cutover> {
        let mut versions = BTreeMap::new();
        for mapping in &self.project().mappings {
            if let Source::Object(object) = &mapping.from.source {
                let platform = self.connector(&mapping.from.platform)?;
                if !platform.version(object)?.exists {
                    return Err(Error::platform("is not there").at(&mapping.from.label));
                }
                if let Some(seen) = watched(platform.as_ref(), object)? {
                    versions.insert(mapping.from.label.clone(), seen);
                }
            }
        }
        let count = versions.len();
        let freeze = Freeze { at: now(), who: who(), versions };
        self.keep_cutover(&Kept { freeze: Some(freeze), signoff: None, switch: None })?;
        self.note_cutover("cut-over: the old CRM is frozen", None, &format!("{count} objects watched"))?;
        self.cutover()
    }

    /// Somebody answers for the run. Refused unless all before it is done and holds.
    pub fn cutover_signoff(&self, names: &[String], note: Option<&str>) -> Result<Cutover> {
        let now_stands = self.cutover()?;
        require(&now_stands, CutoverStep::Signoff)?;
        let names: Vec<String> =
            names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        let (false, Some(run)) = (names.is_empty(), now_stands.run) else {
            return Err(Error::usage("nobody is named").advise("give the names of those who answer for it"));
        };
        let report = self.report(&run, None)?;
        let report = self.inside(&report);
        let mut kept = self.cutover_kept(self.project().env.as_deref())?;
        let detail = format!("{}, report {}", names.join(", "), report.display());
        let (note, signed) = (note.map(str::to_owned), run.clone());
        kept.signoff = Some(Signoff { at: now(), who: who(), names, note, run: signed, report });
        self.keep_cutover(&kept)?;
        self.note_cutover("cut-over: signed off", Some(&run), &detail)?;
        self.cutover()
    }

    /// The new CRM is the one that is worked with from now on. `confirm` must be [`Cutover::confirm`].
    pub fn cutover_switch(&self, confirm: &str) -> Result<Cutover> {
        let now_stands = self.cutover()?;
        require(&now_stands, CutoverStep::Switch)?;
        if confirm != now_stands.confirm {
            return Err(Error::refused("not confirmed: nothing was noted")
                .advise(format!("confirm by the name of the target: {}", now_stands.confirm)));
        }
        let mut kept = self.cutover_kept(self.project().env.as_deref())?;
        let run = now_stands.run.unwrap_or_default();
        kept.switch = Some(Switched { at: now(), who: who(), run: run.clone() });
        self.keep_cutover(&kept)?;
        self.note_cutover("cut-over: switched", Some(&run), &now_stands.confirm)?;
        self.cutover()
    }

    fn freeze_item(&self, kept: &Kept) -> Result<CutoverItem> {
        let item = |state, detail: String, advice: Option<&str>| CutoverItem {
            step: CutoverStep::Freeze,
            state,
            detail,
            advice: advice.map(str::to_owned),
        };
        let Some(freeze) = &kept.freeze else {
            let words = "make the old CRM read-only, then confirm it: from then on a change in it is seen";
            return Ok(item(CutoverState::Next, "not confirmed yet".into(), Some(words)));
        };
        let mut moved = Vec::new();
        let mut blind = Vec::new();
        for mapping in &self.project().mappings {
            let label = &mapping.from.label;
            let seen = match &mapping.from.source {
                Source::Object(object) => watched(self.connector(&mapping.from.platform)?.as_ref(), object)?,
                Source::Query { .. } => None,
            };
            match (freeze.versions.get(label), seen) {
                (None, None) => blind.push(label.as_str()),
                (Some(known), Some(seen)) if *known == seen => {}
                _ => moved.push(label.as_str()),
            }
        }
        moved.sort_unstable();
        moved.dedup();
        let since = format!("confirmed {} by {}", freeze.at, freeze.who);
        let cannot =
            if blind.is_empty() { String::new() } else { format!("; cannot be watched: {}", blind.join(", ")) };
        if moved.is_empty() {
            return Ok(item(CutoverState::Done, format!("{since}, nothing changed since{cannot}"), None));
        }
        let words = "find out who still writes there, stop that, then freeze again: the delta is carried over anew";
        Ok(item(CutoverState::Red, format!("{since}, but changed since: {}{cannot}", moved.join(", ")), Some(words)))
    }

    fn verify_item(&self, delta: Option<&(RunRecord, Plan)>) -> Result<CutoverItem> {
        let item = |state, detail: String, advice: Option<String>| CutoverItem {
            step: CutoverStep::Verify,
            state,
            detail,
            advice,
        };
        let Some((run, _)) = delta else {
            return Ok(item(CutoverState::Next, "nothing to verify yet".into(), None));
        };
        let inbox = self.inbox(&run.id)?;
        let open = inbox.open();
        let mut score = run.consistency;
        let mut closes = run.results.iter().all(|result| result.closes);
        // Rows that came in by retries were proven by those.
        if open == 0 && !inbox.retries.is_empty() {
            for id in &inbox.retries {
                let retry = self.run(id)?;
                closes &= retry.results.iter().all(|result| result.closes);
                score = retry.consistency;
            }
        }
        let closing = if closes { "closes" } else { "DOES NOT CLOSE" };
        let detail = format!("consistency {}, balance {closing}, {open} rows left out", percent(score));
        if score == Some(1.0) && closes && open == 0 {
            return Ok(item(CutoverState::Done, detail, None));
        }
        let advice = if open > 0 { "mend what was left out and retry it" } else { "look at what differs, repair it" };
        Ok(item(CutoverState::Red, detail, Some(advice.to_owned())))
    }

    /// The newest run since a time that ended well and took the whole source of all mappings.
    fn delta_since(&self, since: &str) -> Result<Option<(RunRecord, Plan)>> {
        let state = StateDir::of(&self.project().root);
        let names: Vec<&str> = self.project().mappings.iter().map(|mapping| mapping.name.as_str()).collect();
        for run in self.runs()? {
            if run.env != self.project().env || run.state != RunState::Done || !not_before(&run.started, since) {
                continue;
            }
            let Ok(plan) = read_plan(&state.run(&run.id)) else { continue };
            let whole = plan.purpose == Purpose::Migrate
                && plan.mappings.iter().all(|part| part.selection == Selection::All)
                && names.iter().all(|name| plan.mappings.iter().any(|part| part.mapping == *name));
            if whole {
                return Ok(Some((run, plan)));
            }
        }
        Ok(None)
    }

    fn target_word(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for mapping in &self.project().mappings {
            let word = match &self.project().env {
                Some(env) => format!("{}-{env}", mapping.to.platform),
                None => mapping.to.platform.clone(),
            };
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.join("+")
    }

    fn cutover_file(&self, env: Option<&str>) -> PathBuf {
        let folder = StateDir::of(&self.project().root).path().join("cutover");
        folder.join(format!("{}.json", state_file_name(env.unwrap_or("default"))))
    }

    fn cutover_kept(&self, env: Option<&str>) -> Result<Kept> {
        let file = self.cutover_file(env);
        match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
                Error::platform("the state of the cut-over cannot be read")
                    .at(file.display())
                    .advise("move the file aside and freeze again")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(Error::io("read", &file, &error)),
        }
    }

    fn keep_cutover(&self, kept: &Kept) -> Result<()> {
        let state = StateDir::of(&self.project().root);
        state.make()?;
        private_folder(&state.path().join("cutover"))?;
        let text = serde_json::to_vec_pretty(kept).map_err(|_| Error::platform("cannot keep the cut-over's state"))?;
        write_whole(&self.cutover_file(self.project().env.as_deref()), &text)
    }

    fn note_cutover(&self, what: &str, run: Option<&str>, detail: &str) -> Result<()> {
        let env = self.project().env.as_deref().unwrap_or("live");
        let entry = Entry::new(what).detail(format!("{env}: {detail}"));
        self.note(&match run {
            Some(run) => entry.run(run),
            None => entry,
        })
    }
}

/// By what a source's state is told: its content where the platform hashes that, else the local files behind it. None: the
/// console cannot see whether it changes.
fn watched(platform: &dyn Connector, object: &str) -> Result<Option<String>> {
    let version = platform.version(object)?;
    if !version.hash.is_empty() {
        return Ok(Some(by_hash(&version)));
    }
    let mut seen = Vec::new();
    for path in platform.paths(object) {
        let metadata = path.metadata().map_err(|error| Error::io("look at", &path, &error))?;
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        seen.push(format!("{} bytes {}", metadata.len(), modified.map_or(0, |at| at.as_nanos())));
    }
    Ok((!seen.is_empty()).then(|| seen.join(", ")))
}

fn by_hash(version: &ObjectVersion) -> String {
    format!("{} bytes {}", version.bytes, version.hash)
}

fn delta_item(kept: &Kept, delta: Option<&(RunRecord, Plan)>) -> CutoverItem {
    let item = |state, detail: String, advice: Option<&str>| CutoverItem {
        step: CutoverStep::Delta,
        state,
        detail,
        advice: advice.map(str::to_owned),
    };
    let words = "plan and run once more: only what changed is written";
    let Some((run, plan)) = delta else {
        return item(CutoverState::Next, "no run of the whole source since the freeze".into(), Some(words));
    };
    let sum = |pick: fn(&crate::plan::Counts) -> u64| -> u64 { run.results.iter().map(|one| pick(&one.counts)).sum() };
    let mut detail = format!(
        "run {}: {} read, {} inserted, {} updated, {} deleted",
        run.id,
        sum(|counts| counts.read),
        sum(|counts| counts.inserted),
        sum(|counts| counts.updated + counts.marked),
        sum(|counts| counts.deleted)
    );
    let part = plan.mappings.iter().filter(|part| part.incremental.is_some()).count();
    if part > 0 {
        detail.push_str(&format!("; incremental in {part} mappings, the rest as the runs before left it"));
    }
    let frozen = kept.freeze.as_ref().is_none_or(|freeze| {
        plan.mappings.iter().all(|part| {
            let hash = &part.source_version.hash;
            freeze.versions.get(&part.from).is_none_or(|seen| hash.is_empty() || *seen == by_hash(&part.source_version))
        })
    });
    if frozen {
        item(CutoverState::Done, detail, None)
    } else {
        item(CutoverState::Red, format!("{detail}, but of another state of the source"), Some(words))
    }
}

fn signoff_item(kept: &Kept, delta: Option<&RunRecord>) -> CutoverItem {
    let item = |state, detail: String, advice: Option<&str>| CutoverItem {
        step: CutoverStep::Signoff,
        state,
        detail,
        advice: advice.map(str::to_owned),
    };
    match &kept.signoff {
        None => {
            item(CutoverState::Next, "nobody yet".into(), Some("those who answer for it look at the report and sign"))
        }
        Some(signoff) => {
            let note = signoff.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            let detail = format!(
                "{} for run {} at {}{note}; report {}",
                signoff.names.join(", "),
                signoff.run,
                signoff.at,
                signoff.report.display()
            );
            if delta.is_some_and(|run| run.id == signoff.run) {
                item(CutoverState::Done, detail, None)
            } else {
                item(CutoverState::Red, format!("{detail}, but there is a newer run"), Some("sign for that one"))
            }
        }
    }
}

fn switch_item(kept: &Kept) -> CutoverItem {
    let item = |state, detail: String, advice: Option<&str>| CutoverItem {
        step: CutoverStep::Switch,
        state,
        detail,
        advice: advice.map(str::to_owned),
    };
    match &kept.switch {
        None => item(
            CutoverState::Next,
            "not yet".into(),
            Some("let people into the new CRM, then confirm it by the name of the target"),
        ),
        Some(switch) => item(CutoverState::Done, format!("{} by {}, run {}", switch.at, switch.who, switch.run), None),
    }
}

/// All items before `step` are done and hold.
fn require(cutover: &Cutover, step: CutoverStep) -> Result<()> {
    let before = cutover.items.iter().take_while(|item| item.step != step);
    match before.into_iter().find(|item| item.state != CutoverState::Done) {
        None => Ok(()),
        Some(item) => {
            let error = Error::refused(format!("{} is {}: {}", item.step.word(), item.state.word(), item.detail));
            Err(match &item.advice {
                Some(advice) => error.advise(advice),
                None => error,
            })
        }
    }
}
