//! Headless commands, one file a family, and the way to the screen.
mod args;
mod audit;
mod control;
mod crosswalk;
mod cutover;
mod engine;
mod files;
mod init;
mod map;
mod object;
mod output;
mod project;
mod push;
mod recommend;
mod rejects;
mod revert;
mod runs;
mod screen;
mod suggest;
mod sync;
mod tools;
mod trace;
mod verify;

use std::process::ExitCode;

pub(crate) use args::Arguments;
use args::{Command, Common};
use crm_core::Result;
use crm_core::project::Personal;
use crm_core::workspace::{Revealed, Workspace};
use output::Output;

/// Exit code of a command that found differences.
const DIFFERENCES: u8 = 1;
/// Exit code of a command that only showed what it would write.
const REFUSED: u8 = 6;

/// Runs what the arguments ask for.
pub(crate) fn main(arguments: Arguments) -> ExitCode {
    let mut output = Output::new(&arguments.common);
    let answer = run(arguments, &mut output);
    ExitCode::from(output.finish(answer))
}

fn run(arguments: Arguments, out: &mut Output) -> Result<u8> {
    let common = arguments.common;
    let Some(command) = arguments.command else {
        return match arguments.files.as_slice() {
            [] => screen::open_project(&common, &arguments.screen),
            [old, new] => screen::open_files(&common, &arguments.screen, old, new),
            _ => Err(crm_core::Error::usage("one file given, two are needed: crm-console OLD NEW")
                .advise("to look at one file: crm-console show FILE, or crm-console profile FILE")),
        };
    };
    match command {
        Command::Demo { dir, no_open, screen } => screen::demo(&common, &screen, dir.as_deref(), no_open, out),
        Command::Sniff { file } => files::sniff(&file, out),
        Command::Show { object, rows, columns } => files::show(&common, &object, &rows, &columns, out),
        Command::Profile { object } => files::profile(&common, &object, out),
        Command::Try { rule, object, column } => files::try_rule(&common, &rule, &object, column.as_deref(), out),
        Command::Map { action } => map::map(&common, &action, out),
        Command::Suggest { source, target } => suggest::suggest(&common, &source, &target, out),
        Command::Diff { old, new, key, summary, max_diffs, jsonl } => {
            let options = files::DiffOptions { summary, max_diffs, jsonl };
            files::diff(&common, [&old, &new], &key, &options, out)
        }
        Command::Init(args) => init::init(&common, &args, out),
        Command::Check { quick } => project::check(&common, quick, out),
        Command::Preview { which, failing, reveal } => {
            project::preview(&common, &which, failing.as_deref(), reveal, out)
        }
        Command::Plan { which, how, against, out: file } => {
            project::plan(&common, &how.ask(&which), against.as_deref(), file.as_deref(), out)
        }
        Command::Recommend { mappings } => recommend::recommend(&common, &mappings, out),
        Command::Migrate { which, how, plan, confirm, detach } => {
            runs::migrate(&common, &how.ask(&which), plan.as_deref(), confirm.as_deref(), detach, out)
        }
        Command::Verify(arguments) => verify::verify(&common, &arguments, out),
        Command::Trace { object, key, reveal } => trace::trace(&common, &object, &key, reveal, out),
        Command::Rejects { action } => rejects::run(&common, &action, out),
        Command::Crosswalk { action } => crosswalk::crosswalk(&common, &action, out),
        Command::Cutover { action } => cutover::run(&common, &action, out),
        Command::Runs => runs::list(&common, out),
        Command::Revert(arguments) => revert::revert(&common, &arguments, out),
        Command::Cancel { run } => control::cancel(&common, &run, out),
        Command::Stop { run } => control::stop(&common, &run, out),
        Command::Pause { run } => control::pause(&common, &run, out),
        Command::Resume { run, detach } => control::resume(&common, &run, detach, out),
        Command::Throttle { run, pace } => control::throttle(&common, &run, &pace, out),
        Command::Audit { since, run, expect } => audit::list(&common, since, run, expect.as_deref(), out),
        Command::Erase { who, confirm } => audit::erase(&common, &who, confirm.as_deref(), out),
        Command::Prune { dry_run } => audit::prune(&common, dry_run, out),
        Command::Report { run, out: file } => audit::report(&common, run.as_deref(), file.as_deref(), out),
        Command::Doctor => tools::doctor(&common, out),
        Command::Completions { shell } => tools::completions(shell, out),
        Command::Man => tools::man(out),
        Command::Sync(arguments) => sync::sync(&common, &arguments, out),
        Command::Status(arguments) => sync::status(&common, &arguments, out),
        Command::Events(arguments) => sync::events(&common, &arguments, out),
        Command::Push(arguments) => push::push(&common, &arguments.mapping, out),
        Command::Lane { action } => sync::lane(&common, &action, out),
        Command::Alerts { action } => sync::alerts(&common, &action, out),
        Command::Resync { mapping, keys } => sync::resync(&common, &mapping, &keys, out),
        Command::Conflicts { action } => sync::conflicts(&common, &action, out),
        Command::Engine { run: Some(run), attempt, .. } => engine::run(&common, &run, attempt),
        Command::Engine { run: None, mappings, .. } => engine::sync(&common, mappings),
    }
}

/// Notes that a command shows the personal columns of a mapping in the clear; nothing where it has none.
fn note_revealed(workspace: &Workspace, mapping: &str, revealed: Revealed) -> Result<()> {
    let columns = Personal::of(&workspace.project().mappings).columns_of(mapping);
    if columns.is_empty() {
        return Ok(());
    }
    workspace.note_revealed(&Revealed { mapping: Some(mapping.to_owned()), columns, ..revealed })
}

/// Opens the project that the arguments name.
fn open(common: &Common) -> Result<Workspace> {
    Workspace::open(&common.project, common.env.as_deref(), crm_connect::registry())
}
