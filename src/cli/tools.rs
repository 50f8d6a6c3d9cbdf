//! doctor, completions, man.
use clap::CommandFactory;
use crm_core::Result;
use crm_core::table::text::sanitize;
use serde_json::json;

use super::args::{Arguments, Common};
use super::output::Output;

/// `completions SHELL`.
pub(crate) fn completions(shell: clap_complete::Shell, out: &mut Output) -> Result<u8> {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "crm-console", &mut bytes);
    out.raw(&bytes)?;
    Ok(0)
}

/// `man`.
pub(crate) fn man(out: &mut Output) -> Result<u8> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(Arguments::command())
        .render(&mut bytes)
        .map_err(|error| crm_core::Error::platform(format!("cannot render the man page: {error}")))?;
    out.raw(&bytes)?;
    Ok(0)
}

/// One thing that was looked at.
struct Finding {
    what: String,
    good: bool,
    note: String,
}

/// `doctor`.
pub(crate) fn doctor(common: &Common, out: &mut Output) -> Result<u8> {
    let mut findings = vec![Finding {
        what: "program".into(),
        good: true,
        note: format!("crm-console {}", env!("CARGO_PKG_VERSION")),
    }];
    let kinds: Vec<&str> = crm_connect::registry().kinds().map(|(kind, _)| kind).collect();
    findings.push(Finding { what: "platform kinds".into(), good: true, note: kinds.join(", ") });
    let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .is_some_and(|locale| locale.to_lowercase().replace('-', "").contains("utf8"));
    findings.push(Finding {
        what: "locale".into(),
        good: utf8,
        note: if utf8 { "UTF-8".into() } else { "not UTF-8: the screen draws ASCII; set LANG=C.UTF-8".into() },
    });
    match super::open(common) {
        Err(error) => findings.push(Finding { what: "project".into(), good: false, note: error.to_string() }),
        Ok(workspace) => {
            let project = workspace.project();
            findings.push(Finding {
                what: "project".into(),
                good: project.problems.is_empty(),
                note: format!(
                    "{} mappings, {} problems (crm-console check)",
                    project.mappings.len(),
                    project.problems.len()
                ),
            });
            for name in project.platforms.keys() {
                let answer = workspace.connector(name).and_then(|connector| connector.objects());
                let (good, note) = match answer {
                    Ok(objects) => (true, format!("{} objects", objects.len())),
                    Err(error) => (false, error.to_string()),
                };
                findings.push(Finding { what: format!("platform {name}"), good, note });
            }
            findings.push(match crm_core::journal::StateDir::of(&project.root).health() {
                Ok(note) => Finding { what: "state".into(), good: true, note },
                Err(error) => Finding { what: "state".into(), good: false, note: error.to_string() },
            });
        }
    }
    let good = findings.iter().all(|finding| finding.good);
    if out.is_json() {
        let list: Vec<_> = findings
            .iter()
            .map(|finding| json!({"what": finding.what, "good": finding.good, "note": finding.note}))
            .collect();
        out.json(&json!({"good": good, "findings": list}))?;
    } else {
        for finding in &findings {
            let mark = if finding.good { "ok " } else { "!! " };
            let note: Vec<String> = finding.note.lines().map(|line| sanitize(line.trim()).into_owned()).collect();
            out.line(format!("{mark}{:<16} {}", finding.what, note.join("; ")))?;
        }
    }
    Ok(if good { 0 } else { crm_core::Kind::Platform.exit_code() })
}
