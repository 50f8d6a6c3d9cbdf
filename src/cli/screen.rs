//! Ways to the screen: a project, two files, the sample project.
use std::io::IsTerminal;
use std::path::Path;

use crm_core::project::Project;
use crm_core::table::text::sanitize;
use crm_core::{Error, Result};

use super::args::{Common, ScreenArgs, ThemeName};
use super::output::Output;

/// The screen on the project in `-C DIR`.
pub(crate) fn open_project(common: &Common, screen: &ScreenArgs) -> Result<u8> {
    need_terminal()?;
    crm_tui::run(super::open(common)?, &options(screen))
}

/// The screen on two plain files: a project of its own in a temporary folder, which stays and is named at the end.
pub(crate) fn open_files(common: &Common, screen: &ScreenArgs, old: &Path, new: &Path) -> Result<u8> {
    need_terminal()?;
    let dir = temporary("crm-console-")?;
    Project::init(&dir, old, new, &crm_connect::registry())?;
    let common = Common { project: dir.clone(), ..common.clone() };
    let code = crm_tui::run(super::open(&common)?, &options(screen))?;
    eprintln!("the mapping is kept as a project: crm-console -C {}", sanitize(&dir.display().to_string()));
    Ok(code)
}

/// `demo [DIR] [--no-open]`.
pub(crate) fn demo(
    common: &Common,
    screen: &ScreenArgs,
    dir: Option<&Path>,
    no_open: bool,
    out: &mut Output,
) -> Result<u8> {
    let dir = match dir {
        Some(dir) => dir.to_owned(),
        None => temporary("crm-console-demo-")?,
    };
    crate::demo::write_sample_project(&dir)?;
    if no_open {
        if out.is_json() {
            out.json(&serde_json::json!({"project": dir}))?;
        } else {
            out.line(format!("the sample project is in {0}: crm-console -C {0}", dir.display()))?;
        }
        return Ok(0);
    }
    let common = Common { project: dir.clone(), ..common.clone() };
    let code = open_project(&common, screen)?;
    out.aside(format!("the sample project stays in {0}: crm-console -C {0}", dir.display()));
    Ok(code)
}

fn options(screen: &ScreenArgs) -> crm_tui::Options {
    crm_tui::Options {
        ascii: screen.ascii,
        no_colour: screen.theme == Some(ThemeName::Mono),
        theme: match screen.theme {
            Some(ThemeName::Light) => crm_tui::ThemeChoice::Light,
            Some(ThemeName::Dark) => crm_tui::ThemeChoice::Dark,
            _ => crm_tui::ThemeChoice::Auto,
        },
        mouse: screen.mouse,
        ..crm_tui::Options::default()
    }
}

fn need_terminal() -> Result<()> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        Ok(())
    } else {
        Err(Error::usage("the screen needs a terminal")
            .advise("over ssh use `ssh -t`; without a screen see crm-console --help"))
    }
}

fn temporary(prefix: &str) -> Result<std::path::PathBuf> {
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir()
        .map(tempfile::TempDir::keep)
        .map_err(|error| Error::io("make a folder in", &std::env::temp_dir(), &error))
}
