//! Ways to the screen: a project, two files, the sample project.
use std::io::IsTerminal;

use crm_core::{Error, Result};

use super::args::{Common, ScreenArgs, ThemeName};

/// The screen on the project in `-C DIR`.
pub(crate) fn open_project(common: &Common, screen: &ScreenArgs) -> Result<u8> {
    need_terminal()?;
    crm_tui::run(super::open(common)?, &options(screen))
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
