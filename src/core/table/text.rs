//! The one way by which a cell reaches a screen, a log or a report (DESIGN rule 8).
//!
//! [`sanitize`] is injective: the original can be read back from what is shown, so two different values never look
//! equal. Its stand-ins are
//! - `␀` … `␟` and `␡` (control pictures) for the C0 controls and DEL, `⍽` for the no-break space;
//! - `‹U+200B›` for everything else that a terminal hides, moves, joins or draws as a blank: C1 controls, bidi and
//!   zero-width characters, odd spaces, line separators, tags, variation selectors, private and unassigned characters;
//! - the same form for the stand-ins themselves where they occur in the text, `‹` included;
//! - the same form for what makes text differ from its NFC form: `é` stays, `e` + U+0301 shows as `e‹U+0301›`.
//!
//! Letters of different scripts that are drawn alike (Latin `a`, Cyrillic `а`) are out of scope: both are legitimate and
//! visible. So is the visual order of right-to-left letters, which is the terminal's own affair.
use std::borrow::Cow;
use std::fmt::Write;

use unicode_normalization::char::{canonical_combining_class, is_combining_mark, is_public_assigned};
use unicode_normalization::{IsNormalized, is_nfc, is_nfc_quick};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Combining marks in a row that are drawn; more would climb into the rows above and below.
const MARKS_DRAWN: usize = 4;

/// Makes text safe and tellable: control, bidi and zero-width characters become visible stand-ins, the escape of the
/// stand-in itself included, so that two different values never look equal. Spaces stay, see [`mark_edges`].
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut state = Drawn::default();
    for segment in Segments(text) {
        let composed = segment.is_ascii() || is_nfc(segment);
        for c in segment.chars() {
            state.push(c, composed, &mut shown);
        }
    }
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}

/// The last gate before people: whatever is still hidden in a line becomes its stand-in. Text that went through
/// [`sanitize`] passes as it is, so this tells no two values apart: values go through [`sanitize`] first.
pub fn seal(line: &str) -> Cow<'_, str> {
    let open = |c: char| is_hidden(c) && !matches!(c, '‹' | '⍽' | '\u{2400}'..='\u{2421}');
    if !line.chars().any(open) {
        return Cow::Borrowed(line);
    }
    let mut sealed = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if open(c) { sealed.push_str(&sanitize(c.encode_utf8(&mut [0; 4]))) } else { sealed.push(c) }
    }
    Cow::Owned(sealed)
}

/// Marks spaces at the edges of text that went through [`sanitize`]: each leading and trailing one becomes `␠`, which
/// [`sanitize`] never gives, so nothing gets ambiguous.
pub fn mark_edges(sanitized: &str) -> Cow<'_, str> {
    let inner = sanitized.trim_matches(' ');
    if inner.len() == sanitized.len() {
        return Cow::Borrowed(sanitized);
    }
    let leading =
        if inner.is_empty() { sanitized.len() } else { sanitized.len() - sanitized.trim_start_matches(' ').len() };
    let trailing = sanitized.len() - inner.len() - leading;
    Cow::Owned(["␠".repeat(leading).as_str(), inner, "␠".repeat(trailing).as_str()].concat())
}

/// [`sanitize`] for terminals without UTF-8: printable ASCII stays, all else becomes `\u{..}` (`\n`, `\r`, `\t` where
/// they fit), the backslash is doubled. Injective too.
pub fn sanitize_ascii(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            ' '..='~' => shown.push(c),
            _ => _ = write!(shown, "\\u{{{:x}}}", c as u32),
        }
    }
    Cow::Owned(shown)
}

/// Columns that text takes on a terminal, by grapheme. For text that went through [`sanitize`].
pub fn width(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// Text cut to `columns` by grapheme; what was cut ends in `…`.
pub fn fit(text: &str, columns: usize) -> String {
    fit_with(text, columns, '…')
}

/// [`fit`] with the sign of the cut to use: `~` on terminals without UTF-8.
pub fn fit_with(text: &str, columns: usize, cut: char) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(columns + cut.len_utf8());
    let Some(room) = columns.checked_sub(cut.width().unwrap_or(1)) else { return kept };
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used > room {
            break;
        }
        kept.push_str(grapheme);
    }
    kept.push(cut);
    kept
}

