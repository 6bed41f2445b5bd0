//! Projections.

use super::*;

fn parse(text: &str) -> Result<Projection, Error> {
    Projection::parse(text, &mut placeholders(), EXPRESSION_BYTES_MAX)
}

#[test]
fn faults_are_reported_in_the_services_words() {
    let overlap = "Two document paths overlap with each other; must remove or rewrite one of these paths; ";
    for (text, expected) in [
        ("", "The expression can not be empty;"),
        ("!!!", "Syntax error; token: \"!\", near: \"!!\""),
        ("a b", "Syntax error; token: \"b\", near: \"a b\""),
        ("a,", "Syntax error; token: \"<EOF>\", near: \",\""),
        ("l[a]", "Syntax error; token: \"a\", near: \"[a]\""),
        ("l[]", "Syntax error; token: \"]\", near: \"[]\""),
        ("(a)", "Syntax error; token: \"(\", near: \"(a\""),
        (
            "a, #x",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        ("#x, and", "Attribute name is a reserved keyword; reserved keyword: and"),
        ("a, a", &format!("{overlap}path one: [a], path two: [a]")),
        ("#n.b, c, #n", &format!("{overlap}path one: [name, b], path two: [name]")),
        (
            "a[0], a.b",
            "Two document paths conflict with each other; must remove or rewrite one of these paths; \
             path one: [a, [0]], path two: [a, b]",
        ),
    ] {
        assert_eq!(message(parse(text)), format!("Invalid ProjectionExpression: {expected}"), "{text}");
    }
}

#[test]
fn parts_of_items_are_returned() {
    let item = attributes(
        r#"{"a": {"M": {"b": {"S": "x"}, "c": {"M": {"d": {"N": "1"}, "e": {"N": "2"}}}}}, "name": {"S": "n"},
            "l": {"L": [{"S": "0"}, {"L": [{"S": "1.0"}, {"S": "1.1"}]}, {"M": {"k": {"S": "2"}}}, {"S": "3"}]}}"#,
    );
    for (text, expected) in [
        ("#n", r#"{"name": {"S": "n"}}"#),
        ("q, a.q, a.b.r, l.q", "{}"),
        ("a[0], l[9]", "{}"),
        ("a.b, a.c.e", r#"{"a": {"M": {"b": {"S": "x"}, "c": {"M": {"e": {"N": "2"}}}}}}"#),
        ("l[3], l[0]", r#"{"l": {"L": [{"S": "0"}, {"S": "3"}]}}"#),
        ("l[2].k, l[1][1]", r#"{"l": {"L": [{"L": [{"S": "1.1"}]}, {"M": {"k": {"S": "2"}}}]}}"#),
        ("l[2].x, l[10], l[1][0]", r#"{"l": {"L": [{"L": [{"S": "1.0"}]}]}}"#),
        ("a.c", r#"{"a": {"M": {"c": {"M": {"d": {"N": "1"}, "e": {"N": "2"}}}}}}"#),
    ] {
        let projection = parse(text).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(projection.project(&item), attributes(expected), "{text}");
    }
}
