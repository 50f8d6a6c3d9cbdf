//! One look of a lane: plan what changed, see that it may be done, do it, tell what became of it.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::both::Policies;
use super::events::{Arrival, tell, tell_nothing};
use super::lane::Lane;
use super::work_folder;
use crate::error::{Error, Kind, Result};
use crate::journal::ledger::{Hidden, Ledger, Secret};
use crate::journal::sync::{Held, HeldKind, LogLevel, SyncStore, now_ms};
use crate::journal::{StateDir, private_folder};
use crate::migrate::recovery::PLAN;
use crate::migrate::{Owner, Run, TargetLocks, fault, write_whole};
use crate::monitor::{Monitor, Silent};
use crate::plan::material::read_gone;
use crate::plan::sides::Found;
use crate::plan::taken_back::LeftAlone;
use crate::plan::{MappingPlan, Plan, Purpose, store::load};
use crate::platform::Sign;
use crate::project::{Bound, Direction, Mode, TriggerKind};
use crate::sync::{Columns, Drift, way_back_name};
use crate::workspace::Workspace;
use crate::workspace::plans::PlanRequest;

/// Milliseconds within which a record that was taken back may look as if both sides agreed on it again.
const SETTLES: i64 = 60_000;
/// Longest time that another lane's write into the same object is waited for before it counts as trouble.
const TURN: Duration = Duration::from_secs(5);

/// How a look ended.
pub(super) enum Ended {
    /// Everything that changed is carried over or told of. `again`: rows moved meanwhile, they are looked at at once.
    Done { again: bool },
    /// It needs a decision.
    Held(Held),
    /// The source may be half written: it is looked at after this time.
    Later(Duration),
}

/// A look.
#[derive(Clone, Copy)]
pub(super) struct Cycle<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) store: &'a SyncStore,
    pub(super) sign: &'a Sign,
    /// When the sign came.
    pub(super) at: Instant,
    /// Records that were pushed: when each was changed, by key.
    pub(super) arrivals: Option<&'a HashMap<String, Arrival>>,
}

/// A folder that goes unless it is kept.
struct Folder(Option<PathBuf>);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            _ = std::fs::remove_dir_all(path);
        }
    }
}

