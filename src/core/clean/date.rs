//! Dates in declared formats.
use std::borrow::Cow;

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems, parse};
use chrono::{Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime};

use super::registry::Entry;
use super::{Cleaned, CleaningRule, is_blank};

pub(super) const ENTRIES: &[Entry] = &[Entry::new(
    "date",
    "date = [\"%d/%m/%Y\", \"%Y-%m-%d\"]",
    "Reads a date in one of the declared formats and writes it as 2024-03-31; fails if none fits or two disagree.",
    |setting| {
        let formats = setting.texts()?.into_iter().map(DateFormat::new).collect::<Result<Vec<_>, _>>()?;
        if let Some(format) = formats.iter().find(|format| !format.parts().date) {
            return Err(format!("the format \"{}\" has no day, month and year", format.text()));
        }
        Ok(Box::new(Date { formats }))
    },
)];

/// What a format says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateParts {
    /// Year, month and day, in some form.
    pub(crate) date: bool,
    /// At least the hour.
    pub(crate) time: bool,
    /// The distance to UTC, or seconds since 1970.
    pub(crate) offset: bool,
}

/// A chrono format, checked and taken apart once.
#[derive(Debug, Clone)]
pub(crate) struct DateFormat {
    text: String,
    items: Vec<Item<'static>>,
    parts: DateParts,
}

/// A moment as a format gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Midnight if the format has no time.
    pub(crate) local: NaiveDateTime,
    /// If the format has one.
    pub(crate) offset: Option<FixedOffset>,
}

impl DateFormat {
    /// The error names what is wrong with the format.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let items: Vec<Item<'static>> = StrftimeItems::new(text).parse_to_owned().map_err(|_| {
            format!("the format \"{text}\" has a part that is not known; see the list of % codes in the help")
        })?;
        let mut parts = parts(&items);
        // chrono keeps this one to itself, as it does the sub-second items.
        parts.offset |= text.contains("%#z");
        Ok(Self { text: text.to_owned(), items, parts })
    }
    /// As written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
    /// What it says.
    pub(crate) fn parts(&self) -> DateParts {
        self.parts
    }
    /// The whole of `value`, or why not.
    pub(crate) fn read(&self, value: &str) -> Result<Moment, &'static str> {
        const NO_FIT: &str = "does not fit the declared format";
        // chrono skips whitespace before numbers; here the whole value must fit.
        if value.starts_with(char::is_whitespace) || value.ends_with(char::is_whitespace) {
            return Err("has whitespace around it");
        }
        let mut parsed = Parsed::new();
        parse(&mut parsed, value, self.items.iter()).map_err(|_| NO_FIT)?;
        if let Some(seconds) = parsed.timestamp() {
            let moment = chrono::DateTime::from_timestamp(seconds, parsed.nanosecond().unwrap_or(0)).ok_or(NO_FIT)?;
            return Ok(Moment { local: moment.naive_utc(), offset: FixedOffset::east_opt(0) });
        }
        let date = parsed.to_naive_date().map_err(|_| "is no day of the calendar")?;
        // %Y reads '24' as the year 24: that is a two-digit year in the wrong format, not a date.
        if !(1000..=9999).contains(&date.year()) {
            return Err("has a year out of 1000 to 9999");
        }
        let time = if self.parts.time {
            // A leap second has no place in the targets' time types.
            parsed
                .to_naive_time()
                .ok()
                .filter(|time| chrono::Timelike::nanosecond(time) < 1_000_000_000)
                .ok_or("is no time of day")?
        } else {
            NaiveTime::MIN
        };
        let offset = match parsed.offset() {
            Some(seconds) => Some(FixedOffset::east_opt(seconds).ok_or(NO_FIT)?),
            None => None,
        };
        Ok(Moment { local: NaiveDateTime::new(date, time), offset })
    }
}

fn parts(items: &[Item<'_>]) -> DateParts {
    let (mut date, mut time, mut offset) = (0_u8, false, false);
    for item in items {
        match item {
            Item::Numeric(kind, _) => match kind {
                Numeric::Ordinal => date += 2,
                Numeric::Day
                | Numeric::Month
                | Numeric::Year
                | Numeric::YearMod100
                | Numeric::IsoYear
                | Numeric::IsoYearMod100
                | Numeric::IsoWeek
                | Numeric::NumDaysFromSun
                | Numeric::WeekdayFromMon => date += 1,
                Numeric::Hour | Numeric::Hour12 => time = true,
                Numeric::Timestamp => {
                    date = 3;
                    time = true;
                    offset = true;
                }
                _ => {}
            },
            Item::Fixed(kind) => match kind {
                Fixed::ShortMonthName | Fixed::LongMonthName => date += 1,
                Fixed::TimezoneOffset
                | Fixed::TimezoneOffsetColon
                | Fixed::TimezoneOffsetColonZ
                | Fixed::TimezoneOffsetDoubleColon
                | Fixed::TimezoneOffsetTripleColon
                | Fixed::TimezoneOffsetZ => offset = true,
                Fixed::RFC2822 | Fixed::RFC3339 => {
                    date = 3;
                    time = true;
                    offset = true;
                }
                _ => {}
            },
            _ => {}
        }
    }
    DateParts { date: date >= 3, time, offset }
}

struct Date {
    formats: Vec<DateFormat>,
}

impl CleaningRule for Date {
    fn name(&self) -> &'static str {
        "date"
    }
    fn settings(&self) -> String {
        self.formats.iter().map(|format| format!("{:?}", format.text())).collect::<Vec<_>>().join(", ")
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else { return Cleaned::Same };
        if is_blank(value) {
            return Cleaned::Changed(None);
        }
        let mut found: Option<NaiveDate> = None;
        let mut why = "does not fit the declared format";
        for format in &self.formats {
            match format.read(value) {
                Ok(moment) => match found {
                    Some(date) if date != moment.local.date() => {
                        return Cleaned::failed("is ambiguous: two of the declared formats give different days");
                    }
                    _ => found = Some(moment.local.date()),
                },
                Err(reason) if self.formats.len() == 1 => why = reason,
                Err(_) => why = "does not fit any of the declared formats",
            }
        }
        let Some(date) = found else { return Cleaned::failed(why) };
        let iso = date.format("%Y-%m-%d").to_string();
        if iso == value { Cleaned::Same } else { Cleaned::Changed(Some(Cow::Owned(iso))) }
    }
}
