//! Making, storing and looking into plans.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;

use super::Freshness;
use super::Workspace;
use super::samples::Sample;
use super::seeking::{Seeking, Sought};
use crate::error::{Error, Result};
use crate::journal::erased::ErasedList;
use crate::journal::ledger::Secret;
use crate::journal::{Reject, StateDir, now, read_rejects, rejects_files};
use crate::monitor::Monitor;
use crate::plan::incremental::Pushed;
use crate::plan::links::ParentIndex;
use crate::plan::rows::{self, Snapshots};
use crate::plan::shape::Shape;
use crate::plan::sides::{Arbiter, Only};
use crate::plan::taken_back::LeftAlone;
use crate::plan::{Job, MappingPlan, Operation, Plan, Purpose, Rows, plan_mapping, store};
use crate::platform::{Connector, Source};
use crate::project::words::did_you_mean;
use crate::project::{Field, Mapping, Mode, ObjectRef, Problem, Severity};
use crate::table::Snapshot;

/// One row of a plan's drill-down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanRow {
    /// Operation.
    pub operation: Option<Operation>,
    /// Key.
    pub key: String,
    /// Source ordinal and line.
    pub source: Option<(u64, Option<u64>)>,
    /// Target ordinal.
    pub target: Option<u64>,
    /// Cells: column, target now, expected, rule or policy that explains it.
    pub cells: Vec<PlanCell>,
    /// Reason for held, rejected, merged.
    pub reason: Option<String>,
}

/// One cell of a plan row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanCell {
    /// Target column.
    pub column: String,
    /// In the target now (None: NULL or no row).
    pub old: Option<String>,
    /// Expected.
    pub new: Option<String>,
    /// It differs and will be written.
    pub changed: bool,
    /// It differs and the write rule keeps it; `if_blank`, `create`, `never`.
    pub kept: Option<String>,
    /// `(new) accounts 4711`: known when the parent is written.
    pub pending: Option<String>,
}

/// A plan to be made.
#[derive(Debug, Clone)]
pub(crate) struct PlanRequest {
    /// Mappings; all if empty.
    pub(crate) mappings: Vec<String>,
    /// What for.
    pub(crate) purpose: Purpose,
    /// Full or incremental; None: as each mapping says.
    pub(crate) mode: Option<Mode>,
    /// Threads for the row steps; None: as each mapping says.
    pub(crate) workers: Option<usize>,
    /// Only the first source rows.
    pub(crate) limit: Option<u64>,
    /// Only these source rows, by mapping: ordinals in the source snapshot. Empty: no choice is made; otherwise a mapping
    /// that is not named takes none.
    pub(crate) rows: HashMap<String, Vec<u32>>,
    /// By what the rows were chosen, in words.
    pub(crate) by: String,
    /// Records that were pushed for the one mapping of the request: they are looked at and nothing else is.
    pub(crate) pushed: Option<Pushed>,
    /// Source snapshots to plan from, by mapping, whatever the source holds now. Paths as in plans.
    pub(crate) sources: HashMap<String, PathBuf>,
    /// Decides where both sides changed a record of a mapping that goes both ways; it needs a ledger that fits.
    pub(crate) arbiter: Option<Arc<dyn Arbiter>>,
    /// What of the plan is done; None: all of it. Such a plan says nothing to a ledger.
    pub(crate) only: Option<Arc<Only>>,
    /// Records that are left alone because sync's work on them was taken back.
    pub(crate) left_alone: Option<Arc<LeftAlone>>,
    /// Rows of a batch. The plan does not depend on it.
    pub(crate) batch_rows: usize,
}

impl Default for PlanRequest {
    fn default() -> Self {
        Self {
            mappings: Vec::new(),
            purpose: Purpose::Migrate,
            mode: None,
            workers: None,
            limit: None,
            rows: HashMap::new(),
            by: String::new(),
            pushed: None,
            sources: HashMap::new(),
            arbiter: None,
            only: None,
            left_alone: None,
            batch_rows: crate::table::snapshot::ROW_GROUP,
        }
    }
}