impl Cycle<'_> {
    /// Looks and acts.
    pub(super) fn run(&self, lane: &mut Lane) -> Result<Ended> {
        if let Some(rest) = super::half::written(self.workspace, lane, self.sign)? {
            return Ok(Ended::Later(rest));
        }
        if let Some(held) = self.drift(lane)? {
            return Ok(Ended::Held(held));
        }
        if let Some(id) = lane.released.take() {
            // What was looked at is what is done; what came since is looked at next.
            let plan = self.workspace.load_plan(&id)?;
            return match self.carry_out(lane, &plan) {
                Ok(_) => Ok(Ended::Done { again: true }),
                Err(error) if error.kind() == Kind::Refused => self.pass(lane, Mode::Incremental),
                Err(error) => Err(error),
            };
        }
        if super::push::is_all(lane, self.sign) {
            return super::push::handle(self, lane);
        }
        let ended = match self.pass(lane, Mode::Incremental)? {
            // Of a mapping that goes both ways every look compares both sides whole; without the ledger nobody could tell who
            // changed what.
            Ended::Done { again: false } if lane.whole && lane.mapping.sync.direction == Direction::OneWay => {
                self.pass(lane, Mode::Full)?
            }
            Ended::Done { again: false } if lane.whole => {
                super::audit::count_both(lane, self)?;
                Ended::Done { again: false }
            }
            ended => ended,
        };
        match ended {
            Ended::Done { again: false } if lane.mapping.sync.trigger == TriggerKind::Push => {
                super::push::handle(self, lane)
            }
            ended => Ok(ended),
        }
    }

    /// Compares the source with the target and carries over what changed.
    pub(super) fn pass(&self, lane: &mut Lane, mode: Mode) -> Result<Ended> {
        let request = PlanRequest {
            mappings: vec![lane.mapping.name.clone()],
            purpose: Purpose::Sync,
            mode: Some(mode),
            arbiter: Policies::of(self.workspace, self.store, lane)?,
            left_alone: self.left_alone(&lane.mapping.name, false)?,
            ..PlanRequest::default()
        };
        self.planned(lane, &request, mode)
    }

    /// Records that are left alone because what sync did with them was taken back.
    pub(super) fn left_alone(&self, mapping: &str, back: bool) -> Result<Option<Arc<LeftAlone>>> {
        Ok(LeftAlone::of(self.store.taken_back(mapping)?, back).map(Arc::new))
    }

    /// Makes a plan, sees that it may be done, does it.
    pub(super) fn planned(&self, lane: &mut Lane, request: &PlanRequest, mode: Mode) -> Result<Ended> {
        let whole = super::half::whole_bytes(self.workspace, lane, self.sign)?;
        let plan = self.workspace.plan_for(request, &Silent)?;
        let mut folder = Folder(Some(self.state().plan(&plan.id)));
        let Some(part) = plan.mappings.first() else { return Ok(Ended::Done { again: false }) };
        if super::half::was_read(lane, part, whole) {
            lane.whole_bytes = whole;
            return Ok(Ended::Later(super::half::AGAIN));
        }
        lane.whole_bytes = part.source_version.bytes;
        if mode == Mode::Full {
            super::audit::note(lane, self, &plan, part)?;
        }
        if let Some(held) = self.judge(lane, &plan, part)? {
            // It is looked at before anything is decided.
            folder.0 = None;
            return Ok(Ended::Held(held));
        }
        let state = self.state();
        let nothing = part.counts.is_noop()
            && part.incremental.as_ref().is_some_and(|incremental| incremental.looked == 0)
            && read_gone(&state.plan(&plan.id), &part.mapping)?.is_empty();
        let found = Found::read(&state.plan(&plan.id), &part.mapping)?;
        if nothing {
            let told = tell_nothing(self.store, &part.mapping)?;
            super::audit::follow(lane, part, &told);
        }
        let again = if nothing { false } else { self.carry_out(lane, &plan)? };
        if let Some(left_alone) = &request.left_alone {
            self.store.look_at_taken_back(&lane.mapping.name, &left_alone.seen(), now_ms() - SETTLES)?;
        }
        if lane.mapping.sync.direction == Direction::TwoWay {
            self.note_conflicts(lane, &found)?;
            if !again {
                self.forget_offered(lane, &found)?;
            }
            let moved = match self.write_back(lane, &found)? {
                Ended::Done { again: moved } => moved,
                other => return Ok(other),
            };
            if !again && !moved {
                self.settle_conflicts(lane, &found)?;
            }
            return Ok(Ended::Done { again: again || moved });
        }
        Ok(Ended::Done { again })
    }

    fn state(&self) -> StateDir {
        StateDir::of(&self.workspace.project().root)
    }

    /// The columns of both sides are those that the lane worked with.
    fn drift(&self, lane: &mut Lane) -> Result<Option<Held>> {
        let mapping = &lane.mapping;
        let from = self.workspace.connector(&mapping.from.platform)?;
        let to = self.workspace.connector(&mapping.to.platform)?;
        let source = Columns::of(&from.schema(&mapping.from.source)?);
        if source.is_empty() {
            // There is no source at all: whoever reads it says so.
            return Ok(None);
        }
        let target = if to.version(&mapping.to.object)?.exists {
            Columns::of(&to.schema(&crate::platform::Source::Object(mapping.to.object.clone()))?)
        } else {
            Columns::default()
        };
        let mut lines = Vec::new();
        for (known, now, side) in [(&lane.memory.source, &source, "source"), (&lane.memory.target, &target, "target")] {
            if !known.is_empty() {
                lines.extend(Drift::between(known, now, side).lines);
            }
        }
        if !lines.is_empty() {
            let why = format!("columns are not as before: {}", lines.join("; "));
            return Ok(Some(Held {
                kind: HeldKind::Drift,
                why,
                plan: None,
                changes: 0,
                since: Self::since(lane),
                columns: lines,
            }));
        }
        if lane.memory.source != source || lane.memory.target != target {
            (lane.memory.source, lane.memory.target) = (source, target);
            self.store.remember(&lane.mapping.name, &lane.memory)?;
        }
        Ok(None)
    }

    /// Since when a lane waits for a decision.
    fn since(lane: &Lane) -> i64 {
        lane.memory.held.as_ref().map_or_else(now_ms, |held| held.since)
    }

    /// Why a plan may not be carried out without a decision.
    fn judge(&self, lane: &mut Lane, plan: &Plan, part: &MappingPlan) -> Result<Option<Held>> {
        let counts = &part.counts;
        let changes = counts.inserted + counts.updated + counts.deleted + counts.marked;
        let since = Self::since(lane);
        let held = |kind, why: String| {
            Some(Held { kind, why, plan: Some(plan.id.clone()), changes, since, columns: Vec::new() })
        };
        if let Some(blocked) = part.blocked.first() {
            return Ok(held(HeldKind::Blocked, format!("{}; {}", blocked.reason, blocked.advice)));
        }
        if changes > 0 && !self.is_confirmed(lane, part)? {
            return Ok(held(
                HeldKind::Unseen,
                format!(
                    "nobody confirmed a run of these rules on {} yet: look at the {changes} changes of plan {} and release them",
                    part.to, plan.id
                ),
            ));
        }
        if let Some(cap) = lane.mapping.sync.max_changes {
            let before = lane.window.within(Instant::now(), cap.span);
            let most = cap.bound.of(counts.before);
            if changes > 0 && before + changes > most {
                return Ok(held(
                    HeldKind::Cap,
                    format!(
                        "{changes} changes, and {before} made within the time before: max_changes = {cap} allows {most}; \
                         look at plan {} and release it",
                        plan.id
                    ),
                ));
            }
        }
        Ok(None)
    }

    /// Somebody confirmed a run of exactly these rules, or released a plan of them.
    fn is_confirmed(&self, lane: &Lane, part: &MappingPlan) -> Result<bool> {
        if lane.memory.confirmed.as_ref() == Some(&rules(part)) {
            return Ok(true);
        }
        let path = self.state().ledger(&part.mapping, self.workspace.project().env.as_deref());
        let Some(ledger) = Ledger::open(&path)? else { return Ok(false) };
        let agreement = ledger.agreement()?;
        let settings = part.agreement.as_ref().map(|agreement| agreement.settings.as_str()).unwrap_or_default();
        Ok(agreement.pipeline == part.pipeline_hash && agreement.settings == settings)
    }

    /// Does what the plan says. Answers whether rows moved meanwhile.
    fn carry_out(&self, lane: &mut Lane, plan: &Plan) -> Result<bool> {
        let state = self.state();
        let Some(part) = plan.mappings.first() else { return Ok(false) };
        let dir = self.begin(plan, part)?;
        match self.execute(lane, plan, &dir, 1) {
            Ok(again) => {
                _ = std::fs::remove_dir_all(state.plan(&plan.id));
                Ok(again)
            }
            Err(error) => {
                let told = self.undone(lane, part, &dir, &error)?;
                _ = std::fs::remove_dir_all(&dir);
                told.ok_or(error)
            }
        }
    }

    /// The folder in which a plan is carried out, the plan in it.
    fn begin(&self, plan: &Plan, part: &MappingPlan) -> Result<PathBuf> {
        let work = work_folder(&self.state().sync(), self.workspace.project().env.as_deref());
        private_folder(&work)?;
        let dir = work.join(format!("{}-{}", crate::journal::state_file_name(&part.mapping), plan.id));
        private_folder(&dir)?;
        let bytes = serde_json::to_vec(plan).map_err(|_| Error::platform("the plan cannot be written"))?;
        write_whole(&dir.join(PLAN), &bytes)?;
        fault::point("sync-planned");
        Ok(dir)
    }

    /// Carries a plan out that is told of by others. Answers whether rows moved meanwhile, and the folder of what it did.
    pub(super) fn perform(&self, plan: &Plan) -> Result<(bool, PathBuf)> {
        let Some(part) = plan.mappings.first() else { return Ok((false, PathBuf::new())) };
        let dir = self.begin(plan, part)?;
        match self.write(plan, &dir, 1) {
            Ok((moved, _)) => Ok((moved > 0, dir)),
            Err(error) => {
                let connector = self.workspace.connector(&part.to.platform)?;
                _ = connector.recover(&part.to.object, &dir);
                _ = std::fs::remove_dir_all(&dir);
                Err(error)
            }
        }
    }

    /// Writes what the plan says. Answers the rows that moved meanwhile and those that were written.
    fn write(&self, plan: &Plan, dir: &Path, attempt: u32) -> Result<(u64, u64)> {
        let state = self.state();
        let targets: Vec<String> = plan.mappings.iter().map(|part| part.to.to_string()).collect();
        let names: Vec<&str> = targets.iter().map(String::as_str).collect();
        // Lanes around one hub write into it by turns.
        let _held = TargetLocks::take_within(&state, plan.env.as_deref(), &names, &Owner::of_run("sync"), TURN)?;
        let connect = |platform: &str| self.workspace.connector(platform);
        let run = Run {
            state: &state,
            dir,
            plan,
            connect: &connect,
            budget: &|_| Bound::Count(u64::MAX),
            monitor: &Silent as &dyn Monitor,
            attempt,
        };
        let ended = run.execute(&mut |_| Ok(()));
        if let Some(error) = ended.error {
            return Err(error);
        }
        fault::point("sync-written");
        let moved: u64 = ended.results.iter().map(|result| result.moved).sum();
        let made = |counts: &crate::plan::Counts| counts.inserted + counts.updated + counts.deleted + counts.marked;
        Ok((moved, ended.results.iter().map(|result| made(&result.counts)).sum()))
    }

    /// Runs the plan in its folder and tells what became of it; the folder is removed when all is told.
    fn execute(&self, lane: &mut Lane, plan: &Plan, dir: &Path, attempt: u32) -> Result<bool> {
        let Some(part) = plan.mappings.first() else { return Ok(false) };
        let state = self.state();
        let (moved, made) = self.write(plan, dir, attempt)?;
        lane.window.note(Instant::now(), made);
        if made > 0 {
            lane.status.written = Some(now_ms());
        }
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let known = attempt > 1 && self.store.knows_cycle(&part.mapping, &name)?;
        let by = super::events::By { known, ..self.told_by() };
        let told = tell(&by, self.store, part, &state.plan(&plan.id), dir)?;
        super::audit::follow(lane, part, &told);
        let confirmed = rules(part);
        if lane.memory.confirmed.as_ref() != Some(&confirmed) {
            lane.memory.confirmed = Some(confirmed);
            self.store.remember(&lane.mapping.name, &lane.memory)?;
        }
        fault::point("sync-told");
        super::images::keep(self.workspace, plan, part, dir, made)?;
        Ok(moved > 0)
    }

    fn told_by(&self) -> super::events::By<'_> {
        super::events::By { sign: self.sign, at: self.at, arrivals: self.arrivals, known: false }
    }

    /// A try failed: what the platform made of it. Some: it was done all the same.
    fn undone(&self, lane: &Lane, part: &MappingPlan, dir: &Path, error: &Error) -> Result<Option<bool>> {
        let connector = self.workspace.connector(&part.to.platform)?;
        // An error of this is the same trouble again; what is staged is cleared up by the next try.
        _ = connector.recover(&part.to.object, dir);
        if error.kind() == Kind::Refused {
            // The target moved between plan and publish: nothing was written, it is planned anew at once.
            self.store.log(
                Some(&lane.mapping.name),
                LogLevel::Info,
                "the target changed while it was being written: nothing was written, it is planned anew",
            )?;
            return Ok(Some(true));
        }
        super::events::wait(&self.told_by(), self.store, part, &self.state().plan(&store_id(dir)), error)?;
        Ok(None)
    }
}

