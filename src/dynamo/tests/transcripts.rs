//! Conversations with tables, as they are written down in `transcripts/`: each request and the answer it gets.
//!
//! ```text
//! # a remark
//! > Operation {request}
//! < {answer}                    or, if it is refused
//! ! Exception: message
//! = wait MS | work | reap       time passes; the background does its work; what has expired is removed
//! ```
//!
//! A request may go on over lines that begin with a space. `SILTSTONE_RECORD=1` writes down the answers that are given today:
//! read the difference before it is committed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::world::World;

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dynamo/tests/transcripts");
    let mut files: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What a conversation is when it is held today.
fn hold(text: &str) -> String {
    let mut world = World::new();
    let mut held = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with(['<', '!']) {
            continue;
        }
        writeln!(held, "{line}").unwrap();
        if let Some(step) = line.strip_prefix("= ") {
            match step.split_once(' ') {
                Some(("wait", ms)) => world.clock.advance_ms(ms.parse().unwrap()),
                None if step == "work" => world.work(),
                None if step == "reap" => world.reap(),
                _ => panic!("{line}"),
            }
        }
        let Some(request) = line.strip_prefix("> ") else { continue };
        let mut request = request.to_owned();
        while let Some(more) = lines.next_if(|next| next.starts_with(' ')) {
            writeln!(held, "{more}").unwrap();
            request.push_str(more);
        }
        let (operation, json) = request.split_once(' ').unwrap_or((&request, "{}"));
        let json: Json = serde_json::from_str(json).unwrap_or_else(|error| panic!("{line}: {error}"));
        let (status, body) = world.ask(operation, &json);
        if status == 200 {
            writeln!(held, "< {body}").unwrap();
        } else {
            let kind = body["__type"].as_str().unwrap().rsplit('#').next().unwrap();
            write!(held, "! {kind}: {}", body["message"].as_str().unwrap()).unwrap();
            for member in ["Item", "CancellationReasons"] {
                if let Some(more) = body.get(member) {
                    write!(held, " {member} {more}").unwrap();
                }
            }
            held.push('\n');
        }
    }
    held
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is recorded is written where it is kept")]
fn every_conversation_goes_as_written() {
    let files = files();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let held = hold(&text);
        if std::env::var_os("SILTSTONE_RECORD").is_some() {
            std::fs::write(&file, &held).unwrap();
        } else if let Some((said, now)) = text.lines().zip(held.lines()).find(|(said, now)| said != now) {
            panic!("{}\nwas:  {said}\nis:   {now}", file.display());
        } else {
            assert_eq!(text.lines().count(), held.lines().count(), "{}", file.display());
        }
    }
}
