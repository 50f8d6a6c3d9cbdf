//! Numbers and amounts of money, exact: text in, decimal text out, no floating point between.
use std::borrow::Cow;

use super::registry::{Entry, Setting};
use super::text::{is_space, trimmed};
use super::{Cleaned, CleaningRule};

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "number",
        "number = \"de\"",
        "1.234,50 or 1,234.50 becomes 1234.50. \"de\": decimal comma, \"en\": decimal point; without: fails where it could be either.",
        |setting| Ok(Box::new(Number { money: false, decimal: decimal_mark(setting)? })),
    ),
    Entry::new(
        "money",
        "money = \"en\"",
        "As number, and drops currency signs and codes; (12.50) and 12.50- are negative.",
        |setting| Ok(Box::new(Number { money: true, decimal: decimal_mark(setting)? })),
    ),
];

fn decimal_mark(setting: Setting<'_>) -> Result<Option<char>, String> {
    match setting.optional_text()? {
        None => Ok(None),
        Some("en" | "ch" | ".") => Ok(Some('.')),
        Some("de" | "fr" | ",") => Ok(Some(',')),
        Some(_) => Err("its setting must be \"en\" (decimal point) or \"de\" (decimal comma)".into()),
    }
}

struct Number {
    money: bool,
    /// As declared; `None` reads what can be read in one way only.
    decimal: Option<char>,
}

const NOT_A_NUMBER: &str = "is not a number";
const MISPLACED: &str = "has thousands separators out of place";
const AMBIGUOUS: &str = "is ambiguous: its separator may stand for thousands or for decimals; declare \"en\" or \"de\"";

impl CleaningRule for Number {
    fn name(&self) -> &'static str {
        if self.money { "money" } else { "number" }
    }
    fn settings(&self) -> String {
        match self.decimal {
            None => "auto".into(),
            Some(mark) => format!("decimal {mark}"),
        }
    }
    fn clean<'a>(&self, value: Option<&'a str>) -> Cleaned<'a> {
        let Some(value) = value else { return Cleaned::Same };
        let inner = trimmed(value);
        if inner.is_empty() {
            return Cleaned::Changed(None);
        }
        match self.read(inner) {
            Ok(number) if number.is_written_as(value) => Cleaned::Same,
            Ok(number) => Cleaned::Changed(Some(Cow::Owned(number.to_text()))),
            Err(reason) => Cleaned::failed(reason),
        }
    }
}

/// A number as slices of what it was read from.
struct Read<'a> {
    negative: bool,
    /// Digits, perhaps with separators between, without leading zeros.
    whole: &'a str,
    /// Digits behind the decimal mark.
    fraction: &'a str,
}

impl Read<'_> {
    fn is_zero(&self) -> bool {
        self.whole.is_empty() && self.fraction.bytes().all(|b| b == b'0')
    }
    fn is_written_as(&self, text: &str) -> bool {
        let unsigned = if self.negative && !self.is_zero() { text.strip_prefix('-') } else { Some(text) };
        let whole = if self.whole.is_empty() { "0" } else { self.whole };
        let rest = unsigned.and_then(|text| text.strip_prefix(whole));
        whole.bytes().all(|b| b.is_ascii_digit())
            && match rest {
                Some("") => self.fraction.is_empty(),
                Some(rest) => !self.fraction.is_empty() && rest.strip_prefix('.') == Some(self.fraction),
                None => false,
            }
    }
    fn to_text(&self) -> String {
        let mut out = String::with_capacity(self.whole.len() + self.fraction.len() + 3);
        if self.negative && !self.is_zero() {
            out.push('-');
        }
        if self.whole.is_empty() {
            out.push('0');
        }
        out.extend(self.whole.chars().filter(char::is_ascii_digit));
        if !self.fraction.is_empty() {
            out.push('.');
            out.push_str(self.fraction);
        }
        out
    }
}

