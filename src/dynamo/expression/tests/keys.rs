//! Key conditions.

use std::sync::LazyLock;

use super::*;
use crate::dynamo::schema::Keys;
use crate::dynamo::validate::table::KeyType;

const HASH: (&str, KeyType) = ("pk", KeyType::S);
const NUMBER: (&str, KeyType) = ("n1", KeyType::N);
const TEXT: (&str, KeyType) = ("s1", KeyType::S);

static HASH_ONLY: LazyLock<Keys> = LazyLock::new(|| Keys::of(&[HASH], &[]));
static SORTED: LazyLock<Keys> = LazyLock::new(|| Keys::of(&[HASH], &[NUMBER]));
static BY_TEXT: LazyLock<Keys> = LazyLock::new(|| Keys::of(&[HASH], &[TEXT]));
static WIDE: LazyLock<Keys> =
    LazyLock::new(|| Keys::of(&[HASH, ("h2", KeyType::N)], &[NUMBER, TEXT, ("b1", KeyType::B)]));

fn resolve(text: &str, keys: &Keys) -> Result<SortedKeys, Error> {
    KeyCondition::parse(text, &mut placeholders(), EXPRESSION_BYTES_MAX)?.resolve(keys)
}

#[test]
fn faults_are_reported_in_the_services_words() {
    let condition = "Invalid KeyConditionExpression: Invalid condition in KeyConditionExpression: ";
    for (text, expected) in [
        ("", "Invalid KeyConditionExpression: The expression can not be empty;"),
        ("((pk = :s))", "Invalid KeyConditionExpression: The expression has redundant parentheses;"),
        ("pk = :s OR n1 = :n", "Invalid operator used in KeyConditionExpression: OR"),
        ("pk = :s AND (n1 = :n OR n1 = :m)", "Invalid operator used in KeyConditionExpression: OR"),
        ("NOT pk = :s", "Invalid operator used in KeyConditionExpression: NOT"),
        ("NOT NOT pk = :s", "Invalid operator used in KeyConditionExpression: NOT"),
        ("pk IN (:s)", "Invalid operator used in KeyConditionExpression: IN"),
        ("pk <> :s", "Invalid operator used in KeyConditionExpression: <>"),
        ("attribute_exists(pk)", "Invalid operator used in KeyConditionExpression: attribute_exists"),
        ("attribute_type(pk, :type)", "Invalid operator used in KeyConditionExpression: attribute_type"),
        ("contains(a.d, b)", "Invalid operator used in KeyConditionExpression: contains"),
        ("size(b) > a AND a.b > b", "KeyConditionExpressions cannot contain nested operations"),
        ("a > size(b.d)", "KeyConditionExpressions cannot contain nested operations"),
        ("a BETWEEN size(b) AND size(a)", "KeyConditionExpressions cannot contain nested operations"),
        ("a > b", &format!("{condition}Multiple attribute names used in one condition")),
        ("b BETWEEN c[1] AND d", &format!("{condition}Multiple attribute names used in one condition")),
        ("begins_with(a, b)", &format!("{condition}Multiple attribute names used in one condition")),
        (
            "b[0] > :n",
            "Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes",
        ),
        (":n > :m AND a < :n", &format!("{condition}No key attribute specified")),
        (
            ":n BETWEEN a AND b",
            &format!("{condition}BETWEEN operator must have the key attribute as its first operand"),
        ),
        (
            "begins_with(:s, b)",
            &format!("{condition}begins_with operator must have the key attribute as its first operand"),
        ),
        (
            "pk = :s AND n1 > :m AND n1 < :n",
            "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
        ),
        (
            "(a > :n AND b > :n) AND (b > :n AND c > :n)",
            "Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key",
        ),
        ("n1 = :n", "Query condition missed key schema element: pk"),
        ("extra = :n", "Query condition missed key schema element: pk"),
        ("pk = :s AND extra = :n", "Query condition missed key schema element: n1"),
        (
            "pk = :s AND n1 = :n AND extra = :n",
            "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)",
        ),
        ("pk > :s", "Query key condition not supported"),
        ("begins_with(pk, :s)", "Query key condition not supported"),
        (
            ":n > pk",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "pk = :s AND n1 = :s",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "pk = :s AND begins_with(n1, :s)",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "pk = :s AND begins_with(n1, :n)",
            "Invalid KeyConditionExpression: Incorrect operand type for operator or function; \
             operator or function: begins_with, operand type: N",
        ),
        (
            "pk = :empty",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty string value. Key: pk",
        ),
    ] {
        assert_eq!(message(resolve(text, &SORTED)), expected, "{text}");
    }
    assert_eq!(message(resolve("pk = :s AND n1 = :n", &HASH_ONLY)), "Query key condition not supported");
    assert_eq!(message(resolve("a = :s AND b = :n", &HASH_ONLY)), "Query key condition not supported");
}

