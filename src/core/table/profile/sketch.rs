//! Counts of many things in little room.
use hashbrown::HashMap;

/// Counts distinct hashes: all of them up to a bound, then those whose lowest bits are zero, more bits as more come. What
/// it holds is held whole, so that it tells repeated values too.
pub(super) struct Distinct {
    bound: usize,
    level: u32,
    /// Hash, and whether it came more than once.
    held: HashMap<u64, bool>,
}

impl Distinct {
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, level: 0, held: HashMap::new() }
    }

    pub(super) fn add(&mut self, hash: u64) {
        if !self.takes(hash) {
            return;
        }
        if let Some(repeated) = self.held.get_mut(&hash) {
            *repeated = true;
            return;
        }
        self.held.insert(hash, false);
        while self.held.len() > self.bound {
            self.level += 1;
            let level = self.level;
            self.held.retain(|hash, _| hash.trailing_zeros() >= level);
        }
    }

    /// Notes that a value came more than once.
    pub(super) fn repeat(&mut self, hash: u64) {
        if let Some(repeated) = self.held.get_mut(&hash) {
            *repeated = true;
        }
    }

    fn takes(&self, hash: u64) -> bool {
        hash.trailing_zeros() >= self.level
    }

    /// Distinct hashes.
    pub(super) fn count(&self) -> u64 {
        (self.held.len() as u64) << self.level
    }

    /// Those that came more than once.
    pub(super) fn repeated(&self) -> u64 {
        (self.held.values().filter(|repeated| **repeated).count() as u64) << self.level
    }

    /// The counts are estimates.
    pub(super) fn is_estimate(&self) -> bool {
        self.level > 0
    }
}

/// Counts the most frequent of many texts: when there is no room, all counts are lowered until half of them are gone
/// (Misra and Gries), so a count is at most as much too low as was lowered.
pub(super) struct Frequent {
    bound: usize,
    counts: HashMap<String, u64>,
}

impl Frequent {
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, counts: HashMap::new() }
    }

    pub(super) fn add(&mut self, text: &str, weight: u64) {
        *self.counts.entry_ref(text).or_insert(0) += weight;
        if self.counts.len() > self.bound {
            let mut counts: Vec<u64> = self.counts.values().copied().collect();
            let middle = counts.len() / 2;
            let (_, lowered, _) = counts.select_nth_unstable(middle);
            let lowered = *lowered;
            self.counts.retain(|_, count| {
                *count = count.saturating_sub(lowered);
                *count > 0
            });
        }
    }

    /// The most frequent, most first; of equally frequent ones the first by text.
    pub(super) fn top(self, number: usize) -> Vec<(String, u64)> {
        let mut counts: Vec<(String, u64)> = self.counts.into_iter().collect();
        counts.sort_unstable_by(|one, two| two.1.cmp(&one.1).then_with(|| one.0.cmp(&two.0)));
        counts.truncate(number);
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_64;

    fn hash(number: u64) -> u64 {
        xxh3_64(&number.to_le_bytes())
    }

    #[test]
    fn distinct_is_exact_up_to_the_bound_and_near_beyond() {
        let mut few = Distinct::new(1_000);
        (0..3_000).for_each(|number| few.add(hash(number % 900)));
        assert_eq!((few.count(), few.repeated(), few.is_estimate()), (900, 900, false));
        let mut many = Distinct::new(8_192);
        (0..300_000).for_each(|number| many.add(hash(number)));
        (0..30_000).for_each(|number| many.add(hash(number)));
        assert!(many.is_estimate() && many.held.len() <= 8_192);
        assert!((285_000..315_000).contains(&many.count()), "{}", many.count());
        assert!((25_000..35_000).contains(&many.repeated()), "{}", many.repeated());
    }

    #[test]
    fn what_is_frequent_is_found_among_much_that_is_not() {
        let mut frequent = Frequent::new(50);
        for number in 0..10_000 {
            frequent.add(&format!("rare {number}"), 1);
            if number % 5 == 0 {
                frequent.add("often", 1);
            }
        }
        assert!(frequent.counts.len() <= 50);
        let top = frequent.top(1);
        assert_eq!(top[0].0, "often");
        assert!(top[0].1 <= 2_000 && top[0].1 > 1_000, "{}", top[0].1);
    }
}
