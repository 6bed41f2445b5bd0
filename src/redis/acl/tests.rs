use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::args::Words;
use super::check::{Denied, check};
use super::file::{load, save};
use super::rule::{Bad, merge};
use super::user::User;
use super::{Account, Categories};
use crate::redis::table::table;
use crate::vfs::Vfs;
use crate::vfs::memory::MemoryVfs;

fn user(rules: &str) -> User {
    let mut user = User::new(false);
    for rule in merge(&rules.split(' ').map(str::as_bytes).collect::<Vec<_>>()).unwrap() {
        user.apply(&rule, false).unwrap();
    }
    user
}

fn bad(rules: &[&str]) -> Bad {
    let mut user = User::new(false);
    let (last, others) = rules.split_last().unwrap();
    for rule in others {
        user.apply(rule.as_bytes(), false).unwrap();
    }
    user.apply(last.as_bytes(), false).unwrap_err()
}

fn asks(user: &User, line: &str) -> Result<(), Denied> {
    let words = Words::new(line.split(' ').map(str::as_bytes));
    let entry = crate::redis::dispatch::find(words.args()).unwrap();
    check(user, entry, words.args())
}

fn shown(rules: &str) -> String {
    String::from_utf8(user(rules).show()).unwrap()
}

/// The user that its own description describes.
fn again(user: &User) -> User {
    let shown = user.show();
    let mut again = User::new(true);
    for rule in merge(&shown.split(|&c| c == b' ').collect::<Vec<_>>()).unwrap() {
        again.apply(&rule, true).unwrap();
    }
    again
}

#[test]
fn rules_are_shown_as_they_count() {
    assert_eq!(shown("on nopass ~* &* +@all"), "on nopass ~* &* +@all");
    assert_eq!(shown("+@all -@string +incr"), "off resetchannels +@all -@string +incr");
    assert_eq!(shown("+config|get +config"), "off resetchannels -@all +config");
    assert_eq!(shown("+config -config|set"), "off resetchannels -@all +config -config|set");
    assert_eq!(shown("+@all +client|id"), "off resetchannels +@all");
    assert_eq!(shown("+GET -get +@Set -@sET"), "off resetchannels -@all -@set");
    assert_eq!(shown("+select|0 +select|1 +SELECT|0"), "off resetchannels -@all +select|1 +select|0");
    assert_eq!(shown("%R~a %W~a %rw~b %W~c"), "off ~a ~b %W~c resetchannels -@all");
    assert_eq!(
        shown("(~a +get &x) ( %R~b allcommands )"),
        "off resetchannels -@all (~a resetchannels &x -@all +get) (%R~b resetchannels +@all)"
    );
    assert_eq!(shown("%R~* %W~* ~a (%RW~*)"), "off %RW~* ~a resetchannels -@all (%RW~* resetchannels -@all)");
    assert_eq!(shown("reset"), "off sanitize-payload resetchannels -@all");
}

#[test]
fn rules_that_are_none_are_refused() {
    for rule in
        ["x", "(", ")", " ()", "%~a", "%", "%RR~a", "%X~a", "~a b", "&a\tb", "+select|", "+select|a b"]
    {
        assert_eq!(bad(&[rule]), Bad::Syntax, "{rule}");
    }
    for rule in ["+x", "-x", "+@x", "+config|x", "-config|x", "+get|a|b", "-get|a", "-select|0", "+", "-@"] {
        assert_eq!(bad(&[rule]), Bad::Unknown, "{rule}");
    }
    assert_eq!(bad(&["(~a \"b)"]), Bad::Syntax);
    assert_eq!(bad(&["(&* &b)"]), Bad::ChannelAfterAll);
    assert_eq!(bad(&["~*", "~a"]), Bad::KeyAfterAll);
    assert_eq!(bad(&["allkeys", "%R~a"]), Bad::KeyAfterAll);
    assert_eq!(bad(&["<a"]), Bad::NoSuchPassword);
    assert_eq!(bad(&["#abc"]), Bad::Hash);
    assert_eq!(bad(&[&format!("#{}", "A".repeat(64))]), Bad::Hash);
    assert_eq!(bad(&["+config|get|x"]), Bad::FirstWord);
    assert_eq!(merge(&[b"~a", b"(~b", b"+get"]), Err(&b"(~b"[..]));
}

