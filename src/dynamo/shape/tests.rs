//! Rows of tests/*.txt: what requests are answered with.

use serde_json::{Value as Json, json};

use super::*;
use crate::dynamo::error::Kind;

/// Runs rows of this form, where `<a*256>` stands for 256 times the letter a:
///
/// ```text
/// OPERATION REQUEST
///   ok | ValidationException: what is told
/// ```
pub(crate) fn run(rows: &str, check: impl Fn(&str, &Json) -> Result<(), Refusal>) {
    let rows = repeated(rows);
    let mut lines = rows.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut wrong = Vec::new();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let (operation, request) = line.split_once(' ').expect("an operation and a request");
        let request = serde_json::from_str(request).unwrap_or_else(|error| panic!("{line}: {error}"));
        let told = lines.next().and_then(|line| line.strip_prefix("  ")).expect("what is told").to_owned();
        let found = match check(operation, &request) {
            Ok(()) => "ok".to_owned(),
            Err(refusal) => {
                let name = refusal.kind.type_name();
                format!("{}: {}", name.rsplit('#').next().unwrap_or(name), refusal.message)
            }
        };
        if found != told {
            wrong.push(format!("{line}\n  asked for {told}\n  found     {found}"));
        }
        count += 1;
    }
    assert!(count > 0, "no rows");
    assert!(wrong.is_empty(), "{} of {count} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn repeated(rows: &str) -> String {
    let mut text = String::new();
    let mut rest = rows;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let inside = after.split_once('>').and_then(|(inside, after)| {
            let (letter, times) = inside.split_once('*')?;
            Some((letter.repeat(times.parse().ok()?), after))
        });
        if let Some((letters, after)) = inside {
            text.push_str(&letters);
            rest = after;
        } else {
            text.push('<');
            rest = after;
        }
    }
    text + rest
}

fn check_named(operation: &str, request: &Json) -> Result<(), Refusal> {
    let shape = super::operation(operation).unwrap_or_else(|| panic!("no operation {operation}"));
    check(shape, request, &Limits::default())
}

#[test]
fn constraints() {
    run(include_str!("tests/constraints.txt"), check_named);
}

