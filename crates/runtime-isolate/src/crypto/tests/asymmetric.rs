use serde_json::json;

use super::*;

/// The key of RFC 7515, appendix A.2, and signatures that OpenSSL made with it.
fn fixtures() -> Value {
    serde_json::from_str(include_str!("openssl.json")).unwrap()
}

fn rsa_jwk() -> Value {
    let mut jwk = fixtures()["key"].take();
    jwk["kind"] = "RSA".into();
    jwk
}

/// PKCS#8 and SPKI.
pub(super) fn rfc_7515_rsa_key() -> (Vec<u8>, Vec<u8>) {
    let private = rsa_jwk();
    let public = json!({ "kind": "RSA", "n": private["n"], "e": private["e"] });
    (bytes("key.fromJwk", private, &[]), bytes("key.fromJwk", public, &[]))
}

fn text(value: &Value) -> Vec<u8> {
    base64url(value.as_str().unwrap())
}

#[test]
fn rsa_signatures_of_openssl_hold_and_no_others() {
    let (private, public) = rfc_7515_rsa_key();
    for mut scheme in fixtures()["signatures"].as_array().unwrap().clone() {
        let signature = text(&scheme["signature"].take());
        assert!(valid("verify", scheme.clone(), &[&public, &signature, b"mayfly"]), "{scheme}");
        assert!(!valid("verify", scheme.clone(), &[&public, &signature, b"Mayfly"]));
        assert!(!valid("verify", scheme.clone(), &[&public, &changed(&signature), b"mayfly"]));
        assert!(!valid("verify", scheme.clone(), &[&public, &signature[1..], b"mayfly"]));
        assert!(!valid("verify", scheme.clone(), &[&public, &[0xff; 256], b"mayfly"]));
        if let Some(salt) = scheme["saltLength"].as_u64() {
            let mut other = scheme.clone();
            other["saltLength"] = (salt + 1).into();
            assert!(!valid("verify", other, &[&public, &signature, b"mayfly"]));
        }
        let own = bytes("sign", scheme.clone(), &[&private, b"mayfly"]);
        assert!(valid("verify", scheme, &[&public, &own, b"mayfly"]));
    }
}

#[test]
fn every_rsa_scheme_signs_what_it_verifies() {
    let (private, public) = rfc_7515_rsa_key();
    for (hash, length) in [("SHA-1", 20), ("SHA-256", 32), ("SHA-384", 48), ("SHA-512", 64)] {
        let pkcs1 = json!({ "scheme": "RSASSA-PKCS1-v1_5", "hash": hash });
        let pss = |salt| json!({ "scheme": "RSA-PSS", "hash": hash, "saltLength": salt });
        for scheme in [pkcs1, pss(length), pss(0), pss(7), pss(256 - 2 - length)] {
            let signature = bytes("sign", scheme.clone(), &[&private, b"data"]);
            assert!(valid("verify", scheme, &[&public, &signature, b"data"]));
        }
        assert_eq!(error("sign", pss(256 - 1 - length), &[&private, b"data"]), "OperationError");
        assert_eq!(error("sign", pss(u32::MAX), &[&private, b"data"]), "OperationError");
        assert!(!valid("verify", pss(u32::MAX), &[&public, &[1; 256], b"data"]));
    }
}

#[test]
fn small_rsa_keys_still_verify_and_sign() {
    let small = &fixtures()["small"];
    let import = json!({ "kind": "RSA", "format": "pkcs8" });
    let key = run("key.import", import, &[&text(&small["pkcs8"])]).unwrap();
    let described: Value = serde_json::from_str(&key.meta).unwrap();
    assert_eq!(
        described,
        json!({ "modulusLength": 1024, "publicExponent": [1, 0, 1], "type": "private" })
    );
    let jwk = meta("key.toJwk", json!({ "kind": "RSA", "part": "private" }), &[&key.bytes]);
    let public = json!({ "kind": "RSA", "n": jwk["n"], "e": jwk["e"] });
    let public = bytes("key.fromJwk", public, &[]);
    let scheme = json!({ "scheme": "RSASSA-PKCS1-v1_5", "hash": "SHA-256" });
    let signature = text(&small["signature"]);
    assert_eq!(bytes("sign", scheme.clone(), &[&key.bytes, b"mayfly"]), signature);
    assert!(valid("verify", scheme.clone(), &[&public, &signature, b"mayfly"]));
    assert!(!valid("verify", scheme, &[&public, &changed(&signature), b"mayfly"]));
}