/// A plan to be made, as a command or a screen asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanAsk {
    /// Mappings; all if empty.
    pub mappings: Vec<String>,
    /// Full or incremental; None: as each mapping says.
    pub mode: Option<Mode>,
    /// Threads for the row steps; None: as each mapping says.
    pub workers: Option<usize>,
    /// Only the first source rows.
    pub limit: Option<u64>,
    /// A sample that hangs together.
    pub sample: Option<Sample>,
}

impl PlanRequest {
    /// All rows of the source, to be carried over.
    fn asks_for_all(&self) -> bool {
        matches!(self.purpose, Purpose::Migrate | Purpose::Sync) && self.limit.is_none() && self.rows.is_empty()
    }
}

impl Workspace {
    /// Makes a plan of these mappings (all if empty), stores it in the state folder.
    pub fn plan(&self, mappings: &[String], limit: Option<u64>, monitor: &dyn Monitor) -> Result<Plan> {
        self.plan_for(&PlanRequest { mappings: mappings.to_vec(), limit, ..PlanRequest::default() }, monitor)
    }

    /// Makes the plan that is asked for, stores it in the state folder.
    pub fn plan_as(&self, ask: &PlanAsk, monitor: &dyn Monitor) -> Result<Plan> {
        let request = PlanRequest {
            mappings: ask.mappings.clone(),
            mode: ask.mode,
            workers: ask.workers,
            limit: ask.limit,
            ..PlanRequest::default()
        };
        if let Some(sample) = &ask.sample {
            return self.plan_sample(sample, request, monitor);
        }
        self.plan_for(&request, monitor)
    }

