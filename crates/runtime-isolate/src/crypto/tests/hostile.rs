use std::time::Instant;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::crypto::{MAX_INPUT, MAX_KEY, call};

/// Every operation with parameters that let it go far.
fn requests() -> Vec<(&'static str, Value)> {
    let mut requests = vec![
        ("digest", json!({ "hash": "SHA-1" })),
        ("hmac.sign", json!({ "hash": "SHA-384" })),
        ("hmac.verify", json!({ "hash": "SHA-512" })),
        ("hkdf", json!({ "hash": "SHA-256", "length": 70 })),
        ("pbkdf2", json!({ "hash": "SHA-256", "iterations": 2, "length": 70 })),
        ("sign", json!({ "scheme": "Ed25519" })),
        ("verify", json!({ "scheme": "Ed25519" })),
        ("rsa.encrypt", json!({ "hash": "SHA-1" })),
        ("rsa.decrypt", json!({ "hash": "SHA-1" })),
        ("key.toJwk", json!({ "kind": "oct" })),
        ("nothing", json!(null)),
    ];
    for mode in [
        json!({ "mode": "gcm", "tagLength": 96 }),
        json!({ "mode": "gcm", "tagLength": 128 }),
        json!({ "mode": "cbc" }),
        json!({ "mode": "ctr", "length": 9 }),
        json!({ "mode": "kw" }),
    ] {
        requests.extend([("aes.encrypt", mode.clone()), ("aes.decrypt", mode)]);
    }
    for kind in ["RSA", "P-256", "P-384", "Ed25519", "X25519"] {
        for format in ["raw", "spki", "pkcs8"] {
            requests.push(("key.import", json!({ "kind": kind, "format": format })));
        }
        for part in ["public", "private"] {
            requests.push(("key.toJwk", json!({ "kind": kind, "part": part })));
        }
        requests.push(("key.toRaw", json!({ "kind": kind })));
        requests.push(("agree", json!({ "kind": kind })));
    }
    for hash in ["SHA-1", "SHA-256"] {
        for scheme in [
            json!({ "scheme": "ECDSA", "curve": "P-256", "hash": hash }),
            json!({ "scheme": "ECDSA", "curve": "P-384", "hash": hash }),
            json!({ "scheme": "RSASSA-PKCS1-v1_5", "hash": hash }),
            json!({ "scheme": "RSA-PSS", "hash": hash, "saltLength": 32 }),
        ] {
            requests.extend([("sign", scheme.clone()), ("verify", scheme)]);
        }
    }
    requests
}

/// Real keys, so that changed ones get past the first checks.
fn keys() -> Vec<Vec<u8>> {
    let mut keys = vec![vec![1; 16], vec![2; 24], vec![3; 32]];
    let (private, public) = asymmetric::rfc_7515_rsa_key();
    keys.extend([private, public]);
    for kind in ["P-256", "P-384", "Ed25519", "X25519"] {
        let (private, public) = pair(json!({ "kind": kind }));
        keys.extend([private, public]);
    }
    keys
}

fn buffer() -> impl Strategy<Value = Vec<u8>> {
    let junk = proptest::collection::vec(any::<u8>(), 0..80);
    let changed = (proptest::sample::select(keys()), any::<prop::sample::Index>(), any::<u8>())
        .prop_map(|(mut key, index, byte)| {
            let at = index.index(key.len());
            key[at] = byte;
            key
        });
    let cut = (proptest::sample::select(keys()), any::<prop::sample::Index>())
        .prop_map(|(key, index)| key[..index.index(key.len())].to_vec());
    prop_oneof![junk, changed, cut, proptest::sample::select(keys())]
}

fn anything() -> impl Strategy<Value = Value> {
    let name = "(kind|hash|mode|scheme|format|part|curve|length|iterations|x|y|d|n|e|p|q)";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<u32>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(SHA-1|SHA-256|RSA|P-256|X25519|ECDSA|raw|AQAB|[a-zA-Z0-9_-]{0,90})".prop_map(Value::from),
    ];
    let map = proptest::collection::hash_map(name, leaf.clone(), 0..8)
        .prop_map(|map| Value::Object(map.into_iter().collect()));
    prop_oneof![4 => map, 1 => leaf]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn hostile_buffers_never_panic(
        (operation, parameters) in proptest::sample::select(requests()),
        buffers in proptest::collection::vec(buffer(), 0..5),
    ) {
        // The right number of buffers is the one that gets somewhere.
        for count in 0..=buffers.len() {
            let buffers: Vec<&[u8]> = buffers[..count].iter().map(Vec::as_slice).collect();
            let _ = run(operation, parameters.clone(), &buffers);
        }
    }

    #[test]
    fn hostile_parameters_never_panic(
        (operation, _) in proptest::sample::select(requests()),
        parameters in anything(),
        junk in ".{0,40}",
        buffers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5),
    ) {
        let buffers: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
        let _ = run(operation, parameters.clone(), &buffers);
        let _ = run("key.fromJwk", parameters, &buffers);
        let _ = dispatch(operation, &junk, &buffers);
    }
}

