//! `push`: records from standard input.
use std::io::{BufRead, Read};

use crm_connect::push::delivery_of_line;
use crm_core::platform::{Delivery, Desk, Refusal};
use crm_core::{Error, Result};
use serde_json::json;

use super::args::Common;
use super::output::Output;

/// Records that are kept together: each such batch is on disk before the next is read.
const TOGETHER: usize = 500;

/// Reads JSON lines to their end. A line that is not as it must be ends it; what came before is kept.
pub(crate) fn push(common: &Common, mapping: &str, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let most = workspace.project().push.max_bytes;
    let desk = workspace.push_desk()?;
    let mut input = std::io::stdin().lock();
    let (mut accepted, mut repeated, mut number) = (0, 0, 0_u64);
    let mut waiting: Option<Delivery> = None;
    let mut line = Vec::new();
    let answer = loop {
        line.clear();
        let read = input.by_ref().take(most as u64 + 1).read_until(b'\n', &mut line);
        let read = read.map_err(|error| Error::platform(format!("cannot read standard input: {error}")))?;
        number += 1;
        let next = if read == 0 {
            None
        } else if line.len() > most {
            break Err(Refusal::Bad(format!("line {number}: longer than {most} bytes")));
        } else if line.trim_ascii().is_empty() {
            continue;
        } else {
            let text = std::str::from_utf8(&line).map_err(|_| "not UTF-8".to_owned());
            match text.and_then(|text| delivery_of_line(text, "stdin", Some(mapping))) {
                Ok(delivery) => Some(delivery),
                Err(why) => break Err(Refusal::Bad(format!("line {number}: {why}"))),
            }
        };
        // Lines with a key of their own, or another time, go alone.
        let joins = |one: &Delivery, other: &Delivery| {
            one.idempotency.is_none()
                && other.idempotency.is_none()
                && one.changed == other.changed
                && one.items.len() < TOGETHER
        };
        match (&mut waiting, next) {
            (Some(batch), Some(next)) if joins(batch, &next) => batch.items.extend(next.items),
            (batch, next) => {
                let ended = next.is_none();
                if let Some(full) = std::mem::replace(batch, next) {
                    match desk.take(&full) {
                        Ok(receipt) => {
                            accepted += receipt.accepted;
                            repeated += receipt.repeated;
                        }
                        Err(refusal) => {
                            *batch = None;
                            break Err(refusal);
                        }
                    }
                }
                if ended {
                    break Ok(());
                }
            }
        }
    };
    // What was read before a line that is not as it must be is taken all the same.
    if answer.is_err()
        && let Some(rest) = waiting
        && let Ok(receipt) = desk.take(&rest)
    {
        accepted += receipt.accepted;
        repeated += receipt.repeated;
    }
    if let Err(refusal) = answer {
        let kept = format!("{accepted} records before it are taken");
        return Err(match refusal {
            Refusal::Failed(error) => error,
            Refusal::Unknown(why) => Error::usage(why).at(format!("mapping {mapping}")),
            Refusal::Bad(why) => Error::data(why).advise(kept),
            Refusal::Full(why) => Error::platform(why).advise(kept),
        });
    }
    if out.is_json() {
        out.json(&json!({"accepted": accepted, "repeated": repeated}))?;
    } else {
        let asleep =
            if workspace.sync_status()?.alive { "" } else { "; sync is not running, it handles them when it starts" };
        out.line(format!("{accepted} records taken, {repeated} came before{asleep}"))?;
    }
    Ok(0)
}
