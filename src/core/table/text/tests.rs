#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::*;

/// Reads back what [`sanitize`] showed: there is one original only.
fn read_back(shown: &str) -> String {
    let mut text = String::new();
    let mut rest = shown;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '‹' => {
                let (code, after) = rest.strip_prefix("U+").unwrap().split_once('›').unwrap();
                text.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
                rest = after;
            }
            '\u{2400}'..='\u{241f}' => text.push(char::from_u32(c as u32 - 0x2400).unwrap()),
            '␡' => text.push('\x7f'),
            '⍽' => text.push('\u{a0}'),
            _ => text.push(c),
        }
    }
    text
}

fn read_back_ascii(shown: &str) -> String {
    let mut text = String::new();
    let mut rest = shown.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next().unwrap() {
            '\\' => text.push('\\'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            _ => {
                let code: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                text.push(char::from_u32(u32::from_str_radix(&code, 16).unwrap()).unwrap());
            }
        }
    }
    text
}

/// Text made of what is likely to go wrong.
fn nasty() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(
        "eoiaAK \u{301}\u{308}\u{323}\u{307}\u{327}é\u{212b}\u{212a}Å‹›U+0␛␠⍽\u{a0}\u{200b}\u{200d}\u{202e}\u{feff}\u{ad}\n\r\t\x1b\x07\x7f\u{9b}\u{85}\
         \u{2028}\u{e0041}\u{fe0f}\u{3000}\u{1100}\u{1161}\u{11a8}각한\u{915}\u{93c}\u{958}\u{f900}\u{e000}\u{378}🎉👩日\\{}"
            .chars()
            .collect::<Vec<_>>(),
    );
    prop::collection::vec(prop_oneof![4 => odd, 1 => any::<char>()], 0..12)
        .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn what_is_shown_can_be_read_back(text in nasty()) {
        let shown = sanitize(&text);
        prop_assert_eq!(read_back(&shown), text.clone());
        prop_assert_eq!(read_back_ascii(&sanitize_ascii(&text)), text);
    }
    #[test]
    fn nothing_hidden_is_shown(text in nasty()) {
        let shown = sanitize(&text);
        prop_assert!(!shown.chars().any(|c| c.is_control() || (c.width() == Some(0) && !is_combining_mark(c))));
        prop_assert!(!shown.chars().any(|c| c.is_whitespace() && c != ' '));
        // Drawn alike would be two texts with one NFC form: there is none besides the text itself.
        prop_assert!(is_nfc(&shown));
        prop_assert!(sanitize_ascii(&text).bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    }
    #[test]
    fn edges_are_told_apart(text in nasty(), left in 0_usize..3, right in 0_usize..3) {
        let spaced = format!("{}{text}{}", " ".repeat(left), " ".repeat(right));
        let shown = sanitize(&spaced).into_owned();
        let marked = mark_edges(&shown);
        prop_assert!(!marked.starts_with(' ') && !marked.ends_with(' '));
        prop_assert_eq!(marked.replace('␠', " "), shown);
    }
    #[test]
    fn cut_text_fits(text in nasty(), columns in 0_usize..12) {
        let shown = sanitize(&text);
        prop_assert!(width(&fit(&shown, columns)) <= columns);
        prop_assert_eq!(width(&pad(&shown, columns)), columns);
        prop_assert_eq!(width(&pad_left(&shown, columns)), columns);
    }
}

#[test]
fn plain_text_is_borrowed_and_stays() {
    for text in
        ["", "Anna Weiss", "a\\b", "Łódź", "日本語", "naïve", "Ελλάδα", "ไทย", "हिन्दी", "العربية", "🎉", "한국어"]
    {
        assert!(matches!(sanitize(text), Cow::Borrowed(_)), "{text}");
        assert_eq!(sanitize(text), text);
    }
}

#[test]
fn stand_ins_read_well() {
    for (text, shown) in [
        ("\x1b[31mred", "␛[31mred"),
        ("a\tb\r\n", "a␉b␍␊"),
        ("\u{9b}31m", "‹U+009B›31m"),
        ("␛", "‹U+241B›"),
        ("‹U+200B›", "‹U+2039›U+200B›"),
        ("a\u{200b}b", "a‹U+200B›b"),
        ("12\u{a0}kg", "12⍽kg"),
        ("user\u{202e}gpj.exe", "user‹U+202E›gpj.exe"),
        ("e\u{301}", "e‹U+0301›"),
        ("é", "é"),
        ("\u{212b}", "‹U+212B›"),
        ("\u{301}x", "‹U+0301›x"),
        ("i\u{307}stanbul", "i‹U+0307›stanbul"),
        ("\u{1112}\u{1161}", "‹U+1112›‹U+1161›"),
        ("\u{e000}", "‹U+E000›"),
        ("Jose\u{301} Müller e\u{323}\u{302}", "Jos‹MARK› Müller ‹MARK2›"),
    ] {
        let shown = shown.replace("‹MARK›", "e‹U+0301›").replace("‹MARK2›", "e‹U+0323›‹U+0302›");
        assert_eq!(sanitize(text), shown, "{text:?}");
    }
    assert_eq!(sanitize_ascii("a\\é\n"), "a\\\\\\u{e9}\\n");
    assert_eq!(mark_edges("  a b "), "␠␠a b␠");
    assert_eq!(mark_edges("  "), "␠␠");
}

#[test]
fn forms_of_one_letter_differ_on_screen() {
    let composed = "Zoë Ångström".nfc().collect::<String>();
    let decomposed = composed.nfd().collect::<String>();
    assert_ne!(composed, decomposed);
    assert_ne!(sanitize(&composed).nfc().collect::<String>(), sanitize(&decomposed).nfc().collect::<String>());
}

#[test]
fn towers_of_marks_are_cut() {
    let tower = format!("x{}", "\u{335}".repeat(40));
    let shown = sanitize(&tower);
    assert_eq!(shown.chars().filter(|c| *c == '\u{335}').count(), MARKS_DRAWN);
    assert_eq!(read_back(&shown), tower);
}

#[test]
fn width_goes_by_grapheme() {
    assert_eq!(width("abc"), 3);
    assert_eq!(width("日本"), 4);
    assert_eq!(fit("日本語", 4), "日…");
    assert_eq!(fit("abcdef", 4), "abc…");
    assert_eq!(fit("abcd", 4), "abcd");
    assert_eq!(fit("abcd", 0), "");
    assert_eq!(fit_with("abcdef", 4, '~'), "abc~");
    assert_eq!(pad("日本語", 4), "日… ");
    assert_eq!(pad_left("12", 4), "  12");
}

#[test]
fn what_was_sanitised_passes_the_last_gate_as_it_is_and_nothing_else_passes_hidden() {
    for text in ["plain", "\u{1b}[2J", "a\u{202e}b", "‹␛⍽", "e\u{301}", "o\u{301}\u{302}", "\u{a0}x", "日本\u{200b}"]
    {
        let shown = sanitize(text);
        assert_eq!(seal(&shown), shown, "{text:?}");
        let sealed = seal(text).into_owned();
        assert!(!sealed.chars().any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{200b}' | '\u{a0}')), "{text:?}");
        assert_eq!(seal(&sealed), sealed);
    }
    assert_eq!(seal("a\nb"), "a␊b", "a line is one line");
}