#[test]
fn names_may_carry_their_prefix_and_unknown_ones_are_refused() {
    let digest = |name| call(name, r#"{"hash":"SHA-256"}"#, &[b"abc"]);
    assert_eq!(digest("crypto.digest"), digest("digest"));
    assert_eq!(digest("crypto.crypto.digest").unwrap_err().name, "NotSupportedError");
    assert_eq!(call("digest", "", &[b""]).unwrap_err().name, "TypeError");
    assert_eq!(call("digest", r#"{"hash":"SHA-256"}"#, &[]).unwrap_err().name, "TypeError");
}

#[test]
fn input_beyond_the_limit_is_refused_with_its_number() {
    let half = vec![0; MAX_INPUT / 2];
    let mac = |data: &[u8]| run("hmac.sign", json!({ "hash": "SHA-1" }), &[&half, data]);
    assert!(mac(&half).is_ok());
    let error = mac(&[&half[..], &[0]].concat()).unwrap_err();
    assert_eq!(error.name, "OperationError");
    assert!(error.message.contains("16777216"), "{}", error.message);
    let key = vec![0; MAX_KEY + 1];
    let import = json!({ "kind": "RSA", "format": "pkcs8" });
    assert_eq!(super::error("key.import", import, &[&key]), "DataError");
    let scheme = json!({ "scheme": "RSA-PSS", "hash": "SHA-1", "saltLength": 0 });
    assert_eq!(super::error("verify", scheme, &[&key, &[], &[]]), "DataError");
}

#[test]
fn derivations_that_would_hold_the_thread_are_refused_at_once() {
    let start = Instant::now();
    let big = vec![0; MAX_INPUT - 10];
    let pbkdf2 = |iterations: u32, length: u32, salt: &[u8]| {
        let meta = json!({ "hash": "SHA-1", "iterations": iterations, "length": length });
        error("pbkdf2", meta, &[b"p", salt])
    };
    for refused in [
        pbkdf2(0, 20, b""),
        pbkdf2(u32::MAX, 20, b""),
        pbkdf2(1_000_001, 21, b""),
        pbkdf2(1, u32::MAX, b""),
        pbkdf2(1, 20 << 10, &big),
        error("hkdf", json!({ "hash": "SHA-256", "length": 8160 }), &[b"k", b"", &big]),
    ] {
        assert_eq!(refused, "OperationError");
    }
    assert!(start.elapsed().as_secs() < 1);
}

/// A prime of two bits beside one of a thousand: well-formed, and with it the crate's arithmetic
/// would add three to a huge negative number until it is positive.
#[test]
fn an_rsa_key_with_a_tiny_prime_is_refused() {
    let fixtures: Value = serde_json::from_str(include_str!("openssl.json")).unwrap();
    for swap in [false, true] {
        let mut jwk = fixtures["imbalanced"].clone();
        if swap {
            let p = jwk["p"].take();
            jwk["p"] = jwk["q"].take();
            jwk["q"] = p;
        }
        for name in ["dp", "dq", "qi"] {
            jwk[name] = "AQAB".into();
        }
        jwk["kind"] = "RSA".into();
        assert_eq!(error("key.fromJwk", jwk, &[]), "DataError");
    }
}

#[test]
fn rsa_keys_of_forbidden_sizes_are_refused() {
    for bytes in [64, 1025, 4000] {
        let n = URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        let jwk = json!({ "kind": "RSA", "n": n, "e": "AQAB" });
        assert_eq!(error("key.fromJwk", jwk, &[]), "DataError");
    }
    for e in ["AA", "AQ", "Ag", "____________"] {
        let n = URL_SAFE_NO_PAD.encode(vec![0xff; 256]);
        assert_eq!(
            error("key.fromJwk", json!({ "kind": "RSA", "n": n, "e": e }), &[]),
            "DataError"
        );
    }
}
