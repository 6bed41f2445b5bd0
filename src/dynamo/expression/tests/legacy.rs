//! The parameters that were before expressions.

use serde_json::Value as Json;

use super::super::legacy::{attribute_updates, attributes_to_get, expected, filter, key_conditions};
use super::*;
use crate::dynamo::schema::Keys;
use crate::dynamo::validate::table::KeyType;

fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

const INVALID: &str = "One or more parameter values were invalid: ";

#[test]
fn faulty_expectations_are_refused() {
    for (text, what) in [
        (r#"{"Exists": true}"#, "Value must be provided when Exists is true for Attribute: a"),
        ("{}", "Value must be provided when Exists is null for Attribute: a"),
        (
            r#"{"Exists": false, "Value": {"N": "1"}}"#,
            "Value cannot be used when Exists is false for Attribute: a",
        ),
        (
            r#"{"Value": {"N": "1"}, "AttributeValueList": []}"#,
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        (
            r#"{"ComparisonOperator": "EQ", "Exists": true}"#,
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (
            r#"{"ComparisonOperator": "EQ"}"#,
            "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a",
        ),
        (
            r#"{"AttributeValueList": [{"N": "1"}]}"#,
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        (
            r#"{"ComparisonOperator": "EQ", "AttributeValueList": []}"#,
            "Invalid number of argument(s) for the EQ ComparisonOperator",
        ),
        (
            r#"{"ComparisonOperator": "NULL", "Value": {"N": "1"}}"#,
            "Invalid number of argument(s) for the NULL ComparisonOperator",
        ),
        (
            r#"{"ComparisonOperator": "IN", "AttributeValueList": [{"N": "1"}, {"S": "1"}]}"#,
            "AttributeValues inside AttributeValueList must be of same type",
        ),
        (
            r#"{"ComparisonOperator": "BEGINS_WITH", "Value": {"N": "1"}}"#,
            "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
        ),
    ] {
        let result = expected(Some(json(&format!("{{\"a\": {text}}}"))), None, READING);
        assert_eq!(message(result), format!("{INVALID}{what}"), "{text}");
    }
}

#[test]
fn faulty_filters_are_refused() {
    let between =
        r#"{"a": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "2"}, {"N": "1"}]}}"#;
    assert_eq!(
        message(filter(Some(json(between)), None, READING)),
        "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
    );
    let one = r#"{"a": {"ComparisonOperator": "NULL"}}"#;
    assert_eq!(
        message(filter(Some(json(one)), Some("OR"), READING)),
        "ConditionalOperator can only be used when Filter or Expected has two or more elements"
    );
    assert_eq!(
        message(filter(None, Some("OR"), READING)),
        "ConditionalOperator cannot be used without Filter or Expected"
    );
    assert!(message(filter(Some(json(r#"{"a": {"ComparisonOperator": "X"}}"#)), None, READING))
        .ends_with("Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]"));
    for (operator, list) in
        [("LT", r#"[{"BOOL": true}]"#), ("CONTAINS", r#"[{"SS": ["a"]}]"#), ("IN", r#"[{"L": []}]"#)]
    {
        let text =
            format!(r#"{{"a": {{"ComparisonOperator": "{operator}", "AttributeValueList": {list}}}}}"#);
        let message = message(filter(Some(json(&text)), None, READING));
        assert!(
            message.starts_with(&format!("{INVALID}ComparisonOperator {operator} is not valid for")),
            "{message}"
        );
    }
}

#[test]
fn comparisons_hold_or_do_not() {
    let item = attributes(
        r#"{"s": {"S": "hello"}, "n": {"N": "5"}, "ss": {"SS": ["a", "b"]}, "l": {"L": [{"N": "1"}]}}"#,
    );
    for (attribute, operator, list, holds) in [
        ("n", "EQ", r#"[{"N": "5.0"}]"#, true),
        ("l", "EQ", r#"[{"L": [{"N": "1"}]}]"#, true),
        ("ss", "NE", r#"[{"SS": ["b", "a"]}]"#, false),
        ("q", "NE", r#"[{"N": "5"}]"#, true),
        ("n", "LT", r#"[{"N": "6"}]"#, true),
        ("n", "LE", r#"[{"N": "4"}]"#, false),
        ("n", "GT", r#"[{"S": "4"}]"#, false),
        ("s", "GE", r#"[{"S": "hello"}]"#, true),
        ("q", "NULL", "[]", true),
        ("q", "NOT_NULL", "[]", false),
        ("ss", "CONTAINS", r#"[{"S": "a"}]"#, true),
        ("s", "CONTAINS", r#"[{"S": "ell"}]"#, true),
        ("s", "NOT_CONTAINS", r#"[{"S": "ell"}]"#, false),
        ("ss", "NOT_CONTAINS", r#"[{"S": "c"}]"#, true),
        ("q", "NOT_CONTAINS", r#"[{"S": "c"}]"#, false),
        ("s", "BEGINS_WITH", r#"[{"S": "he"}]"#, true),
        ("n", "IN", r#"[{"N": "1"}, {"N": "5"}]"#, true),
        ("n", "BETWEEN", r#"[{"N": "1"}, {"N": "5"}]"#, true),
        ("n", "BETWEEN", r#"[{"N": "6"}, {"N": "9"}]"#, false),
    ] {
        let text = format!(
            r#"{{"{attribute}": {{"ComparisonOperator": "{operator}", "AttributeValueList": {list}}}}}"#
        );
        for condition in
            [filter(Some(json(&text)), None, READING), expected(Some(json(&text)), None, READING)]
        {
            assert_eq!(condition.unwrap().unwrap().holds(&item), holds, "{text}");
        }
    }
    let both = json(r#"{"n": {"Value": {"N": "5"}}, "q": {"Value": {"N": "5"}}}"#);
    assert!(!expected(Some(both.clone()), None, READING).unwrap().unwrap().holds(&item));
    assert!(!expected(Some(both.clone()), Some("AND"), READING).unwrap().unwrap().holds(&item));
    assert!(expected(Some(both), Some("OR"), READING).unwrap().unwrap().holds(&item));
    assert!(
        expected(Some(json(r#"{"q": {"Exists": false}}"#)), None, READING).unwrap().unwrap().holds(&item)
    );
    assert_eq!(expected(Some(json("{}")), None, READING).unwrap(), None);
}

#[test]
fn key_conditions_are_those_of_expressions() {
    let schema = Keys::of(&[("pk", KeyType::S)], &[("n", KeyType::N)]);
    let read = |range: &str| {
        let text = format!(
            r#"{{"pk": {{"ComparisonOperator": "EQ", "AttributeValueList": [{{"S": "x"}}]}}, "n": {{{range}}}}}"#
        );
        key_conditions(json(&text), READING)?.resolve(&schema)
    };
    let keys =
        read(r#""ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "1"}, {"N": "2"}]"#).unwrap();
    assert!(matches!(keys.bound, Some(SortBound::Between(..))));
    let keys = read(r#""ComparisonOperator": "EQ", "AttributeValueList": [{"N": "1"}]"#).unwrap();
    assert_eq!((keys.range.len(), keys.bound), (1, None));
    for range in [
        r#""ComparisonOperator": "NULL""#,
        r#""ComparisonOperator": "NE", "AttributeValueList": [{"N": "1"}]"#,
        r#""ComparisonOperator": "IN", "AttributeValueList": [{"N": "1"}]"#,
    ] {
        assert_eq!(
            message(read(range)),
            "Attempted conditional constraint is not an indexable operation",
            "{range}"
        );
    }
    assert_eq!(
        message(key_conditions(json("{}"), READING).unwrap().resolve(&schema)),
        "Conditions can be of length 1 or 2 only"
    );
}

#[test]
fn attribute_updates_change_items() {
    let item = attributes(
        r#"{"n": {"N": "1"}, "ss": {"SS": ["a", "b"]}, "l": {"L": [{"N": "1"}]}, "x": {"S": "x"}}"#,
    );
    for (text, after) in [
        (
            r#"{"n": {"Value": {"S": "new"}}, "x": {"Action": "DELETE"}}"#,
            r#"{"n": {"S": "new"}, "ss": {"SS": ["a", "b"]}, "l": {"L": [{"N": "1"}]}}"#,
        ),
        (
            r#"{"n": {"Action": "ADD", "Value": {"N": "2"}}, "l": {"Action": "ADD", "Value": {"L": [{"N": "1"}]}},
                "ss": {"Action": "DELETE", "Value": {"SS": ["a", "b", "c"]}}, "x": {"Action": "PUT", "Value": {"NULL": true}},
                "new": {"Action": "ADD", "Value": {"NS": ["1"]}}, "q": {"Action": "DELETE", "Value": {"NS": ["1"]}}}"#,
            r#"{"n": {"N": "3"}, "l": {"L": [{"N": "1"}, {"N": "1"}]}, "x": {"NULL": true}, "new": {"NS": ["1"]}}"#,
        ),
        ("{}", r#"{"n": {"N": "1"}, "ss": {"SS": ["a", "b"]}, "l": {"L": [{"N": "1"}]}, "x": {"S": "x"}}"#),
    ] {
        let update = attribute_updates(json(text), READING).unwrap();
        assert_eq!(
            update.apply(Some(&item), &Attributes::new(), &LIMITS).unwrap(),
            attributes(after),
            "{text}"
        );
    }
    let mismatch =
        attribute_updates(json(r#"{"x": {"Action": "ADD", "Value": {"N": "2"}}}"#), READING).unwrap();
    assert_eq!(
        message(mismatch.apply(Some(&item), &Attributes::new(), &LIMITS)),
        "Type mismatch for attribute to update"
    );
    for (text, what) in [
        (r#"{"Action": "ADD"}"#, "Only DELETE action is allowed when no attribute value is specified"),
        ("{}", "Only DELETE action is allowed when no attribute value is specified"),
        (
            r#"{"Action": "DELETE", "Value": {"N": "1"}}"#,
            "DELETE action with value is not supported for the type N",
        ),
        (r#"{"Action": "ADD", "Value": {"S": "1"}}"#, "ADD action is not supported for the type S"),
    ] {
        let result = attribute_updates(json(&format!("{{\"a\": {text}}}")), READING);
        assert_eq!(message(result), format!("{INVALID}{what}"), "{text}");
    }
}

#[test]
fn attributes_to_get_are_a_projection() {
    let projection = attributes_to_get(json(r#"["b", "a.c"]"#)).unwrap();
    let item = attributes(r#"{"a": {"M": {"c": {"N": "1"}}}, "b": {"N": "1"}, "a.c": {"N": "2"}}"#);
    assert_eq!(projection.project(&item), attributes(r#"{"b": {"N": "1"}, "a.c": {"N": "2"}}"#));
    assert_eq!(
        message(attributes_to_get(json(r#"["b", "a", "b"]"#))),
        "One or more parameter values were invalid: Duplicate value in attribute name: b"
    );
}
