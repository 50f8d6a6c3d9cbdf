//! What each request means in calls to the workspace. Runs on worker threads.
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crm_core::journal::Command;
use crm_core::map::Pipeline;
use crm_core::monitor::{Monitor, Progress};
use crm_core::platform::Source;
use crm_core::project::edit::{set_value_in_csv, write_text};
use crm_core::project::{Mapping, Problem, load_mapping};
use crm_core::suggest::Suggestion;
use crm_core::table::{RowSource, Window};
use crm_core::workspace::{CorrectionsEdit, Freshness, PreviewRows, Resumed, Workspace, note_saved};
use crm_core::{Error, Result};

use super::jobs::{Answered, current, reload};
use super::sync;
use crate::app::history::FileEdit;
use crate::app::msg::{
    Answer, Columns, Corrected, CutoverRequest, MappingText, ObjectSpec, PlatformObjects, Proposal, Request, SaveText,
};

/// Rows of one step of a search.
const FIND_ROWS: u64 = 8_192;
/// Rows of a source that are looked at for samples.
const SAMPLE_ROWS: usize = 50;

/// Does one request.
pub(super) fn answer(request: Request, workspace: &Mutex<Workspace>, monitor: &dyn Monitor) -> Answered {
    let now = || current(workspace);
    Ok(match request {
        Request::Project => {
            let workspace = reload(workspace)?;
            let texts = mapping_texts(&workspace.project().root)?;
            Answer::Project(Box::new(workspace.project().clone()), texts)
        }
        Request::Parse(text) => {
            let result = load_mapping(&now().project().root, &text.path, &text.text);
            Answer::Parsed(text, Box::new(result))
        }
        Request::Save(texts) => {
            let root = now().project().root.clone();
            for text in &texts {
                save(&root, text)?;
            }
            let project = reload(workspace)?.project().clone();
            Answer::Saved(texts.into_iter().map(|save| save.text).collect(), Box::new(project))
        }
        Request::SetInMap { path, from, to, label } => {
            let root = now().project().root.clone();
            let before = read_map(&root, &path)?;
            let after = set_value_in_csv(&before, &from, &to).map_err(|error| error.at(path.display()))?;
            let file = FileEdit { path, before, after };
            write_map(&root, &file)?;
            Answer::MapFile(file, Some(label))
        }
        Request::WriteMap(file) => {
            write_map(&now().project().root, &file)?;
            Answer::MapFile(file, None)
        }
        Request::Objects => Answer::Objects(objects(&now())),
        Request::Window(object, first, count) => Answer::Window(window(&now(), &object, first, count, monitor)?),
        Request::Profile(object) => {
            Answer::Profile(Arc::new(now().profile(&object.platform, &object.source, &object.label, monitor)?))
        }
        Request::Find { object, text, from, forward } => {
            Answer::Found(find(&now(), &object, &text, (from, forward), monitor)?)
        }
        Request::ReadRejects(object) => {
            let snapshot =
                now().snapshot(&object.platform, &object.source, &object.label, Freshness::Cached, monitor)?;
            Answer::ReadRejects(Arc::new(snapshot.rejects()?))
        }
        Request::Columns(text) => Answer::Columns(Box::new(columns(&now(), &text, monitor)?)),
        Request::Preview(text, rows, count) => preview(&now(), &text, &rows, count, monitor)?,
        Request::Suggest(text) => {
            let workspace = now();
            let mapping = parse(&workspace, &text).map_err(|problems| first_problem(&problems))?;
            Answer::Proposals(Arc::new(proposals(&workspace, &mapping, monitor)?))
        }
        Request::Remember(lessons) => {
            let workspace = now();
            for fits in [true, false] {
                let pairs = lessons.iter().filter(|lesson| lesson.fits == fits);
                let pairs: Vec<_> = pairs.map(|lesson| (lesson.from.clone(), lesson.to.clone())).collect();
                if !pairs.is_empty() {
                    workspace.remember(&pairs, fits)?;
                }
            }
            Answer::Noted
        }
        Request::NewMapping(from, to) => {
            let name = now().begin_mapping((&from.0, &from.1), (&to.0, &to.1))?;
            let workspace = reload(workspace)?;
            let texts = mapping_texts(&workspace.project().root)?;
            Answer::Made(name, Box::new(workspace.project().clone()), texts)
        }
        Request::Values(text, field) => {
            let workspace = now();
            let mapping = parse(&workspace, &text).map_err(|problems| first_problem(&problems))?;
            Answer::Values(workspace.field_values(&mapping, &field, monitor)?)
        }
        Request::Trace(text, row, field) => {
            let workspace = now();
            let mapping = parse(&workspace, &text).map_err(|problems| first_problem(&problems))?;
            Answer::Trace(workspace.trace_cell(&mapping, row, &field)?)
        }
        Request::Plan(ask) => Answer::Plan(Arc::new(now().plan_as(&ask, monitor)?)),
        Request::Recommend => Answer::Advice(Arc::new(now().recommend(&[], monitor)?)),
        Request::Against(plan) => Answer::Against(Box::new(now().plan_against(&plan, "last", monitor)?)),
        Request::Retry(request) => Answer::Plan(Arc::new(now().plan_retry(&request, monitor)?.plan)),
        Request::Inbox(of) => Answer::Inbox(Arc::new(now().inbox(&of)?)),
        Request::Trial(text, reject, edits) => {
            let workspace = now();
            let mapping = parse(&workspace, &text).map_err(|problems| first_problem(&problems))?;
            Answer::Trial(Box::new(workspace.try_row(&mapping, &reject, &edits)?))
        }
        Request::Correct { mapping, edits, named, label } => {
            let edit = now().corrections_for(&mapping, &edits, true, monitor)?;
            Answer::Corrected(Box::new(correct(workspace, edit, named, label)?))
        }
        Request::Cutover(request) => {
            let workspace = now();
            Answer::Cutover(Box::new(match request {
                CutoverRequest::Status => workspace.cutover()?,
                CutoverRequest::Freeze => workspace.cutover_freeze()?,
                CutoverRequest::Signoff(names) => workspace.cutover_signoff(&names, None)?,
                CutoverRequest::Switch(typed) => workspace.cutover_switch(&typed)?,
            }))
        }
        Request::Revert(run) => Answer::Plan(Arc::new(now().revert(&run, &[], monitor)?.plan)),
        Request::RevertSync(mapping, since, until) => {
            let until = until.unwrap_or_else(crm_core::journal::sync::now_ms);
            Answer::Plan(Arc::new(now().revert_sync(&mapping, since, until, monitor)?.plan))
        }
        Request::SyncKept(mapping) => {
            let kept = now().sync_kept(&mapping);
            Answer::SyncKept(mapping, kept)
        }
        Request::Kept(run) => {
            let bytes = now().kept_bytes(&run);
            Answer::Kept(run, bytes)
        }
        Request::LoadPlan(id) => Answer::Plan(Arc::new(now().load_plan(&id)?)),
        Request::PlanRows { plan, mapping, operation, column, first, count } => {
            let (rows, total) = now().plan_rows(&plan, &mapping, operation, column.as_deref(), first, count)?;
            Answer::PlanRows(rows, total)
        }
        Request::Rejects { of, mapping } => Answer::Rejects(Arc::new(now().rejects(&of, mapping.as_deref())?)),
        Request::Start(plan, confirm) => Answer::Started(now().start_run(&plan, &confirm)?),
        Request::Tell(run, command) => Answer::Told(tell(&now(), &run, command)?),
        Request::Run(run) => Answer::Run(Box::new(now().run(&run)?)),
        Request::Runs => Answer::Runs(now().runs()?),
        Request::Revealed(shown) => {
            let workspace = now();
            shown.iter().try_for_each(|one| workspace.note_revealed(one))?;
            Answer::Noted
        }
        Request::Sync(look) => Answer::Sync(Arc::new(sync::look(&now(), &look)?)),
        Request::SyncOrders(orders) => Answer::SyncOrders(sync::carry_out(&now(), &orders)?),
        Request::SyncTrace(mapping, key) => Answer::SyncTrace(Box::new(sync::trace(&now(), &mapping, &key)?)),
    })
}

