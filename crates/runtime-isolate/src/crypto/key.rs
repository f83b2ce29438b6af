//! Keys: made, read from and written to the formats of the outside world.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ec::Curve;
use super::okp::Okp;
use super::{CallError, CallResult, MAX_KEY, rsa};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Kind {
    /// A symmetric key: JWK only, for its canonical form is the raw one.
    #[serde(rename = "oct")]
    Oct,
    #[serde(rename = "RSA")]
    Rsa,
    #[serde(untagged)]
    Ec(Curve),
    #[serde(untagged)]
    Okp(Okp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Part {
    Public,
    Private,
}

/// A key in its canonical form.
pub(super) struct Key {
    pub(super) part: Part,
    /// SPKI or PKCS#8.
    pub(super) der: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Generate {
    kind: Kind,
    modulus_length: Option<u32>,
    public_exponent: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct Import {
    kind: Kind,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// A public key as the bare point.
    Raw,
    Spki,
    Pkcs8,
}

/// The members of a JWK that carry the key (RFC 7518, section 6; RFC 8037).
#[derive(Deserialize)]
pub(super) struct Jwk {
    kind: Kind,
    #[serde(flatten)]
    pub(super) members: Members,
}

#[derive(Default, Deserialize)]
pub(super) struct Members {
    k: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<String>,
    n: Option<String>,
    e: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Which {
    kind: Kind,
    part: Option<Part>,
}

/// Answers with PKCS#8 and SPKI in one buffer; `split` is the first one's length.
pub(super) fn generate(meta: &Generate) -> Result<CallResult, CallError> {
    let (private, public) = match meta.kind {
        Kind::Oct => return Err(not_here("generated")),
        Kind::Ec(curve) => curve.ops().generate()?,
        Kind::Okp(okp) => okp.generate()?,
        Kind::Rsa => match (meta.modulus_length, meta.public_exponent) {
            (Some(bits), Some(exponent)) => rsa::generate(bits, exponent)?,
            _ => return Err(CallError::protocol("RSA needs modulusLength and publicExponent")),
        },
    };
    let split = private.len();
    let mut bytes = private;
    bytes.extend_from_slice(&public);
    Ok(CallResult { meta: json!({ "split": split }).to_string(), bytes })
}

/// Answers with the canonical form and, for RSA, with what its `algorithm` shows.
pub(super) fn import(meta: &Import, [data]: [&[u8]; 1]) -> Result<CallResult, CallError> {
    check_size(data)?;
    let der = match (meta.kind, meta.format) {
        (Kind::Oct, _) => return Err(not_here("imported")),
        (Kind::Ec(curve), Format::Raw) => curve.ops().public_from_point(data)?,
        (Kind::Ec(curve), Format::Spki) => curve.ops().public_from_spki(data)?,
        (Kind::Ec(curve), Format::Pkcs8) => curve.ops().private_from_pkcs8(data)?,
        (Kind::Okp(okp), Format::Raw) => okp.public_from_raw(data)?,
        (Kind::Okp(okp), Format::Spki) => okp.public_from_spki(data)?,
        (Kind::Okp(okp), Format::Pkcs8) => okp.private_from_pkcs8(data)?,
        (Kind::Rsa, Format::Raw) => {
            return Err(CallError::not_supported("RSA keys have no raw format"));
        }
        (Kind::Rsa, Format::Spki) => rsa::public_from_spki(data)?,
        (Kind::Rsa, Format::Pkcs8) => rsa::private_from_pkcs8(data)?,
    };
    let part = if meta.format == Format::Pkcs8 { Part::Private } else { Part::Public };
    described(meta.kind, Key { part, der })
}

pub(super) fn from_jwk(jwk: &Jwk) -> Result<CallResult, CallError> {
    let members = &jwk.members;
    let key = match jwk.kind {
        Kind::Oct => return Ok(CallResult::bytes(Members::required(&members.k, "k")?)),
        Kind::Ec(curve) => {
            let x = Members::required(&members.x, "x")?;
            let y = Members::required(&members.y, "y")?;
            curve.ops().key_from_coordinates(&x, &y, members.private()?.as_deref())?
        }
        Kind::Okp(okp) => {
            let x = Members::required(&members.x, "x")?;
            okp.key_from_parts(&x, members.private()?.as_deref())?
        }
        Kind::Rsa => {
            let n = Members::required(&members.n, "n")?;
            let e = Members::required(&members.e, "e")?;
            match members.private()? {
                None => Key { part: Part::Public, der: rsa::public_from_parts(&n, &e)? },
                Some(d) => {
                    let p = Members::required(&members.p, "p")?;
                    let q = Members::required(&members.q, "q")?;
                    // Computed anew, but a key that lacks one of them is not well-formed.
                    Members::required(&members.dp, "dp")?;
                    Members::required(&members.dq, "dq")?;
                    Members::required(&members.qi, "qi")?;
                    let der = rsa::private_from_parts(&n, &e, &d, &p, &q)?;
                    Key { part: Part::Private, der }
                }
            }
        }
    };
    described(jwk.kind, key)
}

/// Answers with the members that carry the key.
pub(super) fn to_jwk(meta: Which, [key]: [&[u8]; 1]) -> Result<CallResult, CallError> {
    if meta.kind == Kind::Oct {
        return Ok(CallResult::meta(&json!({ "k": URL_SAFE_NO_PAD.encode(key) })));
    }
    check_size(key)?;
    let part = meta.part.ok_or_else(|| CallError::protocol("part is missing"))?;
    let members = match (meta.kind, part) {
        (Kind::Oct, _) => Vec::new(),
        (Kind::Ec(curve), Part::Public) => curve.ops().public_members(key)?,
        (Kind::Ec(curve), Part::Private) => curve.ops().private_members(key)?,
        (Kind::Okp(okp), Part::Public) => vec![("x", okp.raw(key)?)],
        (Kind::Okp(okp), Part::Private) => okp.private_members(key)?,
        (Kind::Rsa, Part::Public) => rsa::public_members(key)?,
        (Kind::Rsa, Part::Private) => rsa::private_members(key)?,
    };
    let object: Map<String, Value> = members
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), URL_SAFE_NO_PAD.encode(bytes).into()))
        .collect();
    Ok(CallResult::meta(&object.into()))
}

/// The bare point of a public key.
pub(super) fn to_raw(meta: Which, [key]: [&[u8]; 1]) -> Result<CallResult, CallError> {
    check_size(key)?;
    match meta.kind {
        Kind::Ec(curve) => curve.ops().point(key),
        Kind::Okp(okp) => okp.raw(key),
        Kind::Oct | Kind::Rsa => Err(CallError::not_supported("the key has no raw format")),
    }
    .map(CallResult::bytes)
}

/// Diffie-Hellman. Buffers: private key, public key.
pub(super) fn agree(meta: Which, [private, public]: [&[u8]; 2]) -> Result<CallResult, CallError> {
    check_size(private)?;
    check_size(public)?;
    match meta.kind {
        Kind::Ec(curve) => curve.ops().agree(private, public),
        Kind::Okp(Okp::X25519) => Okp::agree(private, public),
        _ => Err(CallError::not_supported("the key cannot agree on a secret")),
    }
    .map(CallResult::bytes)
}

/// Before anything parses it: some parsers take quadratic time.
pub(super) fn check_size(key: &[u8]) -> Result<(), CallError> {
    if key.len() > MAX_KEY {
        return Err(CallError::data(format!("an encoded key has at most {MAX_KEY} bytes")));
    }
    Ok(())
}

fn described(kind: Kind, key: Key) -> Result<CallResult, CallError> {
    let mut meta = match kind {
        Kind::Rsa => rsa::describe(&key)?,
        _ => json!({}),
    };
    meta["type"] = match key.part {
        Part::Public => "public".into(),
        Part::Private => "private".into(),
    };
    Ok(CallResult { meta: meta.to_string(), bytes: key.der })
}

fn not_here(what: &str) -> CallError {
    CallError::protocol(format!("a symmetric key is not {what} by the host"))
}

impl Members {
    fn private(&self) -> Result<Option<Vec<u8>>, CallError> {
        match &self.d {
            None => Ok(None),
            Some(_) => Self::required(&self.d, "d").map(Some),
        }
    }

    fn required(member: &Option<String>, name: &str) -> Result<Vec<u8>, CallError> {
        let text = member
            .as_deref()
            .ok_or_else(|| CallError::data(format!("the JWK lacks \"{name}\"")))?;
        URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| CallError::data(format!("\"{name}\" of the JWK is not base64url")))
    }
}
