//! The script of the tests: it calls the commands that it is given.

use std::fmt::Write as _;

use super::world::Words;

const SCRIPT: &str = "local said = {} \
    for at, words in ipairs(cjson.decode(ARGV[1])) do said[at] = redis.CALL(unpack(words)) end \
    return said";

/// The words that run commands, of letters, digits and signs that JSON does not know, in a script.
pub(super) fn script(commands: &[Words], keys: impl IntoIterator<Item = String>, protected: bool) -> Words {
    let mut json = String::from("[");
    for words in commands {
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let comma = if json.len() > 1 { "," } else { "" };
        let _ = write!(json, "{comma}[{}]", words.join(","));
    }
    json.push(']');
    let keys: Vec<String> = keys.into_iter().collect();
    let source = SCRIPT.replace("CALL", if protected { "pcall" } else { "call" });
    let mut words = vec!["EVAL".to_owned(), source, keys.len().to_string()];
    words.extend(keys);
    words.push(json);
    words
}
