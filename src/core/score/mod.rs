//! Consistency and timeliness (DESIGN §4).
use serde::{Deserialize, Serialize};

mod timeliness;
pub use timeliness::{Timeliness, term};

/// Records of one source by how expected image and target compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Equal.
    pub equal: u64,
    /// Same key, different.
    pub different: u64,
    /// Missing in new.
    pub missing: u64,
    /// Extra in new.
    pub extra: u64,
}

impl Tally {
    /// |Old ∪ New|.
    pub const fn union(&self) -> u64 {
        self.equal + self.different + self.missing + self.extra
    }
    /// E / U, None for ∅ ∪ ∅.
    pub fn ratio(&self) -> Option<f64> {
        (self.union() > 0).then(|| self.equal as f64 / self.union() as f64)
    }
}

/// Consistency over several sources: the mean of E / U, sources with ∅ ∪ ∅ left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Consistency {
    /// Mean over the sources that count, 0 to 1; None where none does.
    pub mean: Option<f64>,
    /// ΣE / ΣU, so that large sources weigh more.
    pub micro: Option<f64>,
    /// Sources that count.
    pub counted: usize,
    /// Sources in all.
    pub sources: usize,
}

impl Consistency {
    /// Over these sources.
    pub fn of(tallies: &[Tally]) -> Self {
        let mut ratios: Vec<f64> = tallies.iter().filter_map(Tally::ratio).collect();
        // In one order for all, so that the last digit of the sum does not depend on that of the mappings.
        ratios.sort_unstable_by(f64::total_cmp);
        let sum = |pick: fn(&Tally) -> u64| tallies.iter().map(pick).sum::<u64>();
        let (equal, union) = (sum(|tally| tally.equal), sum(Tally::union));
        let perfect = equal == union;
        Self {
            // A mean of ones is one: no rounding of a sum may say less, and nothing less may say one.
            mean: (!ratios.is_empty())
                .then(|| if perfect { 1.0 } else { (ratios.iter().sum::<f64>() / ratios.len() as f64).min(ALMOST) }),
            micro: (union > 0).then(|| if perfect { 1.0 } else { (equal as f64 / union as f64).min(ALMOST) }),
            counted: ratios.len(),
            sources: tallies.len(),
        }
    }
    /// `99.93 %`, with `3 of 4 sources` where some do not count, and the micro average.
    pub fn text(&self) -> String {
        let mut text = percent(self.mean);
        if self.counted < self.sources {
            text += &format!(" ({} of {} sources)", self.counted, self.sources);
        }
        if self.counted > 1 {
            text += &format!(", over all records {}", percent(self.micro));
        }
        text
    }
}

/// The largest share below one.
const ALMOST: f64 = 1.0 - f64::EPSILON;

/// A share as per cent with two decimals, rounded down: 100 % is all of it and nothing less. `n/a` for None.
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => "n/a".to_owned(),
        Some(share) if share >= 1.0 => "100 %".to_owned(),
        // A hair is added against binary fractions (0.07 * 10000 is 700.0000000000001, 0.29 * 10000 is 2899.9999999999995).
        Some(share) => format!("{:.2} %", ((share * 10_000.0 + 1e-6).floor() / 100.0).min(99.99)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tallies() -> impl Strategy<Value = Vec<Tally>> {
        // Small numbers meet each other often; great ones are beyond what a fraction can tell apart.
        let count = || prop_oneof![0_u64..4, 0_u64..100_000, (1_u64 << 53)..(1 << 54)];
        let wrong = || prop_oneof![3 => Just(0_u64), 2 => 0_u64..5, 1 => 0_u64..100_000];
        let tally = (count(), wrong(), wrong(), wrong());
        prop::collection::vec(
            tally.prop_map(|(equal, different, missing, extra)| Tally { equal, different, missing, extra }),
            0..7,
        )
    }

    proptest! {
        /// All is equal, or the score is below one; whatever the order of the sources.
        #[test]
        fn it_is_one_exactly_when_all_is_equal(tallies in tallies(), turn in 0_usize..7) {
            let score = Consistency::of(&tallies);
            let some = tallies.iter().any(|tally| tally.union() > 0);
            let all = tallies.iter().all(|tally| tally.equal == tally.union());
            prop_assert_eq!((score.mean.is_some(), score.micro.is_some()), (some, some));
            prop_assert_eq!(score.mean == Some(1.0), some && all);
            prop_assert_eq!(score.micro == Some(1.0), some && all);
            for share in [score.mean, score.micro].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&share));
                prop_assert_eq!(percent(Some(share)) == "100 %", all);
            }
            let mut turned = tallies.clone();
            turned.rotate_left(turn % tallies.len().max(1));
            turned.reverse();
            prop_assert_eq!(Consistency::of(&turned), score);
        }

        /// A record that is mended, added or taken away as it must be never lowers the score.
        #[test]
        fn no_repair_lowers_it(tallies in tallies(), at in 0_usize..7, kind in 0..3) {
            let before = Consistency::of(&tallies);
            let mut after = tallies;
            let Some(tally) = after.get_mut(at) else { return Ok(()) };
            match kind {
                0 if tally.different > 0 => (tally.different, tally.equal) = (tally.different - 1, tally.equal + 1),
                1 if tally.missing > 0 => (tally.missing, tally.equal) = (tally.missing - 1, tally.equal + 1),
                2 if tally.extra > 0 => tally.extra -= 1,
                _ => return Ok(()),
            }
            let after = Consistency::of(&after);
            // The last wrong record of a source that had nothing else leaves nothing to be scored.
            prop_assert!(after.mean.is_none() || after.counted < before.counted || after.mean >= before.mean);
            prop_assert!(after.micro.is_none() || after.micro >= before.micro);
        }
    }

    #[test]
    fn per_cent_is_rounded_down_and_100_is_all() {
        assert_eq!(percent(None), "n/a");
        assert_eq!(percent(Some(1.0)), "100 %");
        assert_eq!(percent(Some(0.999_999_9)), "99.99 %");
        assert_eq!(percent(Some(0.29)), "29.00 %");
        assert_eq!(percent(Some(0.0)), "0.00 %");
    }

    #[test]
    fn empty_sources_leave_the_mean_and_are_told() {
        let full = Tally { equal: 3, ..Tally::default() };
        let half = Tally { equal: 1, missing: 1, ..Tally::default() };
        let score = Consistency::of(&[full, half, Tally::default()]);
        assert_eq!((score.mean, score.micro, score.counted), (Some(0.75), Some(0.8), 2));
        assert_eq!(score.text(), "75.00 % (2 of 3 sources), over all records 80.00 %");
        assert_eq!(Consistency::of(&[Tally::default()]).text(), "n/a (0 of 1 sources)");
        assert_eq!(Consistency::of(&[full, full]).mean, Some(1.0));
        let gone = Tally { missing: 5, ..Tally::default() };
        assert_eq!(Consistency::of(&[gone]).mean, Some(0.0));
    }
}
