// crypto.subtle: AES, ECDSA, ECDH, Ed25519, RSA, wrapping.
import { checks, equal, hex, ok, rejects, unhex, utf8 } from "./lib/check.js";

const { subtle } = crypto;
const text = (bytes) => new TextDecoder().decode(bytes);

export default checks({
  "AES-GCM of the standard's own example": async () => {
    const key = await subtle.importKey("raw", unhex("feffe9928665731c6d6a8f9467308308"), "AES-GCM", false, ["encrypt", "decrypt"]);
    const iv = unhex("cafebabefacedbaddecaf888");
    const sealed = await subtle.encrypt({ name: "AES-GCM", iv, additionalData: unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2") }, key, unhex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"));
    equal(hex(sealed), "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47");
    equal((await subtle.decrypt({ name: "AES-GCM", iv, additionalData: unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2") }, key, sealed)).byteLength, 60);
    const broken = new Uint8Array(sealed);
    broken[0] ^= 1;
    await rejects(subtle.decrypt({ name: "AES-GCM", iv }, key, broken), "OperationError");
  },
  "AES in its other modes goes both ways": async () => {
    for (const [name, parameter] of [["AES-CBC", { iv: new Uint8Array(16) }], ["AES-CTR", { counter: new Uint8Array(16), length: 64 }], ["AES-GCM", { iv: new Uint8Array(12) }]]) {
      for (const length of [128, 256]) {
        const key = await subtle.generateKey({ name, length }, true, ["encrypt", "decrypt"]);
        const sealed = await subtle.encrypt({ name, ...parameter }, key, utf8("fly by night"));
        equal(text(await subtle.decrypt({ name, ...parameter }, key, sealed)), "fly by night", `${name} ${length}`);
        equal((await subtle.exportKey("raw", key)).byteLength, length / 8);
      }
    }
  },
  "ECDSA signs and verifies": async () => {
    for (const [namedCurve, hash, size] of [["P-256", "SHA-256", 64], ["P-384", "SHA-384", 96]]) {
      const { privateKey, publicKey } = await subtle.generateKey({ name: "ECDSA", namedCurve }, true, ["sign", "verify"]);
      const signature = await subtle.sign({ name: "ECDSA", hash }, privateKey, utf8("text"));
      equal(signature.byteLength, size, namedCurve);
      const jwk = await subtle.exportKey("jwk", publicKey);
      const again = await subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve }, true, ["verify"]);
      ok(await subtle.verify({ name: "ECDSA", hash }, again, signature, utf8("text")));
      ok(!(await subtle.verify({ name: "ECDSA", hash }, again, signature, utf8("texts"))));
    }
  },
  "ECDH agrees": async () => {
    const pair = () => subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits", "deriveKey"]);
    const [a, b] = await Promise.all([pair(), pair()]);
    const bits = (mine, theirs) => subtle.deriveBits({ name: "ECDH", public: theirs.publicKey }, mine.privateKey, 256);
    equal(hex(await bits(a, b)), hex(await bits(b, a)));
    const key = await subtle.deriveKey({ name: "ECDH", public: b.publicKey }, a.privateKey, { name: "AES-GCM", length: 256 }, true, ["encrypt"]);
    equal(key.algorithm.length, 256);
  },
  "Ed25519 signs and verifies": async () => {
    const { privateKey, publicKey } = await subtle.generateKey("Ed25519", false, ["sign", "verify"]);
    const signature = await subtle.sign("Ed25519", privateKey, utf8("x"));
    ok(await subtle.verify("Ed25519", publicKey, signature, utf8("x")));
    equal((await subtle.exportKey("raw", publicKey)).byteLength, 32);
  },
  "a key tells what it is and may do": async () => {
    const key = await subtle.generateKey({ name: "AES-GCM", length: 128 }, false, ["decrypt", "encrypt"]);
    equal([key.type, key.extractable, key.algorithm.name, [...key.usages].sort(), key instanceof CryptoKey], ["secret", false, "AES-GCM", ["decrypt", "encrypt"], true]);
    await rejects(subtle.exportKey("jwk", key), "InvalidAccessError");
    await rejects(subtle.generateKey({ name: "AES-GCM", length: 100 }, false, ["encrypt"]), "OperationError");
    await rejects(subtle.generateKey({ name: "AES-GCM", length: 128 }, false, ["sign"]), "SyntaxError");
    await rejects(subtle.generateKey({ name: "ROT13" }, false, []), "NotSupportedError");
  },
  "a key is wrapped and unwrapped": async () => {
    const outer = await subtle.generateKey({ name: "AES-KW", length: 256 }, false, ["wrapKey", "unwrapKey"]);
    const inner = await subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]);
    const wrapped = await subtle.wrapKey("raw", inner, outer, "AES-KW");
    const back = await subtle.unwrapKey("raw", wrapped, outer, "AES-KW", "AES-GCM", true, ["encrypt"]);
    equal(hex(await subtle.exportKey("raw", back)), hex(await subtle.exportKey("raw", inner)));
  },
});
