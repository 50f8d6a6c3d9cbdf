//! Reading from a cursor's value on: where to begin, what the rows read say, how far it came.
use std::cmp::Ordering;

use chrono::{NaiveDate, TimeDelta};

use super::{LookReason, Looked, Search, Slot};
use crate::error::Result;
use crate::journal::ledger::{Left, Mark, halves};
use crate::plan::material::{Marker, NUMBER, compare, source_hashes};
use crate::platform::LOCATOR;
use crate::project::Overlap;

/// Where to begin reading: the mark, an overlap before it. None: the overlap cannot be taken from such a value.
pub(crate) fn begin(mark: &Mark, overlap: Overlap) -> Option<String> {
    if mark.value.is_empty() || overlap == Overlap::default() {
        return Some(mark.value.clone());
    }
    if mark.form == NUMBER {
        let number: i64 = mark.value.parse().ok()?;
        // Seconds are units of a clock that counts them.
        return Some(number.saturating_sub_unsigned(overlap.units.max(overlap.seconds)).to_string());
    }
    let part = |from: usize, to: usize| mark.value.get(from..to).and_then(|text| text.parse::<u32>().ok());
    let date = NaiveDate::from_ymd_opt(i32::try_from(part(0, 4)?).ok()?, part(5, 7)?, part(8, 10)?)?;
    let time = |from| part(from, from + 2).unwrap_or(0);
    let at = date.and_hms_opt(time(11), time(14), time(17))?;
    let back = at.checked_sub_signed(TimeDelta::try_seconds(i64::try_from(overlap.seconds).ok()?)?)?;
    // A date alone is a whole day: the day of the moment before its beginning.
    let digits: Vec<char> = back.format("%Y%m%d%H%M%S").to_string().chars().collect();
    let mut next = digits.into_iter();
    Some(mark.value.chars().map(|c| if c.is_ascii_digit() { next.next().unwrap_or('0') } else { c }).collect())
}

/// The mark after some rows were read: the later of the two; without a form if theirs is another.
pub(crate) fn extend(old: &Mark, read: Option<Mark>) -> Mark {
    match read {
        Some(read) if read.is_nothing() => old.clone(),
        Some(read) if old.value.is_empty() => read,
        Some(read) if read.form != old.form => Mark { form: String::new(), value: String::new(), mixed: true, ..read },
        Some(read) if compare(&old.form, &old.value, &read.value) == Ordering::Less => read,
        _ => old.clone(),
    }
}

impl<'a> Search<'a> {
    /// The rows that were read: those that the ledger knows as they are need no look.
    pub(super) fn rows_read(&mut self) -> Result<Option<Mark>> {
        let ground = self.ground;
        let reads = ground.shape.pipeline.reads();
        let mut marker = ground.shape.mapping.run.cursor.clone().map(Marker::new);
        let mut first = 0_u32;
        for frame in ground.source.batches(None)? {
            ground.monitor.check()?;
            let frame = frame?;
            if let Some(marker) = &mut marker {
                marker.see(&frame)?;
            }
            let locators = frame.column(LOCATOR)?.str()?.clone();
            for (row, hash) in source_hashes(&frame, &reads)?.into_iter().enumerate() {
                let ordinal = first + row as u32;
                let hidden = ground.secret.hide(hash);
                let locator = locators.get(row).unwrap_or_default();
                self.read.insert(locator.to_owned());
                let entry = ground.since.ledger.by_locator(locator)?;
                match entry {
                    Some(entry) if entry.source == hidden && !self.forced.contains(locator) => {
                        let filtered = entry.target.is_none();
                        let left = if filtered { Left::Filtered } else { Left::No };
                        self.slots.insert(halves(&hidden), Slot { at: ordinal + 1, left });
                        self.held.push((ordinal, entry.key, filtered));
                    }
                    entry => {
                        self.stale.extend(entry.map(|entry| entry.key));
                        self.mark(ordinal, LookReason::Changed);
                    }
                }
            }
            first += frame.height() as u32;
        }
        Ok(marker.map(Marker::mark))
    }

    /// Entries that link to records whose id changed. False: they are too many to tell.
    pub(super) fn changed_children(&mut self) -> Result<bool> {
        for parents in self.changed_parents()? {
            let Some(parents) = parents else { return Ok(false) };
            for parent in parents {
                for child in self.ground.since.ledger.children(parent)? {
                    self.take(&child, LookReason::Parent);
                }
            }
        }
        Ok(true)
    }

    pub(super) fn is_read(&self, locator: &str) -> bool {
        self.read.contains(locator)
    }

    /// What was read and not looked at holds; what was not read stays as it was.
    pub(super) fn settle_read(mut self) -> (Looked, super::Side<'a>) {
        let mut looked = Looked { gone: std::mem::take(&mut self.stale), ..Looked::default() };
        let (mut records, mut filtered) = (0, 0);
        for (ordinal, key, left_out) in std::mem::take(&mut self.held) {
            if self.dirty[ordinal as usize] {
                looked.gone.push(key);
            } else if left_out {
                filtered += 1;
            } else {
                records += 1;
            }
        }
        looked.unchanged = records;
        let agreement = &self.ground.since.agreement;
        // An entry that is stale was a record as a rule; what cannot be told apart is not claimed.
        let stale = looked.gone.len() as u64;
        looked.unread_records = agreement.records.saturating_sub(records + stale);
        looked.unread = (agreement.records + agreement.filtered).saturating_sub(records + filtered + stale);
        let side = self.fill(&mut looked);
        (looked, side)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn mark(value: &str, form: &str) -> Mark {
        Mark { column: "at".into(), value: value.into(), form: form.into(), mixed: false }
    }

    #[test]
    fn an_overlap_goes_back_in_the_same_form() {
        let back = |value: &str, form: &str, overlap: &str| begin(&mark(value, form), Overlap::parse(overlap).unwrap());
        assert_eq!(back("2026-03-01 00:02:00", "t", "5m").unwrap(), "2026-02-28 23:57:00");
        assert_eq!(back("2026-03-01T00:02:00.500Z", "t", "1h").unwrap(), "2026-02-28T23:02:00.000Z");
        assert_eq!(back("2026-03-01", "t", "1s").unwrap(), "2026-02-28");
        assert_eq!(back("1000", NUMBER, "5m").unwrap(), "700");
        assert_eq!(begin(&mark("x", "t"), Overlap::default()).unwrap(), "x");
        assert_eq!(begin(&mark("x", "t"), Overlap { seconds: 1, units: 0 }), None);
    }

    #[test]
    fn the_mark_never_goes_back() {
        let old = mark("2026-03-01", "0000-00-00");
        assert_eq!(extend(&old, Some(mark("2026-02-01", "0000-00-00"))), old);
        assert_eq!(extend(&old, Some(mark("2026-04-01", "0000-00-00"))).value, "2026-04-01");
        assert_eq!(extend(&old, None), old);
        assert_eq!(extend(&old, Some(mark("7", "number"))).form, "", "two forms do not sort");
    }
}
