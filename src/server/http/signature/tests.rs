use hyper::Request;
use hyper::http::request::Parts;

use super::*;

/// What the requests below were signed with, by botocore.
const FILE: &str = "[default]\naws_access_key_id = AKIDEXAMPLE\n\
                    aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n";
const BODY: &[u8] = b"{\"TableName\":\"Music\"}";
const EUROPE: &str = "AKIDEXAMPLE/20260524/eu-west-1/dynamodb/aws4_request";
const SIGNED: &str = "content-type;host;x-amz-date;x-amz-target";
const GOOD: &str = "5bc42917da19352df8375a7377ce7e187c5d97e2f27108e7ca0a704c3392ea5a";
const PRESIGNED: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&\
    X-Amz-Credential=AKIDEXAMPLE%2F20260524%2Feu-west-1%2Fdynamodb%2Faws4_request&X-Amz-Date=20260524T010203Z&\
    X-Amz-Expires=3600&X-Amz-SignedHeaders=content-type%3Bhost%3Bx-amz-target";

fn now_s() -> u64 {
    Moment::parse("20260524T010203Z").unwrap().unix_s()
}

#[expect(clippy::disallowed_methods, reason = "a settings file on the real disk")]
fn signatures() -> Signatures {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), FILE).unwrap();
    Signatures::open(file.path()).unwrap()
}

/// A request with more headers, or others.
fn request(uri: &str, more: &[(&str, &str)]) -> Parts {
    let mut request = Request::post(uri).body(()).unwrap();
    let always = [
        ("host", "localhost:8000"),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "DynamoDB_20120810.ListTables"),
    ];
    for (name, value) in always.iter().chain(more) {
        let name = hyper::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request.into_parts().0
}

fn authorization(credential: &str, signed_headers: &str, signature: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed_headers}, Signature={signature}")
}

fn header_signed(authorization: &str) -> Parts {
    request("/", &[("x-amz-date", "20260524T010203Z"), ("authorization", authorization)])
}

fn check_at(signatures: &Signatures, head: &Parts, body: &[u8], now_s: u64) -> Result<(), Refusal> {
    let pending = signatures.recognize(Claim::of(head)?, head, now_s)?;
    signatures.verify(pending, head, &digest_of(body))
}

fn check(head: &Parts, body: &[u8]) -> String {
    match check_at(&signatures(), head, body, now_s()) {
        Ok(()) => "good".to_owned(),
        Err(refusal) => format!("{:?}: {}", refusal.kind, refusal.message),
    }
}

#[test]
fn what_botocore_signs_is_good() {
    let good = authorization(EUROPE, SIGNED, GOOD);
    assert_eq!(check(&header_signed(&good), BODY), "good");
    assert_eq!(check(&header_signed(&good.replace(", ", ",")), BODY), "good");
    assert_eq!(
        check(&header_signed(&good.replacen("_request,", "_request/,", 1)), BODY),
        "good",
        "trailing slash"
    );
    let empty =
        authorization(EUROPE, SIGNED, "c0855b26cb57986fdf3c87174571093fcbf8b71eed571b94e137831c94c524a3");
    assert_eq!(check(&header_signed(&empty), b""), "good");
    let spaces = authorization(
        &EUROPE.replace("eu-west-1", "us-east-1"),
        "content-type;host;x-amz-date;x-amz-meta;x-amz-target",
        "d56a9131d91d43a78b0161e5429500cef1cd9fa8007c47818c64987a16d1a9b8",
    );
    let spaces = [
        ("x-amz-date", "20260524T010203Z"),
        ("x-amz-meta", "  a   b  c "),
        ("authorization", spaces.as_str()),
    ];
    assert_eq!(check(&request("/", &spaces), BODY), "good");
}

#[test]
fn what_botocore_presigns_is_good() {
    let first = format!(
        "/?TableName=Music&{PRESIGNED}&\
         X-Amz-Signature=ea74f0ecb2b2e0cc52a48a92dcadd46393b9b8f2505be6297ee958970591628a"
    );
    let second = format!(
        "/?b=%20x&a=1%2F2&TableName=Music&{PRESIGNED}&\
         X-Amz-Signature=f649bea982a2c58ca8d02784828d93bc0391998f791967434ae14893802ae858"
    );
    for uri in [&first, &second] {
        let head = request(uri, &[]);
        assert_eq!(check(&head, b""), "good");
        assert!(check(&head, b"{}").starts_with("InvalidSignature: The request signature we calculated"));
    }
    let signatures = signatures();
    let at =
        |now_s| check_at(&signatures, &request(&first, &[]), b"", now_s).map_err(|refusal| refusal.message);
    assert_eq!(at(now_s() + 3600), Ok(()));
    let late = "Signature expired: 20260524T010203Z is now earlier than 20260524T010204Z (20260524T020204Z - 60 min.)";
    assert_eq!(at(now_s() + 3601), Err(late.to_owned()));
    assert!(check(&request(&first.replace("Music", "Films"), &[]), b"").starts_with("InvalidSignature"));
}

#[test]
fn a_signature_is_good_for_a_quarter_of_an_hour() {
    let signatures = signatures();
    let head = header_signed(&authorization(EUROPE, SIGNED, GOOD));
    let at = |now_s| check_at(&signatures, &head, BODY, now_s).map_err(|refusal| refusal.message);
    assert_eq!((at(now_s() - 900), at(now_s() + 900)), (Ok(()), Ok(())));
    let late = "Signature expired: 20260524T010203Z is now earlier than 20260524T010204Z (20260524T011704Z - 15 min.)";
    let early = "Signature not yet current: 20260524T010203Z is still later than 20260524T010202Z (20260524T004702Z + 15 min.)";
    assert_eq!(at(now_s() + 901), Err(late.to_owned()));
    assert_eq!(at(now_s() - 901), Err(early.to_owned()));
}

