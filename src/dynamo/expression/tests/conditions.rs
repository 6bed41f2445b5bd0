//! Conditions.

use super::*;

fn parse(text: &str) -> Result<Condition, Error> {
    Condition::parse(text, ExpressionKind::Condition, &mut placeholders(), EXPRESSION_BYTES_MAX)
}

fn wrong(text: &str) -> String {
    let message = message(parse(text));
    let prefix = "Invalid ConditionExpression: ";
    message.strip_prefix(prefix).unwrap_or_else(|| panic!("{message}")).to_owned()
}

#[test]
fn errors_of_syntax_show_the_token_and_its_neighbours() {
    for (text, token, near) in [
        ("foo", "<EOF>", "foo"),
        ("a = ", "<EOF>", "="),
        ("a = :s AND", "<EOF>", "AND"),
        ("contains (a, :s", "<EOF>", ":s"),
        ("attribute_exists(", "<EOF>", "("),
        ("attribute_exists()", ")", "()"),
        ("a b", "b", "a b"),
        ("a = = :s", "=", "= = :s"),
        ("a != :s", "!", "a !="),
        ("_a = :s", "_", "_a"),
        ("a = :s b", "b", ":s b"),
        ("a IN ()", ")", "()"),
        ("a[:n] = :s", ":n", "[:n]"),
        ("a[#n] = :s", "#n", "[#n]"),
        ("a..b = :s", ".", "..b"),
        ("a[-1] = :s", "-", "[-1"),
        ("1 = :s", "1", "1 ="),
        ("and = :s", "and", "and ="),
        (":s = :t = :s", "=", ":t = :s"),
        ("(a) AND b = :s", "AND", ") AND b"),
        ("(a = :s) = :t", "=", ") = :t"),
        ("a = :s)", ")", ":s)"),
        ("a BETWEEN :s :t", ":t", ":s :t"),
        ("a = \u{1F600} b", "\u{1F600}", "= \u{1F600} b"),
        ("a = :", ":", "= :"),
        ("# = :s", "#", "# ="),
    ] {
        assert_eq!(wrong(text), format!("Syntax error; token: \"{token}\", near: \"{near}\""), "{text}");
    }
}