#[test]
fn oaep_opens_what_openssl_sealed() {
    let (private, public) = rfc_7515_rsa_key();
    for sealed in fixtures()["encrypted"].as_array().unwrap() {
        let hash = json!({ "hash": sealed["hash"] });
        let (label, data) = (sealed["label"].as_str().unwrap().as_bytes(), text(&sealed["data"]));
        assert_eq!(bytes("rsa.decrypt", hash.clone(), &[&private, label, &data]), b"secret");
        for (label, data) in
            [(&b"other"[..], data.clone()), (label, changed(&data)), (label, vec![0xff; 256])]
        {
            assert_eq!(
                error("rsa.decrypt", hash.clone(), &[&private, label, &data]),
                "OperationError"
            );
        }
        let own = bytes("rsa.encrypt", hash.clone(), &[&public, label, b"mine"]);
        assert_eq!(bytes("rsa.decrypt", hash.clone(), &[&private, label, &own]), b"mine");
        assert_eq!(
            error("rsa.encrypt", hash.clone(), &[&public, label, &[0; 256]]),
            "OperationError"
        );
        assert_eq!(error("rsa.encrypt", hash, &[&public, &[0xff], b""]), "NotSupportedError");
    }
}

#[test]
fn an_rsa_key_survives_every_format() {
    let (private, public) = rfc_7515_rsa_key();
    for (part, der, format) in [("private", &private, "pkcs8"), ("public", &public, "spki")] {
        let mut jwk = meta("key.toJwk", json!({ "kind": "RSA", "part": part }), &[der]);
        if part == "private" {
            let mut original = fixtures()["key"].take();
            original.as_object_mut().unwrap().remove("kty");
            assert_eq!(jwk, original);
        }
        jwk["kind"] = "RSA".into();
        assert_eq!(&bytes("key.fromJwk", jwk, &[]), der);
        let import = |format| json!({ "kind": "RSA", "format": format });
        assert_eq!(&bytes("key.import", import(format), &[der]), der);
        let other = if format == "spki" { "pkcs8" } else { "spki" };
        assert_eq!(error("key.import", import(other), &[der]), "DataError");
        assert_eq!(error("key.import", import("raw"), &[der]), "NotSupportedError");
    }
}

#[test]
fn a_generated_rsa_key_signs() {
    let (private, public) =
        pair(json!({ "kind": "RSA", "modulusLength": 1024, "publicExponent": 65537 }));
    let scheme = json!({ "scheme": "RSA-PSS", "hash": "SHA-256", "saltLength": 32 });
    let signature = bytes("sign", scheme.clone(), &[&private, b"data"]);
    assert!(valid("verify", scheme, &[&public, &signature, b"data"]));
}

#[test]
fn rsa_keys_of_other_sizes_or_exponents_are_not_generated() {
    for (bits, exponent) in [(4096, 65537), (512, 65537), (1025, 65537), (u32::MAX, 3), (2048, 17)]
    {
        let request = json!({ "kind": "RSA", "modulusLength": bits, "publicExponent": exponent });
        assert_eq!(error("key.generate", request, &[]), "OperationError");
    }
}

struct Ecdsa {
    curve: &'static str,
    d: &'static str,
    x: &'static str,
    y: &'static str,
    /// Hash, r, s, over the text "sample".
    signatures: &'static [[&'static str; 3]],
}