#[test]
fn what_does_not_fit_the_signature_is_refused() {
    let mismatch = format!("InvalidSignature: {MISMATCH}");
    let good = authorization(EUROPE, SIGNED, GOOD);
    assert_eq!(check(&header_signed(&good), b"{\"TableName\":\"music\"}"), mismatch);
    for (name, value) in [
        ("x-amz-target", "DynamoDB_20120810.DeleteTable"),
        ("host", "localhost:8001"),
        ("x-amz-date", "20260524T010204Z"),
    ] {
        let mut head = header_signed(&good);
        head.headers.insert(name, value.parse().unwrap());
        assert_eq!(check(&head, BODY), mismatch, "{name}");
    }
    for signature in ["", "5bc4", &GOOD.replace('5', "6"), &GOOD.replace('5', "x"), &format!("{GOOD}00")] {
        let refused = check(&header_signed(&authorization(EUROPE, SIGNED, signature)), BODY);
        assert_eq!(refused, mismatch, "{signature}");
    }
    let stranger = authorization(&EUROPE.replace("AKID", "AKIE"), SIGNED, GOOD);
    assert_eq!(
        check(&header_signed(&stranger), BODY),
        "UnrecognizedClient: The security token included in the request is invalid."
    );
}

#[test]
fn the_claim_must_be_whole() {
    let missing = "MissingAuthenticationToken: Request is missing Authentication Token";
    assert_eq!(check(&request("/", &[]), BODY), missing);
    assert_eq!(check(&request("/", &[("authorization", "Basic YTpi")]), BODY), missing);
    let good = authorization(EUROPE, SIGNED, GOOD);
    assert_eq!(
        check(&request(&format!("/?{PRESIGNED}"), &[("authorization", &good)]), BODY),
        "InvalidSignature: Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    );
    assert_eq!(
        check(&request("/", &[("authorization", "AWS4-HMAC-SHA256 Credential=a")]), BODY),
        "IncompleteSignature: Authorization header requires 'Signature' parameter. Authorization header requires \
         'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. \
         Authorization=AWS4-HMAC-SHA256 Credential=a"
    );
    assert_eq!(
        check(&header_signed("AWS4-HMAC-SHA256 Signature=b,    Credential,    SignedHeaders"), BODY),
        "IncompleteSignature: 'Credential' not a valid key=value pair (missing equal-sign) in Authorization header: \
         'AWS4-HMAC-SHA256 Signature=b,    Credential,    SignedHeaders'."
    );
    assert_eq!(
        check(&request("/?X-Amz-Algorithm&X-Amz-Date=x", &[]), BODY),
        "IncompleteSignature: AWS query-string parameters must include 'X-Amz-Algorithm'. AWS query-string parameters must \
         include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string \
         parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string parameters."
    );
}

#[test]
fn what_is_claimed_must_make_sense() {
    let with = |credential: &str, signed_headers: &str| {
        check(&header_signed(&authorization(credential, signed_headers, GOOD)), BODY)
    };
    let dated = [("x-amz-date", "201"), ("authorization", &authorization(EUROPE, SIGNED, GOOD))];
    assert_eq!(
        check(&request("/", &dated), BODY),
        "IncompleteSignature: Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601"
    );
    assert_eq!(
        with(EUROPE, "x-amz-target"),
        "InvalidSignature: 'Host' must be a 'SignedHeader' in the AWS Authorization."
    );
    assert_eq!(
        with(EUROPE, "host;x-amz-date"),
        "InvalidSignature: 'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."
    );
    let weaker = authorization(EUROPE, SIGNED, GOOD).replace("SHA256", "SHA25");
    assert_eq!(
        check(&header_signed(&weaker), BODY),
        "IncompleteSignature: Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). "
    );
    for credential in ["a/b/c/d", "a/b/c/d/e/f", "a"] {
        assert_eq!(
            with(credential, SIGNED),
            format!(
                "IncompleteSignature: Credential must have exactly 5 slash-delimited elements, \
                 e.g. keyid/date/region/service/term, got '{credential}'"
            )
        );
    }
    assert_eq!(
        with("a/b//d/e", SIGNED),
        "InvalidSignature: Credential should be scoped to a valid region. Credential should be scoped to correct \
         service: 'dynamodb'. Credential should be scoped with a valid terminator: 'aws4_request', not 'e'. Date in \
         Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: 'b' != '20260524', from \
         '20260524T010203Z'."
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a credentials file on the real disk")]
fn who_was_taken_out_of_the_file_is_a_stranger() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), FILE).unwrap();
    let signatures = Signatures::open(file.path()).unwrap();
    let head = header_signed(&authorization(EUROPE, SIGNED, GOOD));
    let check = || check_at(&signatures, &head, BODY, now_s()).map_err(|refusal| refusal.kind);
    assert_eq!(check(), Ok(()));
    assert_eq!(check(), Ok(()), "with the key that was kept");
    std::fs::write(file.path(), FILE.replace("wJalr", "other")).unwrap();
    signatures.reload(file.path()).unwrap();
    assert_eq!(check(), Err(Kind::InvalidSignature));
    std::fs::write(file.path(), FILE.replace("AKID", "AKIE")).unwrap();
    signatures.reload(file.path()).unwrap();
    assert_eq!(check(), Err(Kind::UnrecognizedClient));
    std::fs::write(file.path(), "").unwrap();
    assert!(signatures.reload(file.path()).unwrap_err().ends_with(": it holds no credentials"));
    assert!(signatures.has_credentials());
}
