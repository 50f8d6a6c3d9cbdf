//! Text on its way to cells: made safe, cut and filled by display width, graphemes kept whole.
use std::borrow::Cow;

use crm_core::table::text::{mark_edges, sanitize, sanitize_ascii};
use ratatui::buffer::Buffer;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::Look;
use crate::app::words::covered;

/// Display width of text that has been made safe.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Made safe: nothing in it moves, hides or joins anything, and two different texts never look alike.
pub fn safe<'a>(text: &'a str, look: &Look) -> Cow<'a, str> {
    if look.ascii_text { sanitize_ascii(text) } else { sanitize(text) }
}

/// No more of a text than can be seen: a cell can be a megabyte long.
fn head(text: &str, room: usize) -> &str {
    match text.char_indices().nth(room * 8 + 8) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

/// Made safe and cut to `room` cells, with a mark where something was left out.
pub fn cut(text: &str, room: usize, look: &Look) -> String {
    let head = head(text, room);
    let shown = safe(head, look);
    cut_safe(&shown, head.len() < text.len(), room, look)
}

/// Cuts text that is safe already; `more` if some of it has been left out before.
fn cut_safe(shown: &str, more: bool, room: usize, look: &Look) -> String {
    if !more && shown.width() <= room {
        return shown.to_owned();
    }
    let mark = look.glyphs.more();
    let mut left = match room.checked_sub(mark.width()) {
        Some(left) if room > 0 => left,
        _ => return String::new(),
    };
    let mut out = String::new();
    for grapheme in shown.graphemes(true) {
        match left.checked_sub(grapheme.width()) {
            Some(rest) => {
                out.push_str(grapheme);
                left = rest;
            }
            None => break,
        }
    }
    out.push_str(mark);
    out
}

/// Text that is safe already, cut and filled to exactly `room` cells.
pub fn fit_safe(shown: &str, room: usize, look: &Look) -> String {
    let mut out = cut_safe(shown, false, room, look);
    let missing = room.saturating_sub(out.width());
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// Like [`fit_safe`], flush right.
pub fn fit_safe_right(shown: &str, room: usize, look: &Look) -> String {
    let out = cut_safe(shown, false, room, look);
    format!("{}{out}", " ".repeat(room.saturating_sub(out.width())))
}

/// Like [`cut`], filled with blanks to exactly `room` cells.
pub fn fit(text: &str, room: usize, look: &Look) -> String {
    let mut out = cut(text, room, look);
    let missing = room.saturating_sub(out.width());
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// Like [`fit`], flush right. For numbers.
pub fn fit_right(text: &str, room: usize, look: &Look) -> String {
    let out = cut(text, room, look);
    format!("{}{out}", " ".repeat(room.saturating_sub(out.width())))
}

/// A cell's value, safe to draw with [`fit_safe`]: NULL has a mark that no text has, blanks at the edges are seen, what is
/// personal is masked unless it is revealed. Cells come to the screen through here or through
/// [`Words`](crate::app::words::Words).
pub fn value(cell: Option<&str>, personal: bool, look: &Look) -> String {
    /// Wider than any screen.
    const WIDEST: usize = 1_000;
    let null = look.glyphs.null();
    let Some(text) = cell else { return null.to_owned() };
    let covered = covered(head(text, WIDEST), personal, look.revealed);
    let shown = safe(&covered, look);
    if look.ascii_text {
        let inner = shown.trim_matches(' ');
        let (before, after) = (shown.len() - shown.trim_start_matches(' ').len(), shown.trim_end_matches(' ').len());
        let tail = if inner.is_empty() { 0 } else { shown.len() - after };
        return format!("{}{inner}{}", "\\s".repeat(before), "\\s".repeat(tail));
    }
    if *shown == *null {
        return format!("‹{shown}›");
    }
    mark_edges(&shown).into_owned()
}

pub use crate::app::thousands as number;

/// A size for people: `812 B`, `1.4 MB`.
pub fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 999.5 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1_000.0;
    }
    format!("{size:.1} TB")
}

/// A share of 0 to 1 as a percentage, rounded down: 100 % only if it is all.
pub fn percent(share: f64) -> String {
    let hundredths = (share * 10_000.0).floor() / 100.0;
    if share >= 1.0 { "100 %".into() } else { format!("{hundredths:.2} %") }
}

/// Lines of at most `room` cells, broken at blanks where that is possible, made safe: draw them with
/// [`super::widgets::put_safe`].
pub fn wrap(text: &str, room: usize, look: &Look) -> Vec<String> {
    text.lines().flat_map(|line| wrap_line(line, room, look)).collect()
}

/// Like [`wrap`], for a line that may quote a value: a line break in it is shown as a character, not done.
pub fn wrap_line(text: &str, room: usize, look: &Look) -> Vec<String> {
    /// No more of it is shown: a cell can be a megabyte long, and nobody reads it here.
    const MOST: usize = 20_000;
    let end = text.char_indices().nth(MOST).map_or(text.len(), |(at, _)| at);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in safe(&text[..end], look).split(' ') {
        let glue = usize::from(!line.is_empty());
        if !line.is_empty() && line.width() + glue + word.width() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for grapheme in word.graphemes(true) {
            if line.width() + grapheme.width() > room.max(2) {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(grapheme);
        }
    }
    if end < text.len() {
        line.push_str(look.glyphs.more());
    }
    lines.push(line);
    lines
}

/// True for what must never reach a terminal: controls, bidi marks and invisible characters.
pub fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The last gate before the terminal: whatever some view forgot becomes a stand-in.
/// `ascii` for a terminal that takes no other characters.
pub fn scrub(buffer: &mut Buffer, ascii: bool) {
    for cell in &mut buffer.content {
        if cell.symbol().chars().any(|char| is_unsafe(char) || (ascii && !char.is_ascii())) {
            cell.set_symbol("?");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Palette;

    #[test]
    fn text_is_cut_by_display_width() {
        let look = Look::new(Palette::None, true);
        assert_eq!(cut("abcdef", 4, &look), "abc~");
        assert_eq!(cut("abcd", 4, &look), "abcd");
        assert_eq!(fit("日本語", 5, &look), "日本~");
        assert_eq!(fit("日本語", 4, &look), "日~ ");
        assert_eq!(fit_right("12", 4, &look), "  12");
        assert_eq!(cut("abc", 0, &look), "");
    }

    #[test]
    fn numbers_and_shares_read_well() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(number(12), "12");
        assert_eq!([size(0), size(812), size(1_400_000)], ["0 B", "812 B", "1.4 MB"]);
        assert_eq!(percent(0.999_99), "99.99 %");
        assert_eq!(percent(1.0), "100 %");
    }

    #[test]
    fn lines_break_at_blanks() {
        let look = Look::new(Palette::None, false);
        assert_eq!(wrap("one two three", 7, &look), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3, &look), ["abc", "def", "gh"]);
    }

    #[test]
    fn values_that_differ_look_different() {
        let texts = [
            None,
            Some("∅"),
            Some("‹∅›"),
            Some(""),
            Some(" "),
            Some("  "),
            Some("␠"),
            Some("a"),
            Some("a "),
            Some(" a"),
            Some("a\u{200b}"),
            Some("NULL"),
            Some("\\N"),
            Some("\\s"),
            Some("a\\s"),
            Some("\u{1b}[31ma"),
        ];
        for ascii_text in [false, true] {
            let look = Look { ascii_text, ..Look::new(Palette::None, ascii_text) };
            let shown: std::collections::HashSet<String> =
                texts.iter().map(|text| value(*text, false, &look)).collect();
            assert_eq!(shown.len(), texts.len(), "{shown:?}");
            assert!(shown.iter().all(|text| !text.chars().any(is_unsafe)));
            assert!(!ascii_text || shown.iter().all(|text| text.is_ascii()));
        }
    }
}
