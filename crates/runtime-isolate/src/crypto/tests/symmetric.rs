use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn digests_are_those_of_fips_180() {
    for (hash, expected) in [
        ("SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("SHA-256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "SHA-384",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            "SHA-512",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ] {
        assert_eq!(bytes("digest", json!({ "hash": hash }), &[b"abc"]), hex(expected), "{hash}");
    }
    assert_eq!(error("digest", json!({ "hash": "MD5" }), &[b""]), "TypeError");
}

/// Key, data, HMAC-SHA-256, -384, -512.
const RFC4231: [[&str; 5]; 3] = [
    [
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "4869205468657265",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    ],
    [
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ],
    [
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
        "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
    ],
];

#[test]
fn hmac_agrees_with_rfc_4231_and_refuses_any_other_tag() {
    for [key, data, tags @ ..] in RFC4231 {
        let (key, data) = (hex(key), hex(data));
        for (hash, tag) in ["SHA-256", "SHA-384", "SHA-512"].into_iter().zip(tags.map(hex)) {
            let hash = json!({ "hash": hash });
            assert_eq!(bytes("hmac.sign", hash.clone(), &[&key, &data]), tag);
            assert!(valid("hmac.verify", hash.clone(), &[&key, &tag, &data]));
            assert!(!valid("hmac.verify", hash.clone(), &[&key, &changed(&tag), &data]));
            assert!(!valid("hmac.verify", hash.clone(), &[&key, &tag[1..], &data]));
            assert!(!valid("hmac.verify", hash.clone(), &[&key, &[], &data]));
            assert!(!valid("hmac.verify", hash, &[&key, &tag, &changed(&data)]));
        }
    }
}

#[test]
fn hmac_sha1_agrees_with_rfc_2202() {
    let tag = hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    let hash = json!({ "hash": "SHA-1" });
    let data = b"what do ya want for nothing?";
    assert_eq!(bytes("hmac.sign", hash.clone(), &[b"Jefe", data]), tag);
    assert!(valid("hmac.verify", hash, &[b"Jefe", &tag, data]));
}

const PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
const ADDITIONAL: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const LONG_NONCE: &str = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b";
const KEY_256: &str = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";

/// Test cases 4 to 6, 10 to 12 and 16 to 18 of McGrew and Viega's paper, which NIST took over:
/// bytes of the key, nonce, ciphertext, tag.
const GCM: [(usize, &str, &str, &str); 9] = [
    (
        16,
        "cafebabefacedbaddecaf888",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47",
    ),
    (
        16,
        "cafebabefacedbad",
        "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c742373806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
        "3612d2e79e3b0785561be14aaca2fccb",
    ),
    (
        16,
        LONG_NONCE,
        "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca701e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
        "619cc5aefffe0bfa462af43c1699d050",
    ),
    (
        24,
        "cafebabefacedbaddecaf888",
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
        "2519498e80f1478f37ba55bd6d27618c",
    ),
    (
        24,
        "cafebabefacedbad",
        "0f10f599ae14a154ed24b36e25324db8c566632ef2bbb34f8347280fc4507057fddc29df9a471f75c66541d4d4dad1c9e93a19a58e8b473fa0f062f7",
        "65dcc57fcf623a24094fcca40d3533f8",
    ),
    (
        24,
        LONG_NONCE,
        "d27e88681ce3243c4830165a8fdcf9ff1de9a1d8e6b447ef6ef7b79828666e4581e79012af34ddd9e2f037589b292db3e67c036745fa22e7e9b7373b",
        "dcf566ff291c25bbb8568fc3d376a6d9",
    ),
    (
        32,
        "cafebabefacedbaddecaf888",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    ),
    (
        32,
        "cafebabefacedbad",
        "c3762df1ca787d32ae47c13bf19844cbaf1ae14d0b976afac52ff7d79bba9de0feb582d33934a4f0954cc2363bc73f7862ac430e64abe499f47c9b1f",
        "3a337dbf46a792c45e454913fe2ea8f2",
    ),
    (
        32,
        LONG_NONCE,
        "5a8def2f0c9e53f1f75d7853659e2a20eeb2b22aafde6419a058ab4f6f746bf40fc0c3b780f244452da3ebf1c5d82cdea2418997200ef82e44ae7e3f",
        "a44a8266ee1c8eb0c8b5d4cf5ae9f19a",
    ),
];

#[test]
fn gcm_agrees_with_the_published_cases_for_every_key_and_nonce_size() {
    for (size, nonce, ciphertext, tag) in GCM {
        let (key, nonce, plain) = (&hex(KEY_256)[..size], hex(nonce), hex(PLAIN));
        let additional = hex(ADDITIONAL);
        let sealed = [hex(ciphertext), hex(tag)].concat();
        for bits in [128, 120, 112, 104, 96, 64, 32] {
            let mode = json!({ "mode": "gcm", "tagLength": bits });
            let expected = &sealed[..plain.len() + bits / 8];
            let open = |key, nonce: &[u8], additional: &[u8], data: &[u8]| {
                run("aes.decrypt", mode.clone(), &[key, nonce, additional, data])
            };
            assert_eq!(
                bytes("aes.encrypt", mode.clone(), &[key, &nonce, &additional, &plain]),
                expected
            );
            assert_eq!(open(key, &nonce, &additional, expected).unwrap().bytes, plain);
            for wrong in [
                open(&changed(key), &nonce, &additional, expected),
                open(key, &changed(&nonce), &additional, expected),
                open(key, &nonce, &changed(&additional), expected),
                open(key, &nonce, &additional, &changed(expected)),
                open(key, &nonce, &additional, &expected[..expected.len() - 1]),
                open(key, &nonce, &additional, &expected[..bits / 8 - 1]),
            ] {
                assert_eq!(wrong.unwrap_err().name, "OperationError");
            }
        }
    }
}

proptest! {
    /// The own composition of GCM has ring as its judge: a nonce of 96 bits goes one way or the other
    /// by the tag's size alone, so the shorter answer must be a prefix of the longer one.
    #[test]
    fn own_gcm_and_ring_agree(
        key in proptest::collection::vec(any::<u8>(), 32),
        short_key in any::<bool>(),
        nonce in proptest::collection::vec(any::<u8>(), 12),
        additional in proptest::collection::vec(any::<u8>(), 0..70),
        data in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let key = if short_key { &key[..16] } else { &key[..] };
        let seal = |bits| bytes("aes.encrypt", json!({ "mode": "gcm", "tagLength": bits }), &[key, &nonce, &additional, &data]);
        let (ring, own) = (seal(128), seal(120));
        prop_assert_eq!(&ring[..own.len()], &own[..]);
    }

    #[test]
    fn what_is_encrypted_is_decrypted(
        key in proptest::sample::select(vec![16, 24, 32]),
        iv in proptest::collection::vec(any::<u8>(), 16),
        data in proptest::collection::vec(any::<u8>(), 0..300),
        length in 6u32..=128,
    ) {
        let key = vec![7; key];
        for mode in [json!({ "mode": "cbc" }), json!({ "mode": "ctr", "length": length })] {
            let sealed = bytes("aes.encrypt", mode.clone(), &[&key, &iv, &data]);
            prop_assert_eq!(&bytes("aes.decrypt", mode, &[&key, &iv, &sealed]), &data);
        }
    }
}

const SP800_38A_PLAIN: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

#[test]
fn cbc_agrees_with_sp_800_38a() {
    let iv = hex("000102030405060708090a0b0c0d0e0f");
    for (key, expected) in [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
        ),
        (
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
        ),
        (
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
        ),
    ] {
        let (key, plain, expected) = (hex(key), hex(SP800_38A_PLAIN), hex(expected));
        let cbc = json!({ "mode": "cbc" });
        let sealed = bytes("aes.encrypt", cbc.clone(), &[&key, &iv, &plain]);
        // A whole block of padding follows.
        assert_eq!((&sealed[..64], sealed.len()), (&expected[..], 80));
        assert_eq!(bytes("aes.decrypt", cbc.clone(), &[&key, &iv, &sealed]), plain);
        assert_eq!(
            error("aes.decrypt", cbc.clone(), &[&key, &iv, &sealed[..79]]),
            "OperationError"
        );
        assert_eq!(error("aes.decrypt", cbc.clone(), &[&key, &iv, &[]]), "OperationError");
        assert_eq!(error("aes.decrypt", cbc.clone(), &[&key, &iv, &expected]), "OperationError");
        assert_eq!(error("aes.encrypt", cbc, &[&key, &iv[1..], &plain]), "OperationError");
    }
}

