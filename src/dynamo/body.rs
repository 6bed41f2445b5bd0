//! The body of a request: JSON, however deep.
//!
//! The parser takes 127 levels, more than anything has that is carried out. The service reads more, and says of it that values
//! lie too deep, or ignores what it does not know. So that it goes the same way here, whatever lies below is left out, and is
//! neither parsed nor ever walked through: no depth costs any stack.

use serde::de::IgnoredAny;
use serde_json::Value as Json;

use super::error::Refusal;
use super::shape::malformed;

/// The most levels that the parser takes.
const LEVELS_MAX: usize = 127;

/// Parses a body.
pub fn parse(body: &[u8]) -> Result<Json, Refusal> {
    serde_json::from_slice(body).or_else(|_| {
        // What is ignored is only read from one end to the other.
        serde_json::from_slice::<IgnoredAny>(body).map_err(|_| malformed())?;
        serde_json::from_slice(&cut(body)).map_err(|_| malformed())
    })
}

/// JSON with a null for each value that would lie too deep.
fn cut(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut level, mut in_text, mut is_escaped) = (0_usize, false, false);
    for &byte in json {
        let above = level;
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => level += 1,
            b'}' | b']' if !in_text => level = level.saturating_sub(1),
            _ => {}
        }
        if above.max(level) <= LEVELS_MAX {
            out.push(byte);
        } else if above == LEVELS_MAX {
            out.extend_from_slice(b"null");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many lists in each other.
    fn deep(levels: usize, within: &str) -> String {
        format!("{}{within}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn what_lies_too_deep_is_left_out() {
        let parsed = |text: &str| parse(text.as_bytes()).ok();
        assert_eq!(parsed(&deep(127, r#""]\"[""#)), serde_json::from_str(&deep(127, r#""]\"[""#)).ok());
        let cut = serde_json::from_str(&deep(127, r#"1,null,"x",null"#)).ok();
        assert!(cut.is_some());
        assert_eq!(parsed(&deep(127, r#"1,{"a":["]\\"]},"x",[[]]"#)), cut);
        assert_eq!(parsed(&deep(1 << 20, "")), serde_json::from_str(&deep(127, "null")).ok());
    }

    #[test]
    fn what_is_malformed_is_refused_at_any_depth() {
        for text in [deep(200, ","), deep(200, "1") + "]", "[".repeat(1 << 20), deep(200, "") + "{"] {
            assert!(parse(text.as_bytes()).is_err());
        }
    }
}
