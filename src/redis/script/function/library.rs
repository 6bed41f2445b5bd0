//! A library: its text, and what was learned of it when it was loaded.
//!
//! ```text
//! row      := 0 ‖ 6 ‖ 1 ‖ 3 ‖ name → version ‖ count ‖ function … ‖ text
//! function := length ‖ name ‖ flags ‖ (0 | 1 ‖ length ‖ description)       numbers are ordered: store::realm
//! ```

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::super::super::error::{Error, Result};
use super::super::cache::Habits;
use super::super::flags::ScriptFlags;
use super::super::text::split_words;
use crate::store::{self, put_ordered, take_ordered};

const VERSION: u8 = 1;

/// A function of a library.
pub(in super::super) struct Function {
    pub(in super::super) name: Vec<u8>,
    pub(in super::super) description: Option<Vec<u8>>,
    pub(in super::super) flags: ScriptFlags,
    pub(in super::super) habits: Habits,
}

/// A library.
pub(in super::super) struct Library {
    /// A number that no other one has in this process.
    pub(in super::super) id: u64,
    pub(in super::super) name: Vec<u8>,
    /// Its text, with the first line.
    pub(in super::super) code: Vec<u8>,
    /// In the order in which they were registered.
    pub(in super::super) functions: Vec<Function>,
}

impl Library {
    /// A library that was just loaded, or read.
    pub(super) fn new(name: Vec<u8>, code: Vec<u8>, functions: Vec<Function>) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self { id: LAST.fetch_add(1, Relaxed) + 1, name, code, functions }
    }

    /// Its row's value.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_ordered(&mut out, self.functions.len() as u64);
        let put = |out: &mut Vec<u8>, bytes: &[u8]| {
            put_ordered(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        };
        for function in &self.functions {
            put(&mut out, &function.name);
            out.extend_from_slice(&[function.flags.0, u8::from(function.description.is_some())]);
            if let Some(description) = &function.description {
                put(&mut out, description);
            }
        }
        out.extend_from_slice(&self.code);
        out
    }

    /// A library from its row.
    pub(super) fn decode(name: &[u8], value: &[u8]) -> Result<Self> {
        Self::read(name, value).ok_or_else(|| store::Error::Damaged("a library of functions").into())
    }

    fn read(name: &[u8], value: &[u8]) -> Option<Self> {
        let (&VERSION, mut rest) = value.split_first()? else { return None };
        let byte = |rest: &mut &[u8]| {
            let (&first, others) = rest.split_first()?;
            *rest = others;
            Some(first)
        };
        let text = |rest: &mut &[u8]| {
            let len = usize::try_from(take_ordered(rest)?).ok()?;
            let (text, others) = rest.split_at_checked(len)?;
            *rest = others;
            Some(text.to_vec())
        };
        let mut functions = Vec::new();
        for _ in 0..take_ordered(&mut rest)? {
            let name = text(&mut rest)?;
            let flags = ScriptFlags(byte(&mut rest)?);
            let description = if byte(&mut rest)? == 1 { Some(text(&mut rest)?) } else { None };
            functions.push(Function { name, description, flags, habits: Habits::default() });
        }
        Some(Self::new(name.to_vec(), rest.to_vec(), functions))
    }
}

/// What Redis says of names, of libraries and of functions alike.
pub(super) const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Whether a library or a function may be called so.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'_')
}

/// A library's name, and how long its first line is.
pub(super) fn metadata(code: &[u8]) -> Result<(Vec<u8>, usize)> {
    let fail = |why: &str, what: &[u8]| Error::text(format!("ERR {why}{}", String::from_utf8_lossy(what)));
    if !code.starts_with(b"#!") {
        return Err(fail("Missing library metadata", b""));
    }
    let invalid = || fail("Invalid library metadata", b"");
    let len = code.iter().position(|&c| c == b'\n').ok_or_else(invalid)?;
    let words = split_words(&code[..len]).filter(|words| !words.is_empty()).ok_or_else(invalid)?;
    let mut name = None;
    for word in &words[1..] {
        let value = word.get(..5).filter(|front| front.eq_ignore_ascii_case(b"name=")).and(word.get(5..));
        match (value, &name) {
            (None, _) => return Err(fail("Invalid metadata value given: ", word)),
            (Some(_), Some(_)) => {
                return Err(fail("Invalid metadata value, name argument was given multiple times", b""));
            }
            (Some(value), None) => name = Some(value.to_vec()),
        }
    }
    let name = name.ok_or_else(|| fail("Library name was not given", b""))?;
    if !is_name(&name) {
        return Err(fail(BAD_NAME, b""));
    }
    let engine = words[0].get(2..).unwrap_or_default();
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(fail(&format!("Engine '{}' not found", String::from_utf8_lossy(engine)), b""));
    }
    Ok((name, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_comes_back_from_its_row() {
        let function = |name: &str, description: Option<&str>, flags| Function {
            name: name.into(),
            description: description.map(Into::into),
            flags: ScriptFlags(flags),
            habits: Habits::default(),
        };
        let functions = vec![function("f", None, 1), function("g", Some("what it does"), 3)];
        let library = Library::new(b"lib".to_vec(), b"#!lua name=lib\n".to_vec(), functions);
        let row = library.encode();
        let back = Library::decode(b"lib", &row).unwrap();
        assert_eq!(back.code, library.code);
        assert_eq!(back.functions.len(), 2);
        assert_eq!(back.functions[1].description.as_deref(), Some(&b"what it does"[..]));
        assert_eq!(back.functions[1].flags, ScriptFlags(3));
        for cut in 0..row.len() - library.code.len() {
            assert!(Library::decode(b"lib", &row[..cut]).is_err());
        }
    }

    #[test]
    fn the_first_line_names_a_library() {
        let wire = |text: &str| metadata(text.as_bytes()).unwrap_err().wire().into_owned();
        assert_eq!(metadata(b"#!lua name=\"foo\"\nx").unwrap(), (b"foo".to_vec(), 16));
        assert_eq!(wire("return 1"), "ERR Missing library metadata");
        assert_eq!(wire("#!lua"), "ERR Invalid library metadata");
        assert_eq!(wire("#!lua\n"), "ERR Library name was not given");
        assert_eq!(wire("#! name=x\n"), "ERR Engine '' not found");
        assert_eq!(wire("#!lua name=x foo=bar\n"), "ERR Invalid metadata value given: foo=bar");
    }
}