#[test]
fn key_conditions_are_taken_apart() {
    let values = placeholders();
    let value = |key: &str| values.clone().value(key).unwrap();
    let with = |bound: Option<SortBound>| SortedKeys { hash: vec![value(":s")], range: Vec::new(), bound };
    assert_eq!(resolve("#p = :s", &HASH_ONLY).unwrap(), with(None));
    assert_eq!(resolve("(pk = :s)", &SORTED).unwrap(), with(None));
    let equal = SortedKeys { range: vec![value(":n")], ..with(None) };
    for text in ["pk = :s AND n1 = :n", "n1 = :n and (pk = :s)", "(:s = pk AND (:n = n1))"] {
        assert_eq!(resolve(text, &SORTED).unwrap(), equal, "{text}");
    }
    for (text, bound) in [
        ("n1 < :n", SortBound::Less(value(":n"))),
        (":n < n1", SortBound::Greater(value(":n"))),
        ("n1 <= :n", SortBound::LessOrEqual(value(":n"))),
        (":n <= n1", SortBound::GreaterOrEqual(value(":n"))),
        (":n >= n1", SortBound::LessOrEqual(value(":n"))),
        ("n1 BETWEEN :m AND :n", SortBound::Between(value(":m"), value(":n"))),
    ] {
        assert_eq!(resolve(&format!("pk = :s AND {text}"), &SORTED).unwrap(), with(Some(bound)), "{text}");
    }
    assert_eq!(
        resolve("begins_with(s1, :t) AND pk = :s", &BY_TEXT).unwrap(),
        with(Some(SortBound::BeginsWith(value(":t"))))
    );
}

#[test]
fn keys_of_several_attributes_are_met_from_the_left() {
    let hash = "pk = :s AND h2 = :n";
    for (text, range, is_bound) in [
        ("", 0, false),
        ("AND n1 = :n", 1, false),
        ("AND n1 > :n", 0, true),
        ("AND s1 > :s AND n1 = :n", 1, true),
        ("AND n1 = :n AND s1 = :s AND b1 = :b", 3, false),
        ("AND n1 = :n AND s1 = :s AND begins_with(b1, :b)", 2, true),
    ] {
        let keys = resolve(&format!("{hash} {text}"), &WIDE).unwrap();
        assert_eq!((keys.hash.len(), keys.range.len(), keys.bound.is_some()), (2, range, is_bound), "{text}");
    }
    for (text, expected) in [
        ("pk = :s", "Query condition missed key schema element: h2"),
        ("pk = :s AND h2 > :n", "Query key condition not supported"),
        ("pk = :s AND h2 = :n AND s1 = :s", "Query condition missed key schema element: n1"),
        ("pk = :s AND h2 = :n AND n1 = :n AND b1 = :b", "Query condition missed key schema element: s1"),
        ("pk = :s AND h2 = :n AND n1 > :n AND s1 = :s", "Query key condition not supported"),
        (
            "pk = :s AND h2 = :n AND n1 = :n AND s1 = :s AND b1 = :b AND x = :n",
            "The number of query conditions (6) exceeds the number of key attributes defined in the schema (5)",
        ),
    ] {
        assert_eq!(message(resolve(text, &WIDE)), expected, "{text}");
    }
}

#[test]
fn bounds_hold_for_values_within_them() {
    let values = placeholders();
    let value = |key: &str| values.clone().value(key).unwrap();
    for (bound, inside, outside) in [
        (SortBound::Less(value(":n")), ":m", ":n"),
        (SortBound::LessOrEqual(value(":m")), ":m", ":n"),
        (SortBound::Greater(value(":m")), ":n", ":m"),
        (SortBound::GreaterOrEqual(value(":n")), ":n", ":m"),
        (SortBound::Between(value(":t"), value(":t")), ":t", ":s"),
        (SortBound::BeginsWith(value(":t")), ":t", ":s"),
    ] {
        assert!(bound.holds(&value(inside)) && !bound.holds(&value(outside)), "{bound:?}");
    }
}
