//! Updates.

use super::*;

fn parse(text: &str) -> Result<Update, Error> {
    Update::parse(text, &mut placeholders(), EXPRESSION_BYTES_MAX)
}

fn wrong(text: &str) -> String {
    let message = message(parse(text));
    let prefix = "Invalid UpdateExpression: ";
    message.strip_prefix(prefix).unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[test]
fn faults_are_reported_in_the_services_words() {
    let overlap = "Two document paths overlap with each other; must remove or rewrite one of these paths; ";
    let conflict = "Two document paths conflict with each other; must remove or rewrite one of these paths; ";
    for (text, expected) in [
        ("", "The expression can not be empty;"),
        ("HELLO b = :n", "Syntax error; token: \"HELLO\", near: \"HELLO b\""),
        ("INVALID SYNTAX HERE", "Syntax error; token: \"INVALID\", near: \"INVALID SYNTAX\""),
        ("SET", "Syntax error; token: \"<EOF>\", near: \"SET\""),
        ("SET _123 = :n", "Syntax error; token: \"_\", near: \"SET _123\""),
        ("SET a = :n,", "Syntax error; token: \"<EOF>\", near: \",\""),
        ("SET book-price = :n", "Syntax error; token: \"-\", near: \"book-price\""),
        ("ADD hits : incr", "Syntax error; token: \":\", near: \"hits : incr\""),
        ("SET a = if_not_exists(a, 0)", "Syntax error; token: \"0\", near: \", 0)\""),
        ("SET :s = :n", "Syntax error; token: \":s\", near: \"SET :s =\""),
        ("SET a = :n + :n + :n", "Syntax error; token: \"+\", near: \":n + :n\""),
        ("SET a = (:n + :m) - :n", "Syntax error; token: \"-\", near: \") - :n\""),
        ("SET a = if_not_exists(a, :n + :m)", "Syntax error; token: \"+\", near: \":n + :m\""),
        ("SET a = ((:n))", "The expression has redundant parentheses;"),
        ("SET a = dog(b, c)", "Invalid function name; function: dog"),
        ("SET a = LIST_APPEND(b, c)", "Invalid function name; function: LIST_APPEND"),
        ("SET a = size(b)", "The function is not allowed in an update expression; function: size"),
        (
            "SET a = list_append(list_append(:l, :l), :l)",
            "The function is not allowed to be used this way in an expression; function: list_append",
        ),
        ("SET status = :n", "Attribute name is a reserved keyword; reserved keyword: status"),
        ("SET a = dog(b) REMOVE status", "Attribute name is a reserved keyword; reserved keyword: status"),
        ("SET a = :n SET b = :n", "The \"SET\" section can only be used once in an update expression;"),
        (
            "REMOVE a ADD c :n remove b",
            "The \"REMOVE\" section can only be used once in an update expression;",
        ),
        (
            "SET #x = :x",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        (
            "SET a = :x, a = :n",
            "An expression attribute value used in expression is not defined; attribute value: :x",
        ),
        (
            "SET a = list_append(:l)",
            "Incorrect number of operands for operator or function; operator or function: list_append, \
             number of operands: 1",
        ),
        (
            "SET a = list_append(:l, :s)",
            "Incorrect operand type for operator or function; operator or function: list_append, operand type: S",
        ),
        (
            "SET a = :s + :n",
            "Incorrect operand type for operator or function; operator or function: +, operand type: S",
        ),
        (
            "SET a = b - :l",
            "Incorrect operand type for operator or function; operator or function: -, operand type: L",
        ),
        (
            "SET a = if_not_exists(:n, :m)",
            "Operator or function requires a document path; operator or function: if_not_exists",
        ),
        ("ADD a :s", "Incorrect operand type for operator or function; operator: ADD, operand type: STRING"),
        ("ADD a :l", "Incorrect operand type for operator or function; operator: ADD, operand type: LIST"),
        (
            "DELETE a :n",
            "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER",
        ),
        ("SET a = :n REMOVE a", &format!("{overlap}path one: [a], path two: [a]")),
        ("SET #n = :n REMOVE b, #n", &format!("{overlap}path one: [name], path two: [name]")),
        ("SET a.b.c = :n, a.b = :n", &format!("{overlap}path one: [a, b, c], path two: [a, b]")),
        ("SET a[1] = :n, a[1][2] = :n", &format!("{overlap}path one: [a, [1]], path two: [a, [1], [2]]")),
        ("SET a.b = :n, a[1] = :n", &format!("{conflict}path one: [a, b], path two: [a, [1]]")),
        ("SET a.b = :n, c = :n, a[1] = :n, c.d = :n", &format!("{overlap}path one: [c], path two: [c, d]")),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
}

fn apply(text: &str, item: &str) -> Result<Attributes, Error> {
    let item = attributes(item);
    parse(text).unwrap().apply(Some(&item), &Attributes::new(), &LIMITS)
}

#[test]
fn updates_change_items() {
    let numbers = r#"{"a": {"L": [{"N": "2"}, {"N": "3"}, {"N": "4"}, {"N": "5"}]}}"#;
    let nested = r#"{"a": {"M": {"b": {"L": [{"M": {"c": {"N": "1"}}}, {"S": "x"}]}, "d": {"SS": ["a"]}}}}"#;
    for (text, before, after) in [
        ("SET a = :n", "{}", r#"{"a": {"N": "2"}}"#),
        (
            "set #o = :s, b = a",
            r#"{"a": {"N": "1"}}"#,
            r#"{"a": {"N": "1"}, "b": {"N": "1"}, "other.name": {"S": "b"}}"#,
        ),
        (
            "SET a = b, b = a",
            r#"{"a": {"N": "1"}, "b": {"N": "2"}}"#,
            r#"{"a": {"N": "2"}, "b": {"N": "1"}}"#,
        ),
        ("SET a = a + :n, b = :n - a", r#"{"a": {"N": "0.5"}}"#, r#"{"a": {"N": "2.5"}, "b": {"N": "1.5"}}"#),
        ("SET a = (a) + (:n)", r#"{"a": {"N": "1"}}"#, r#"{"a": {"N": "3"}}"#),
        ("SET a = (if_not_exists(a, :m) + :n)", "{}", r#"{"a": {"N": "3"}}"#),
        (
            "SET a = if_not_exists(b, if_not_exists(c, :m))",
            r#"{"c": {"N": "7"}}"#,
            r#"{"a": {"N": "7"}, "c": {"N": "7"}}"#,
        ),
        ("SET a = list_append(if_not_exists(a, :l), :l)", "{}", r#"{"a": {"L": [{"S": "x"}, {"S": "x"}]}}"#),
        ("REMOVE a SET b = a", r#"{"a": {"N": "1"}}"#, r#"{"b": {"N": "1"}}"#),
        ("REMOVE a, b", r#"{"a": {"N": "1"}, "c": {"N": "1"}}"#, r#"{"c": {"N": "1"}}"#),
        ("REMOVE a[1] SET a[3] = :n", numbers, r#"{"a": {"L": [{"N": "2"}, {"N": "4"}, {"N": "2"}]}}"#),
        (
            "SET a[84] = :s, a[37] = :t REMOVE a[0], a[2], a[4], a[50]",
            numbers,
            r#"{"a": {"L": [{"N": "3"}, {"N": "5"}, {"S": "a"}, {"S": "b"}]}}"#,
        ),
        ("REMOVE a[17]", numbers, numbers),
        (
            "ADD a[0] :n, a[9] :n",
            numbers,
            r#"{"a": {"L": [{"N": "4"}, {"N": "3"}, {"N": "4"}, {"N": "5"}, {"N": "2"}]}}"#,
        ),
        (
            "SET a.b[0].c = :n, a.e = :s REMOVE a.b[1], a.x",
            nested,
            r#"{"a": {"M": {"b": {"L": [{"M": {"c": {"N": "2"}}}]}, "d": {"SS": ["a"]}, "e": {"S": "b"}}}}"#,
        ),
        ("DELETE a.d :ss REMOVE a.b[0].c", nested, r#"{"a": {"M": {"b": {"L": [{"M": {}}, {"S": "x"}]}}}}"#),
        (
            "ADD a :ss, b :n, c :ns",
            r#"{"a": {"SS": ["b", "c"]}}"#,
            r#"{"a": {"SS": ["a", "b", "c"]}, "b": {"N": "2"}, "c": {"NS": ["1", "2"]}}"#,
        ),
        ("DELETE a :ss, b :ss", r#"{"a": {"SS": ["b", "c"]}}"#, r#"{"a": {"SS": ["c"]}}"#),
    ] {
        assert_eq!(apply(text, before).unwrap(), attributes(after), "{text}");
    }
}

#[test]
fn what_does_not_fit_the_item_is_refused() {
    let path = "The document path provided in the update expression is invalid for update";
    let absent = "The provided expression refers to an attribute that does not exist in the item";
    let wrong_type = "An operand in the update expression has an incorrect data type";
    let item = r#"{"s": {"S": "x"}, "l": {"L": []}, "ss": {"SS": ["a"]}, "n": {"N": "9.9999e125"}, "p": {"N": "1e-100"}}"#;
    for (text, expected) in [
        ("SET a.b = :n", path),
        ("SET s.b = :n", path),
        ("SET l.b = :n", path),
        ("SET s[0] = :n", path),
        ("SET l[0][0] = :n", path),
        ("SET l[0] = :map, l[1].x = :n", path),
        ("REMOVE a.b", path),
        ("REMOVE s[0]", path),
        ("ADD a.b :n", path),
        ("DELETE a.b :ss", path),
        ("SET a = b", absent),
        ("SET a = :n, b = a", absent),
        ("SET a = b + :n", absent),
        ("SET a = list_append(b, :l)", absent),
        ("SET a = s + :n", wrong_type),
        ("SET a = list_append(s, :l)", wrong_type),
        ("ADD s :n", wrong_type),
        ("ADD l :ss", wrong_type),
        ("ADD ss :ns", wrong_type),
        ("DELETE ss :ns", wrong_type),
        ("DELETE s :ss", wrong_type),
        (
            "SET a = n + n",
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
        ("ADD p :n", "Attempting to store more than 38 significant digits in a Number"),
    ] {
        assert_eq!(message(apply(text, item)), expected, "{text}");
    }
}

#[test]
fn items_stay_within_their_limits() {
    let text = |length: usize| Value::S("x".repeat(length));
    let item = |value: Value| Attributes::from([("b".to_owned(), value)]);
    let apply = |expression: &str, item: &Attributes| {
        parse(expression).unwrap().apply(Some(item), &Attributes::new(), &LIMITS)
    };
    let too_large = "Item size to update has exceeded the maximum allowed size";
    let half = item(text((200 << 10) - 1));
    assert!(apply("SET c = b", &half).is_ok());
    assert_eq!(message(apply("SET cc = b", &half)), too_large);
    assert!(apply("SET cc = b REMOVE b", &half).is_ok());
    let copies: Vec<String> = (0..500).map(|at| format!("c{at}=b")).collect();
    assert_eq!(message(apply(&format!("SET {}", copies.join(",")), &half)), too_large);

    let list = |levels: usize| (0..levels).fold(Value::Null, |inside, _| Value::L(vec![inside]));
    let too_deep = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond \
                    supported limit";
    assert!(apply("SET c = b", &item(list(31))).is_ok());
    assert!(apply("SET b[1] = b[0]", &item(list(31))).is_ok());
    assert_eq!(message(apply("SET b[1] = b", &item(list(31)))), too_deep);
    assert!(apply(&format!("SET b{} = :l", "[0]".repeat(30)), &item(list(31))).is_ok());
    let copied = apply(&format!("SET b{} = b{}", "[0]".repeat(31), "[0]".repeat(30)), &item(list(31)));
    assert_eq!(message(copied), too_deep);
}

#[test]
fn without_an_item_nothing_can_be_taken_away() {
    let key = attributes(r#"{"pk": {"S": "k"}}"#);
    for text in ["REMOVE x.y", "REMOVE x[0], z", "DELETE a :ss"] {
        let update = parse(text).unwrap();
        assert!(!update.creates(), "{text}");
        assert_eq!(update.apply(None, &key, &LIMITS).unwrap(), key, "{text}");
    }
    let update = parse("SET a = :n REMOVE b").unwrap();
    assert!(update.creates() && Update::nothing().creates());
    assert_eq!(
        update.apply(None, &key, &LIMITS).unwrap(),
        attributes(r#"{"pk": {"S": "k"}, "a": {"N": "2"}}"#)
    );
    assert_eq!(Update::nothing().apply(None, &key, &LIMITS).unwrap(), key);
    assert!(parse("SET x.y = :n").unwrap().apply(None, &key, &LIMITS).is_err());
}

#[test]
fn what_an_update_touches_is_known() {
    let item = attributes(
        r#"{"a": {"M": {"b": {"S": "dog"}, "c": {"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}]}}}, "d": {"S": "cat"}}"#,
    );
    for (text, old, new) in [
        ("SET a.b = :s", r#"{"a": {"M": {"b": {"S": "dog"}}}}"#, r#"{"a": {"M": {"b": {"S": "b"}}}}"#),
        (
            "SET a.c[1] = :n, d = :s",
            r#"{"a": {"M": {"c": {"L": [{"N": "2"}]}}}, "d": {"S": "cat"}}"#,
            r#"{"a": {"M": {"c": {"L": [{"N": "2"}]}}}, "d": {"S": "b"}}"#,
        ),
        (
            "REMOVE a.c[1], a.c[3]",
            r#"{"a": {"M": {"c": {"L": [{"N": "2"}]}}}}"#,
            r#"{"a": {"M": {"c": {"L": [{"N": "3"}]}}}}"#,
        ),
        ("SET a.x = :n", "{}", r#"{"a": {"M": {"x": {"N": "2"}}}}"#),
        ("SET a.c[100] = :n", "{}", "{}"),
        ("REMOVE d", r#"{"d": {"S": "cat"}}"#, "{}"),
    ] {
        let update = parse(text).unwrap();
        let after = update.apply(Some(&item), &Attributes::new(), &LIMITS).unwrap();
        assert_eq!(update.touched(&item), attributes(old), "{text}");
        assert_eq!(update.touched(&after), attributes(new), "{text}");
    }
}

#[test]
fn keys_and_types_are_checked_before_the_item() {
    let update =
        parse("SET x = if_not_exists(x, :n), y = :s, z = w.v, #p[0] = :n REMOVE q ADD r :ns").unwrap();
    assert_eq!(
        message(update.check_no_keys(["k", "pk"])),
        "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"
    );
    assert!(update.check_no_keys(["w"]).is_ok());
    for (attribute, type_name) in
        [("x", Some("N")), ("y", Some("S")), ("z", None), ("pk", None), ("q", None), ("r", Some("NS"))]
    {
        assert_eq!(update.static_type(attribute), type_name, "{attribute}");
    }
    assert_eq!(Vec::from_iter(update.changed_attributes()), ["pk", "q", "r", "x", "y", "z"]);
}
