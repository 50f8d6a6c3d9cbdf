//! Which alarms are told outside, and when: pure, so that time can be anything in tests.
use serde::{Deserialize, Serialize};

use crate::project::AlertsConfig;

/// An alarm that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    /// Of a mapping; None: of the loop.
    pub(crate) mapping: Option<String>,
    pub(crate) alarm: &'static str,
    /// Somebody has seen it and wants to hear no more of it for now.
    pub(crate) silent: bool,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// An alarm came.
    Alert,
    /// It is still there.
    Repeat,
    /// It is over.
    Recovered,
    /// Nothing happened: somebody tries whether telling works.
    Test,
}

impl What {
    /// Its word, as it is told.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Repeat => "repeat",
            Self::Recovered => "recovered",
            Self::Test => "test",
        }
    }
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) what: What,
    pub(crate) mapping: Option<String>,
    pub(crate) alarm: String,
    /// Since when the alarm was there, milliseconds since 1970.
    pub(crate) since: i64,
}

/// An alarm that is there, or was and its end is still to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) mapping: Option<String>,
    pub(crate) alarm: String,
    pub(crate) since: i64,
    /// When it was told last.
    pub(crate) told: Option<i64>,
    /// Since when it is gone.
    gone: Option<i64>,
}

/// The alarms that were there at the last look; kept from one loop to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alarms {
    pub(crate) known: Vec<Known>,
}

impl Alarms {
    /// Looks at the alarms that are there; answers what is to be told.
    pub(crate) fn look(&mut self, open: &[Open], rules: &AlertsConfig, now: i64) -> Vec<News> {
        let (after, repeat) = (millis(rules.after), rules.repeat.map(millis));
        let mut news = Vec::new();
        for one in open.iter().filter(|one| rules.on.contains(&one.alarm)) {
            let at = self.known.iter().position(|known| known.mapping == one.mapping && known.alarm == one.alarm);
            let at = at.unwrap_or_else(|| {
                let (mapping, alarm) = (one.mapping.clone(), one.alarm.to_owned());
                self.known.push(Known { mapping, alarm, since: now, told: None, gone: None });
                self.known.len() - 1
            });
            let known = &mut self.known[at];
            known.gone = None;
            // A clock that was set back makes nothing wait for ever.
            known.since = known.since.min(now);
            known.told = known.told.map(|told| told.min(now));
            let what = match known.told {
                None if now - known.since >= after => What::Alert,
                Some(told) if repeat.is_some_and(|repeat| now - told >= repeat) => What::Repeat,
                _ => continue,
            };
            if !one.silent {
                known.told = Some(now);
                news.push(known.news(what));
            }
        }
        let is_there = |known: &Known| {
            open.iter().any(|one| known.mapping == one.mapping && known.alarm == one.alarm)
                && rules.on.iter().any(|alarm| *alarm == known.alarm)
        };
        self.known.retain_mut(|known| {
            if is_there(known) {
                return true;
            }
            let gone = known.gone.map_or(now, |gone| gone.min(now));
            known.gone = Some(gone);
            if known.told.is_some() && now - gone >= after {
                news.push(known.news(What::Recovered));
                return false;
            }
            known.told.is_some()
        });
        news
    }

    /// The same as if this was not told.
    pub(crate) fn without(&mut self, news: &News) {
        let found = self.known.iter_mut().find(|known| known.mapping == news.mapping && known.alarm == news.alarm);
        match (found, news.what) {
            (Some(known), What::Alert | What::Repeat) => known.told = None,
            (None, What::Recovered) => self.known.push(Known {
                mapping: news.mapping.clone(),
                alarm: news.alarm.clone(),
                since: news.since,
                told: Some(news.since),
                gone: None,
            }),
            _ => {}
        }
    }
}

impl Known {
    fn news(&self, what: What) -> News {
        News { what, mapping: self.mapping.clone(), alarm: self.alarm.clone(), since: self.since }
    }
}

fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn open(alarm: &'static str, silent: bool) -> Open {
        Open { mapping: Some("contacts".into()), alarm, silent }
    }

    fn told(alarms: &mut Alarms, open: &[Open], rules: &AlertsConfig, now: i64) -> Vec<String> {
        let news = alarms.look(open, rules, now * 1_000);
        news.into_iter().map(|one| format!("{} {} {}", one.what.word(), one.alarm, one.since / 1_000)).collect()
    }

    #[test]
    fn an_alarm_that_stays_is_told_and_told_again_and_its_end_once() {
        let rules = AlertsConfig {
            after: Duration::from_secs(15),
            repeat: Some(Duration::from_secs(60)),
            ..AlertsConfig::default()
        };
        let mut alarms = Alarms::default();
        let stuck = [open("stuck", false)];
        let mut look = |open: &[Open], now: i64| told(&mut alarms, open, &rules, now);
        assert!(look(&stuck, 100).is_empty() && look(&stuck, 114).is_empty(), "a blip is none");
        assert!(look(&[], 114).is_empty() && look(&stuck, 120).is_empty());
        assert_eq!(look(&stuck, 135), ["alert stuck 120"]);
        assert!(look(&stuck, 194).is_empty());
        assert_eq!(look(&stuck, 195), ["repeat stuck 120"]);
        assert!(look(&[], 200).is_empty() && look(&stuck, 210).is_empty(), "it was not gone for long enough");
        assert!(look(&[], 220).is_empty());
        assert_eq!(look(&[], 235), ["recovered stuck 120"]);
        assert!(look(&[], 900).is_empty());
    }

    #[test]
    fn what_somebody_has_seen_is_silent_until_the_silence_is_over() {
        let rules = AlertsConfig { after: Duration::ZERO, repeat: None, ..AlertsConfig::default() };
        let mut alarms = Alarms::default();
        assert!(told(&mut alarms, &[open("late", true)], &rules, 1).is_empty());
        assert!(told(&mut alarms, &[], &rules, 2).is_empty(), "its end was no news either");
        assert!(told(&mut alarms, &[open("late", true)], &rules, 3).is_empty());
        assert_eq!(told(&mut alarms, &[open("late", false)], &rules, 4), ["alert late 3"]);
        assert!(told(&mut alarms, &[open("late", false)], &rules, 99_999).is_empty(), "once");
        assert_eq!(told(&mut alarms, &[], &rules, 100_000), ["recovered late 3"]);
    }

    #[test]
    fn only_what_is_asked_for_is_told_and_a_clock_that_is_set_back_loses_nothing() {
        let rules = AlertsConfig {
            on: vec!["held"],
            after: Duration::from_secs(15),
            repeat: Some(Duration::from_secs(60)),
            ..AlertsConfig::default()
        };
        let mut alarms = Alarms::default();
        let all = [open("stuck", false), open("held", false)];
        assert!(told(&mut alarms, &all, &rules, 1_000).is_empty());
        assert!(told(&mut alarms, &all, &rules, 10).is_empty());
        assert_eq!(told(&mut alarms, &all, &rules, 25), ["alert held 10"]);
        assert_eq!(told(&mut alarms, &all, &rules, 85), ["repeat held 10"]);
        // What could not be told is as if it had not been.
        let known = alarms.clone();
        let news = News { what: What::Alert, mapping: Some("contacts".into()), alarm: "held".into(), since: 10_000 };
        alarms.without(&news);
        assert_eq!(told(&mut alarms, &all, &rules, 86), ["alert held 10"]);
        let mut gone = known;
        assert!(told(&mut gone, &[], &rules, 90).is_empty());
        assert_eq!(told(&mut gone, &[], &rules, 105), ["recovered held 10"]);
        gone.without(&News { what: What::Recovered, ..news });
        assert!(told(&mut gone, &[], &rules, 106).is_empty());
        assert_eq!(told(&mut gone, &[], &rules, 121), ["recovered held 10"]);
    }
}