#[test]
fn passwords_are_those_that_were_given() {
    let mut one = user("on >a >b <a");
    assert!(one.lets_in(b"b") && !one.lets_in(b"a") && !one.lets_in(b""));
    // The published digest of "abc".
    one.apply(b"#ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false).unwrap();
    assert!(one.lets_in(b"abc"));
    one.apply(b"off", false).unwrap();
    assert!(!one.lets_in(b"abc"));
    assert!(user("on nopass").lets_in(b"anything"));
    assert!(!user("on nopass resetpass").lets_in(b""));
    assert!(!user("nopass").lets_in(b""));
}

#[test]
fn what_is_asked_for_is_told_from_what_is_allowed() {
    let one = user("+mget ~key (+mget +copy %R~key %W~other) +publish +psubscribe &news:*");
    assert_eq!(asks(&one, "GET key"), Err(Denied::Command));
    assert_eq!(asks(&one, "MGET key key"), Ok(()));
    // Of all selectors, the one that allows most says what is lacking.
    assert_eq!(asks(&one, "MGET key other"), Err(Denied::Key(2)));
    assert_eq!(asks(&one, "COPY key other"), Ok(()));
    assert_eq!(asks(&one, "COPY other key"), Err(Denied::Key(1)));
    assert_eq!(asks(&one, "PUBLISH news:1 x"), Ok(()));
    assert_eq!(asks(&one, "PUBLISH other x"), Err(Denied::Channel(1)));
    assert_eq!(asks(&one, "PSUBSCRIBE news:*"), Ok(()));
    // A pattern is no channel, whatever it matches.
    assert_eq!(asks(&one, "PSUBSCRIBE news:1"), Err(Denied::Channel(1)));
    assert_eq!(asks(&one, "AUTH x"), Ok(()));
    let first = user("+select|0");
    assert_eq!(asks(&first, "SELECT 0"), Ok(()));
    assert_eq!(asks(&first, "SELECT 1"), Err(Denied::Command));
}

#[test]
fn where_a_result_goes_is_found_among_words_that_look_alike() {
    let one = user("+sort +georadius +georadiusbymember ~open");
    for (line, at) in [
        ("SORT open STORE secret GET store ASC", 3),
        ("SORT open STORE secret BY store LIMIT store 1", 3),
        ("SORT open STORE store ASC", 3),
        ("SORT open STORE open STORE secret", 5),
        ("GEORADIUS open 1 1 1 km STORE storedist ASC", 7),
        ("GEORADIUSBYMEMBER open store 1 km STOREDIST secret COUNT 1", 6),
    ] {
        assert_eq!(asks(&one, line), Err(Denied::Key(at)), "{line}");
    }
    assert_eq!(asks(&one, "SORT open GET store STORE open"), Ok(()));
}

#[test]
fn whoever_has_everything_is_known_by_a_flag() {
    assert!(User::unlimited().is_unlimited());
    assert!(user("allkeys allchannels +@all").is_unlimited());
    assert!(user("(allkeys allchannels +@all)").is_unlimited());
    for rules in ["~* &* +@all -get", "~* +@all", "&* +@all %RW~*", "(~* &*) (+@all &*)"] {
        assert!(!user(rules).is_unlimited(), "{rules}");
    }
    let account = Account::new(b"x", User::unlimited());
    account.remove();
    assert!(!account.is_unlimited() && account.is_removed() && !account.user().lets_in(b""));
}

#[test]
fn every_command_has_a_speed_and_every_category_commands() {
    let speed = |name: &[u8]| Categories::named(name).unwrap();
    for entry in table().flat() {
        let of = Categories::of(entry);
        assert_ne!(of.meets(speed(b"fast")), of.meets(speed(b"slow")), "{}", entry.command.name);
    }
    for name in Categories::ALL.names() {
        let category = Categories::named(name.as_bytes()).unwrap();
        assert!(table().flat().any(|entry| Categories::of(entry).meets(category)), "{name}");
        let shown = |rules: &str| String::from_utf8(user(rules).root.show_commands(false)).unwrap();
        assert_eq!(shown(&format!("+@all -@{name}")), format!("+@all -@{name}"));
        assert_eq!(shown(&format!("+@{name}")), format!("-@all +@{name}"));
    }
}

#[test]
fn a_file_is_read_whole_or_not_at_all() {
    let vfs = MemoryVfs::new();
    let dir = Path::new("/db");
    let path = super::file_path(dir);
    vfs.create_dir_all(dir).unwrap();
    assert_eq!(load(&vfs, &path, false), Ok(None));
    let accounts = [Account::new(b"", user("on (+get ~a)")), Account::new(b"\xff(", User::unlimited())];
    for _ in 0..2 {
        save(&vfs, &path, &accounts).unwrap();
    }
    let users = load(&vfs, &path, false).unwrap().unwrap();
    assert_eq!(users.len(), 2);
    for account in accounts {
        assert_eq!(users[&account.name], **account.user());
    }
    let wrong = |content: &str| {
        let _ = vfs.remove(&path);
        vfs.create(&path).unwrap().write_all_at(content.as_bytes(), 0).unwrap();
        load(&vfs, &path, false).unwrap_err()
    };
    assert_eq!(
        wrong("user a on\n\nnobody\nuser b +x +get -y\r\nuser a off\nuser c (+get\nuser d x #1\nuser"),
        "/db/users.acl:3 should start with user keyword followed by the username. \
         /db/users.acl:4: Error in applying operation '+x': Unknown command or category name in ACL. \
         /db/users.acl:4: Error in applying operation '-y': Unknown command or category name in ACL. \
         WARNING: Duplicate user 'a' found on line 5. \
         /db/users.acl:6: Unmatched parenthesis in selector definition. \
         /db/users.acl:7: Syntax error. \
         /db/users.acl:8 should start with user keyword followed by the username. "
    );
    assert!(wrong("user a\x0bb on").contains("invalid characters"));
}

/// A rule, more often a good one than not.
fn rule() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("on"),
        Just("off"),
        Just("nopass"),
        Just("reset"),
        Just("resetpass"),
        Just("allkeys"),
        Just("resetkeys"),
        Just("allchannels"),
        Just("resetchannels"),
        Just("clearselectors"),
        Just("skip-sanitize-payload"),
        Just(">secret"),
        Just(">other"),
        Just("<secret"),
    ]
    .prop_map(|word| word.as_bytes().to_vec());
    let names = prop_oneof![
        Just("get"),
        Just("config"),
        Just("config|get"),
        Just("select"),
        Just("select|0"),
        Just("select|("),
        Just("select|\"1)"),
        Just("debug|x"),
        Just("@all"),
        Just("@string"),
        Just("@admin"),
        Just("@connection"),
        Just("@slow"),
    ];
    let command = ("[+-]", names).prop_map(|(sign, name)| format!("{sign}{name}").into_bytes());
    let pattern = (
        "(~|%R~|%w~|%RW~|&)",
        vec(prop_oneof![Just(b'\''), Just(b'"'), Just(b'\\'), Just(b')'), any::<u8>()], 0..4),
    )
        .prop_map(|(prefix, pattern)| [prefix.as_bytes(), &pattern].concat());
    prop_oneof![1 => word, 3 => command, 2 => pattern]
}

