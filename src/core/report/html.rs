//! Writing HTML: text goes in only sanitised and escaped.
use std::fmt::Write;

use crate::table::text::sanitize;

/// Longest text of one cell.
const LONGEST: usize = 300;

/// HTML that is being written.
#[derive(Default)]
pub(super) struct Html {
    out: String,
}

impl Html {
    pub(super) fn finish(self) -> String {
        self.out
    }
    /// Markup of ours. Nothing that came from outside may be in it.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.out.push_str(markup);
        self
    }
    /// Text from anywhere.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let shown = sanitize(text);
        for (at, c) in shown.chars().enumerate() {
            if at == LONGEST {
                self.out.push('…');
                break;
            }
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                c => self.out.push(c),
            }
        }
        self
    }
    /// An element with text in it.
    pub(super) fn element(&mut self, tag: &str, text: &str) -> &mut Self {
        self.raw("<").raw(tag).raw(">").text(text).raw("</").raw(tag.split(' ').next().unwrap_or(tag)).raw(">\n")
    }
    /// A table. Columns from `numbers` on are numbers, to the right.
    pub(super) fn table(&mut self, head: &[&str], numbers: usize, rows: &[Vec<String>]) -> &mut Self {
        self.raw("<div class=\"wide\"><table>\n<thead><tr>");
        for (at, name) in head.iter().enumerate() {
            self.raw(if at >= numbers { "<th class=\"n\">" } else { "<th>" }).text(name).raw("</th>");
        }
        self.raw("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.raw("<tr>");
            for (at, cell) in row.iter().enumerate() {
                self.raw(if at >= numbers { "<td class=\"n\">" } else { "<td>" }).text(cell).raw("</td>");
            }
            self.raw("</tr>\n");
        }
        self.raw("</tbody></table></div>\n")
    }
    /// Terms and what stands for them.
    pub(super) fn facts(&mut self, facts: &[(&str, String)]) -> &mut Self {
        self.raw("<dl>\n");
        for (term, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
            self.raw("<dt>").text(term).raw("</dt><dd>").text(text).raw("</dd>\n");
        }
        self.raw("</dl>\n")
    }
    /// One bar of several parts, with a legend that names those that are not empty.
    pub(super) fn stack(&mut self, label: &str, parts: &[(&str, &str, u64)]) -> &mut Self {
        let total: u64 = parts.iter().map(|(_, _, count)| count).sum();
        if total == 0 {
            return self.raw("<p class=\"quiet\">no rows</p>\n");
        }
        self.raw(
            "<svg class=\"stack\" viewBox=\"0 0 1000 24\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
        );
        self.text(label).raw("\">");
        let mut x = 0.0;
        for (name, class, count) in parts.iter().filter(|(_, _, count)| *count > 0) {
            let width = *count as f64 / total as f64 * 1000.0;
            _ = write!(
                self.out,
                "<rect x=\"{x:.2}\" y=\"0\" width=\"{width:.2}\" height=\"24\" class=\"{class}\"><title>"
            );
            self.text(&format!("{name} {}", grouped(*count))).raw("</title></rect>");
            x += width;
        }
        self.raw("</svg>\n<p class=\"legend\">");
        for (name, class, count) in parts.iter().filter(|(_, _, count)| *count > 0) {
            self.raw("<span><i class=\"").raw(class).raw("\"></i>").text(&format!("{name} {}", grouped(*count)));
            self.raw("</span> ");
        }
        self.raw("</p>\n")
    }
    /// Bars below each other, the longest first in full width.
    pub(super) fn bars(&mut self, rows: &[(String, u64, String)], class: &str) -> &mut Self {
        let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or_default().max(1);
        self.raw("<div class=\"wide\"><table class=\"bars\"><tbody>\n");
        for (name, count, note) in rows {
            let width = *count as f64 / most as f64 * 100.0;
            self.raw("<tr><td>").text(name).raw("</td><td class=\"n\">").text(&grouped(*count));
            self.raw(
                "</td><td class=\"bar\"><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
            );
            _ = write!(self.out, "<rect width=\"{width:.2}\" height=\"10\" class=\"{class}\"/>");
            self.raw("</svg></td><td>").text(note).raw("</td></tr>\n");
        }
        self.raw("</tbody></table></div>\n")
    }
}

/// A number with its thousands parted.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
