"""Expressions, right and wrong, about an item that has something of everything."""

ITEM = {
    "a": {"S": "a"}, "n": {"N": "5"}, "s": {"S": "hello"}, "b": {"B": "AAEC"}, "t": {"BOOL": True}, "z": {"NULL": True},
    "ss": {"SS": ["x", "y"]}, "ns": {"NS": ["1", "2"]}, "l": {"L": [{"N": "1"}, {"S": "two"}, {"L": [{"N": "3"}]}]},
    "m": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "deep"}}}}},
}
VALUES = {
    ":n": {"N": "5"}, ":one": {"N": "1"}, ":s": {"S": "hello"}, ":h": {"S": "he"}, ":b": {"B": "AAEC"}, ":t": {"BOOL": True},
    ":z": {"NULL": True}, ":ss": {"SS": ["x"]}, ":ns": {"NS": ["1"]}, ":l": {"L": [{"S": "new"}]}, ":m": {"M": {"q": {"N": "1"}}},
    ":S": {"S": "S"}, ":N": {"S": "N"}, ":x": {"S": "x"}, ":bad": {"S": "XX"},
}
NAMES = {"#n": "n", "#m": "m", "#x": "x", "#dot": "m.x", "#none": "nothing"}

CONDITIONS = """
n = :n; n <> :n; n < :n; n <= :n; n > :one; n >= :n; :n = n; n = n; s < :h; s > :h; n = :s; n < :s; t = :t; t < :t; z = :z; b = :b
ss = :ss; ns = :ns; l = :l; m = :m; ss < :ss; l < :l; m > :m; nothing = :n; nothing <> :n; nothing < :n
n BETWEEN :one AND :n; n BETWEEN :n AND :one; s BETWEEN :h AND :s; n BETWEEN :one AND :s; ss BETWEEN :ss AND :ss; :n BETWEEN n AND n
n IN (:n); n IN (:one, :n); n IN (); n IN (:s, :n); n IN :n; nothing IN (:n); :n IN (n, s); t IN (:t)
attribute_exists(n); attribute_exists(nothing); attribute_not_exists(nothing); attribute_exists(m.x); attribute_exists(m.y.z)
attribute_exists(l[0]); attribute_exists(l[9]); attribute_exists(l[2][0]); attribute_exists(l[-1]); attribute_exists(l[1.5]); attribute_exists(:n)
attribute_exists(n, s); attribute_exists(); attribute_exists n; ATTRIBUTE_EXISTS(n); attribute_exists(size(n)); size(s); size(s) = :n
attribute_type(n, :N); attribute_type(s, :S); attribute_type(s, :bad); attribute_type(n, :n); attribute_type(n, s); attribute_type(n)
begins_with(s, :h); begins_with(n, :h); begins_with(s, :n); begins_with(b, :b); begins_with(:s, s); begins_with(s, :ss); begins_with(s)
begins_with(:s, :h); begins_with(:n, s); begins_with(nothing, :h); contains(s, :h); contains(ss, :x); contains(ss, :ss); contains(l, :one)
contains(n, :n); contains(l, :l); contains(ns, :one); contains(b, :b); contains(s, :n); contains(nothing, :x); contains(:s, :h); contains(:ss, :x)
contains(s, s); contains(m, :x); contains(s, :h, :x); size(s) > :one; size(n) > :one; size(ss) = :one; size(l) >= :n; size(m) < :n; size(b) > :one; size(nothing) > :one
size(t) > :one; size(z) > :one; size(:s) = :n; size(size(s)) > :one; size(s, n) = :n; :n > size(s); size(s) = size(s); size(n) = size(:n); size(:n) = :n; size(:t) = :n
n = :n AND s = :s; n = :n OR s = :h; NOT n = :n; NOT NOT n = :n; not n = :n and not s = :h; (n = :n); ((n = :n)); (((n = :n))); ((n)) = :n; (n) = (:n); (n = :n) AND (s = :s)
n = :n AND s = :h OR t = :t; n = :n AND; AND n = :n; n = ; = :n; n; n =:n; n=:n; n == :n; n != :n; n = 5; n = "a"; n = :missing; #missing = :n; #n = :n; #n = #n; #dot = :n; #m.#x = :one
#m.x = :one; m.#x = :one; m . x = :one; m.x.y = :one; l[0] = :one; l[ 0 ] = :one; l[00] = :one; l[99999999999999999999] = :one; l[:n] = :one; l[#n] = :one; l[0].x = :one; m[0] = :one; l[0] = l[0]; n[0] = :n
size = :n; status = :n; NAME = :n; :n; #n; # = :n; : = n; n = :n n; n = :n)  ; (n = :n; n ! :n; n = :n & s = :s; n BETWEEN :one; n BETWEEN :one AND; BETWEEN :one AND :n; foo(n); foo(n) = :n; foo(n, s) AND n = :n
attribute_exists(n) = :n; attribute_exists(n) AND attribute_exists(n) = :n; contains(contains(s, :h), :h); if_not_exists(n, :n) = :n; list_append(l, :l) = :l; n + :n = :n; n IN (size(s)); size(n) BETWEEN :one AND :n
1 = :n; 1a = :n; _a = :n; a_b = :n; a-b = :n; ä = :n; n = :ä; n.1 = :n; n..x = :n; .n = :n; n. = :n; n = :n;; m.x = :one AND m.y.z = :s; m = m; m.y = m.y; ss = ss; :n = :n; :n < :one; :n IN (:n); :s BETWEEN :s AND :s; nothing = nothing
begins_with(s, s); begins_with(s, :h) AND begins_with(s, :h); attribute_type(m.y, :S); attribute_type(l[1], :S); n = :n OR (s = :h AND (t = :t)); NOT (n = :n); NOT(n = :n); NOT attribute_exists(n); (NOT n = :n)
"""
UPDATES = """
SET n = :one; SET n = n + :one; SET n = n - :one; SET n = :one + :one; SET n = s + :one; SET n = n + s; SET n = n + :s; SET n = nothing; SET n = nothing + :one; SET n = n + n + n; SET n = :s - :one
SET s = :n, n = :s; SET s = s; SET q = m; SET q = m.y.z; SET q = l[2]; SET l[0] = :n; SET l[9] = :n; SET l[1] = :n, l[8] = :s, l[7] = :t; SET m.x = :n; SET m.q = :n; SET m.q.r = :n; SET nothing.x = :n; SET nothing[0] = :n; SET n.x = :n; SET s[0] = :n
SET l = list_append(l, :l); SET l = list_append(:l, l); SET l = list_append(l, l); SET l = list_append(l, :n); SET l = list_append(n, :l); SET l = list_append(nothing, :l); SET l = list_append(l); SET q = list_append(:l, :l); SET q = list_append(:n, :l)
SET q = if_not_exists(q, :n); SET n = if_not_exists(n, :one); SET q = if_not_exists(nothing, nothing); SET q = if_not_exists(:n, :n); SET q = if_not_exists(q); SET q = if_not_exists(q, :one) + :one; SET n = n + if_not_exists(q, :one); SET q = if_not_exists(q, if_not_exists(n, :n))
SET q = list_append(if_not_exists(q, :l), :l); SET q = if_not_exists(q, n + :n); SET q = (n + :one); SET q = (n); SET q = (:n) + (:n); SET q = -n; SET q = 1; SET q = size(s); SET q = foo(s); SET = :n; SET q; SET q = ; SET; SET q = :n,; SET , q = :n; SET q = :n q2 = :n
REMOVE n; REMOVE nothing; REMOVE l[0]; REMOVE l[0], l[1]; REMOVE l[9]; REMOVE m.x; REMOVE m.nothing; REMOVE nothing.x; REMOVE n, s; REMOVE n n; REMOVE; REMOVE :n; REMOVE n = :n; REMOVE n, n; REMOVE m, m.x; REMOVE m.x, m.x; REMOVE l[0], l; REMOVE m.x.y; REMOVE l[2][0]; REMOVE n[0]
ADD n :one; ADD q :one; ADD ss :ss; ADD ns :ns; ADD q :ss; ADD s :one; ADD ss :ns; ADD n :s; ADD n :ss; ADD n :l; ADD m.x :one; ADD m.q :one; ADD l[0] :one; ADD nothing.x :one; ADD n; ADD n n; ADD n = :one; ADD n :one, q :one; ADD z :one; ADD t :one; ADD q :b; ADD m :m; ADD l :l; ADD q :t
DELETE ss :ss; DELETE ns :ns; DELETE q :ss; DELETE n :ss; DELETE n :n; DELETE ss :ns; DELETE ss :x; DELETE ss; DELETE ss :ss, ns :ns; DELETE m.x :ss; DELETE ss :l; DELETE l[0] :ss; DELETE q :n; DELETE q :z
SET n = :one REMOVE s; REMOVE s SET n = :one; SET n = :one SET s = :s; SET n = :one REMOVE n; SET m.x = :n REMOVE m; SET m = :m, m.x = :n; SET m.x = :n, m.y = :n; SET n = :one ADD q :one DELETE ss :ss REMOVE t; ADD n :one ADD q :one; REMOVE n REMOVE s; DELETE ss :ss DELETE ns :ns; SET m[0] = :n, m.x = :n; SET l[0] = :n, l.x = :n
SET a = :s; REMOVE a; ADD a :one; SET a.x = :n; DELETE a :ss; SET #n = :n; SET #none = :n; SET #missing = :n; SET q = :missing; SET #m.#x = :n; SET #dot = :n; SET size = :n; SET status = :n; set n = :n; Set n = :n remove s; foo n = :n; n = :n; SET q = n +; SET q = + n; SET q = n + :n - :n; SET q = l[0] + l[0]; SET q = m.x - :one; SET m.y.z = m.x, m.x = m.y.z
SET m.y = m; SET q = s, s = :n; SET q.r = :n; SET l[0].x = :n; SET m.y[0] = :n; SET l[-1] = :n; SET l[1.0] = :n; SET l[99999999999] = :n; SET q = if_not_exists(m.q, :n); SET q = if_not_exists(l[0], :n); SET q = list_append(l[2], :l); SET l[2] = list_append(l[2], :l); SET n = attribute_exists(n); SET q = :n WHERE n = :n; DELETE n; SET n = :n; ;
"""
PROJECTIONS = """
n; n, s; m.x; m.x, m.y; m.y.z; l[0]; l[0], l[2]; l[2], l[0]; l[2][0]; l[9]; nothing; n, nothing; m.nothing; n, n; m, m.x; m.x, m; l, l[0]; l[0], l[0]; m.x, m[0]; #n; #n, #m.#x; #missing; n,; ,n; n s; ; n.; .n; :n; n[; n[a]; n[-1]; size; name; #; n, (s); *; size(n); n = :n; l [0]; m . x; ä; _n; 1n; n-s; n[0].x; s[0]; l[0].x; m[0]; l[1], l[9], l[0]
"""
KEYS = """
a = :s; a = :n; a < :s; a = :s AND b = :s; a = :s AND b > :n; :s = a; a = :s AND begins_with(b, :h); a = :s AND begins_with(b, :n); a = :s AND b BETWEEN :h AND :s; a = :s AND b BETWEEN :s AND :h; a = :s AND b BETWEEN :n AND :s; a = :s AND b <> :s; a = :s AND b IN (:s); a = :s OR b = :s; NOT a = :s
a = :s AND NOT b = :s; b = :s; a = :s AND a = :s; a = :s AND c = :s; a = :s AND b = :s AND c = :s; a = :s AND (b = :s); (a = :s); (a = :s AND b = :s); ((a = :s)); a = b; a = :s AND b = a; a = :s AND b > :s AND b < :s; begins_with(a, :s); a BETWEEN :s AND :s; a = :s AND attribute_exists(b); a = :s AND contains(b, :s); a = :s AND size(b) = :n
a = :missing; #n = :s; #missing = :s; a.x = :s; a[0] = :s; a = :s AND b.x = :s; a = :s AND; AND; a; a =; ; size(a) = :n; a = :s AND begins_with(:s, b); a = :s AND :s < b; a = :s AND begins_with(b); a = :s AND begins_with(b, :h, :s); a = :ss; a = :l; a = :s AND b = :b; b = :s AND a = :s; b > :s AND a = :s; a = :s AND begins_with(b, b); a = :s AND b BETWEEN b AND :s
"""