    /// Makes the plan of a request, stores it in the state folder.
    pub(crate) fn plan_for(&self, request: &PlanRequest, monitor: &dyn Monitor) -> Result<Plan> {
        let chosen = self.chosen(&request.mappings)?;
        let state = StateDir::of(&self.project().root);
        let made = self.new_plan_folder()?;
        let crosswalk = state.crosswalk(self.project().env.as_deref())?;
        let erased = ErasedList::open(&state)?;
        let secret = Secret::of(&state.ledgers())?;
        let mut incremental = false;
        let mut parents: HashMap<String, ParentIndex> = HashMap::new();
        let mut grown: HashMap<ObjectRef, (u64, u64)> = HashMap::new();
        let mut out: Vec<MappingPlan> = Vec::with_capacity(chosen.len());
        for (at, mapping) in chosen.iter().enumerate() {
            monitor.check()?;
            let begun = std::time::Instant::now();
            let later: Vec<String> = chosen[at + 1..].iter().map(|other| other.name.clone()).collect();
            let named = |error: Error| error.at(format!("mapping {}", mapping.name));
            let asked = request.mode.unwrap_or(mapping.run.mode) == Mode::Incremental && request.asks_for_all();
            incremental |= asked;
            let with = Seeking {
                crosswalk: &crosswalk,
                parents: &parents,
                dir: made.path(),
                secret,
                erased: erased.as_ref(),
                monitor,
            };
            let sought = match &request.pushed {
                Some(pushed) => self.seek_pushed(mapping, pushed, &with).map_err(named)?,
                None if asked => self.seek(mapping, &with).map_err(named)?,
                None => Err(None),
            };
            if request.pushed.is_some() && sought.is_err() {
                return Err(Error::refused("nothing was agreed on yet that pushed records could be compared with")
                    .at(format!("mapping {}", mapping.name))
                    .advise("compare the source and the target once first"));
            }
            let prepared = match &sought {
                Ok(_) => None,
                Err(_) => {
                    let from = request.sources.get(&mapping.name).map(PathBuf::as_path);
                    Some(self.prepare(mapping, from, monitor).map_err(named)?)
                }
            };
            let names_it = |field: &Field| field.link.as_ref() == Some(&mapping.name);
            let linked = chosen.iter().any(|other| other.fields.iter().any(names_it));
            let rows = match request.rows.get(&mapping.name) {
                Some(ordinals) => Rows::chosen(&request.by, ordinals.clone()),
                None if request.rows.is_empty() => Rows::first(request.limit),
                None => Rows::chosen(&request.by, Vec::new()),
            };
            let erased = erased.as_ref().and_then(|list| list.keys_of(&mapping.to.to_string()));
            let since = match &prepared {
                Some(prepared) if asked => self.since(&prepared.shape)?.map_err(Some),
                _ => Err(None),
            };
            let job = Job {
                erased: erased.as_ref(),
                shape: match (&sought, &prepared) {
                    (Ok(sought), _) => &sought.shape,
                    (Err(_), Some(prepared)) => &prepared.shape,
                    (Err(_), None) => continue,
                },
                source: match (&sought, &prepared) {
                    (Ok(sought), _) => &sought.source,
                    (Err(_), Some(prepared)) => &prepared.source,
                    (Err(_), None) => continue,
                },
                target: match &sought {
                    Ok(sought) => Some(&sought.target),
                    Err(_) => prepared.as_ref().and_then(|prepared| prepared.target.as_ref()),
                },
                crosswalk: &crosswalk,
                parents: &parents,
                later: &later,
                dir: made.path(),
                linked,
                rows: &rows,
                batch_rows: request.batch_rows,
                workers: request.workers.unwrap_or(mapping.run.workers),
                since: sought.as_ref().map(|sought| &sought.since).ok().or(since.as_ref().ok()),
                looked: sought.as_ref().map(|sought| &sought.looked).ok(),
                asked: sought.as_ref().map(|sought| sought.rows).ok(),
                cursor: sought.as_ref().is_ok_and(|sought| sought.cursor),
                secret,
                tolerant: request.purpose == Purpose::Sync,
                arbiter: request.arbiter.as_deref(),
                only: request.only.as_deref(),
                left_alone: request.left_alone.as_deref(),
                monitor,
            };
            let (mut plan, image) =
                plan_mapping(&job).map_err(|error| error.at(format!("mapping {}", mapping.name)))?;
            if let Err(Some(why)) = &since {
                plan.warnings.push(format!("planned in full: {why}"));
            } else if let Err(Some(why)) = &sought {
                plan.warnings.push((*why).to_owned());
            } else if let Ok(Sought { note: Some(why), .. }) = &sought {
                plan.warnings.push((*why).to_owned());
            }
            if sought.as_ref().is_ok_and(|sought| sought.cursor) && mapping.target_only.acts() {
                plan.warnings
                    .push("a cursor does not see which rows the source lacks: none is deleted or marked".into());
            }
            plan.millis = begun.elapsed().as_millis() as u64;
            if request.only.is_some() {
                plan.agreement = None;
            }
            plan.source_snapshot = self.inside(&plan.source_snapshot);
            plan.target_snapshot = self.inside(&plan.target_snapshot);
            // A mapping into the same object starts from what this one leaves.
            let (inserted, deleted) = grown.entry(plan.to.clone()).or_default();
            plan.counts.before = (plan.counts.before + *inserted).saturating_sub(*deleted);
            plan.counts.after = (plan.counts.before + plan.counts.inserted).saturating_sub(plan.counts.deleted);
            *inserted += plan.counts.inserted;
            *deleted += plan.counts.deleted;
            if linked {
                parents.insert(mapping.name.clone(), image);
            }
            out.push(plan);
        }
        let mode = if incremental { Mode::Incremental } else { Mode::Full };
        self.store_plan(made, &request.purpose, mode, out)
    }

    /// A folder for the files of a plan that is being made.
    pub(super) fn new_plan_folder(&self) -> Result<tempfile::TempDir> {
        let state = StateDir::of(&self.project().root);
        state.make()?;
        let plans = state.path().join("plans");
        let made = tempfile::Builder::new().prefix(".making-").tempdir_in(&plans);
        made.map_err(|error| Error::io("create a folder in", &plans, &error))
    }

