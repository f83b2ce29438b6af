//! The examples of RFC 7515, appendix A, and of RFC 7518, appendix C: what a function that checks
//! tokens does.

use serde_json::json;

use super::*;

const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn hs256_of_a_1() {
    let key = base64url(
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    );
    let signed = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}");
    let tag = base64url("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let hash = json!({ "hash": "SHA-256" });
    assert!(valid("hmac.verify", hash.clone(), &[&key, &tag, signed.as_bytes()]));
    assert!(!valid("hmac.verify", hash, &[&key, &changed(&tag), signed.as_bytes()]));
}

#[test]
fn rs256_of_a_2_is_verified_and_made_again() {
    let signed = format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}");
    let signature = base64url(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    let (private, public) = asymmetric::rfc_7515_rsa_key();
    let rs256 = |hash: &str| json!({ "scheme": "RSASSA-PKCS1-v1_5", "hash": hash });
    assert_eq!(bytes("sign", rs256("SHA-256"), &[&private, signed.as_bytes()]), signature);
    assert!(valid("verify", rs256("SHA-256"), &[&public, &signature, signed.as_bytes()]));
    for (hash, signature, data) in [
        ("SHA-256", changed(&signature), signed.as_bytes()),
        ("SHA-256", signature[1..].to_vec(), signed.as_bytes()),
        ("SHA-256", Vec::new(), signed.as_bytes()),
        ("SHA-256", signature.clone(), &signed.as_bytes()[1..]),
        ("SHA-512", signature.clone(), signed.as_bytes()),
        ("SHA-1", signature.clone(), signed.as_bytes()),
    ] {
        assert!(!valid("verify", rs256(hash), &[&public, &signature, data]));
    }
}

#[test]
fn es256_of_a_3_is_verified() {
    let signed = format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}");
    let signature = base64url(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
    let point = json!({
        "kind": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let mut whole = point.clone();
    whole["d"] = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI".into();
    let (public, private) = (bytes("key.fromJwk", point, &[]), bytes("key.fromJwk", whole, &[]));
    let es256 = |hash: &str| json!({ "scheme": "ECDSA", "curve": "P-256", "hash": hash });
    assert!(valid("verify", es256("SHA-256"), &[&public, &signature, signed.as_bytes()]));
    for (hash, signature, data) in [
        ("SHA-256", changed(&signature), signed.as_bytes()),
        ("SHA-256", vec![0; 64], signed.as_bytes()),
        ("SHA-256", signature[1..].to_vec(), signed.as_bytes()),
        ("SHA-256", signature.clone(), &signed.as_bytes()[1..]),
        ("SHA-512", signature.clone(), signed.as_bytes()),
        ("SHA-512", vec![0; 64], signed.as_bytes()),
    ] {
        assert!(!valid("verify", es256(hash), &[&public, &signature, data]));
    }
    // A new number each time, so the signature is another one that also holds.
    let again = bytes("sign", es256("SHA-256"), &[&private, signed.as_bytes()]);
    assert_ne!(again, signature);
    assert!(valid("verify", es256("SHA-256"), &[&public, &again, signed.as_bytes()]));
}

#[test]
fn ecdh_es_of_rfc_7518_c_agrees_on_z() {
    let alice = json!({
        "kind": "P-256",
        "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
        "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        "d": "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo",
    });
    let bob = json!({
        "kind": "P-256",
        "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
    });
    let z = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110,
        163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
    ];
    let private = bytes("key.fromJwk", alice, &[]);
    let public = bytes("key.fromJwk", bob, &[]);
    assert_eq!(bytes("agree", json!({ "kind": "P-256" }), &[&private, &public]), z);
}
