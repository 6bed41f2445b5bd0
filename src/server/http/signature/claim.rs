//! What a request says of its signature.
//!
//! ```text
//! Authorization: AWS4-HMAC-SHA256 Credential=id/day/region/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=hex
//! ?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=…&X-Amz-Date=…&X-Amz-Expires=…&X-Amz-SignedHeaders=…&X-Amz-Signature=hex
//! ```

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, DATE, HeaderValue};
use hyper::http::request::Parts;

use super::{canonical, incomplete, invalid};
use crate::dynamo::error::{Kind, Refusal};

/// Who is said to have signed what, and when.
pub(in crate::server::http) struct Claim<'a> {
    pub(super) algorithm: Cow<'a, str>,
    pub(super) credential: Cow<'a, str>,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) date: Cow<'a, str>,
    /// Seconds that a presigned URL is good for, if it says so.
    pub(super) expires_s: Option<u64>,
}

impl<'a> Claim<'a> {
    /// Reads it from a request's head.
    pub(in crate::server::http) fn of(head: &'a Parts) -> Result<Self, Refusal> {
        let header = head.headers.get(AUTHORIZATION);
        let query = head.uri.query().unwrap_or_default();
        let is_presigned = query.contains("X-Amz-Algorithm");
        match header {
            Some(_) if is_presigned => Err(invalid(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
            )),
            None if is_presigned => Self::of_query(query),
            Some(header) if header.as_bytes().trim_ascii_start().starts_with(b"AWS4-") => {
                Self::of_header(head, header)
            }
            _ => {
                Err(Refusal::new(Kind::MissingAuthenticationToken, "Request is missing Authentication Token"))
            }
        }
    }

    fn of_header(head: &'a Parts, header: &'a HeaderValue) -> Result<Self, Refusal> {
        let header = header.to_str().map_err(|_| incomplete("The header Authorization is not text"))?.trim();
        let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
        let mut given = [None; 3];
        let names = ["Credential", "Signature", "SignedHeaders"];
        for pair in rest.split([',', ' ']).filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(incomplete(format!(
                    "'{pair}' not a valid key=value pair (missing equal-sign) in Authorization header: '{header}'."
                )));
            };
            if let Some((_, place)) = names.iter().zip(&mut given).find(|(one, _)| **one == name) {
                *place = Some(value);
            }
        }
        let date = head.headers.get("x-amz-date").or(head.headers.get(DATE));
        let date = date.and_then(|date| date.to_str().ok());
        let ([Some(credential), Some(signature), Some(signed_headers)], Some(date)) = (given, date) else {
            let mut missing: String = names
                .iter()
                .zip(given)
                .filter(|(_, given)| given.is_none_or(str::is_empty))
                .flat_map(|(name, _)| ["Authorization header requires '", name, "' parameter. "])
                .collect();
            if date.is_none() {
                missing.push_str(
                    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
                );
            }
            return Err(incomplete(format!("{missing}Authorization={header}")));
        };
        Ok(Self {
            algorithm: algorithm.into(),
            credential: credential.into(),
            signed_headers: signed_headers.into(),
            signature: signature.into(),
            date: date.into(),
            expires_s: None,
        })
    }

    fn of_query(query: &'a str) -> Result<Self, Refusal> {
        let given = |name: &str| {
            canonical::parameters(query)
                .find(|(one, value)| one == name && !value.is_empty())
                .map(|(_, value)| value)
        };
        let names =
            ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
        let [Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(date)] =
            names.map(given)
        else {
            let missing: String = names
                .iter()
                .filter(|name| given(name).is_none())
                .flat_map(|name| ["AWS query-string parameters must include '", name, "'. "])
                .collect();
            return Err(incomplete(format!("{missing}Re-examine the query-string parameters.")));
        };
        let expires_s = given("X-Amz-Expires")
            .map(|seconds| seconds.parse().map_err(|_| incomplete("X-Amz-Expires should be a number")));
        Ok(Self { algorithm, credential, signed_headers, signature, date, expires_s: expires_s.transpose()? })
    }
}