/// Tells a run something; answers what is done about it, in words.
fn tell(workspace: &Workspace, run: &str, command: Command) -> Result<String> {
    let words = match command {
        Command::Cancel => workspace.cancel_run(run).map(|()| "asked the engine to end; nothing more is published"),
        Command::Stop => workspace.stop_run(run).map(|()| "asked the engine to stop after this batch"),
        Command::Pause => workspace.pause_run(run).map(|()| "asked the engine to pause"),
        Command::Throttle(rows) => workspace.throttle_run(run, rows).map(|()| "the rate is set"),
        Command::Workers(workers) => workspace.set_workers(run, workers).map(|()| "the workers are set"),
        Command::Resume => match workspace.resume_run(run)? {
            Resumed::GoesOn => Ok("asked the engine to go on"),
            Resumed::Attempt(attempt) => return Ok(format!("the run goes on in attempt {attempt}")),
        },
    };
    words.map(str::to_owned)
}

/// All mapping files of a project with their texts, by name.
fn mapping_texts(root: &Path) -> Result<Vec<MappingText>> {
    let folder = root.join("mappings");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", &folder, &error)),
    };
    let mut texts = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Error::io("read", &folder, &error))?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let (Some(name), true) = (name, path.extension().is_some_and(|extension| extension == "toml")) else {
            continue;
        };
        let bytes = fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
        let path = path.strip_prefix(root).map_or_else(|_| path.clone(), Path::to_owned);
        texts.push(MappingText { name, path, text: String::from_utf8_lossy(&bytes).into() });
    }
    texts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(texts)
}