/// RFC 6979, appendices A.2.5 and A.2.6.
const RFC6979: [Ecdsa; 2] = [
    Ecdsa {
        curve: "P-256",
        d: "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
        x: "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
        y: "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        signatures: &[
            [
                "SHA-1",
                "61340C88C3AAEBEB4F6D667F672CA9759A6CCAA9FA8811313039EE4A35471D32",
                "6D7F147DAC089441BB2E2FE8F7A3FA264B9C475098FDCF6E00D7C996E1B8B7EB",
            ],
            [
                "SHA-256",
                "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
                "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
            ],
            [
                "SHA-384",
                "0EAFEA039B20E9B42309FB1D89E213057CBF973DC0CFC8F129EDDDC800EF7719",
                "4861F0491E6998B9455193E34E7B0D284DDD7149A74B95B9261F13ABDE940954",
            ],
            [
                "SHA-512",
                "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
                "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE",
            ],
        ],
    },
    Ecdsa {
        curve: "P-384",
        d: "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
        x: "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13",
        y: "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720",
        signatures: &[
            [
                "SHA-1",
                "EC748D839243D6FBEF4FC5C4859A7DFFD7F3ABDDF72014540C16D73309834FA37B9BA002899F6FDA3A4A9386790D4EB2",
                "A3BCFA947BEEF4732BF247AC17F71676CB31A847B9FF0CBC9C9ED4C1A5B3FACF26F49CA031D4857570CCB5CA4424A443",
            ],
            [
                "SHA-256",
                "21B13D1E013C7FA1392D03C5F99AF8B30C570C6F98D4EA8E354B63A21D3DAA33BDE1E888E63355D92FA2B3C36D8FB2CD",
                "F3AA443FB107745BF4BD77CB3891674632068A10CA67E3D45DB2266FA7D1FEEBEFDC63ECCD1AC42EC0CB8668A4FA0AB0",
            ],
            [
                "SHA-384",
                "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
                "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
            ],
        ],
    },
];

#[test]
fn ecdsa_agrees_with_rfc_6979() {
    for case in RFC6979 {
        let b64 = |text| URL_SAFE_NO_PAD.encode(hex(text));
        let jwk =
            json!({ "kind": case.curve, "x": b64(case.x), "y": b64(case.y), "d": b64(case.d) });
        let private = bytes("key.fromJwk", jwk, &[]);
        let point = [vec![4], hex(case.x), hex(case.y)].concat();
        let raw = json!({ "kind": case.curve, "format": "raw" });
        let public = bytes("key.import", raw, &[&point]);
        for [hash, r, s] in case.signatures {
            let scheme = json!({ "scheme": "ECDSA", "curve": case.curve, "hash": hash });
            let signature = [hex(r), hex(s)].concat();
            let verify = |signature: &[u8], data: &[u8]| {
                valid("verify", scheme.clone(), &[&public, signature, data])
            };
            assert!(verify(&signature, b"sample"), "{} {hash}", case.curve);
            assert!(!verify(&signature, b"simple"));
            assert!(!verify(&changed(&signature), b"sample"));
            assert!(!verify(&[signature.clone(), vec![0]].concat(), b"sample"));
            assert!(!verify(&vec![0; signature.len()], b"sample"));
            assert!(!verify(&[], b"sample"));
            let own = bytes("sign", scheme.clone(), &[&private, b"sample"]);
            assert_ne!(own, signature, "signing takes randomness");
            assert!(verify(&own, b"sample"));
        }
    }
}

