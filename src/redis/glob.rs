//! Glob patterns as in KEYS and SCAN MATCH: `*`, `?`, `[a-z]`, `[^a]`, and `\` to take a character as it is.
//!
//! Semantics are those of Redis's `stringmatchlen` (which gives up on patterns of more than 1000 stars), with two differences in cost and none in answers: runs of
//! stars are one star, and matching is iterative with one point of return, so that it takes at most
//! `pattern × text` steps (R. Cox, Glob Matching Can Be Simple And Fast Too, 2017).

/// A pattern that needs more stars matches nothing, as in Redis, which bounds its recursion so.
const STARS_MAX: usize = 1000;

/// Whether the whole of `text` matches.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when a later part does not match: the pattern after the last star, and the text it ate.
    let mut retry: Option<(usize, usize)> = None;
    let mut stars = 0;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            stars += usize::from(p == 0 || pattern[p - 1] != b'*');
            p += 1;
            retry = Some((p, t));
            if stars > STARS_MAX && p < pattern.len() {
                return false;
            }
            continue;
        }
        if let Some(next) = match_one(pattern, p, text[t]) {
            p = next;
            t += 1;
        } else if let Some((after_star, eaten)) = retry {
            p = after_star;
            t = eaten + 1;
            retry = Some((after_star, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// Matches one character against the pattern element at `p`, which is not a star; the place after it if it does.
fn match_one(pattern: &[u8], p: usize, c: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => match_class(pattern, p + 1, c),
        b'\\' if p + 1 < pattern.len() => (pattern[p + 1] == c).then_some(p + 2),
        literal => (literal == c).then_some(p + 1),
    }
}

/// Matches the class whose inside begins at `p`. A class that is never closed ends with the pattern.
fn match_class(pattern: &[u8], mut p: usize, c: u8) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    if negated {
        p += 1;
    }
    let mut found = false;
    loop {
        match pattern.get(p) {
            None => break,
            Some(b']') => {
                p += 1;
                break;
            }
            Some(b'\\') if p + 1 < pattern.len() => {
                p += 1;
                found |= pattern[p] == c;
                p += 1;
            }
            Some(&low) if pattern.get(p + 1) == Some(&b'-') && p + 2 < pattern.len() => {
                let high = pattern[p + 2];
                found |= (low.min(high)..=low.max(high)).contains(&c);
                p += 3;
            }
            Some(&one) => {
                found |= one == c;
                p += 1;
            }
        }
    }
    (found != negated).then_some(p)
}

/// The characters that every match begins with: `user:42:` for `user:42:*`. A match is a range read.
pub(crate) fn literal_prefix(pattern: &[u8]) -> Vec<u8> {
    let mut prefix = Vec::new();
    let mut rest = pattern;
    while let Some((&c, tail)) = rest.split_first() {
        match (c, tail.first()) {
            (b'*' | b'?' | b'[', _) => break,
            (b'\\', Some(&escaped)) => {
                prefix.push(escaped);
                rest = &tail[1..];
            }
            _ => {
                prefix.push(c);
                rest = tail;
            }
        }
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        let cases: &[(&str, &str, bool)] = &[
            ("*", "", true),
            ("*", "anything", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("foo*", "foobar", true),
            ("foo\\", "foo\\", true),
            ("[a", "a", true),
            ("[", "a", false),
            ("", "", true),
            ("", "a", false),
            ("a**b", "ab", true),
            ("[\\]]", "]", true),
        ];
        for &(pattern, text, wanted) in cases {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), wanted, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_pattern_built_to_explode_does_not() {
        let pattern = b"a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b";
        assert!(!matches(pattern, &[b'a'; 10_000]));
    }

    #[test]
    fn the_prefix_stops_at_the_first_wildcard() {
        assert_eq!(literal_prefix(b"user:42:*"), b"user:42:");
        assert_eq!(literal_prefix(b"a\\*b?"), b"a*b");
        assert_eq!(literal_prefix(b"*x"), b"");
        assert_eq!(literal_prefix(b"plain"), b"plain");
    }
}