#[test]
fn faults_are_reported_in_the_services_words() {
    let wide = format!("a IN ({})", [":s"; 101].join(","));
    let deep = format!("a{} = :s", ".b".repeat(32));
    for (text, expected) in [
        ("", "The expression can not be empty;"),
        ("  ", "The expression can not be empty;"),
        ("((a = :s))", "The expression has redundant parentheses;"),
        ("a = :s AND ((b = :s))", "The expression has redundant parentheses;"),
        ("((a)) = :s", "The expression has redundant parentheses;"),
        ("((attribute_not_exists(a)))", "The expression has redundant parentheses;"),
        ("dog(a)", "Invalid function name; function: dog"),
        ("SIZE(a) = :n", "Invalid function name; function: SIZE"),
        (
            "list_append(a, b) = :l",
            "The function is not allowed in a condition expression; function: list_append",
        ),
        ("size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        ("NOT size(a)", "The function is not allowed to be used this way in an expression; function: size"),
        (
            "attribute_exists(a) = :true",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "contains(a, contains(b, c))",
            "The function is not allowed to be used this way in an expression; function: contains",
        ),
        ("status = :s", "Attribute name is a reserved keyword; reserved keyword: status"),
        ("a.Value = :s", "Attribute name is a reserved keyword; reserved keyword: Value"),
        (
            "#x = :s",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        ("a = :x", "An expression attribute value used in expression is not defined; attribute value: :x"),
        (
            "size(a, b) = :n",
            "Incorrect number of operands for operator or function; operator or function: size, number of operands: 2",
        ),
        ("#n = name", "Attribute name is a reserved keyword; reserved keyword: name"),
        (
            "a.b[1] = a.b[1]",
            "The first operand must be distinct from the remaining operands for this operator or function; \
             operator: =, first operand: [a, b, [1]]",
        ),
        (
            "contains(#n, #n)",
            "The first operand must be distinct from the remaining operands for this operator or function; \
             operator: contains, first operand: [name]",
        ),
        (
            "attribute_exists(:s)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "a < :true",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "a BETWEEN :l AND :l",
            "Incorrect operand type for operator or function; operator or function: BETWEEN, operand type: L",
        ),
        (
            "begins_with(a, :n)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "begins_with(a, size(b))",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "attribute_type(a, :n)",
            "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
        ),
        (
            "attribute_type(a, b)",
            "Incorrect operand type for operator or function; operator or function: attribute_type, \
             operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}",
        ),
        (
            "attribute_type(a, :s)",
            "Invalid attribute type name found; type: b, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "size(:n) = :n",
            "Incorrect operand type for operator or function; operator or function: size, operand type: N",
        ),
        (
            "a BETWEEN :s AND :n",
            "The BETWEEN operator requires same data type for lower and upper bounds; \
             lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {N:2}",
        ),
        (
            "a BETWEEN :s AND :t",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; \
             lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {S:a}",
        ),
        (
            "a BETWEEN :b AND :true",
            "The BETWEEN operator requires same data type for lower and upper bounds; \
             lower bound operand: AttributeValue: {B:YWI=}, upper bound operand: AttributeValue: {BOOL:true}",
        ),
        (&wide, "The IN operator is provided with too many operands; number of operands: 101"),
        (&deep, "The document path has too many nesting levels; nesting levels: 33"),
        ("a[2147483648] = :s", "List index is not within the allowable range; index: [2147483648]"),
        ("a[99999999999999] = :s", "List index is not within the allowable range; index: [99999999999999]"),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
}

#[test]
fn the_most_urgent_fault_is_reported() {
    for (text, expected) in [
        ("a = :x AND status = :s AND dog(b)", "Invalid function name; function: dog"),
        ("((a = :x)) AND dog(b)", "The expression has redundant parentheses;"),
        ("a = :x AND status = :s", "Attribute name is a reserved keyword; reserved keyword: status"),
        (
            "a < :true AND b = :x",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "b = :x AND a < :true",
            "An expression attribute value used in expression is not defined; attribute value: :x",
        ),
        ("a = :x AND", "Syntax error; token: \"<EOF>\", near: \"AND\""),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
}

#[test]
fn sizes_are_limited() {
    let many = |count: usize| vec!["a=:s"; count].join(" AND ");
    assert!(parse(&many(150)).is_ok());
    assert_eq!(wrong(&many(151)), "The expression contains too many operators; operator count: 301");
    assert!(parse(&format!("a IN ({})", [":s"; 100].join(","))).is_ok());
    assert!(parse(&format!("a{} = :s", ".b".repeat(31))).is_ok());

    let long = format!("a{} = :s", "a".repeat(4096 - 6));
    assert_eq!(long.len(), 4096);
    assert!(parse(&long).is_ok());
    assert_eq!(
        wrong(&format!(" {long}")),
        "Expression size has exceeded the maximum allowed size; expression size: 4097"
    );
    let lifted = Condition::parse(&format!(" {long}"), ExpressionKind::Filter, &mut placeholders(), 5000);
    assert!(lifted.is_ok());

    let nested = |levels: usize| format!("{}a = :s{}", "a = :s OR (".repeat(levels), ")".repeat(levels));
    assert!(parse(&nested(149)).is_ok());
    assert!(!wrong(&"(".repeat(300)).starts_with("Parentheses and functions are nested too deeply"));
    assert!(wrong(&"(".repeat(301)).starts_with("Parentheses and functions are nested too deeply"));
    assert!(wrong(&"(".repeat(4000)).starts_with("Parentheses and functions are nested too deeply"));
    assert!(parse(&format!("{}a = :s", "NOT ".repeat(299))).is_ok());
}

#[test]
fn kinds_have_their_prefix() {
    let with = |kind| message(Condition::parse("a", kind, &mut placeholders(), EXPRESSION_BYTES_MAX));
    assert!(with(ExpressionKind::Filter).starts_with("Invalid FilterExpression: Syntax error"));
    assert!(with(ExpressionKind::KeyCondition).starts_with("Invalid KeyConditionExpression: Syntax error"));
}

const ITEM: &str = r#"{"s": {"S": "hello"}, "n": {"N": "5"}, "b": {"B": "YWJj"}, "t": {"BOOL": true},
    "z": {"NULL": true}, "ss": {"SS": ["b", "a"]}, "ns": {"NS": ["1", "2", "3"]}, "bs": {"BS": ["YQ==", "YWI="]},
    "l": {"L": [{"N": "1"}, {"S": "two"}, {"M": {"k": {"N": "2"}}}]}, "m": {"M": {"x": {"N": "1"}, "y": {"S": "b"}}},
    "name": {"S": "a"}, "other.name": {"N": "2.0"}, "e": {"S": "é"}}"#;

#[test]
fn conditions_hold_or_do_not() {
    let item = attributes(ITEM);
    for (text, holds) in [
        ("s = :s", false),
        ("m.y = :s", true),
        ("m.y = :t", false),
        ("#o = :n", true),
        ("#o = m.x", false),
        ("n = s", false),
        ("n <> s", true),
        ("q = :n", false),
        ("q <> :n", true),
        ("q = r", false),
        ("q <> r", true),
        ("ss = :ss", true),
        ("ss <> :ss", false),
        ("t = :true AND z = :null AND l[0] = :m", true),
        ("m = :map", false),
        ("n > :n", true),
        (":n < n", true),
        ("n <= :n", false),
        ("s > :s AND s >= :s", true),
        ("b >= :b", true),
        ("b < :b", false),
        ("n < :s", false),
        ("q < :n OR q >= :n", false),
        ("n BETWEEN :n AND n", true),
        ("n BETWEEN :m AND :n", false),
        ("q BETWEEN :m AND :n", false),
        ("n BETWEEN s AND q", false),
        ("n IN (:s, :m, n)", true),
        ("n IN (:s, :m)", false),
        ("q IN (q, :n)", false),
        ("l[1] IN (:s, l[1])", true),
        ("attribute_exists(l[2].k)", true),
        ("attribute_exists(l[3])", false),
        ("attribute_not_exists(m.z)", true),
        ("attribute_not_exists(s.z)", true),
        ("attribute_not_exists(s)", false),
        ("attribute_type(ss, :type)", true),
        ("attribute_type(s, :type)", false),
        ("attribute_type(q, :type)", false),
        ("attribute_type(:ss, :type)", true),
        ("begins_with(m.y, :s)", true),
        ("begins_with(m.y, :t)", false),
        ("begins_with(s, :empty)", true),
        ("begins_with(b, :b)", true),
        ("begins_with(n, :s)", false),
        ("begins_with(:s, m.y)", true),
        ("contains(m.y, :s)", true),
        ("contains(s, :s)", false),
        ("contains(s, :empty)", true),
        ("contains(ss, :s)", true),
        ("contains(ns, :n)", true),
        ("contains(bs, :b)", true),
        ("contains(b, :b)", true),
        ("contains(l, :m)", true),
        ("contains(l, :n)", false),
        ("contains(n, :n)", false),
        ("contains(m, :s)", false),
        ("size(s) = n", true),
        ("size(e) = :n", true),
        ("size(b) > :n", true),
        ("size(ss) = :n", true),
        ("size(m) BETWEEN :m AND :n", true),
        ("size(l) IN (:m, size(ns))", true),
        ("size(n) = :m", false),
        ("size(q) = :m", false),
        ("size(q) <> :m", true),
        ("size(:l) = :m", true),
    ] {
        let condition = parse(text).unwrap();
        assert_eq!(condition.holds(&item), holds, "{text}");
    }
}

#[test]
fn operators_bind_as_documented() {
    let item = attributes(ITEM);
    let (yes, no) = ("attribute_exists(s)", "attribute_exists(q)");
    for (pattern, holds) in [
        ("+ OR - AND -", true),
        ("(+ OR -) AND -", false),
        ("NOT - AND -", false),
        ("NOT (- AND -)", true),
        ("NOT NOT +", true),
        ("not - Or - aNd -", true),
        ("(+) AND (+ OR (-))", true),
        ("- OR - OR - OR +", true),
        ("(+ AND (NOT (-)))", true),
    ] {
        let text = pattern.replace('+', yes).replace('-', no);
        assert_eq!(parse(&text).unwrap().holds(&item), holds, "{pattern}");
    }
    for text in ["(m).x = :m", "(m.x) = (:m)", "((m).x) = :m", "(l)[0] = :m", "size((l)) > (:m)"] {
        assert!(parse(text).unwrap().holds(&item), "{text}");
    }
}

#[test]
fn paths_and_keys_are_known() {
    let condition = parse("#p = :s AND (a.b > :n OR size(c) = :n) AND attribute_exists(d[1])").unwrap();
    let paths: Vec<String> = condition.paths().iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["[pk]", "[a, b]", "[c]", "[d, [1]]"]);
    assert_eq!(
        message(condition.check_no_keys(["x", "pk"], "Filter Expression")),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: pk"
    );
    assert!(condition.check_no_keys(["x", "b"], "Filter Expression").is_ok());
}