#[test]
fn every_pair_survives_every_format() {
    for kind in ["P-256", "P-384", "Ed25519", "X25519"] {
        let (private, public) = pair(json!({ "kind": kind }));
        let import = |format| json!({ "kind": kind, "format": format });
        assert_eq!(bytes("key.import", import("pkcs8"), &[&private]), private);
        assert_eq!(bytes("key.import", import("spki"), &[&public]), public);
        let raw = bytes("key.toRaw", json!({ "kind": kind }), &[&public]);
        assert_eq!(bytes("key.import", import("raw"), &[&raw]), public);
        for (part, der) in [("private", &private), ("public", &public)] {
            let mut jwk = meta("key.toJwk", json!({ "kind": kind, "part": part }), &[der]);
            jwk["kind"] = kind.into();
            let read = run("key.fromJwk", jwk, &[]).unwrap();
            assert_eq!((&read.bytes, read.meta), (der, json!({ "type": part }).to_string()));
        }
        assert_eq!(error("key.import", import("spki"), &[&private]), "DataError");
        assert_eq!(error("key.import", import("pkcs8"), &[&public]), "DataError");
        assert_eq!(error("key.import", import("raw"), &[&raw[1..]]), "DataError");
        let other = if kind == "P-256" { "P-384" } else { "P-256" };
        let foreign = json!({ "kind": other, "format": "pkcs8" });
        assert_eq!(error("key.import", foreign, &[&private]), "DataError");
    }
}

#[test]
fn points_off_the_curve_and_halves_of_other_keys_are_refused() {
    for kind in ["P-256", "P-384", "Ed25519", "X25519"] {
        let jwk = |key: &[u8]| {
            let mut jwk = meta("key.toJwk", json!({ "kind": kind, "part": "private" }), &[key]);
            jwk["kind"] = kind.into();
            jwk
        };
        let (one, other) =
            (jwk(&pair(json!({ "kind": kind })).0), jwk(&pair(json!({ "kind": kind })).0));
        let mut mixed = one.clone();
        mixed["d"] = other["d"].clone();
        assert_eq!(error("key.fromJwk", mixed, &[]), "DataError");
        if one.get("y").is_some() {
            let mut off = one.clone();
            off["y"] = other["y"].clone();
            assert_eq!(error("key.fromJwk", off, &[]), "DataError");
        }
        let mut partial = one.clone();
        partial.as_object_mut().unwrap().remove("x");
        assert_eq!(error("key.fromJwk", partial, &[]), "DataError");
    }
}

#[test]
fn ed25519_agrees_with_rfc_8032() {
    for [secret, public, data, signature] in [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ]
    .map(|case| case.map(hex))
    {
        let jwk = json!({
            "kind": "Ed25519",
            "x": URL_SAFE_NO_PAD.encode(&public),
            "d": URL_SAFE_NO_PAD.encode(secret),
        });
        let private = bytes("key.fromJwk", jwk, &[]);
        let raw = json!({ "kind": "Ed25519", "format": "raw" });
        let public = bytes("key.import", raw, &[&public]);
        let scheme = json!({ "scheme": "Ed25519" });
        let verify = |signature: &[u8], data: &[u8]| {
            valid("verify", scheme.clone(), &[&public, signature, data])
        };
        assert_eq!(bytes("sign", scheme.clone(), &[&private, &data]), signature);
        assert!(verify(&signature, &data));
        assert!(!verify(&changed(&signature), &data));
        assert!(!verify(&signature[1..], &data));
        assert!(!verify(&signature, b"other"));
    }
}

#[test]
fn x25519_agrees_with_rfc_7748() {
    let [a, a_public, b, b_public, shared] = [
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    ]
    .map(hex);
    let kind = json!({ "kind": "X25519" });
    let key = |secret: &[u8], public: &[u8]| {
        let (d, x) = (URL_SAFE_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(public));
        bytes("key.fromJwk", json!({ "kind": "X25519", "x": x, "d": d }), &[])
    };
    let public =
        |raw: &[u8]| bytes("key.import", json!({ "kind": "X25519", "format": "raw" }), &[raw]);
    assert_eq!(bytes("agree", kind.clone(), &[&key(&a, &a_public), &public(&b_public)]), shared);
    assert_eq!(bytes("agree", kind.clone(), &[&key(&b, &b_public), &public(&a_public)]), shared);
    assert_eq!(error("agree", kind, &[&key(&a, &a_public), &public(&[0; 32])]), "OperationError");
}
