//! `cutover status|freeze|signoff|switch`.
use crm_core::Result;
use crm_core::table::text::sanitize;
use crm_core::workspace::{Cutover, CutoverState};

use super::args::{Common, CutoverAction};
use super::output::Output;
use super::{DIFFERENCES, open};

pub(crate) fn run(common: &Common, action: &CutoverAction, out: &mut Output) -> Result<u8> {
    let workspace = open(common)?;
    let cutover = match action {
        CutoverAction::Status => workspace.cutover()?,
        CutoverAction::Freeze => workspace.cutover_freeze()?,
        CutoverAction::Signoff { names, note } => workspace.cutover_signoff(names, note.as_deref())?,
        CutoverAction::Switch { confirm } => workspace.cutover_switch(confirm)?,
    };
    print(&cutover, out)?;
    let status = matches!(action, CutoverAction::Status);
    let done = cutover.items.iter().all(|item| item.state == CutoverState::Done);
    Ok(if status && !done { DIFFERENCES } else { 0 })
}

fn print(cutover: &Cutover, out: &mut Output) -> Result<()> {
    if out.is_json() {
        return out.json(cutover);
    }
    let env = cutover.env.as_deref().map_or("LIVE".to_owned(), str::to_uppercase);
    out.line(format!("CUT-OVER {env} -> {}", sanitize(&cutover.confirm)))?;
    for (at, item) in cutover.items.iter().enumerate() {
        let state = item.state.word();
        out.line(format!("  {} {:<8} {state:<6} {}", at + 1, item.step.word(), sanitize(&item.detail)))?;
        if let Some(advice) = &item.advice {
            out.line(format!("                    {}", sanitize(advice)))?;
        }
    }
    for (env, words) in &cutover.others {
        out.line(format!("  {}: {}", sanitize(&env.to_uppercase()), sanitize(words)))?;
    }
    Ok(())
}