/// Writes a mapping so that its file is the old or the new one, never half of it.
fn save(root: &Path, save: &SaveText) -> Result<()> {
    let path = root.join(&save.text.path);
    let there = fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
    if there != save.base.as_bytes() {
        return Err(changed_meanwhile(&save.text.path));
    }
    write_text(&path, &save.text.text)?;
    let (file, name) = (&save.text.path, &save.text.name);
    note_saved(root, file, Some(name), save.base.as_bytes(), save.text.text.as_bytes())
}

/// Writes corrections, and names their file in the mapping.
fn correct(
    workspace: &Mutex<Workspace>,
    edit: CorrectionsEdit,
    named: Option<SaveText>,
    label: String,
) -> Result<Corrected> {
    let now = current(workspace);
    if edit.after != edit.before {
        now.write_corrections_file(&edit)?;
        if let Some(named) = &named {
            save(&now.project().root, named)?;
        }
    }
    let named = named.filter(|_| edit.after != edit.before).map(|named| named.text.text.to_string());
    Ok(Corrected {
        mapping: edit.mapping,
        file: FileEdit { path: edit.path, before: edit.before, after: edit.after },
        label,
        named,
        project: reload(workspace)?.project().clone(),
        cells: edit.corrections.len(),
        conflicts: edit.conflicts,
    })
}

fn changed_meanwhile(path: &Path) -> Error {
    Error::refused(format!("{} was changed by someone else since it was read", path.display()))
        .advise("`:reload` takes the file as it is; your edits stay one undo away")
}

/// A value map's text; one that is not there yet is empty.
fn read_map(root: &Path, path: &Path) -> Result<String> {
    let path = root.join(path);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        found => found.map_err(|error| Error::io("read", &path, &error)),
    }
}

fn write_map(root: &Path, file: &FileEdit) -> Result<()> {
    if read_map(root, &file.path)? != file.before {
        return Err(changed_meanwhile(&file.path));
    }
    write_text(&root.join(&file.path), &file.after)?;
    note_saved(root, &file.path, None, file.before.as_bytes(), file.after.as_bytes())
}

fn objects(workspace: &Workspace) -> Vec<PlatformObjects> {
    let platforms = workspace.project().platforms.iter();
    platforms
        .map(|(name, config)| PlatformObjects {
            platform: name.clone(),
            kind: config.kind.clone(),
            objects: workspace.connector(name).and_then(|connector| connector.objects()),
        })
        .collect()
}

fn window(
    workspace: &Workspace,
    object: &ObjectSpec,
    first: u64,
    count: usize,
    monitor: &dyn Monitor,
) -> Result<Window> {
    let snapshot = workspace.snapshot(&object.platform, &object.source, &object.label, Freshness::Cached, monitor)?;
    snapshot.window(first, count)
}