def each(text):
    return [expression.strip() for expression in text.replace("\n", ";").split(";")]


def used(expression, more=()):
    """The values and names that an expression mentions."""
    request = {}
    for field, known in [("ExpressionAttributeValues", VALUES), ("ExpressionAttributeNames", NAMES)]:
        words = expression.replace(",", " ").replace("(", " ").replace(")", " ").replace(".", " ").replace("[", " ").replace("]", " ")
        words = words.replace("=", " ").split()
        found = {name: known[name] for name in known if name in words or name in more}
        if found:
            request[field] = found
    return request


def cases():
    fresh = {"TableName": "hashes", "Item": ITEM}
    key = {"TableName": "hashes", "Key": {"a": {"S": "a"}}}
    yield "fresh", "PutItem", fresh
    for expression in each(CONDITIONS):
        yield f"condition {expression}", "PutItem", {**fresh, "ConditionExpression": expression, **used(expression)}
        yield f"filter {expression}", "Scan", {"TableName": "hashes", "FilterExpression": expression, **used(expression)}
    for expression in each(UPDATES):
        yield f"fresh for {expression}", "PutItem", fresh
        for values in ["UPDATED_NEW", "UPDATED_OLD"]:
            yield f"update {values} {expression}", "UpdateItem", {
                **key, "UpdateExpression": expression, "ReturnValues": values, **used(expression),
            }
        yield f"after {expression}", "GetItem", key
    yield "fresh", "PutItem", fresh
    for expression in each(PROJECTIONS):
        yield f"projection {expression}", "GetItem", {**key, "ProjectionExpression": expression, **used(expression)}
    for expression in each(KEYS):
        yield f"key condition {expression}", "Query", {
            "TableName": "ranges", "KeyConditionExpression": expression, **used(expression),
        }
    yield "unused value", "PutItem", {**fresh, "ConditionExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": "5"}, ":u": {"N": "1"}}}
    yield "unused name", "GetItem", {**key, "ProjectionExpression": "n", "ExpressionAttributeNames": {"#u": "u"}}
    yield "both ways", "PutItem", {**fresh, "ConditionExpression": "attribute_exists(a)", "Expected": {"a": {"Exists": False}}}
    yield "values alone", "PutItem", {**fresh, "ExpressionAttributeValues": {":n": {"N": "5"}}}
    yield "names alone", "PutItem", {**fresh, "ExpressionAttributeNames": {"#n": "n"}}
