//! Fuzzy search over short texts: palette and pickers.
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// Indexes of the texts that match, best first; all of them in order if nothing is typed.
pub fn matches<'a>(typed: &str, texts: impl Iterator<Item = &'a str>) -> Vec<usize> {
    if typed.trim().is_empty() {
        return (0..texts.count()).collect();
    }
    let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut hits: Vec<(u32, usize)> = texts
        .enumerate()
        .filter_map(|(at, text)| {
            let score = pattern.score(Utf32Str::new(text, &mut buffer), &mut matcher)?;
            Some((score, at))
        })
        .collect();
    hits.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
    hits.into_iter().map(|(_, at)| at).collect()
}

/// True if `text` holds `sought`, letter case aside. For `/`.
pub fn contains(text: &str, sought: &str) -> bool {
    !sought.is_empty() && text.to_lowercase().contains(&sought.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_match_comes_first() {
        let texts = ["next problem", "plan", "copy as command"];
        assert_eq!(matches("pln", texts.into_iter()), [1]);
        assert_eq!(matches("", texts.into_iter()), [0, 1, 2]);
        assert!(contains("Anna WEISS", "weiss") && !contains("Anna", ""));
    }
}