#[test]
fn ctr_agrees_with_sp_800_38a() {
    let counter = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    for (key, expected) in [
        (
            "2b7e151628aed2a6abf7158809cf4f3c",
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
        ),
        (
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e941e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
        ),
        (
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
        ),
    ] {
        let ctr = json!({ "mode": "ctr", "length": 128 });
        let buffers: [&[u8]; 3] = [&hex(key), &counter, &hex(SP800_38A_PLAIN)];
        assert_eq!(bytes("aes.encrypt", ctr, &buffers), hex(expected));
    }
}

#[test]
fn a_ctr_counter_wraps_within_its_bits_and_never_repeats() {
    let key = [9; 16];
    let keystream = |counter: [u8; 16], length: u32, blocks: usize| {
        let ctr = json!({ "mode": "ctr", "length": length });
        run("aes.encrypt", ctr, &[&key, &counter, &vec![0; blocks * 16]])
    };
    let mut start = [0xaa; 16];
    start[15] = 0xff;
    let mut wrapped = start;
    wrapped[15] = 0xf0;
    // After ...ff comes ...f0 when four bits count.
    let two = keystream(start, 4, 2).unwrap().bytes;
    assert_eq!(two[16..], keystream(wrapped, 4, 1).unwrap().bytes);
    assert!(keystream(start, 4, 16).is_ok());
    assert_eq!(keystream(start, 4, 17).unwrap_err().name, "OperationError");
    assert_eq!(keystream(start, 0, 1).unwrap_err().name, "OperationError");
    assert_eq!(keystream(start, 129, 1).unwrap_err().name, "OperationError");
}

