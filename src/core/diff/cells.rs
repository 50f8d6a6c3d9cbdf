//! Fetching the cells of what differs, a bounded number at a time.
use hashbrown::HashMap;

use super::index::Found;
use super::side::{Packed, Side};
use super::{CellChange, Difference};
use crate::error::Result;
use crate::monitor::Monitor;

/// Bytes of cells that a diff holds of each side.
pub(super) const CHUNK: usize = 64 << 20;

/// An old row that differs, with the ordinal of its new one if it has one.
struct OldRow {
    cells: Packed,
    new: Option<u32>,
}

/// Emits all differences in order; gives the number of changed cells of each compared column.
pub(super) fn emit_differences(
    old: &Side<'_>,
    new: &Side<'_>,
    found: &mut Found,
    chunk: usize,
    emit: &mut dyn FnMut(Difference) -> bool,
    monitor: &dyn Monitor,
) -> Result<Vec<u64>> {
    let held = found.held.take();
    let mut out =
        Out { keys: old.key.len(), compared: old.compared, counts: vec![0; old.compared.len()], emit, more: true };
    let mut rows: Vec<OldRow> = Vec::new();
    let mut bytes = 0;
    let mut pairs = found.pairs.iter().peekable();
    let mut to_find = found.pairs.len() as u64 + found.removed;
    let mut buffer = Vec::new();
    let mut pass = if to_find > 0 { Some(old.read("differences in")?) } else { None };
    // Once nobody listens, only the cells of changed rows are of interest: they are counted by column.
    while to_find > 0 && (out.more || pairs.peek().is_some()) {
        let Some((start, batch)) = (match pass.as_mut() {
            Some(pass) => pass.next(monitor)?,
            None => None,
        }) else {
            return Err(old.moved());
        };
        let cells = old.rows(&batch)?;
        if start + cells.height as u64 > found.old_rows() {
            return Err(old.moved());
        }
        for place in 0..cells.height {
            let ordinal = (start + place as u64) as u32;
            if !found.differs(ordinal) {
                continue;
            }
            to_find -= 1;
            let row = cells.row(place);
            let (key, rest) = row.split_at(old.key.len());
            if !found.is_same(ordinal, key, rest, &mut buffer) {
                return Err(old.moved());
            }
            let partner = pairs.next_if(|(old, _)| *old == ordinal).map(|(_, new)| *new);
            let packed = Packed::of(if partner.is_some() { &row } else { key });
            bytes += packed.size();
            rows.push(OldRow { cells: packed, new: partner });
            if bytes > chunk {
                out.flush(&mut rows, new, held.as_ref(), monitor)?;
                bytes = 0;
            }
        }
    }
    out.flush(&mut rows, new, held.as_ref(), monitor)?;
    if out.more {
        out.added(&found.added, new, held.as_ref(), monitor)?;
    }
    Ok(out.counts)
}

/// Where differences go.
struct Out<'a> {
    keys: usize,
    compared: &'a [String],
    counts: Vec<u64>,
    emit: &'a mut dyn FnMut(Difference) -> bool,
    /// Whoever listens still does.
    more: bool,
}

impl Out<'_> {
    fn flush(
        &mut self,
        rows: &mut Vec<OldRow>,
        new: &Side<'_>,
        held: Option<&HashMap<u32, Packed>>,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let fetched;
        let partners = if let Some(held) = held {
            held
        } else {
            fetched = fetch(rows.iter().filter_map(|row| row.new).collect(), new, monitor)?;
            &fetched
        };
        for row in rows.drain(..) {
            let Some(ordinal) = row.new else {
                self.emit(|keys| Difference::Removed(row.cells.key(keys)));
                continue;
            };
            let partner = partners.get(&ordinal).ok_or_else(|| new.moved())?;
            if !row.cells.cells().take(self.keys).eq(partner.cells().take(self.keys)) {
                return Err(new.moved());
            }
            self.changed(&row.cells, partner);
        }
        Ok(())
    }

    fn changed(&mut self, old: &Packed, new: &Packed) {
        let cells = old.cells().zip(new.cells()).skip(self.keys).zip(self.compared).enumerate();
        let differing: Vec<_> = cells.filter(|(_, ((old, new), _))| old != new).collect();
        for (place, _) in &differing {
            self.counts[*place] += 1;
        }
        self.emit(|keys| {
            let key = old.key(keys);
            let change = |((old, new), column): ((Option<&str>, Option<&str>), &String)| CellChange {
                key: key.clone(),
                column: column.clone(),
                old: old.map(str::to_owned),
                new: new.map(str::to_owned),
            };
            Difference::Changed(differing.into_iter().map(|(_, cell)| change(cell)).collect())
        });
    }

    fn added(
        &mut self,
        added: &[u32],
        new: &Side<'_>,
        held: Option<&HashMap<u32, Packed>>,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        if let Some(held) = held {
            for ordinal in added {
                let row = held.get(ordinal).ok_or_else(|| new.moved())?;
                self.emit(|keys| Difference::Added(row.key(keys)));
            }
            return Ok(());
        }
        let mut wanted = added.iter().copied().peekable();
        let mut pass = new.read("added rows of")?;
        while wanted.peek().is_some() && self.more {
            let Some((start, batch)) = pass.next(monitor)? else { return Err(new.moved()) };
            let cells = new.rows(&batch)?;
            let end = start + cells.height as u64;
            while let Some(ordinal) = wanted.next_if(|ordinal| u64::from(*ordinal) < end) {
                let row = cells.row((u64::from(ordinal) - start) as usize);
                self.emit(|keys| Difference::Added(row[..keys].iter().map(|cell| cell.map(str::to_owned)).collect()));
            }
        }
        Ok(())
    }

    fn emit(&mut self, difference: impl FnOnce(usize) -> Difference) {
        if self.more {
            self.more = (self.emit)(difference(self.keys));
        }
    }
}

/// Cells of these new rows, read from the start.
fn fetch(mut ordinals: Vec<u32>, new: &Side<'_>, monitor: &dyn Monitor) -> Result<HashMap<u32, Packed>> {
    ordinals.sort_unstable();
    let mut fetched = HashMap::with_capacity(ordinals.len());
    let mut wanted = ordinals.into_iter().peekable();
    if wanted.peek().is_none() {
        return Ok(fetched);
    }
    let mut pass = new.read("differences in")?;
    while wanted.peek().is_some() {
        let Some((start, batch)) = pass.next(monitor)? else { return Err(new.moved()) };
        let cells = new.rows(&batch)?;
        let end = start + cells.height as u64;
        while let Some(ordinal) = wanted.next_if(|ordinal| u64::from(*ordinal) < end) {
            fetched.insert(ordinal, Packed::of(&cells.row((u64::from(ordinal) - start) as usize)));
        }
    }
    Ok(fetched)
}
