use std::ops::RangeBounds;

use proptest::prelude::*;

use super::parse::parse;
use super::plan::{Plan, item_key};
use super::statement::{Select, Statement};
use crate::dynamo::attribute::{Attributes, Value};
use crate::dynamo::error::Error;
use crate::dynamo::number::Number;
use crate::dynamo::rows::table_key;
use crate::dynamo::schema::{KeyPart, Keys};
use crate::dynamo::validate::table::KeyType;

fn keys() -> Keys {
    let part = |name: &str, kind| vec![KeyPart { name: name.to_owned(), kind }];
    Keys { hash: part("pk", KeyType::S), range: part("sk", KeyType::N) }
}

fn wrong(text: &str) -> String {
    match parse(text, Vec::new(), 32) {
        Err(Error::Refused(refusal)) => refusal.message,
        other => panic!("{text}: {other:?}"),
    }
}

fn select(text: &str) -> Select {
    match parse(text, Vec::new(), 32) {
        Ok(Statement::Select(select)) => select,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn malformed_statements_are_told_of_as_the_service_does() {
    for (text, expected) in [
        ("", "Expected data manipulation"),
        ("SLECT * FROM t", "Expected data manipulation"),
        ("SELECT * FROM t WHERE pk = 1 foo", "Unexpected token after expression"),
        ("SELECT * FROM t WHERE pk = 1 e5", "Unexpected token after expression"),
        ("SELECT * FROM t WHERE pk = 1)", "Unexpected token after expression"),
        ("SELECT * FROM t ORDER BY pk WHERE pk = 1", "Unexpected token after expression"),
        ("INSERT INTO t VALUE {'pk': 1} foo", "Unexpected token after expression"),
        ("INSERT INTO t u VALUE {'pk': 1}", "Unexpected token after expression"),
        ("UPDATE t SET a = 9 WHERE pk = 1 foo", "Unexpected token after expression"),
        ("DELETE FROM t WHERE pk = 1 ORDER BY pk", "Unexpected token after expression"),
        ("FROM t SET c = 1 WHERE pk = 1", "Unexpected token after expression"),
        ("SELECT * FROM t WHERE pk = 1e2147483648", ""),
        ("SELECT * FROM t WHERE pk = 1.5e-2147483647", ""),
        ("SELECT * FROM t WHERE pk = 1 # note", ""),
        ("SELECT * FROM t WHERE pk = 1 /* note", ""),
        ("SELECT * FROM \"t", ""),
        ("SELECT * FROM t WHERE", "Unexpected term"),
        ("SELECT * FROM t WHERE;", "Unexpected term"),
        ("SELECT * FROM t WHERE NOT", "Unexpected term"),
        ("SELECT * FROM t WHERE (", "Unexpected term"),
        ("SELECT * FROM", "Unexpected term"),
        ("SELECT * FROM t WHERE pk = 1 AND", "Missing right-hand side expression of infix operator"),
        ("SELECT * FROM t WHERE pk =", "Missing right-hand side expression of infix operator"),
        ("SELECT * FROM t WHERE ORDER BY pk", "Unexpected keyword"),
        ("SELECT * FROM t WHERE x IS FOO", "Expected type name"),
        ("SELECT * FROM t WHERE IS NULL", "Unexpected operator"),
        ("SELECT * FROM t WHERE pk = LIKE", "Unexpected operator"),
        ("SELECT * FROM t WHERE attribute_exists(m.inner)", "Invalid path dot component"),
        ("DELETE FROM", "Expected identifier for simple path"),
        ("DELETE FROM WHERE pk = 'a'", "Expected identifier for simple path"),
    ] {
        let expected = format!("Statement wasn't well formed, can't be processed: {expected}");
        assert_eq!(wrong(text), expected, "{text}");
    }
}

#[test]
fn other_faults_have_words_of_their_own() {
    for (text, expected) in [
        ("SELECT * FROM t u", "Aliasing is not supported"),
        ("UPDATE t AS u SET a = 1", "Aliasing is not supported"),
        ("SELECT * FROM t, u", "Only select from a single table or index is supported."),
        ("SELECT * FROM \"\"", "Path component cannot be an empty string"),
        ("SELECT * FROM t LIMIT 1", "Unsupported clause: LIMIT at 1:17:5"),
        ("SELECT a, b.a FROM t", "Duplicate identifiers in select clause: a"),
        ("SELECT\n size(a) FROM t", "Unexpected path component at 2:2:4"),
        ("SELECT * FROM t WHERE a", "WHERE clause must contain an expression that resolves to a boolean"),
        ("SELECT * FROM t WHERE a AND b", "The arguments to AND/OR must be Expressions"),
        ("SELECT * FROM t WHERE a = MISSING", "MISSING must be compared using IS operator"),
        ("SELECT * FROM t WHERE EXISTS(a)", "Unrecognized function: exists at 1:23:6"),
        (
            "SELECT * FROM t WHERE a < true",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "SELECT * FROM t WHERE a BETWEEN 2 AND 1",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound \
             operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            "SELECT * FROM t WHERE attribute_exists()",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, number \
             of operands: 0",
        ),
        (
            "UPDATE t SET u = set_add(s, <<'x'>>)",
            "The first argument to SET_ADD must equal the assignment value at 1:18:7",
        ),
        (
            "UPDATE t SET s = set_add(s, 'x')",
            "The second argument to SET_ADD must be a value with type SET at 1:26:1",
        ),
        ("UPDATE t SET s = set_add(s)", "SET_ADD must have exactly two arguments at 1:18:7"),
        ("UPDATE t SET s = if_not_exists(s, 1)", "Unrecognized function: if_not_exists at 1:18:13"),
        ("INSERT INTO t VALUE {'s': <<>>}", "Empty bags are not supported"),
        (
            "INSERT INTO t VALUE {'s': <<'a', 'a'>>}",
            "One or more parameter values were invalid: Input collection [a, a] contains duplicates.",
        ),
        (
            "INSERT INTO t VALUE {'l': [1, 1e126]}",
            "Number overflow. Attempting to store a number with magnitude larger than supported range under root[1]",
        ),
        (
            "INSERT INTO t VALUE {'m': {'x': 1e126}}",
            "Number overflow. Attempting to store a number with magnitude larger than supported range under root.x",
        ),
        ("INSERT INTO t VALUE {'a': f(1)}", "Unsupported data type: f under key root at 1:27:1"),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
}

#[test]
fn what_is_nested_too_deeply_is_refused() {
    let deep =
        |open: &str, close: &str, levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
    let insert = |value: &str, max| parse(&format!("INSERT INTO t VALUE {{'a': {value}}}"), Vec::new(), max);
    assert!(insert(&deep("[", "]", 31), 32).is_ok());
    assert!(insert(&deep("[", "]", 32), 32).is_err());
    assert!(insert(&deep("{'a':", "}", 255), 256).is_ok());
    assert!(insert(&deep("<<", ">>", 2000), 256).is_err());
    let select = |condition: &str| parse(&format!("SELECT * FROM t WHERE {condition}"), Vec::new(), 32);
    assert!(select(&deep("(", ")=1", 50)).is_err());
    assert!(select(&format!("{}a=1{}", "(".repeat(100), ")".repeat(100))).is_ok());
    assert!(select(&format!("{}a=1{}", "(".repeat(101), ")".repeat(101))).is_err());
    assert!(select(&format!("{}a=1", "NOT ".repeat(2000))).is_ok());
    assert!(select(&deep("size(", ")", 2000)).is_err());
}

#[test]
fn keys_are_read_as_ranges() {
    let ranges = |condition: &str| {
        let plan = Plan::new(&keys(), false, &select(&format!("SELECT * FROM t WHERE {condition}")), 9);
        plan.map(|plan| (plan.ranges.len(), plan.filter.is_some())).ok()
    };
    for (condition, expected) in [
        ("pk = 'x'", Some((1, false))),
        ("'x' = pk AND 1 <= sk", Some((1, false))),
        ("pk = 'x' AND sk > 1 AND sk < 3", Some((1, true))),
        ("pk IN ['x', 'y', 'x'] AND sk = 1", Some((2, false))),
        ("pk = 'x' AND (sk = 1 OR a = 1)", Some((1, true))),
        ("pk = 'x' AND sk = 1 OR pk = 'y' AND sk = 2", Some((2, true))),
        ("pk = 'x' AND pk = 'y'", Some((1, true))),
        ("pk = 'x' OR a = 1", Some((1, true))),
        ("NOT pk = 'x'", Some((1, true))),
        ("pk > 'x'", Some((1, true))),
        ("pk = 1", None),
        ("pk = 'x' AND sk > 'x'", None),
    ] {
        assert_eq!(ranges(condition), expected, "{condition}");
    }
    let many: Vec<String> = (0..51).map(|n| format!("'{n}'")).collect();
    assert_eq!(ranges(&format!("pk IN [{}]", many.join(","))), None);
}

#[test]
fn one_item_is_named_by_its_whole_key() {
    let rest = |condition: &str| {
        let select = select(&format!("SELECT * FROM t WHERE {condition}"));
        item_key(&keys(), select.condition.as_ref()).ok().map(|(_, rest)| rest.len())
    };
    assert_eq!(rest("pk = 'x' AND sk = 1"), Some(0));
    assert_eq!(rest("(a = 1 AND 1 = sk) AND pk = 'x' AND pk = 'x' AND b.sk = 2"), Some(2));
    assert_eq!(rest("pk = 'x' AND sk = 1 AND sk = 2"), None);
    assert_eq!(rest("pk = 'x' AND sk > 1"), None);
    assert_eq!(rest("pk = 'x' OR sk = 1"), None);
    assert_eq!(rest("pk = 'x' AND sk = '1'"), None);
}

fn items() -> Vec<Attributes> {
    let item = |pk: &str, sk: i64, a: Option<i64>| {
        let number = |n| Value::N(Number::from(n));
        let mut item =
            Attributes::from([("pk".to_owned(), Value::S(pk.to_owned())), ("sk".to_owned(), number(sk))]);
        item.extend(a.map(|a| ("a".to_owned(), number(a))));
        item
    };
    let places = ["x", "y", "z"].into_iter().flat_map(|pk| (0..4).map(move |sk| (pk, sk)));
    places.flat_map(|(pk, sk)| [item(pk, sk, None), item(pk, sk, Some(sk % 2))]).collect()
}

fn any_condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "pk = '[w-z]'",
        "pk IN \\['[w-z]', '[w-z]'\\]",
        "pk (<|>=|<>) '[w-z]'",
        "sk (=|<|<=|>|>=|<>) [0-3]",
        "[0-3] (=|<|<=|>|>=) sk",
        "sk BETWEEN [01] AND [2-4]",
        "sk (NOT )?IN \\([0-3], [0-3]\\)",
        "a = [01]",
        "a IS (NOT )?MISSING",
        "begins_with\\(pk, '[w-z]'\\)",
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} AND {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn a_plan_reads_what_its_condition_holds_for(condition in any_condition()) {
        let select = select(&format!("SELECT * FROM t WHERE {condition}"));
        let plan = Plan::new(&keys(), false, &select, usize::MAX).unwrap();
        for item in items() {
            let key = table_key(&keys(), &item).unwrap();
            let times = plan.ranges.iter().filter(|range| {
                (range.from.clone(), range.to.clone()).contains(&key)
            }).count();
            prop_assert!(times <= 1);
            let is_read = times == 1 && plan.filter.as_ref().is_none_or(|filter| filter.holds(&item));
            prop_assert_eq!(is_read, select.condition.as_ref().unwrap().holds(&item), "{:?}", item);
        }
    }

    #[test]
    fn no_statement_breaks_anything(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "SELECT", "*", "FROM", "t", "WHERE", "a", "=", "<", "'x'", "1", "AND", "OR", "NOT", "IN", "(", ")", "[",
                "]", "{", "}", "<<", ">>", ",", ".", ":", ";", "?", "IS", "MISSING", "NULL", "BETWEEN", "size",
                "INSERT", "INTO", "VALUE", "UPDATE", "SET", "REMOVE", "set_add", "list_append", "+", "-", "DELETE",
                "RETURNING", "ALL", "OLD", "ORDER", "BY", "DESC", "EXISTS", "\"q\"", "--\n", "é", "'", "1e9",
            ]),
            0..30,
        ),
        text in ".{0,40}",
    ) {
        for text in [words.join(" "), text] {
            let parameters = text.matches('?').map(|_| Value::Null).collect();
            let _ = parse(&text, parameters, 32);
        }
    }
}