/// The next cell with a text in it, letter case aside, beside the row it starts from.
fn find(
    workspace: &Workspace,
    object: &ObjectSpec,
    text: &str,
    (from, forward): (u64, bool),
    monitor: &dyn Monitor,
) -> Result<Option<(u64, usize)>> {
    let snapshot = workspace.snapshot(&object.platform, &object.source, &object.label, Freshness::Cached, monitor)?;
    let text = text.to_lowercase();
    let total = snapshot.len();
    let has = |row: &Vec<Option<String>>| {
        row.iter().position(|cell| cell.as_deref().is_some_and(|cell| cell.to_lowercase().contains(&text)))
    };
    let mut done = 0;
    let mut at = if forward { from + 1 } else { from };
    loop {
        let (first, count) = if forward {
            (at, FIND_ROWS.min(total.saturating_sub(at)))
        } else {
            let first = at.saturating_sub(FIND_ROWS);
            (first, at - first)
        };
        if count == 0 {
            return Ok(None);
        }
        monitor.check()?;
        let window = snapshot.window(first, count as usize)?;
        let mut rows = window.rows.iter().enumerate();
        let found = if forward {
            rows.find_map(|(row, cells)| Some((row, has(cells)?)))
        } else {
            rows.rev().find_map(|(row, cells)| Some((row, has(cells)?)))
        };
        if let Some((row, column)) = found {
            return Ok(Some((first + row as u64, column)));
        }
        done += count;
        monitor.report(Progress { step: format!("searching {}", object.label), done, total: Some(total) });
        at = if forward { first + count } else { first };
    }
}

/// What may fill each target column, best first, from everything that is known of both sides.
fn proposals(workspace: &Workspace, mapping: &Mapping, monitor: &dyn Monitor) -> Result<Vec<Proposal>> {
    let mut found = workspace.studio(mapping, monitor)?.found;
    found.sort_by_key(|one| one.rank);
    let proposal = |found: Suggestion| Proposal {
        field: found.field(),
        kind: found.transform.as_ref().map(|transform| transform.kind.word()),
        tried: found.transform.as_ref().and_then(|it| it.trial.as_ref()).map(|trial| (trial.rows, trial.failed)),
        to: found.to,
        from: found.from,
        score: found.score,
        reasons: found.reasons,
    };
    Ok(found.into_iter().map(proposal).collect())
}

/// The mapping a text stands for, or one error that names the first problem.
fn parse(workspace: &Workspace, text: &MappingText) -> Result<Mapping, Vec<Problem>> {
    load_mapping(&workspace.project().root, &text.path, &text.text)
}

fn columns(workspace: &Workspace, text: &MappingText, monitor: &dyn Monitor) -> Result<Columns> {
    let mapping = parse(workspace, text).map_err(|problems| first_problem(&problems))?;
    let from = &mapping.from;
    let source = workspace.connector(&from.platform)?.schema(&from.source)?;
    let target = workspace.connector(&mapping.to.platform)?;
    let object = &mapping.to.object;
    // A target that is not there yet has no columns: the run makes it with those of the mapping.
    let exists = target.version(object).is_ok_and(|version| version.exists);
    let target_columns = if exists { target.schema(&Source::Object(object.clone()))?.columns } else { Vec::new() };
    let target_rows = target
        .objects()
        .ok()
        .and_then(|objects| objects.into_iter().find(|info| info.name == *object).and_then(|info| info.rows));
    let spec = ObjectSpec { platform: from.platform.clone(), source: from.source.clone(), label: from.label.clone() };
    let sample = window(workspace, &spec, 0, SAMPLE_ROWS, monitor)?;
    Ok(Columns { mapping: mapping.name, source: source.columns, target: target_columns, sample, target_rows })
}

fn first_problem(problems: &[Problem]) -> Error {
    match problems.first() {
        Some(problem) => Error::usage(&problem.message).at(format!("{} line {}", problem.file.display(), problem.line)),
        None => Error::usage("the mapping cannot be read"),
    }
}

fn preview(
    workspace: &Workspace,
    text: &MappingText,
    rows: &PreviewRows,
    count: usize,
    monitor: &dyn Monitor,
) -> Answered {
    let mapping = match parse(workspace, text) {
        Ok(mapping) => mapping,
        Err(problems) => return Ok(Answer::Preview(Err(problems))),
    };
    let schema = workspace.connector(&mapping.from.platform)?.schema(&mapping.from.source)?;
    let names: Vec<String> = schema.names().map(str::to_owned).collect();
    if let Err(problems) = Pipeline::compile(&mapping, &names, &workspace.project().root) {
        return Ok(Answer::Preview(Err(problems)));
    }
    Ok(Answer::Preview(Ok(Arc::new(workspace.preview(&mapping, rows, count, monitor)?))))
}