/// Text cut as by [`fit`] and filled with spaces to exactly `columns`.
pub fn pad(text: &str, columns: usize) -> String {
    let mut fitted = fit(text, columns);
    let missing = columns.saturating_sub(width(&fitted));
    fitted.extend(std::iter::repeat_n(' ', missing));
    fitted
}

/// [`pad`] with the spaces in front: for numbers.
pub fn pad_left(text: &str, columns: usize) -> String {
    let fitted = fit(text, columns);
    let mut padded = " ".repeat(columns.saturating_sub(width(&fitted)));
    padded.push_str(&fitted);
    padded
}

/// What stands before the next character on the screen: says whether a combining mark has something to sit on.
#[derive(Default)]
struct Drawn {
    base: Option<char>,
    marks: usize,
}

impl Drawn {
    fn push(&mut self, c: char, composed: bool, shown: &mut String) {
        if is_combining_mark(c) {
            // A mark over nothing, over a blank or over a stand-in would be drawn somewhere else; the dot over a letter
            // that has its own dot is not seen at all.
            let fits = self.base.is_some_and(|base| !(c == '\u{307}' && soft_dotted(base)))
                && self.marks < MARKS_DRAWN
                && composed
                && !is_hidden(c);
            if fits {
                self.marks += 1;
                return shown.push(c);
            }
        } else if !is_hidden(c) && (composed || is_stable(c)) {
            *self = Self { base: (c != ' ').then_some(c), marks: 0 };
            return shown.push(c);
        }
        *self = Self::default();
        match c {
            '\0'..='\x1f' => shown.push(char::from_u32(0x2400 + c as u32).unwrap_or('␀')),
            '\x7f' => shown.push('␡'),
            '\u{a0}' => shown.push('⍽'),
            _ => _ = write!(shown, "‹U+{:04X}›", c as u32),
        }
    }
}

/// Never shown as it is: draws nothing, draws a blank, moves others, may be drawn as anything, or is a stand-in.
#[allow(clippy::match_same_arms, reason = "one arm a reason reads better than one long arm")]
fn is_hidden(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{2ff}' => false,
        // Stand-ins.
        '‹' | '⍽' | '\u{2400}'..='\u{2421}' => true,
        // Spaces that look like a space, the blank braille pattern too.
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{2800}' => true,
        // Line and paragraph separator, bidi marks and controls.
        '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => true,
        // Default ignorable: joiners, fillers, soft hyphen, variation selectors, byte order mark, tags.
        '\u{ad}' | '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' => true,
        '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' => true,
        '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{1bca0}'..='\u{1bca3}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        // Conjoining jamo: alone they are drawn as the letters of the compatibility block.
        '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97c}' | '\u{d7b0}'..='\u{d7fb}' => true,
        // Prefixes that wrap what follows, and other format characters of single scripts.
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}' => true,
        '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1345f}' => true,
        // Controls, private and unassigned characters, and what else takes no column without being a mark.
        _ => !is_public_assigned(c) || c.width().is_none_or(|columns| columns == 0 && !is_combining_mark(c)),
    }
}

/// A character that stays what it is in NFC, whatever stands around it.
fn is_stable(c: char) -> bool {
    c.is_ascii() || (canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes)
}

/// Letters whose own dot gives way to a combining dot above: with and without it they are drawn alike.
fn soft_dotted(base: char) -> bool {
    matches!(
        base,
        'i' | 'j'
            | 'į'
            | 'ɉ'
            | 'ɨ'
            | 'ʝ'
            | 'ʲ'
            | 'ϳ'
            | 'і'
            | 'ј'
            | 'ᵢ'
            | 'ᶖ'
            | 'ᶤ'
            | 'ᶨ'
            | 'ḭ'
            | 'ị'
            | 'ⁱ'
            | 'ⅈ'
            | 'ⅉ'
            | 'ⱼ'
    )
}

/// Cuts text where normalisation cannot reach across: before each stable character.
struct Segments<'a>(&'a str);

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        let mut chars = self.0.char_indices();
        chars.next()?;
        // A run of ASCII is one segment, up to the last letter: a mark may follow that one.
        let ascii = self.0.bytes().take_while(u8::is_ascii).count();
        let end = if ascii > 1 {
            if ascii == self.0.len() { ascii } else { ascii - 1 }
        } else {
            chars.find(|(_, c)| is_stable(*c)).map_or(self.0.len(), |(at, _)| at)
        };
        let (segment, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(segment)
    }
}

#[cfg(test)]
mod tests;