    /// Keeps a plan whose files are made.
    pub(super) fn store_plan(
        &self,
        made: tempfile::TempDir,
        purpose: &Purpose,
        mode: Mode,
        mappings: Vec<MappingPlan>,
    ) -> Result<Plan> {
        let env = self.project().env.clone();
        let plan = Plan {
            version: store::VERSION,
            id: store::id_of(env.as_deref(), purpose, &mappings),
            mode,
            purpose: purpose.clone(),
            created: now(),
            confirm: confirm_word(env.as_deref(), &mappings),
            env,
            mappings,
        };
        let plans = StateDir::of(&self.project().root).path().join("plans");
        let mut plan = plan;
        for part in &mut plan.mappings {
            for path in [&mut part.source_snapshot, &mut part.target_snapshot] {
                // What was read for this plan alone lies in its folder, which gets its name now.
                if let Ok(rest) = self.project().root.join(&*path).strip_prefix(made.path()) {
                    *path = self.inside(&plans.join(&plan.id).join(rest));
                }
            }
        }
        let made = made.keep();
        store::publish(&made, &plans, &plan).inspect_err(|_| _ = std::fs::remove_dir_all(&made))?;
        // A sync loop makes many a second; what it writes is in its own log.
        if *purpose != Purpose::Sync {
            self.note_planned(&plan)?;
            self.prune_plans();
        }
        Ok(plan)
    }

    /// A stored plan by id.
    pub fn load_plan(&self, id: &str) -> Result<Plan> {
        let named = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
        let dir = StateDir::of(&self.project().root).plan(id);
        if !named || !dir.is_dir() {
            return Err(Error::usage(format!("no plan {id}")).advise("make one with `crm-console plan`"));
        }
        store::load(&dir)
    }

    /// Rows behind a count of a stored plan. `column`: only updates that change it. Answers the rows and how many there are.
    pub fn plan_rows(
        &self,
        plan: &Plan,
        mapping: &str,
        operation: Operation,
        column: Option<&str>,
        first: u64,
        count: usize,
    ) -> Result<(Vec<PlanRow>, u64)> {
        let part = plan
            .mappings
            .iter()
            .find(|part| part.mapping == mapping)
            .ok_or_else(|| Error::usage(format!("the plan has no mapping '{mapping}'")))?;
        let snapshots = Snapshots {
            source: self.open_snapshot(&part.source_snapshot)?,
            target: self.open_snapshot(&part.target_snapshot)?,
        };
        let dir = StateDir::of(&self.project().root).plan(&plan.id);
        rows::rows(&dir, part, &snapshots, operation, column, first, count)
    }

    /// Rejects and held rows of a plan (`plan.id`) or a run (`run.id`).
    pub fn rejects(&self, plan_or_run: &str, mapping: Option<&str>) -> Result<Vec<Reject>> {
        let mut rejects = Vec::new();
        for file in rejects_files(&self.journal_folder(plan_or_run)?, mapping)? {
            for reject in read_rejects(&file)? {
                rejects.push(reject?);
            }
        }
        Ok(rejects)
    }

    /// The mappings of these names (all if empty), in load order.
    pub(super) fn chosen(&self, names: &[String]) -> Result<Vec<&Mapping>> {
        let project = self.project();
        for name in names {
            if !project.mappings.iter().any(|mapping| mapping.name == *name) {
                let known: Vec<&str> = project.mappings.iter().map(|mapping| mapping.name.as_str()).collect();
                return Err(Error::usage(format!("no mapping '{name}': {}", did_you_mean(name, &known)))
                    .advise("`crm-console check` lists mappings that cannot be read"));
            }
        }
        let chosen: Vec<&Mapping> =
            project.mappings.iter().filter(|mapping| names.is_empty() || names.contains(&mapping.name)).collect();
        // A mapping that cannot be read must not be missing silently.
        let broken = project.problems.iter().find(|problem| problem.severity == Severity::Error);
        if let Some(problem) = broken.filter(|_| names.is_empty()) {
            return Err(Error::usage(problem.to_string()).advise("`crm-console check` lists all problems"));
        }
        if chosen.is_empty() {
            return Err(
                Error::usage("the project has no mappings").advise("add one under mappings/, or on the Map screen")
            );
        }
        Ok(chosen)
    }

