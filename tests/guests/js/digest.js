// crypto.subtle: digests, HMAC, key derivation.
import { checks, equal, hex, ok, rejects, unhex, utf8 } from "./lib/check.js";

const { subtle } = crypto;
const digest = async (name, text) => hex(await subtle.digest(name, utf8(text)));

export default checks({
  "digests of the four hashes": async () => {
    equal(await digest("SHA-1", "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    equal(await digest("SHA-256", ""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    equal(await digest({ name: "sha-384" }, "abc"), "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
    equal((await digest("SHA-512", "abc")).slice(0, 16), "ddaf35a193617aba");
    await rejects(subtle.digest("MD5", utf8("x")), "NotSupportedError");
    await rejects(subtle.digest("SHA-256", "text"), "TypeError");
  },
  "a megabyte is digested": async () => equal(await digest("SHA-256", "a".repeat(1_000_000)), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
  "the bytes are those at the call": async () => {
    const bytes = utf8("abc");
    const promise = subtle.digest("SHA-1", bytes);
    bytes.fill(0);
    equal(hex(await promise), "a9993e364706816aba3e25717850c26c9cd0d89d");
  },
  "HMAC signs and verifies": async () => {
    const key = await subtle.importKey("raw", utf8("key"), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
    const mac = await subtle.sign("HMAC", key, utf8("The quick brown fox jumps over the lazy dog"));
    equal(hex(mac), "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
    ok(await subtle.verify("HMAC", key, mac, utf8("The quick brown fox jumps over the lazy dog")));
    ok(!(await subtle.verify("HMAC", key, mac, utf8("The quick brown fox jumps over the lazy cog"))));
    ok(!(await subtle.verify("HMAC", key, mac.slice(1), utf8("x"))));
    await rejects(subtle.exportKey("raw", key), "InvalidAccessError");
    const only = await subtle.importKey("raw", utf8("key"), { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    await rejects(subtle.sign("HMAC", only, utf8("x")), "InvalidAccessError");
  },
  "PBKDF2 and HKDF derive": async () => {
    const secret = await subtle.importKey("raw", utf8("password"), "PBKDF2", false, ["deriveBits"]);
    const bits = await subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: utf8("salt"), iterations: 2 }, secret, 256);
    equal(hex(bits), "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43");
    const ikm = await subtle.importKey("raw", unhex("0b".repeat(22)), "HKDF", false, ["deriveBits"]);
    const okm = await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: unhex("000102030405060708090a0b0c"), info: unhex("f0f1f2f3f4f5f6f7f8f9") }, ikm, 336);
    equal(hex(okm), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  },
});
