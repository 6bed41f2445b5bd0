//! What a script says of itself: `#!lua flags=no-writes,allow-oom`, and the flags of functions.

use super::super::error::{Error, Result};
use super::text::split_words;

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ScriptFlags(pub(super) u8);

impl ScriptFlags {
    /// It does not write.
    pub(super) const NO_WRITES: Self = Self(1);
    /// It may write also when there is no room.
    pub(super) const ALLOW_OOM: Self = Self(2);

    /// Names, in Redis's order; each is a bit.
    const NAMES: [&'static str; 5] =
        ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

    /// The flag of this name, in any case if that is wanted.
    pub(super) fn named(name: &[u8], any_case: bool) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| {
            let known = known.as_bytes();
            if any_case { known.eq_ignore_ascii_case(name) } else { known == name }
        });
        at.map(|at| Self(1 << at))
    }

    /// With another flag.
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it has a flag.
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of those it has.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().enumerate().filter(move |(at, _)| self.0 >> at & 1 == 1).map(|(_, name)| *name)
    }
}

/// What the first line of a script says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shebang {
    /// The flags; `None` for a script that says nothing, as all did before Redis 7.
    pub(super) flags: Option<ScriptFlags>,
    /// How long it is, without the line's end: the lines keep their numbers.
    pub(super) len: usize,
}

/// Reads a script's first line.
pub(super) fn shebang(body: &[u8]) -> Result<Shebang> {
    if !body.starts_with(b"#!") {
        return Ok(Shebang { flags: None, len: 0 });
    }
    let fail = |why: &str, what: &[u8]| Error::text(format!("ERR {why}{}", String::from_utf8_lossy(what)));
    let Some(len) = body.iter().position(|&c| c == b'\n') else {
        return Err(fail("Invalid script shebang", b""));
    };
    let words = split_words(&body[..len]).filter(|words| !words.is_empty());
    let Some(words) = words else { return Err(fail("Invalid engine in script shebang", b"")) };
    if words[0] != b"#!lua" {
        return Err(fail("Unexpected engine in script shebang: ", &words[0]));
    }
    let mut flags = ScriptFlags::default();
    for word in &words[1..] {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err(fail("Unknown lua shebang option: ", word));
        };
        if list.is_empty() {
            continue;
        }
        for name in list.split(|&c| c == b',') {
            let flag = ScriptFlags::named(name, false);
            flags = flags.with(flag.ok_or_else(|| fail("Unexpected flag in script shebang: ", name))?);
        }
    }
    Ok(Shebang { flags: Some(flags), len })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_what_a_script_needs() {
        let flags = |text: &str| shebang(text.as_bytes()).map(|shebang| shebang.flags);
        let wire = |text: &str| shebang(text.as_bytes()).unwrap_err().wire().into_owned();
        assert_eq!(flags("return 1").unwrap(), None);
        assert_eq!(flags("#!lua\nreturn 1").unwrap(), Some(ScriptFlags(0)));
        assert_eq!(flags("#!lua flags=allow-oom,no-writes\n").unwrap(), Some(ScriptFlags(3)));
        assert_eq!(wire("#!lua"), "ERR Invalid script shebang");
        assert_eq!(wire("#!py\n"), "ERR Unexpected engine in script shebang: #!py");
        assert_eq!(wire("#!lua flags=x\n"), "ERR Unexpected flag in script shebang: x");
        assert_eq!(wire("#!lua name=x\n"), "ERR Unknown lua shebang option: name=x");
    }
}