    /// Opens both sides of a mapping, reads them, compiles it. `kept`: the source snapshot, if it is there already.
    fn prepare(&self, mapping: &Mapping, kept: Option<&Path>, monitor: &dyn Monitor) -> Result<Prepared> {
        let from = self.connector(&mapping.from.platform)?;
        let to = self.connector(&mapping.to.platform)?;
        refuse_own_source(mapping, from.as_ref(), to.as_ref())?;
        let source = match kept {
            Some(kept) => Snapshot::open(&self.project().root.join(kept))?,
            None => {
                let from = &mapping.from;
                self.snapshot(&from.platform, &from.source, &from.label, Freshness::Cached, monitor)?
            }
        };
        let object = Source::Object(mapping.to.object.clone());
        let target = if to.version(&mapping.to.object)?.exists {
            let label = mapping.to.to_string();
            Some(self.snapshot(&mapping.to.platform, &object, &label, Freshness::Cached, monitor)?)
        } else {
            None
        };
        // The platform knows more of its columns (required, generated) than a snapshot taken before did.
        let schema = match &target {
            Some(_) => Some(to.schema(&object)?),
            None => None,
        };
        let here = to.capabilities(&mapping.to.object)?;
        let columns: Vec<String> = source.meta().schema.names().map(str::to_owned).collect();
        let shape = Shape::compile(self.project(), mapping, &columns, schema.as_ref(), here)
            .map_err(|found| problems_error(&found))?;
        Ok(Prepared { shape, source, target })
    }

    /// A snapshot of a plan; None where there was no object.
    pub(super) fn open_snapshot(&self, path: &Path) -> Result<Option<Snapshot>> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        Snapshot::open(&self.project().root.join(path)).map(Some)
    }

    /// A path as it is noted in plans: relative to the project.
    pub(super) fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.project().root).unwrap_or(path).to_owned()
    }

    /// Snapshots that stored plans refer to.
    pub(super) fn snapshots_in_use(&self) -> Vec<PathBuf> {
        let plans = StateDir::of(&self.project().root).path().join("plans");
        let Ok(entries) = std::fs::read_dir(plans) else { return Vec::new() };
        let plans = entries.flatten().filter_map(|entry| store::load(&entry.path()).ok());
        plans.flat_map(|plan| plan.mappings).flat_map(|part| [part.source_snapshot, part.target_snapshot]).collect()
    }
}

/// A mapping ready to be planned.
pub(super) struct Prepared {
    pub(super) shape: Shape,
    pub(super) source: Snapshot,
    pub(super) target: Option<Snapshot>,
}

/// All problems as one error.
pub(super) fn problems_error(problems: &[Problem]) -> Error {
    let mut texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let first = if texts.is_empty() { "the mapping cannot be compiled".to_owned() } else { texts.remove(0) };
    let error = Error::usage(first);
    if texts.is_empty() { error } else { error.advise(texts.join("\n  ")) }
}

/// A run must not write what it reads.
pub(super) fn refuse_own_source(mapping: &Mapping, from: &dyn Connector, to: &dyn Connector) -> Result<()> {
    let Source::Object(object) = &mapping.from.source else { return Ok(()) };
    let real = |paths: Vec<PathBuf>| -> Vec<PathBuf> {
        paths.into_iter().map(|path| path.canonicalize().unwrap_or(path)).collect()
    };
    let (sources, targets) = (real(from.paths(object)), real(to.paths(&mapping.to.object)));
    let shared = sources.iter().any(|path| targets.contains(path));
    // A database holds several objects in one file.
    let whole_file = || Ok::<_, Error>(!to.version(&mapping.to.object)?.hash.is_empty());
    if shared && (*object == mapping.to.object || whole_file()?) {
        return Err(Error::refused(format!(
            "{} is its own source: it would be written over while it is read",
            mapping.to
        ))
        .advise("choose another target"));
    }
    Ok(())
}

/// What the operator types: the target platforms with the environment, each once.
fn confirm_word(env: Option<&str>, mappings: &[MappingPlan]) -> String {
    let mut words: Vec<String> = Vec::new();
    for mapping in mappings {
        let word = match env {
            Some(env) => format!("{}-{env}", mapping.to.platform),
            None => mapping.to.platform.clone(),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join("+")
}