#[test]
fn key_wrapping_agrees_with_rfc_3394() {
    let kw = json!({ "mode": "kw" });
    for (kek, data, expected) in [
        (16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
        (24, 16, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"),
        (32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
        (
            32,
            32,
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
        ),
    ] {
        let kek = &hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")[..kek];
        let data = &hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f")[..data];
        let wrapped = bytes("aes.encrypt", kw.clone(), &[kek, data]);
        assert_eq!(wrapped, hex(expected));
        assert_eq!(bytes("aes.decrypt", kw.clone(), &[kek, &wrapped]), data);
        assert_eq!(error("aes.decrypt", kw.clone(), &[kek, &changed(&wrapped)]), "OperationError");
        assert_eq!(error("aes.decrypt", kw.clone(), &[kek, &wrapped[..8]]), "OperationError");
        assert_eq!(error("aes.encrypt", kw.clone(), &[kek, &data[..12]]), "OperationError");
    }
}

#[test]
fn hkdf_agrees_with_rfc_5869() {
    let long = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    let cases = [
        (
            "SHA-256",
            vec![0x0b; 22],
            long(0, 0x0c),
            long(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            "SHA-256",
            long(0, 0x4f),
            long(0x60, 0xaf),
            long(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            "SHA-256",
            vec![0x0b; 22],
            vec![],
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
        (
            "SHA-1",
            vec![0x0b; 11],
            long(0, 0x0c),
            long(0xf0, 0xf9),
            "085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896",
        ),
    ];
    for (hash, material, salt, info, expected) in cases {
        let expected = hex(expected);
        let derive = |length: usize| {
            let meta = json!({ "hash": hash, "length": length });
            run("hkdf", meta, &[&material, &salt, &info])
        };
        assert_eq!(derive(expected.len()).unwrap().bytes, expected);
        assert_eq!(derive(0).unwrap().bytes, b"");
        assert_eq!(derive(255 * 64 + 1).unwrap_err().name, "OperationError");
    }
}

#[test]
fn pbkdf2_agrees_with_rfc_6070_and_rfc_7914() {
    for (hash, password, salt, iterations, expected) in [
        ("SHA-1", "password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
        ("SHA-1", "password", "salt", 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
        ("SHA-1", "password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"),
        (
            "SHA-1",
            "passwordPASSWORDpassword",
            "saltSALTsaltSALTsaltSALTsaltSALTsalt",
            4096,
            "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
        ),
        ("SHA-1", "pass\0word", "sa\0lt", 4096, "56fa6aa75548099dcc37d7f03425e0c3"),
        (
            "SHA-256",
            "passwd",
            "salt",
            1,
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
        ),
        (
            "SHA-256",
            "Password",
            "NaCl",
            80000,
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
        ),
    ] {
        let expected = hex(expected);
        let meta = json!({ "hash": hash, "iterations": iterations, "length": expected.len() });
        assert_eq!(bytes("pbkdf2", meta, &[password.as_bytes(), salt.as_bytes()]), expected);
    }
}

#[test]
fn a_symmetric_key_survives_its_json() {
    let key = [0xfb, 0xff, 1];
    let jwk = meta("key.toJwk", json!({ "kind": "oct" }), &[&key]);
    assert_eq!(jwk, json!({ "k": "-_8B" }));
    assert_eq!(bytes("key.fromJwk", json!({ "kind": "oct", "k": "-_8B" }), &[]), key);
    for wrong in [json!("+/8B"), json!("-_8B="), json!("-"), json!(null)] {
        assert_eq!(error("key.fromJwk", json!({ "kind": "oct", "k": wrong }), &[]), "DataError");
    }
}
