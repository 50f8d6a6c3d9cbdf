//! Text that was made to break terminals, files and layouts.

/// Payloads that fit into a line of a text file.
pub(super) fn all() -> Vec<String> {
    let mut all: Vec<String> = [
        // Escape sequences: clear, move, colour, scroll region, reset, alternate screen, mouse, title, link, clipboard.
        "\x1b[2J\x1b[H",
        "\x1b[31mred\x1b[0m",
        "\x1b[999;999H",
        "\x1b[1;3r",
        "\x1bc",
        "\x1b[?1049l",
        "\x1b[?1003h",
        "\x1b]0;owned\x07",
        "\x1b]2;owned\x1b\\",
        "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
        "\x1b]52;c;ZXZpbA==\x07",
        "\x1b]52;c;?\x07",
        "\x1bP+q544e\x1b\\",
        "\x1b_apc\x1b\\",
        "\x1b^pm\x1b\\",
        "\x1b[6n",
        "\x1b[c",
        "\x1b[21t",
        "\x1b[8;5;20t",
        "\x1b(0lqqk",
        "\x1b#8",
        "\x1b",
        "\x1b[",
        // C1 as characters.
        "\u{9b}2J",
        "\u{9d}0;owned\u{9c}",
        "\u{90}q\u{9c}",
        "\u{85}next",
        // Single controls.
        "bell\x07",
        "back\x08\x08\x08space",
        "del\x7f",
        "form\x0cfeed",
        "tab\x0bvertical",
        "shift\x0eout\x0fin",
        "tab\there",
        // Bidi and zero width.
        "\u{202e}gnp.exe",
        "\u{2066}a\u{2069}b",
        "\u{200f}right",
        "zero\u{200b}width",
        "join\u{200d}er\u{200c}",
        "\u{feff}bom",
        "soft\u{ad}hyphen",
        "tag\u{e0041}\u{e0042}",
        "word\u{2060}joiner",
        "line\u{2028}separator\u{2029}",
        // Layout.
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{200d}\u{1f466}",
        "\u{1f1e9}\u{1f1ea}\u{1f3f4}",
        "漢字かなカナ한글",
        "ｆｕｌｌｗｉｄｔｈ",
        "a\u{0}b",
        "\u{fffd}\u{ffff}",
        "",
        " ",
        "\u{a0}",
        "\u{3000}",
        // What other programs would run.
        "=cmd|' /C calc'!A0",
        "@SUM(1)",
        "<script>alert(1)</script>",
        "'; DROP TABLE people; --",
        "$(reboot)`reboot`",
        "%s%n%x",
        "../../../etc/passwd",
        "NULL",
        "null",
        "undefined",
        "NaN",
        "1e309",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    all.push("e".to_owned() + &"\u{301}".repeat(300));
    all.push("long ".repeat(2_000));
    all.push("漢".repeat(500));
    all.push(r"\x1b[2J".to_owned());
    all
}

/// Quoted for CSV, so that it is one cell whatever it holds.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
