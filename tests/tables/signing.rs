//! Signs requests, as AWS's documents say it is done.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};

use crate::client::request;

/// Who signs.
pub(crate) struct Signer {
    pub(crate) id: &'static str,
    pub(crate) secret: &'static str,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Signer {
    /// A signed request for an operation, at a moment such as `20231114T221320Z`.
    pub(crate) fn request(&self, operation: &str, moment: &str, body: &[u8]) -> Vec<u8> {
        let target = format!("DynamoDB_20120810.{operation}");
        let names = "content-type;host;x-amz-date;x-amz-target";
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/x-amz-json-1.0\nhost:localhost\nx-amz-date:{moment}\n\
             x-amz-target:{target}\n\n{names}\n{}",
            hex(digest(&SHA256, body).as_ref())
        );
        let (day, region) = (&moment[..8], "eu-west-1");
        let scope = format!("{day}/{region}/dynamodb/aws4_request");
        let text = format!(
            "AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}",
            hex(digest(&SHA256, canonical.as_bytes()).as_ref())
        );
        let mut key = Key::new(HMAC_SHA256, format!("AWS4{}", self.secret).as_bytes());
        for part in [day, region, "dynamodb", "aws4_request"] {
            key = Key::new(HMAC_SHA256, sign(&key, part.as_bytes()).as_ref());
        }
        let signature = hex(sign(&key, text.as_bytes()).as_ref());
        let headers = format!(
            "X-Amz-Target: {target}\r\nX-Amz-Date: {moment}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential={}/{scope}, SignedHeaders={names}, Signature={signature}\r\n",
            self.id
        );
        request(&headers, body)
    }
}