/// Hash of what a plan's rules are, in its own words.
fn rules(part: &MappingPlan) -> String {
    let settings = part.agreement.as_ref().map(|agreement| agreement.settings.as_str()).unwrap_or_default();
    format!("{} {settings}", part.pipeline_hash)
}

/// The plan of a work folder, by its name.
fn store_id(dir: &Path) -> String {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.rsplit_once('-').map(|(_, id)| id.to_owned()).unwrap_or_default()
}

impl Lane {
    /// Brings what a killed loop left to its end.
    pub(super) fn recover(&mut self, workspace: &Workspace, store: &SyncStore) -> Result<()> {
        let state = StateDir::of(&workspace.project().root);
        let work = work_folder(&state.sync(), workspace.project().env.as_deref());
        let prefix = format!("{}-", crate::journal::state_file_name(&self.mapping.name));
        let back = format!("{}-", crate::journal::state_file_name(&way_back_name(&self.mapping.name)));
        let Ok(entries) = std::fs::read_dir(&work) else { return Ok(()) };
        for dir in entries.flatten().map(|entry| entry.path()) {
            let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.strip_prefix(&back).is_some_and(|rest| !rest.contains('-')) {
                // Whether it was published shows at the next look; what was staged goes.
                if let Ok(plan) = load(&dir)
                    && let Some(part) = plan.mappings.first()
                    && workspace.connector(&part.to.platform)?.recover(&part.to.object, &dir).is_err()
                {
                    continue;
                }
                _ = std::fs::remove_dir_all(state.plan(&store_id(&dir)));
                _ = std::fs::remove_dir_all(&dir);
                continue;
            }
            if name.strip_prefix(&prefix).is_none_or(|rest| rest.contains('-')) {
                continue;
            }
            let sign = Sign::now("start");
            let cycle = Cycle { workspace, store, sign: &sign, at: Instant::now(), arrivals: None };
            // Where the plan is not whole it died before anything was begun.
            if let Ok(plan) = load(&dir)
                && let Some(part) = plan.mappings.first()
            {
                match cycle.execute(self, &plan, &dir, 2) {
                    Ok(_) => {
                        let text = "brought to its end what a killed loop had begun";
                        store.log(Some(&self.mapping.name), LogLevel::Info, text)?;
                    }
                    Err(error) => _ = cycle.undone(self, part, &dir, &error)?,
                }
            }
            _ = std::fs::remove_dir_all(state.plan(&store_id(&dir)));
            _ = std::fs::remove_dir_all(&dir);
        }
        Ok(())
    }

    /// The ledger forgets these records: they are looked at again. Answers the hashes of their keys.
    pub(super) fn forget(&self, workspace: &Workspace, keys: &[String]) -> Result<Vec<Hidden>> {
        let state = StateDir::of(&workspace.project().root);
        let secret = Secret::of(&state.ledgers())?;
        // As lists show it, or as it is.
        let hashes = |key: &String| {
            let whole = key.replace(", ", &crate::resolve::KEY_SEPARATOR.to_string());
            [crate::resolve::keys::key_hash(key), crate::resolve::keys::key_hash(&whole)]
        };
        let hashes: Vec<_> = keys.iter().flat_map(hashes).collect();
        let path = state.ledger(&self.mapping.name, workspace.project().env.as_deref());
        if let Some(mut ledger) = Ledger::open(&path)? {
            ledger.forget(&secret, hashes.iter().copied(), Vec::new())?;
        }
        Ok(hashes.into_iter().map(|hash| secret.hide(hash)).collect())
    }
}
