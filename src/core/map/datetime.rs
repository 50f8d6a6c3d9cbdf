//! The `datetime` and `zone` settings: local times in a declared format to ISO 8601.
use std::borrow::Cow;

use chrono::{LocalResult, TimeZone};
use chrono_tz::Tz;

use super::iso;
use crate::clean::{Cleaned, CleaningRule, DateFormat, is_blank};

/// Reads a declared format; with a zone the result is UTC.
pub(crate) struct DatetimeStep {
    format: DateFormat,
    zone: Option<Tz>,
}

impl DatetimeStep {
    /// The error says what is wrong with format or zone.
    pub(crate) fn new(format: &str, zone: Option<&str>) -> Result<Self, String> {
        let format = DateFormat::new(format)?;
        let parts = format.parts();
        if !parts.date {
            return Err(format!("the format \"{}\" has no day, month and year", format.text()));
        }
        let zone = zone.map(parse_zone).transpose()?;
        if zone.is_some() && parts.offset {
            return Err("the format holds the distance to UTC itself: leave out zone".into());
        }
        if zone.is_some() && !parts.time {
            return Err("a zone needs a time of day in the format".into());
        }
        Ok(Self { format, zone })
    }
}

/// A zone of the tz database.
fn parse_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| {
        let near = crate::clean::nearest(name, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
        match near {
            Some(near) => format!("unknown zone '{name}': did you mean '{near}'?"),
            None => format!("unknown zone '{name}': write one like Europe/Berlin or UTC"),
        }
    })
}

impl CleaningRule for DatetimeStep {
    fn name(&self) -> &'static str {
        "datetime"
    }
    fn settings(&self) -> String {
        format!("{:?} {}", self.format.text(), self.zone.map_or("", |zone| zone.name()))
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else { return Cleaned::Same };
        if is_blank(value) {
            return Cleaned::Changed(None);
        }
        let moment = match self.format.read(value) {
            Ok(moment) => moment,
            Err(reason) => return Cleaned::failed(reason),
        };
        let text = if let Some(offset) = moment.offset {
            match moment.local.checked_sub_offset(offset) {
                Some(utc) => iso::write_moment(utc, true),
                None => return Cleaned::failed("is out of range"),
            }
        } else if let Some(zone) = self.zone {
            match zone.from_local_datetime(&moment.local) {
                LocalResult::Single(time) => iso::write_moment(time.naive_utc(), true),
                LocalResult::Ambiguous(..) => {
                    return Cleaned::failed("happened twice in its zone: the clocks were set back");
                }
                LocalResult::None => return Cleaned::failed("never happened in its zone: the clocks were set forward"),
            }
        } else if self.format.parts().time {
            iso::write_moment(moment.local, false)
        } else {
            let mut text = String::with_capacity(10);
            iso::write_date(&mut text, moment.local.date());
            text
        };
        if text == value { Cleaned::Same } else { Cleaned::Changed(Some(Cow::Owned(text))) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(format: &str, zone: Option<&str>, value: &str) -> Result<String, String> {
        match DatetimeStep::new(format, zone)?.clean(Some(value)) {
            Cleaned::Same => Ok(value.to_owned()),
            Cleaned::Changed(new) => Ok(new.map_or("NULL".into(), Cow::into_owned)),
            Cleaned::Failed(reason) => Err(reason.into_owned()),
            Cleaned::DropRow => Err("dropped".into()),
        }
    }

    #[test]
    fn local_times_become_utc_and_impossible_ones_fail() {
        let berlin = Some("Europe/Berlin");
        let format = "%d/%m/%Y %H:%M";
        assert_eq!(read(format, None, "31/03/2024 14:05").unwrap(), "2024-03-31T14:05:00");
        assert_eq!(read(format, berlin, "31/03/2024 14:05").unwrap(), "2024-03-31T12:05:00Z");
        assert_eq!(read(format, berlin, "15/01/2024 00:30").unwrap(), "2024-01-14T23:30:00Z");
        assert!(read(format, berlin, "31/03/2024 02:30").unwrap_err().contains("never"));
        assert!(read(format, berlin, "27/10/2024 02:30").unwrap_err().contains("twice"));
        assert_eq!(read("%Y-%m-%d %H:%M:%S%z", None, "2024-03-31 14:05:00+0200").unwrap(), "2024-03-31T12:05:00Z");
        assert_eq!(read("%s", None, "1711886700").unwrap(), "2024-03-31T12:05:00Z");
        assert_eq!(read("%d.%m.%Y", None, "31.03.2024").unwrap(), "2024-03-31");
        assert_eq!(read(format, None, " ").unwrap(), "NULL");
    }

    #[test]
    fn the_whole_value_must_fit() {
        for value in [
            "31/03/2024",
            "31/03/24 14:05",
            "31/03/2024 14:05:00",
            "31/02/2024 14:05",
            " 31/03/2024 14:05",
            "31/03/2024 25:00",
        ] {
            assert!(read("%d/%m/%Y %H:%M", None, value).is_err(), "{value}");
        }
    }

    #[test]
    fn settings_are_checked() {
        assert!(read("%H:%M", None, "").unwrap_err().contains("no day"));
        assert!(read("%d/%m/%Y", Some("Europe/Berlin"), "").unwrap_err().contains("time of day"));
        assert!(read("%d/%m/%Y %H:%M%z", Some("Europe/Berlin"), "").unwrap_err().contains("leave out"));
        assert!(read("%d/%m/%Y %H", Some("Europe/Berln"), "").unwrap_err().contains("Europe/Berlin"));
        assert!(read("%d/%!", None, "").unwrap_err().contains("not known"));
    }
}