impl Number {
    fn read<'a>(&self, text: &'a str) -> Result<Read<'a>, &'static str> {
        let is_digit = |c: char| c.is_ascii_digit();
        let mut start = text.find(is_digit).ok_or(NOT_A_NUMBER)?;
        let mut end = text.rfind(is_digit).ok_or(NOT_A_NUMBER)? + 1;
        // '.5' begins with its mark, '5.' ends with it; 'Fr.' does neither.
        if text[..start].ends_with(['.', ',']) && !text[..start - 1].ends_with(char::is_alphabetic) {
            start -= 1;
        }
        let mut suffix = &text[end..];
        let mut decimal = self.decimal;
        if self.money && suffix.starts_with(['.', ',']) {
            // '12,-' and '12.–' say that there are no cents.
            let rest = suffix[1..].trim_start_matches(['-', '–', '—']);
            if rest.len() + 1 < suffix.len() {
                // Declared or not, this mark is the decimal one.
                let mark = if suffix.starts_with('.') { '.' } else { ',' };
                if *decimal.get_or_insert(mark) != mark {
                    return Err(MISPLACED);
                }
                suffix = rest;
            }
        }
        if suffix == "." && self.decimal != Some(',') && text[start..end].bytes().all(|b| b.is_ascii_digit()) {
            suffix = "";
            end += 1;
        }
        let mut around = Around { money: self.money, ..Around::default() };
        around.read(&text[..start])?;
        // '- $5' may as well be an item of a list.
        if around.minus && text.starts_with(['-', '−', '–']) && text.chars().nth(1).is_some_and(is_space) {
            return Err("has a dash apart from its digits");
        }
        around.read(suffix)?;
        let negative = around.negative()?;
        let body = text[start..end].strip_suffix('.').unwrap_or(&text[start..end]);
        let (whole, fraction) = split(body, decimal, around.no_cents)?;
        Ok(Read { negative, whole, fraction })
    }
}

/// Sign, brackets and currency around the digits.
#[derive(Default)]
struct Around {
    money: bool,
    minus: bool,
    plus: bool,
    opened: bool,
    closed: bool,
    currencies: usize,
    /// A currency without cents: what looks like three decimals is thousands.
    no_cents: bool,
}

impl Around {
    fn read(&mut self, text: &str) -> Result<(), &'static str> {
        let is_mark = |c: char| matches!(c, '-' | '−' | '–' | '+' | '(' | ')');
        let mut rest = trimmed(text);
        while let Some(first) = rest.chars().next() {
            let flag = match first {
                '-' | '−' | '–' => &mut self.minus,
                '+' => &mut self.plus,
                '(' => &mut self.opened,
                ')' => &mut self.closed,
                _ => {
                    let end = rest.find(|c| is_mark(c) || is_space(c)).unwrap_or(rest.len());
                    self.currencies += 1;
                    if !self.money || self.currencies > 2 || !is_currency(&rest[..end]) {
                        return Err(NOT_A_NUMBER);
                    }
                    self.no_cents |= has_no_cents(&rest[..end]);
                    rest = trimmed(&rest[end..]);
                    continue;
                }
            };
            if *flag {
                return Err(NOT_A_NUMBER);
            }
            *flag = true;
            rest = trimmed(&rest[first.len_utf8()..]);
        }
        Ok(())
    }
    fn negative(&self) -> Result<bool, &'static str> {
        let signs = usize::from(self.minus) + usize::from(self.plus) + usize::from(self.opened);
        if signs > 1 || self.opened != self.closed { Err(NOT_A_NUMBER) } else { Ok(self.minus || self.opened) }
    }
}

/// Thousands separators besides point and comma.
fn is_gap(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '’')
}

/// Splits digits and separators into whole and fraction.
fn split(body: &str, decimal: Option<char>, no_cents: bool) -> Result<(&str, &str), &'static str> {
    let (mut points, mut commas, mut gaps) = (0_usize, 0_usize, 0_usize);
    for c in body.chars() {
        match c {
            '0'..='9' => {}
            '.' => points += 1,
            ',' => commas += 1,
            c if is_gap(c) => gaps += 1,
            _ => return Err(NOT_A_NUMBER),
        }
    }
    let mark = match decimal {
        Some(mark) => Some(mark).filter(|mark| body.contains(*mark)),
        None => match guess_mark(body, points, commas, gaps) {
            Err(AMBIGUOUS) if no_cents => None,
            guess => guess?,
        },
    };
    let (whole, fraction) = match mark {
        Some(mark) => body.split_once(mark).unwrap_or((body, "")),
        None => (body, ""),
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(MISPLACED);
    }
    if whole.bytes().all(|b| b.is_ascii_digit()) {
        return Ok((whole.trim_start_matches('0'), fraction));
    }
    if whole.starts_with('0') || !grouped(whole) {
        return Err(MISPLACED);
    }
    Ok((whole, fraction))
}

