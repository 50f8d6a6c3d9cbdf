//! `init`: a project between old and new CRMs, for an occasion.
use std::io::{IsTerminal, Write};

use crm_core::project::{InitAsk, Project, Scenario};
use crm_core::table::text::sanitize;
use crm_core::{Error, Result};
use serde_json::json;

use super::args::{Common, InitArgs, ScenarioName, yes_or_no};
use super::output::Output;

/// `init OLD NEW`.
pub(crate) fn init(common: &Common, args: &InitArgs, out: &mut Output) -> Result<u8> {
    let scenario = args.scenario.map(|name| match name {
        ScenarioName::Growth => Scenario::Growth,
        ScenarioName::Upgrade => Scenario::Upgrade,
        ScenarioName::Merge => Scenario::Merge,
        ScenarioName::Split => Scenario::Split,
    });
    let (mut old, mut new) = (vec![args.old.clone()], vec![args.new.clone()]);
    match scenario {
        Some(Scenario::Split) => new.extend(args.more.iter().cloned()),
        _ => old.extend(args.more.iter().cloned()),
    }
    let mut ask = InitAsk {
        old,
        new,
        scenario,
        parts: args.part.clone(),
        downtime: args.downtime,
        live: args.live,
        both_ways: args.both_ways,
    };
    if let Some(scenario) = scenario
        && !out.is_json()
        && !common.plain
        && std::io::stdin().is_terminal()
    {
        ask_the_rest(&mut ask, scenario)?;
    }
    let done = Project::init_for(&common.project, &ask, &crm_connect::registry())?;
    if out.is_json() {
        out.json(&json!({"project": common.project, "files": done.files, "recommended": done.recommended}))?;
        return Ok(0);
    }
    for one in &done.recommended {
        out.line(format!("{}: {}", one.about, one.choice))?;
        out.line(format!("    {}", one.why))?;
    }
    for file in &done.files {
        out.line(format!("wrote {}", sanitize(&file.display().to_string())))?;
    }
    out.line("next: crm-console check, then crm-console (the screen) or crm-console preview")?;
    Ok(0)
}

/// Asks a person what the command line did not say; an empty answer leaves it to the console.
fn ask_the_rest(ask: &mut InitAsk, scenario: Scenario) -> Result<()> {
    let read = |question: &str| -> Result<String> {
        let failed = |error: std::io::Error| Error::platform(format!("cannot ask: {error}"));
        eprint!("{question} ");
        std::io::stderr().flush().map_err(failed)?;
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map_err(failed)?;
        Ok(line.trim().to_owned())
    };
    if scenario == Scenario::Split {
        for new in ask.new.iter().skip(ask.parts.len()) {
            let question = format!("Which rows go to {}? A condition, as in REGION = 'north':", new.display());
            ask.parts.push(read(&question)?);
        }
    }
    while ask.live.is_none() {
        let usual = if scenario.usually_live() { "Y/n" } else { "y/N" };
        let answer = read(&format!("Will both be worked with side by side for a while? [{usual}]"))?;
        ask.live = if answer.is_empty() { Some(scenario.usually_live()) } else { yes_or_no(&answer).ok() };
    }
    while ask.live == Some(false) && ask.downtime.is_none() {
        let answer = read("For how many minutes may nobody work with the old one? [as long as it takes]")?;
        if answer.is_empty() {
            break;
        }
        ask.downtime = answer.parse().ok();
    }
    Ok(())
}
