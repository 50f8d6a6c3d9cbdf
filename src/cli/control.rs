//! Commands that tell a run what to do while it goes on, and that go on with one that ended early.
use crm_core::workspace::Resumed;
use crm_core::{Error, Result};
use serde_json::json;

use super::args::{Common, Pace};
use super::output::Output;
use super::runs;

/// Says what was asked of a run.
fn asked(run: &str, what: &str, words: &str, out: &mut Output) -> Result<u8> {
    if out.is_json() {
        out.json(&json!({"run": run, "asked": what}))?;
    } else {
        out.line(words)?;
    }
    Ok(0)
}

/// `cancel`.
pub(crate) fn cancel(common: &Common, run: &str, out: &mut Output) -> Result<u8> {
    super::open(common)?.cancel_run(run)?;
    asked(run, "cancel", &format!("asked {run} to end; nothing more is published"), out)
}

/// `stop`.
pub(crate) fn stop(common: &Common, run: &str, out: &mut Output) -> Result<u8> {
    super::open(common)?.stop_run(run)?;
    let words = format!("asked {run} to stop after this batch; go on with it: crm-console resume {run}");
    asked(run, "stop", &words, out)
}

/// `pause`.
pub(crate) fn pause(common: &Common, run: &str, out: &mut Output) -> Result<u8> {
    super::open(common)?.pause_run(run)?;
    let words = format!(
        "asked {run} to pause; it waits outside of any open transaction (crm-console runs tells when it does); go on with it: \
         crm-console resume {run}"
    );
    asked(run, "pause", &words, out)
}

/// `resume`.
pub(crate) fn resume(common: &Common, run: &str, detach: bool, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let resumed = workspace.resume_run(run)?;
    if !detach {
        return runs::follow(&workspace, run, out);
    }
    let Resumed::Attempt(attempt) = resumed else {
        return asked(run, "resume", &format!("asked {run} to go on"), out);
    };
    if out.is_json() {
        out.json(&json!({"run": run, "attempt": attempt}))?;
    } else {
        out.line(format!("run {run} goes on in attempt {attempt}; follow it with: crm-console runs"))?;
    }
    Ok(0)
}

/// `throttle`.
pub(crate) fn throttle(common: &Common, run: &str, pace: &Pace, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    if pace.rows.is_none() && pace.workers.is_none() {
        return Err(Error::usage("neither a rate nor a number of workers was named")
            .advise(format!("crm-console throttle {run} 500, or off, or --workers 4")));
    }
    let mut words = Vec::new();
    if let Some(rows) = &pace.rows {
        let rows = rate(rows)?;
        workspace.throttle_run(run, rows)?;
        words.push(rows.map_or("as fast as it goes".to_owned(), |rows| format!("at most {rows} rows a second")));
    }
    if let Some(workers) = pace.workers {
        workspace.set_workers(run, workers)?;
        words.push(format!("{workers} workers"));
    }
    if out.is_json() {
        let run = workspace.run(run)?;
        out.json(&json!({"run": run.id, "limit": run.limit, "workers": run.workers}))?;
    } else {
        out.line(format!("{run}: {}", words.join(", ")))?;
    }
    Ok(0)
}

/// `500`, `1,000`, `off`.
fn rate(text: &str) -> Result<Option<u64>> {
    if text == "off" {
        return Ok(None);
    }
    match text.replace([',', '_'], "").parse::<u64>() {
        Ok(rows) if rows > 0 => Ok(Some(rows)),
        _ => Err(Error::usage(format!("{text} is no rate"))
            .advise("name rows a second from 1 on, or off; to hold the run altogether: crm-console pause")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::rate;

    #[test]
    fn rates_are_rows_a_second_or_off() {
        assert_eq!(rate("off").unwrap(), None);
        assert_eq!(rate("1,500").unwrap(), Some(1_500));
        for wrong in ["0", "-1", "fast", "", "1.5"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
