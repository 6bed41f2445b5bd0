//! Who sent a request: AWS's Signature Version 4, in the header `Authorization` or in the query of a presigned URL.
//!
//! A [`Claim`] says who, when, and over what; [`Signatures::recognize`] judges all of it that needs no body, and
//! [`Signatures::verify`] the rest. What is signed ([`canonical`]) is
//!
//! ```text
//! AWS4-HMAC-SHA256 ⏎ 20130524T000000Z ⏎ 20130524/us-east-1/dynamodb/aws4_request ⏎ SHA-256 of the canonical request
//! ```
//!
//! with a key that is derived from the secret once for each day and region. The texts of the refusals are AWS's.

mod canonical;
mod claim;
mod credentials;
mod date;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;

use arc_swap::ArcSwap;
use hyper::http::request::Parts;
use parking_lot::Mutex;
use ring::digest::{self, Digest, SHA256};
use ring::hmac::{self, HMAC_SHA256};

use crate::dynamo::error::{Kind, Refusal};
pub(super) use claim::Claim;
use credentials::Credentials;
use date::Moment;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const SERVICE: &str = "dynamodb";
/// How far the client's clock may be from ours.
const SKEW_S: u64 = 15 * 60;
/// The longest that a presigned URL may be good for.
const EXPIRES_S_MAX: u64 = 7 * 24 * 3600;
/// How many derived keys are kept.
const KEYS_KEPT: usize = 256;

/// Who may sign, and the keys derived from their secrets.
pub(super) struct Signatures {
    credentials: ArcSwap<Credentials>,
    /// By key id, day and region, as the credential names them: `AKIDEXAMPLE/20130524/us-east-1`.
    keys: Mutex<HashMap<String, hmac::Key>>,
}

/// A claim of somebody who is known, within its time.
pub(super) struct Pending<'a> {
    claim: Claim<'a>,
    scope: Scope,
}

/// What a credential says beside the key id: where each part of `id/day/region/service/term` ends.
struct Scope {
    id: usize,
    day: usize,
    region: usize,
}

impl Signatures {
    /// Those whom the file names; nobody, if the path is empty.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let credentials = Credentials::load(path)?;
        Ok(Self { credentials: ArcSwap::from_pointee(credentials), keys: Mutex::default() })
    }

    /// Reads the file again.
    pub(super) fn reload(&self, path: &Path) -> Result<(), String> {
        let credentials = Credentials::load(path)?;
        // Who derives a key meanwhile asks for the credentials under this lock.
        let mut keys = self.keys.lock();
        self.credentials.store(credentials.into());
        keys.clear();
        Ok(())
    }

    /// Whether there is anybody to tell from anybody else.
    pub(super) fn has_credentials(&self) -> bool {
        !self.credentials.load().is_empty()
    }

    /// Judges a claim as far as that needs no body, at a moment in Unix seconds.
    pub(super) fn recognize<'a>(
        &self,
        claim: Claim<'a>,
        head: &Parts,
        now_s: u64,
    ) -> Result<Pending<'a>, Refusal> {
        let moment = Moment::parse(&claim.date).ok_or_else(|| {
            incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
                claim.date
            ))
        })?;
        check_time(&claim, moment, now_s)?;
        check_signed_headers(&claim, head)?;
        if claim.algorithm != ALGORITHM {
            return Err(incomplete(format!(
                "Unsupported AWS 'algorithm': '{}' (only {ALGORITHM} for now). ",
                claim.algorithm
            )));
        }
        let scope = check_scope(&claim)?;
        let id = claim.credential.get(..scope.id).unwrap_or_default();
        if self.credentials.load().secret(id).is_none() {
            return Err(unrecognized());
        }
        Ok(Pending { claim, scope })
    }

    /// Whether who is claimed to have signed the request did, with this body as it was sent.
    pub(super) fn verify(&self, pending: Pending<'_>, head: &Parts, body: &Digest) -> Result<(), Refusal> {
        let Pending { claim, scope } = pending;
        let text = to_sign(&claim, &scope, head, body);
        let key = self.key(&claim, &scope).ok_or_else(unrecognized)?;
        let is_good = canonical::unhex(&claim.signature)
            .is_some_and(|signature| hmac::verify(&key, text.as_bytes(), &signature).is_ok());
        if is_good { Ok(()) } else { Err(invalid(MISMATCH)) }
    }

    /// The key of who signs, that day and in that region.
    fn key(&self, claim: &Claim<'_>, scope: &Scope) -> Option<hmac::Key> {
        let place = claim.credential.get(..scope.region)?;
        let mut keys = self.keys.lock();
        if let Some(key) = keys.get(place) {
            return Some(key.clone());
        }
        let credentials = self.credentials.load();
        let secret = credentials.secret(place.get(..scope.id)?)?;
        let key = derive(secret, place.get(scope.id + 1..scope.day)?, place.get(scope.day + 1..)?);
        if keys.len() >= KEYS_KEPT {
            keys.clear();
        }
        keys.insert(place.to_owned(), key.clone());
        Some(key)
    }
}

