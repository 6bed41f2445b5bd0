//! The script of the tests, and the function: they call the commands that they are given.

use std::fmt::Write as _;

use super::world::Words;

const SCRIPT: &str = "local said = {} \
    for at, words in ipairs(cjson.decode(ARGV[1])) do said[at] = redis.CALL(unpack(words)) end \
    return said";

/// A library's one function, of the same name: it tells its version first.
const LIBRARY: &str = "#!lua name=NAME
    local version = VERSION
    redis.register_function('NAME', function(keys, args)
        local said, call = {version}, redis[args[2]]
        for at, words in ipairs(cjson.decode(args[1])) do said[at + 1] = call(unpack(words)) end
        return said
    end)";

/// Commands of letters, digits and signs that JSON does not know.
fn json(commands: &[Words]) -> String {
    let mut json = String::from("[");
    for words in commands {
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let comma = if json.len() > 1 { "," } else { "" };
        let _ = write!(json, "{comma}[{}]", words.join(","));
    }
    json.push(']');
    json
}

fn call_of(protected: bool) -> &'static str {
    if protected { "pcall" } else { "call" }
}

/// The words that run commands in a script.
pub(super) fn script(commands: &[Words], keys: impl IntoIterator<Item = String>, protected: bool) -> Words {
    let keys: Vec<String> = keys.into_iter().collect();
    let source = SCRIPT.replace("CALL", call_of(protected));
    let mut words = vec!["EVAL".to_owned(), source, keys.len().to_string()];
    words.extend(keys);
    words.push(json(commands));
    words
}

/// The words that run commands in a library's function.
pub(super) fn function(
    library: &str,
    commands: &[Words],
    keys: impl IntoIterator<Item = String>,
    protected: bool,
) -> Words {
    let keys: Vec<String> = keys.into_iter().collect();
    let mut words = vec!["FCALL".to_owned(), library.to_owned(), keys.len().to_string()];
    words.extend(keys);
    words.extend([json(commands), call_of(protected).to_owned()]);
    words
}

/// A library's source.
pub(super) fn library(name: &str, version: u64) -> String {
    LIBRARY.replace("NAME", name).replace("VERSION", &version.to_string())
}

/// The name and the version that a library's source tells.
pub(super) fn read_library(source: &str) -> (String, u64) {
    let after = |word: &str| source.split_once(word).unwrap().1.split_whitespace().next().unwrap();
    (after("name=").to_owned(), after("version = ").parse().unwrap())
}
