//! Decoded columns of row groups, the least recently used go first.
use std::collections::BTreeMap;

use hashbrown::HashMap;
use polars::prelude::Column;

/// Row group and column, by place.
pub(super) type Place = (usize, usize);

/// Columns up to so many bytes.
pub(super) struct Cache {
    limit: usize,
    held: usize,
    clock: u64,
    columns: HashMap<Place, (Column, usize, u64)>,
    by_use: BTreeMap<u64, Place>,
}

impl Cache {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: 0, clock: 0, columns: HashMap::new(), by_use: BTreeMap::new() }
    }

    pub(super) fn get(&mut self, place: Place) -> Option<Column> {
        let (column, _, used) = self.columns.get_mut(&place)?;
        self.by_use.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.by_use.insert(self.clock, place);
        Some(column.clone())
    }

    pub(super) fn put(&mut self, place: Place, column: Column) {
        let bytes = column.as_materialized_series().estimated_size();
        if bytes > self.limit || self.columns.contains_key(&place) {
            return;
        }
        while self.held + bytes > self.limit {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            if let Some((_, bytes, _)) = self.columns.remove(&oldest) {
                self.held -= bytes;
            }
        }
        self.clock += 1;
        self.held += bytes;
        self.by_use.insert(self.clock, place);
        self.columns.insert(place, (column, bytes, self.clock));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use polars::prelude::{IntoColumn, NamedFrom, Series};

    use super::*;

    fn column(text: &str) -> Column {
        Series::new("c".into(), vec![text.repeat(100); 10]).into_column()
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_bound_holds() {
        let size = column("a").as_materialized_series().estimated_size();
        let mut cache = Cache::new(size * 2 + size / 2);
        cache.put((0, 0), column("a"));
        cache.put((0, 1), column("b"));
        assert!(cache.get((0, 0)).is_some());
        cache.put((1, 0), column("c"));
        assert!(cache.get((0, 1)).is_none());
        assert!(cache.get((0, 0)).is_some() && cache.get((1, 0)).is_some());
        assert!(cache.held <= cache.limit);
        assert_eq!(cache.columns.len(), cache.by_use.len());
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let mut cache = Cache::new(10);
        cache.put((0, 0), column("a"));
        assert!(cache.get((0, 0)).is_none());
        assert_eq!(cache.held, 0);
    }
}