#[test]
fn lengths_go_as_far_as_settings_lift_them() {
    let request = |text: &str| serde_json::from_str::<Json>(text).unwrap();
    let writes = r#"{"PutRequest": {"Item": {}}}, "#.repeat(30);
    let writes = writes.trim_end_matches(", ");
    let actions = r#"{"Get": {"TableName": "abc", "Key": {}}}, "#.repeat(130);
    let actions = actions.trim_end_matches(", ");
    let limits = Limits { batch_write_items: 30, transact_items: 130, ..Limits::default() };
    for (name, text) in [
        ("BatchWriteItem", format!(r#"{{"RequestItems": {{"abc": [{writes}]}}}}"#)),
        ("TransactGetItems", format!(r#"{{"TransactItems": [{actions}]}}"#)),
    ] {
        assert!(check(operation(name).unwrap(), &request(&text), &limits).is_ok(), "{name}");
        assert!(check_named(name, &request(&text)).is_err(), "{name}");
    }
}

#[test]
fn single_types() {
    run(include_str!("tests/types.txt"), check_named);
}

/// What is told where something of a wrong type is in the place of a type.
fn told_of(wanted: &str) -> Vec<(Json, String)> {
    let (kind, of) =
        wanted.split_once('<').map_or((wanted, ""), |(kind, of)| (kind, of.strip_suffix('>').unwrap_or(of)));
    let class = |of: &str| {
        if of.contains('.') { of.to_owned() } else { format!("com.amazonaws.dynamodb.v20120810.{of}") }
    };
    let none = "Start of structure or map found where not expected".to_owned();
    let scalars = |of: &str| -> Vec<(Json, String)> {
        [json!("23"), json!(true), json!(23), json!(-2_147_483_648_i64), json!(34.56)]
            .map(|value| (value, of.to_owned()))
            .to_vec()
    };
    let converted = |value: Json, token: &str| (value, format!("{token} cannot be converted to {kind}"));
    let cast = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class \
                java.lang.Class (sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class are \
                in module java.base of loader 'bootstrap')";
    let mut told = match kind {
        "Boolean" => vec![
            (json!("23"), "Unexpected token received from parser".to_owned()),
            converted(json!(23), "NUMBER_VALUE"),
            converted(json!(34.56), "DECIMAL_VALUE"),
        ],
        "String" => vec![
            converted(json!(true), "TRUE_VALUE"),
            converted(json!(false), "FALSE_VALUE"),
            converted(json!(2_147_483_648_u64), "NUMBER_VALUE"),
            converted(json!(34.56), "DECIMAL_VALUE"),
        ],
        "Integer" | "Long" => vec![
            converted(json!("23"), "STRING_VALUE"),
            converted(json!(true), "TRUE_VALUE"),
            converted(json!(false), "FALSE_VALUE"),
        ],
        "Blob" => scalars("only base-64-encoded strings are convertible to bytes").split_off(1),
        "List" | "Map" | "FieldStruct" => scalars("Unexpected field type"),
        "ParameterizedList" | "ParameterizedMap" => scalars(cast),
        "ValueStruct" => scalars("Unexpected value type in payload"),
        _ => panic!("{wanted}"),
    };
    match kind {
        "Boolean" | "String" | "Integer" | "Long" => {
            told.push((json!([]), format!("Unrecognized collection type class java.lang.{kind}")));
            told.push((json!({}), none));
        }
        "Blob" => {
            told.push((json!([]), "Unrecognized collection type class java.nio.ByteBuffer".to_owned()));
            told.push((json!({}), none));
        }
        "List" | "ParameterizedList" => told.push((json!({}), none)),
        "Map" | "ParameterizedMap" => {
            let of = if of.is_empty() { "AttributeValue" } else { of };
            let message =
                format!("Unrecognized collection type java.util.Map<java.lang.String, {}>", class(of));
            told.push((json!([]), message));
        }
        _ => told.push((json!([]), format!("Unrecognized collection type class {}", class(of)))),
    }
    told
}

/// A request with a value at a path such as `Item.Attr.SS.0`.
fn request_with(path: &[&str], value: Json) -> Json {
    match path.split_first() {
        None => value,
        Some((&"0", rest)) => json!([request_with(rest, value)]),
        Some((name, rest)) => json!({ *name: request_with(rest, value) }),
    }
}

fn assert_types(operation: &str, path: &str, wanted: &str) {
    if let Some(place) = wanted.strip_prefix("AttrStruct<").map(|place| place.trim_end_matches('>')) {
        assert_types(operation, path, &format!("{place}<AttributeValue>"));
        for (name, wanted) in [
            ("S", "String"),
            ("N", "String"),
            ("B", "Blob"),
            ("BOOL", "Boolean"),
            ("NULL", "Boolean"),
            ("SS", "List"),
            ("SS.0", "String"),
            ("NS", "List"),
            ("NS.0", "String"),
            ("BS", "List"),
            ("BS.0", "Blob"),
            ("L", "List"),
            ("L.0", "ValueStruct<AttributeValue>"),
            ("L.0.BS.0", "Blob"),
            ("M", "Map<AttributeValue>"),
            ("M.a", "ValueStruct<AttributeValue>"),
            ("M.a.BS", "List"),
        ] {
            assert_types(operation, &format!("{path}.{name}"), wanted);
        }
        return;
    }
    for (value, told) in told_of(wanted) {
        let request = request_with(&path.split('.').collect::<Vec<_>>(), value);
        let refusal = check_named(operation, &request).expect_err(&format!("{operation} {request}"));
        assert_eq!(
            (refusal.kind, refusal.message),
            (Kind::Serialization, told),
            "{operation} {wanted} {request}"
        );
    }
}

#[test]
fn types_by_place() {
    let rows = include_str!("tests/places.txt");
    for line in rows.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(3, ' ');
        let (Some(operation), Some(path), Some(wanted)) = (words.next(), words.next(), words.next()) else {
            panic!("{line}");
        };
        assert_types(operation, path, wanted);
    }
}

#[test]
fn integers_and_booleans_are_read_as_the_service_does() {
    assert_eq!(integer(&json!(1.9)), Some(1));
    assert_eq!(integer(&json!(-0.5)), Some(-1));
    assert_eq!(integer(&json!(u64::MAX)), Some(i64::MAX));
    assert_eq!(integer(&json!(1e300)), Some(i64::MAX));
    assert_eq!(integer(&json!("1")), None);
    assert_eq!(boolean(&json!("YES")), Some(true));
    assert_eq!(boolean(&json!("No")), Some(false));
    assert_eq!(boolean(&json!("on")), None);
}

#[test]
fn what_is_shown_of_large_values_is_bounded() {
    let large = "é".repeat(1 << 20);
    let request =
        json!({"TableName": "abc", "Item": {}, "ReturnValues": large, "ReturnConsumedCapacity": large});
    let refusal = check_named("PutItem", &request).unwrap_err();
    assert!(refusal.message.len() < 64 << 10, "{} bytes", refusal.message.len());
}

#[test]
fn any_json_is_answered() {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        "[a-z]{0,3}".prop_map(Json::from)
    ];
    let names = prop_oneof!["TableName", "Item", "Key", "KeySchema", "RequestItems", "S", "M", "L", "x"];
    let any_json = leaf.prop_recursive(6, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(names.clone(), inner, 0..4)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    });
    proptest!(|(request in any_json)| {
        for operation in model::operations() {
            let _ = check_named(operation, &request);
        }
    });
}
