//! Places in an expression: the parser's lines and columns as byte ranges.
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span};

use super::SqlError;

/// Byte offset of a location. The parser counts lines and characters from 1.
fn offset(sql: &str, place: Location) -> usize {
    let Some(lines) = usize::try_from(place.line).ok().and_then(|line| line.checked_sub(1)) else { return 0 };
    let start: usize = sql.split_inclusive('\n').take(lines).map(str::len).sum();
    let line = &sql[start..];
    let column = usize::try_from(place.column).unwrap_or(usize::MAX).saturating_sub(1);
    start + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at)
}

/// Byte range of a span; the whole expression if the parser does not tell.
pub(super) fn range(sql: &str, span: Span) -> (usize, usize) {
    if span.start.line == 0 || span.end.line == 0 {
        return (0, sql.len());
    }
    let start = offset(sql, span.start);
    (start, offset(sql, span.end).max(start))
}

/// A parser's error, its place taken out of its words.
pub(super) fn parser_error(sql: &str, error: &ParserError) -> SqlError {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => {
            return SqlError { message: "the expression is nested too deeply".into(), span: (0, sql.len()) };
        }
    };
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, location(place)),
        None => (text, None),
    };
    let message = message.trim_end_matches(',').replace("EOF", "the end");
    let start = place.map_or(sql.len(), |place| offset(sql, place));
    let end = sql[start..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(sql.len(), |len| start + len);
    // At least one character to point at.
    let end = end.max(start + sql[start..].chars().next().map_or(0, char::len_utf8));
    SqlError { message, span: (start, end) }
}

/// `1, Column: 5`.
fn location(place: &str) -> Option<Location> {
    let (line, column) = place.split_once(", Column: ")?;
    Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
}