/// The key of a day, a region and this service.
fn derive(secret: &str, day: &str, region: &str) -> hmac::Key {
    let first = hmac::Key::new(HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    [day, region, SERVICE, TERMINATOR]
        .iter()
        .fold(first, |key, part| hmac::Key::new(HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref()))
}

/// What a signature says of a body.
pub(super) fn digest_of(body: &[u8]) -> Digest {
    digest::digest(&SHA256, body)
}

/// The text that is signed.
fn to_sign(claim: &Claim<'_>, scope: &Scope, head: &Parts, body: &Digest) -> String {
    let request = canonical::request(head, claim, body);
    let mut text = String::with_capacity(160);
    let scope = claim.credential.get(scope.id + 1..).unwrap_or_default().trim_end_matches('/');
    for part in [ALGORITHM, &claim.date, scope] {
        text.push_str(part);
        text.push('\n');
    }
    canonical::push_hex(&mut text, digest::digest(&SHA256, request.as_bytes()).as_ref());
    text
}

fn check_time(claim: &Claim<'_>, moment: Moment, now_s: u64) -> Result<(), Refusal> {
    let good_for_s = claim.expires_s.map_or(SKEW_S, |seconds| seconds.min(EXPIRES_S_MAX));
    let at_s = moment.unix_s();
    if at_s.saturating_add(good_for_s) < now_s {
        let (earliest, now) = (Moment::of(now_s.saturating_sub(good_for_s)), Moment::of(now_s));
        let minutes = good_for_s / 60;
        return Err(invalid(format!(
            "Signature expired: {moment} is now earlier than {earliest} ({now} - {minutes} min.)"
        )));
    }
    if at_s > now_s.saturating_add(SKEW_S) {
        let (latest, now) = (Moment::of(now_s.saturating_add(SKEW_S)), Moment::of(now_s));
        return Err(invalid(format!(
            "Signature not yet current: {moment} is still later than {latest} ({now} + 15 min.)"
        )));
    }
    Ok(())
}

/// What decides where a request goes, and what it asks for, must be signed.
fn check_signed_headers(claim: &Claim<'_>, head: &Parts) -> Result<(), Refusal> {
    for (name, shown) in [("host", "Host"), ("x-amz-target", "X-Amz-Target")] {
        let is_there = name == "host" || head.headers.contains_key(name);
        if is_there && !claim.signed_headers.split(';').any(|signed| signed.eq_ignore_ascii_case(name)) {
            return Err(invalid(format!("'{shown}' must be a 'SignedHeader' in the AWS Authorization.")));
        }
    }
    Ok(())
}

fn check_scope(claim: &Claim<'_>) -> Result<Scope, Refusal> {
    let credential = claim.credential.trim_end_matches('/');
    let mut parts = credential.split('/');
    let five = [(); 5].map(|()| parts.next());
    let ([Some(id), Some(day), Some(region), Some(service), Some(term)], None) = (five, parts.next()) else {
        return Err(incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, \
             got '{credential}'"
        )));
    };
    let mut wrong = Vec::new();
    if region.is_empty() {
        wrong.push("Credential should be scoped to a valid region. ".to_owned());
    }
    if service != SERVICE {
        wrong.push(format!("Credential should be scoped to correct service: '{SERVICE}'. "));
    }
    if term != TERMINATOR {
        wrong.push(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{term}'. "
        ));
    }
    let dated = claim.date.get(..8).unwrap_or_default();
    if day != dated {
        wrong.push(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
             '{day}' != '{dated}', from '{}'.",
            claim.date
        ));
    }
    if !wrong.is_empty() {
        return Err(invalid(wrong.concat()));
    }
    let id = id.len();
    let day = id + 1 + day.len();
    Ok(Scope { id, day, region: day + 1 + region.len() })
}

/// AWS's words to who knows the key id and not the secret.
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS \
Secret Access Key and signing method. Consult the service documentation for details.";

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Kind::InvalidSignature, message)
}

fn incomplete(message: impl Into<String>) -> Refusal {
    Refusal::new(Kind::IncompleteSignature, message)
}

fn unrecognized() -> Refusal {
    Refusal::new(Kind::UnrecognizedClient, "The security token included in the request is invalid.")
}