/// The decimal mark where only one reading is possible; `None` if there is none.
fn guess_mark(body: &str, points: usize, commas: usize, gaps: usize) -> Result<Option<char>, &'static str> {
    match (points, commas) {
        (1.., 1..) => {
            let mark = if body.rfind('.') > body.rfind(',') { '.' } else { ',' };
            let marks = if mark == '.' { points } else { commas };
            if marks == 1 { Ok(Some(mark)) } else { Err(MISPLACED) }
        }
        (1, 0) | (0, 1) => {
            let mark = if points == 1 { '.' } else { ',' };
            let (whole, fraction) = body.split_once(mark).ok_or(NOT_A_NUMBER)?;
            let digits = whole.trim_start_matches('0').len();
            if gaps == 0 && fraction.len() == 3 && (1..=3).contains(&digits) { Err(AMBIGUOUS) } else { Ok(Some(mark)) }
        }
        // None at all, or one that comes again and again: thousands.
        _ => Ok(None),
    }
}

/// Digits in groups of three with one separator throughout, or in the Indian way: 12,34,567.
fn grouped(whole: &str) -> bool {
    let Some(mark) = whole.chars().find(|c| !c.is_ascii_digit()) else { return true };
    if whole.chars().any(|c| !c.is_ascii_digit() && c != mark) {
        return false;
    }
    let last = whole.split(mark).count() - 1;
    let fits = |inner: usize| {
        whole.split(mark).enumerate().all(|(at, group)| match at {
            0 => (1..=inner).contains(&group.len()),
            at if at == last => group.len() == 3,
            _ => group.len() == inner,
        })
    };
    fits(3) || mark == ',' && last >= 2 && fits(2)
}

fn is_currency(word: &str) -> bool {
    let mut chars = word.chars();
    if let (Some(sign), None) = (chars.next(), chars.next())
        && is_currency_sign(sign)
    {
        return true;
    }
    // Feet, unless it is written as the forint is.
    if word.eq_ignore_ascii_case("ft") {
        return word == "Ft";
    }
    let folded = word.to_uppercase();
    if folded.len() == 3 && CODES.as_bytes().chunks(4).any(|code| code[..3] == *folded.as_bytes()) {
        return true;
    }
    // US$, A$, HK$, R$
    if let Some(country) = folded.strip_suffix('$') {
        return country.len() <= 3 && country.bytes().all(|b| b.is_ascii_uppercase());
    }
    WORDS.contains(&folded.as_str())
}

/// Yen, won, dong and the like: nobody counts in parts of them.
fn has_no_cents(word: &str) -> bool {
    const WHOLE: &[&str] = &["円", "원", "₩", "￦", "₫", "JPY", "KRW", "VND", "CLP", "ISK", "PYG", "XAF", "XOF", "XPF"];
    WHOLE.iter().any(|whole| whole.eq_ignore_ascii_case(word))
}

/// Not the cent: it would change the amount.
fn is_currency_sign(c: char) -> bool {
    matches!(
        c,
        '$' | '£'
            | '¤'
            | '¥'
            | '֏'
            | '؋'
            | '฿'
            | '៛'
            | '﷼'
            | '＄'
            | '￡'
            | '￥'
            | '￦'
            | '元'
            | '円'
            | '圆'
            | '원'
            | '\u{20a0}'..='\u{20cf}'
    )
}

/// Local names of currencies, in upper case.
const WORDS: &[&str] = &[
    "EURO", "EUROS", "FR", "FR.", "SFR", "SFR.", "KR", "KR.", "KČ", "ZŁ", "FT", "LEI", "ЛВ", "ЛВ.", "РУБ", "РУБ.",
    "Р.", "ГРН", "ГРН.", "RS", "RS.", "RP", "RP.", "RM", "TL", "DKR", "NKR", "SKR", "KN", "DIN.", "ДИН.", "USD$",
    "CHF.",
];

/// ISO 4217, and those that the euro replaced.
const CODES: &str = "AED AFN ALL AMD ANG AOA ARS ATS AUD AWG AZN BAM BBD BDT BEF BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN \
BZD CAD CDF CHF CLF CLP CNY COP CRC CUC CUP CVE CYP CZK DEM DJF DKK DOP DZD EEK EGP ERN ESP ETB EUR FIM FJD FKP FRF GBP GEL \
GHS GIP GMD GNF GRD GTQ GYD HKD HNL HRK HTG HUF IDR IEP ILS INR IQD IRR ISK ITL JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD \
KZT LAK LBP LKR LRD LSL LTL LUF LVL LYD MAD MDL MGA MKD MMK MNT MOP MRU MTL MUR MVR MWK MXN MYR MZN NAD NGN NIO NLG NOK NPR \
NZD OMR PAB PEN PGK PHP PKR PLN PTE PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SIT SKK SLE SLL SOS SRD SSP STN SVC \
SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL";
