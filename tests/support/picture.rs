//! A picture of a terminal screen as SVG, for the README.
use std::fmt::Write;

use vt100::{Color, Screen};

const CELL: (f32, f32) = (8.4, 18.0);
const PALETTE: [&str; 16] = [
    "#1e1e2a", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4", "#7f848e", "#ff7b86",
    "#b5e890", "#ffd88f", "#82c4ff", "#dd9aef", "#7fd6e2", "#ffffff",
];

fn color(color: Color, default: &'static str) -> String {
    match color {
        Color::Default => default.to_owned(),
        Color::Idx(index) if index < 16 => PALETTE[usize::from(index)].to_owned(),
        Color::Idx(index) if index >= 232 => {
            let grey = 8 + 10 * (index - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
        Color::Idx(index) => {
            let index = index - 16;
            let level = |part: u8| if part == 0 { 0 } else { 55 + 40 * part };
            format!("#{:02x}{:02x}{:02x}", level(index / 36), level(index / 6 % 6), level(index % 6))
        }
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The screen as an SVG document.
pub fn svg(screen: &Screen) -> String {
    let (rows, cols) = screen.size();
    let (width, height) = (f32::from(cols) * CELL.0 + 16.0, f32::from(rows) * CELL.1 + 16.0);
    let mut out = String::new();
    let _ = writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">
<rect width="100%" height="100%" rx="6" fill="#14141c"/>"##
    );
    for row in 0..rows {
        let mut column = 0;
        while column < cols {
            let Some(cell) = screen.cell(row, column) else { break };
            let style = (cell.fgcolor(), cell.bgcolor(), cell.bold(), cell.inverse(), cell.underline(), cell.dim());
            let start = column;
            let mut text = String::new();
            while column < cols {
                let Some(cell) = screen.cell(row, column) else { break };
                let same = (cell.fgcolor(), cell.bgcolor(), cell.bold(), cell.inverse(), cell.underline(), cell.dim())
                    == style;
                if !same {
                    break;
                }
                if !cell.is_wide_continuation() {
                    text.push_str(if cell.has_contents() { cell.contents() } else { " " });
                }
                column += 1;
            }
            let (mut front, mut back) = (color(style.0, "#c8ccd4"), color(style.1, "#14141c"));
            if style.3 {
                std::mem::swap(&mut front, &mut back);
            }
            let (x, y) = (8.0 + f32::from(start) * CELL.0, 8.0 + f32::from(row) * CELL.1);
            let run = f32::from(column - start) * CELL.0;
            if back != "#14141c" {
                let _ = writeln!(
                    out,
                    r#"<rect x="{x:.1}" y="{y:.1}" width="{run:.1}" height="{}" fill="{back}"/>"#,
                    CELL.1
                );
            }
            if !text.trim().is_empty() {
                let bold = if style.2 { r#" font-weight="bold""# } else { "" };
                let line = if style.4 { r#" text-decoration="underline""# } else { "" };
                let dim = if style.5 { r#" opacity="0.6""# } else { "" };
                let _ = writeln!(
                    out,
                    r#"<text x="{x:.1}" y="{:.1}" textLength="{run:.1}" fill="{front}"{bold}{line}{dim}>{}</text>"#,
                    y + 13.5,
                    escape(&text)
                );
            }
        }
    }
    out.push_str("</svg>\n");
    out
}