proptest! {
    #[test]
    fn a_user_is_what_its_description_says(rules in vec(prop_oneof![
        3 => rule(),
        1 => vec(rule(), 0..4).prop_map(|rules| {
            let quoted: Vec<Vec<u8>> = rules.iter().map(|rule| super::rule::quoted(rule).into_owned()).collect();
            [b"(", &quoted.join(&b' ')[..], b")"].concat()
        }),
    ], 0..12)) {
        let mut one = User::new(false);
        for rule in &rules {
            let before = one.clone();
            if one.apply(rule, false).is_err() {
                prop_assert_eq!(&one, &before);
            }
        }
        prop_assert_eq!(&again(&one), &one);
        // And by the parts that ACL GETUSER tells.
        let mut parts = User::new(true);
        let words = |text: Vec<u8>| text.split(|&c| c == b' ').map(<[u8]>::to_vec).collect::<Vec<_>>();
        let mut rules: Vec<Vec<u8>> = one.flags().iter().map(|flag| flag.as_bytes().to_vec()).collect();
        rules.extend(one.hashes().map(|hash| format!("#{hash}").into_bytes()));
        rules.push(b"resetchannels".to_vec());
        for shown in [one.root.show_commands(false), one.root.show_keys(false), one.root.show_channels(false)] {
            rules.extend(words(shown));
        }
        for other in &one.others {
            let shown = [other.show_keys(true), b"resetchannels".to_vec(), other.show_channels(true), other.show_commands(true)];
            rules.push([b"(", &shown.join(&b' ')[..], b")"].concat());
        }
        for rule in rules {
            parts.apply(&rule, true).unwrap();
        }
        prop_assert_eq!(&parts, &one);
    }

    #[test]
    fn no_rule_does_harm(rules in vec(vec(any::<u8>(), 0..20), 0..8), path in "[ -~\n]{0,80}") {
        let mut one = User::new(false);
        let rules: Vec<&[u8]> = rules.iter().map(Vec::as_slice).collect();
        for rule in merge(&rules).unwrap_or_default() {
            let _ = one.apply(&rule, false);
        }
        prop_assert_eq!(&again(&one), &one);
        let vfs = MemoryVfs::new();
        vfs.create_dir_all(Path::new("/db")).unwrap();
        let file = super::file_path(Path::new("/db"));
        vfs.create(&file).unwrap().write_all_at(path.as_bytes(), 0).unwrap();
        let _ = load(&vfs, &file, false);
    }
}
