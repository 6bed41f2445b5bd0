//! Placeholders, and which parameters go together.

use super::*;

fn read(names: Option<&str>, values: Option<&str>) -> Result<Placeholders, Error> {
    let json = |text: &str| serde_json::from_str(text).unwrap();
    Placeholders::read(names.map(json), values.map(json), READING)
}

#[test]
fn faulty_placeholders_are_refused() {
    let long_key = format!("{{\"#{}\": \"a\"}}", "k".repeat(255));
    let longer_key = format!("{{\"#{}-x\": \"a\"}}", "k".repeat(255));
    let long_value_key = format!("{{\":{}\": {{\"N\": \"1\"}}}}", "k".repeat(255));
    let long_name = format!("{{\"#a\": \"{}\"}}", "k".repeat(65_536));
    for (names, expected) in [
        ("{}", "ExpressionAttributeNames must not be empty"),
        (r#"{"a": "b"}"#, r#"ExpressionAttributeNames contains invalid key: Syntax error; key: "a""#),
        (r##"{"#": "b"}"##, r##"ExpressionAttributeNames contains invalid key: Syntax error; key: "#""##),
        (
            r##"{"#a-b": "b"}"##,
            r##"ExpressionAttributeNames contains invalid key: Syntax error; key: "#a-b""##,
        ),
        (
            r##"{"#a": ""}"##,
            "ExpressionAttributeNames contains invalid value: Empty attribute name for key #a",
        ),
        (
            &long_key,
            "ExpressionAttributeNames contains invalid key: The expression attribute map contains a key that is too \
             long; size of key: 256",
        ),
        (
            &longer_key,
            "ExpressionAttributeNames contains invalid key: The expression attribute map contains a key that is too \
             long; size of key: 258",
        ),
        (
            &long_name,
            "ExpressionAttributeNames contains invalid value: Attribute name is too large, must be less than 65536 \
             bytes for key #a",
        ),
    ] {
        assert_eq!(message(read(Some(names), None)), expected);
    }
    for (values, expected) in [
        ("{}", "ExpressionAttributeValues must not be empty"),
        (r#"{"v": {"N": "1"}}"#, r#"ExpressionAttributeValues contains invalid key: Syntax error; key: "v""#),
        (
            r#"{":v": {"N": "x"}}"#,
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x \
             for key :v",
        ),
        (
            &long_value_key,
            "ExpressionAttributeValues contains invalid key: The expression attribute map contains a key that is too \
             long;",
        ),
    ] {
        assert_eq!(message(read(None, Some(values))), expected, "{values}");
    }
    assert!(read(None, None).is_ok());
}

#[test]
fn unused_placeholders_are_refused() {
    let names = r##"{"#c": "c", "#a": "a", "#b": "b"}"##;
    let values = r#"{":v": {"N": "1"}, ":w": {"N": "1"}}"#;
    let mut placeholders = read(Some(names), Some(values)).unwrap();
    let mut parse = |text: &str| {
        Condition::parse(text, ExpressionKind::Filter, &mut placeholders, EXPRESSION_BYTES_MAX).unwrap();
        placeholders.check_all_used()
    };
    assert_eq!(
        message(parse("#b = :v")),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #c}"
    );
    assert_eq!(
        message(parse("#a = x.#c")),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}"
    );
    assert!(parse("x = :w").is_ok());
}
