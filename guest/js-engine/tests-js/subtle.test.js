// The glue of Web Crypto, run in Node: `native.call` is played by Node's own crypto, and what scripts
// see (values, errors, shapes) is held against Node's Web Crypto.
import assert from "node:assert/strict";
import crypto, { webcrypto } from "node:crypto";
import { describe, test } from "node:test";
import { installSubtle } from "../src/js/subtle.js";

let phase = 1;
const native = { call, randomFill: (bytes) => void crypto.getRandomValues(bytes) };
const requireInvocation = (what) => {
  if (phase === 0) throw new Error(`${what} is not available while the module's top level runs`);
};
const { subtle, SubtleCrypto, CryptoKey } = installSubtle(native, { DOMException, requireInvocation });
const theirs = webcrypto.subtle;

// --- The host, played by Node -----------------------------------------------------------------

function refuse(name, message) {
  return Object.assign(new Error(message), { name });
}

const nodeHash = (hash) => hash.toLowerCase().replace("-", "");
const ecNames = { "P-256": "prime256v1", "P-384": "secp384r1" };
const der = (key) => key.export({ format: "der", type: key.type === "public" ? "spki" : "pkcs8" });
const publicKey = (spki) => crypto.createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
const privateKey = (pkcs8) => crypto.createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
const jwkHead = (kind) =>
  kind === "RSA" ? { kty: "RSA" } : kind in ecNames ? { kty: "EC", crv: kind } : { kty: "OKP", crv: kind };

function describeKey(key) {
  const meta = { type: key.type };
  if (key.asymmetricKeyType === "rsa") {
    meta.modulusLength = key.asymmetricKeyDetails.modulusLength;
    meta.publicExponent = [...Buffer.from(key.export({ format: "jwk" }).e, "base64url")];
  }
  return [JSON.stringify(meta), der(key)];
}

function aesName(meta, key) {
  return meta.mode === "kw" ? `id-aes${key.length * 8}-wrap` : `aes-${key.length * 8}-${meta.mode}`;
}

const pssOf = (meta) =>
  meta.scheme === "RSA-PSS" ? { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: meta.saltLength } : {};
const signed = (meta, key) => ({ key, dsaEncoding: "ieee-p1363", ...pssOf(meta) });
const signHash = (meta) => (meta.hash === undefined ? null : nodeHash(meta.hash));
const oaep = (meta, key, label) => ({
  key,
  oaepHash: nodeHash(meta.hash),
  oaepLabel: Buffer.from(label),
  padding: crypto.constants.RSA_PKCS1_OAEP_PADDING,
});

const operations = {
  digest: (meta, data) => crypto.createHash(nodeHash(meta.hash)).update(data).digest(),
  "hmac.sign": (meta, key, data) => crypto.createHmac(nodeHash(meta.hash), key).update(data).digest(),
  "hmac.verify": (meta, key, tag, data) => {
    const own = crypto.createHmac(nodeHash(meta.hash), key).update(data).digest();
    return { valid: own.length === tag.length && crypto.timingSafeEqual(own, tag) };
  },
  "aes.encrypt": (meta, key, ...rest) => {
    const data = rest.pop();
    const iv = meta.mode === "kw" ? Buffer.alloc(8, 0xa6) : rest[0];
    const cipher = crypto.createCipheriv(aesName(meta, key), key, iv, { authTagLength: (meta.tagLength ?? 128) / 8 });
    if (meta.mode === "gcm") cipher.setAAD(rest[1]);
    const out = [cipher.update(data), cipher.final()];
    if (meta.mode === "gcm") out.push(cipher.getAuthTag());
    return Buffer.concat(out);
  },
  "aes.decrypt": (meta, key, ...rest) => {
    let data = rest.pop();
    const iv = meta.mode === "kw" ? Buffer.alloc(8, 0xa6) : rest[0];
    const tagLength = (meta.tagLength ?? 128) / 8;
    const cipher = crypto.createDecipheriv(aesName(meta, key), key, iv, { authTagLength: tagLength });
    if (meta.mode === "gcm") {
      cipher.setAAD(rest[1]).setAuthTag(data.subarray(data.length - tagLength));
      data = data.subarray(0, data.length - tagLength);
    }
    return Buffer.concat([cipher.update(data), cipher.final()]);
  },
  hkdf: (meta, key, salt, info) => Buffer.from(crypto.hkdfSync(nodeHash(meta.hash), key, salt, info, meta.length)),
  pbkdf2: (meta, password, salt) =>
    crypto.pbkdf2Sync(password, salt, meta.iterations, meta.length, nodeHash(meta.hash)),
  agree: (meta, own, other) => crypto.diffieHellman({ privateKey: privateKey(own), publicKey: publicKey(other) }),
  sign: (meta, key, data) => crypto.sign(signHash(meta), data, signed(meta, privateKey(key))),
  verify: (meta, key, signature, data) => ({
    valid: crypto.verify(signHash(meta), data, signed(meta, publicKey(key)), signature),
  }),
  "rsa.encrypt": (meta, key, label, data) => crypto.publicEncrypt(oaep(meta, publicKey(key), label), data),
  "rsa.decrypt": (meta, key, label, data) => crypto.privateDecrypt(oaep(meta, privateKey(key), label), data),
  "key.generate": (meta) => {
    const { kind, ...options } = meta;
    const pair =
      kind === "RSA"
        ? crypto.generateKeyPairSync("rsa", options)
        : kind in ecNames
          ? crypto.generateKeyPairSync("ec", { namedCurve: ecNames[kind] })
          : crypto.generateKeyPairSync(kind.toLowerCase());
    const own = der(pair.privateKey);
    return [JSON.stringify({ split: own.length }), Buffer.concat([own, der(pair.publicKey)])];
  },
  "key.import": ({ kind, format }, data) => {
    if (format === "spki") return describeKey(publicKey(data));
    if (format === "pkcs8") return describeKey(privateKey(data));
    const half = (data.length - 1) / 2;
    const point = (from, to) => Buffer.from(data.subarray(from, to)).toString("base64url");
    const numbers = kind in ecNames ? { x: point(1, 1 + half), y: point(1 + half) } : { x: point(0) };
    return describeKey(crypto.createPublicKey({ key: { ...jwkHead(kind), ...numbers }, format: "jwk" }));
  },
  "key.fromJwk": ({ kind, ...jwk }) => {
    if (kind === "oct") {
      if (jwk.k === undefined) throw refuse("DataError", "no k");
      return Buffer.from(jwk.k, "base64url");
    }
    const key = { key: { ...jwkHead(kind), ...jwk }, format: "jwk" };
    return describeKey(jwk.d === undefined ? crypto.createPublicKey(key) : crypto.createPrivateKey(key));
  },
  "key.toJwk": ({ kind, part }, key) => {
    if (kind === "oct") return { k: Buffer.from(key).toString("base64url") };
    const { kty, crv, ...numbers } = (part === "public" ? publicKey(key) : privateKey(key)).export({ format: "jwk" });
    return numbers;
  },
  "key.toRaw": (_, key) => {
    const { kty, x, y } = publicKey(key).export({ format: "jwk" });
    const [left, right] = [x, y ?? ""].map((text) => Buffer.from(text, "base64url"));
    return kty === "EC" ? Buffer.concat([Buffer.of(4), left, right]) : left;
  },
};

function call(name, metaJson, ...buffers) {
  assert.ok(buffers.every((buffer) => buffer instanceof Uint8Array));
  const operation = operations[name.replace(/^crypto\./, "")];
  assert.ok(operation, name);
  let result;
  try {
    result = operation(JSON.parse(metaJson), ...buffers);
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    throw refuse(name.startsWith("crypto.key.") ? "DataError" : "OperationError", error.message);
  }
  if (Array.isArray(result)) return [result[0], new Uint8Array(result[1])];
  return result instanceof Uint8Array ? ["", new Uint8Array(result)] : [JSON.stringify(result), null];
}

// --- Against Node -----------------------------------------------------------------------------

const bytes = (...values) => new Uint8Array(values);
const text = new TextEncoder();
const hex = (buffer) => Buffer.from(buffer).toString("hex");

/** What a script can tell apart: a value's shape, or an error's name. */
async function outcome(scenario, implementation) {
  try {
    return { value: shape(await scenario(implementation)) };
  } catch (error) {
    assert.ok(error instanceof Error, `threw ${error}`);
    if (!(error instanceof TypeError)) assert.ok(error instanceof DOMException, error.stack);
    // Node 20 has a name of its own here.
    return { error: error.name.replace("InvalidAccessException", "InvalidAccessError") };
  }
}

function shape(value) {
  if (value instanceof ArrayBuffer) return hex(value);
  if (value instanceof CryptoKey || value instanceof globalThis.CryptoKey) {
    return { type: value.type, extractable: value.extractable, algorithm: shape(value.algorithm), usages: [...value.usages].sort() };
  }
  if (ArrayBuffer.isView(value)) return [...value];
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).sort().map(([key, member]) => [key, shape(member)]));
  }
  return value;
}

async function same(scenario, message) {
  const [ours, node] = [await outcome(scenario, subtle), await outcome(scenario, theirs)];
  assert.deepEqual(ours, node, message ?? String(scenario));
  return ours;
}

const rejects = (promise, name) => assert.rejects(promise, (error) => (assert.equal(error.name, name, error.stack), true));

const aesKey = bytes(...Array(16).keys());
const hashNames = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"];
const key = (s, algorithm, usages, extractable = true, raw = aesKey) =>
  s.importKey("raw", raw, algorithm, extractable, usages);

const rsaPair = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
const ecPair = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
const edPair = crypto.generateKeyPairSync("ed25519");
const jwks = Object.fromEntries(
  Object.entries({ rsaPair, ecPair, edPair }).map(([name, pair]) => [
    name.slice(0, 2),
    { private: pair.privateKey.export({ format: "jwk" }), public: pair.publicKey.export({ format: "jwk" }) },
  ]),
);

describe("digests and names", () => {
  test("a hash may be named in any case, as text or as an object", async () => {
    for (const hash of hashNames) {
      for (const name of [hash, hash.toLowerCase(), { name: hash }, { name: hash.toLowerCase() }]) {
        await same((s) => s.digest(name, text.encode("abc")));
      }
    }
  });

  test("data may be any view or a buffer", async () => {
    const buffer = bytes(1, 2, 3, 4, 5, 6, 7, 8).buffer;
    for (const data of [buffer, new DataView(buffer, 2, 3), new Uint16Array(buffer, 2, 2), new Uint8Array(0)]) {
      await same((s) => s.digest("SHA-256", data));
    }
    for (const data of [[1, 2], "abc", null, undefined, 1, {}]) await same((s) => s.digest("SHA-256", data));
  });

  test("unknown algorithms and malformed identifiers fail as they do elsewhere", async () => {
    for (const name of ["MD5", "", "SHA-256 ", "AES-GCM", { name: "nothing" }, {}, null, undefined, 1]) {
      await same((s) => s.digest(name, bytes()));
    }
    await rejects(subtle.digest(Symbol(), bytes()), "TypeError");
    // Node lets the long s stand for an s.
    await rejects(subtle.digest("\u017fha-256", bytes()), "NotSupportedError");
  });

  test("every method rejects instead of throwing", async () => {
    const names = Object.getOwnPropertyNames(SubtleCrypto.prototype).filter((name) => name !== "constructor");
    assert.equal(names.length, 12);
    for (const name of names) {
      await rejects(subtle[name](), "TypeError");
      await rejects(SubtleCrypto.prototype[name].call({}), "TypeError");
      const { value, enumerable } = Object.getOwnPropertyDescriptor(SubtleCrypto.prototype, name);
      assert.equal(enumerable, true);
      assert.equal(value.length, theirs[name].length, name);
    }
  });
});

describe("interfaces", () => {
  test("constructors are illegal and getters check their object", () => {
    for (const Interface of [SubtleCrypto, CryptoKey]) {
      assert.throws(() => new Interface(), TypeError);
      assert.throws(() => Interface(), TypeError);
      assert.equal(Interface.length, 0);
    }
    assert.equal(String(subtle), "[object SubtleCrypto]");
    for (const name of ["type", "extractable", "algorithm", "usages"]) {
      const { get, set, enumerable } = Object.getOwnPropertyDescriptor(CryptoKey.prototype, name);
      assert.deepEqual([set, enumerable], [undefined, true]);
      assert.throws(() => get.call(Object.create(CryptoKey.prototype)), TypeError);
    }
  });

  test("what a key shows is always the same object and cannot change what it may do", async () => {
    const made = await key(subtle, { name: "HMAC", hash: "SHA-256" }, ["sign"]);
    assert.equal(made.algorithm, made.algorithm);
    assert.equal(made.usages, made.usages);
    assert.throws(() => made.usages.push("verify"), TypeError);
    assert.throws(() => (made.algorithm.hash.name = "SHA-1"), TypeError);
    assert.equal(String(made), "[object CryptoKey]");
    const rsa = await subtle.importKey("jwk", jwks.rs.public, { name: "RSA-PSS", hash: "SHA-256" }, true, ["verify"]);
    rsa.algorithm.publicExponent[0] = 9;
    assert.equal((await subtle.exportKey("jwk", rsa)).e, "AQAB");
    assert.deepEqual(Object.keys(made), []);
  });

  test("bytes handed in are copied, bytes handed out are nobody else's", async () => {
    const raw = bytes(...aesKey);
    const made = await key(subtle, "AES-CBC", ["encrypt"], true, raw);
    raw.fill(0);
    const first = await subtle.exportKey("raw", made);
    assert.equal(hex(first), hex(aesKey));
    new Uint8Array(first).fill(0);
    assert.equal(hex(await subtle.exportKey("raw", made)), hex(aesKey));
  });
});

describe("symmetric keys", () => {
  test("HMAC signs and verifies", async () => {
    for (const hash of hashNames) {
      const tag = await same(async (s) => s.sign("hmac", await key(s, { name: "Hmac", hash }, ["sign"]), bytes(1, 2)));
      for (const given of [Buffer.from(tag.value, "hex"), Buffer.from(tag.value, "hex").fill(1, 3, 4), bytes()]) {
        await same(async (s) => s.verify("HMAC", await key(s, { name: "HMAC", hash }, ["verify"]), given, bytes(1, 2)));
      }
    }
  });

  test("HMAC keys have the lengths they have elsewhere", async () => {
    for (const length of [undefined, 8, 120, 128, 129, 136]) {
      await same((s) => key(s, { name: "HMAC", hash: "SHA-256", ...(length && { length }) }, ["sign"]));
    }
    await same((s) => key(s, { name: "HMAC", hash: "SHA-256" }, ["sign"], true, bytes()));
    for (const hash of hashNames) {
      const made = await subtle.generateKey({ name: "HMAC", hash }, true, ["sign", "verify"]);
      const node = await theirs.generateKey({ name: "HMAC", hash }, true, ["verify", "sign"]);
      assert.deepEqual(shape(made), shape(node));
    }
    await same((s) => s.generateKey({ name: "HMAC", hash: "SHA-256", length: 0 }, true, ["sign"]));
    const odd = await subtle.importKey("raw", bytes(255, 255), { name: "HMAC", hash: "SHA-1", length: 11 }, true, ["sign"]);
    assert.equal(hex(await subtle.exportKey("raw", odd)), "ffe0");
  });

  test("AES encrypts and decrypts in every mode", async () => {
    const iv = bytes(...Array(16).keys());
    const cases = [
      { name: "aes-gcm", iv },
      { name: "AES-GCM", iv: iv.subarray(0, 12) },
      { name: "AES-GCM", iv: iv.buffer, additionalData: bytes(1), tagLength: 96 },
      { name: "AES-CBC", iv },
      { name: "AES-CTR", counter: iv, length: 64 },
    ];
    for (const algorithm of cases) {
      for (const size of [16, 32]) {
        const raw = new Uint8Array(size);
        const sealed = await same(async (s) =>
          s.encrypt(algorithm, await key(s, algorithm.name, ["encrypt"], false, raw), text.encode("some text")),
        );
        const data = Buffer.from(sealed.value, "hex");
        const open = (s, given) =>
          key(s, algorithm.name, ["decrypt"], false, raw).then((made) => s.decrypt(algorithm, made, given));
        await same((s) => open(s, data));
        if (algorithm.name !== "AES-CTR") await same((s) => open(s, data.subarray(1)));
      }
    }
  });

  test("malformed parameters fail as they do elsewhere", async () => {
    const iv = new Uint8Array(16);
    for (const algorithm of [
      "AES-GCM",
      { name: "AES-GCM" },
      { name: "AES-GCM", iv: "no" },
      { name: "AES-GCM", iv, tagLength: -1 },
      { name: "AES-GCM", iv, tagLength: 256 },
      { name: "AES-GCM", iv, tagLength: NaN },
      { name: "AES-GCM", iv, additionalData: 1 },
      { name: "AES-CBC", iv },
      { name: "AES-KW" },
      { name: "HMAC" },
    ]) {
      await same(async (s) => s.encrypt(algorithm, await key(s, "AES-GCM", ["encrypt"]), bytes()));
    }
  });

  test("AES keys of wrong lengths or usages are refused", async () => {
    for (const length of [0, 64, 129, 512, 65536, "128", undefined]) {
      await same((s) => s.generateKey({ name: "AES-GCM", length }, true, ["encrypt"]).then((made) => made.type));
    }
    for (const size of [0, 8, 15, 17, 64]) await same((s) => key(s, "AES-GCM", ["encrypt"], true, new Uint8Array(size)));
    for (const name of ["AES-GCM", "AES-CBC", "AES-CTR", "AES-KW", "HMAC", "HKDF", "PBKDF2"]) {
      for (const usage of ["encrypt", "sign", "deriveBits", "wrapKey", "unwrapKey"]) {
        await same((s) => key(s, { name, hash: "SHA-256" }, [usage], false), `${name} ${usage}`);
      }
      await same((s) => key(s, { name, hash: "SHA-256" }, [], false), name);
    }
  });

  test("usages are sorted, unique and checked", async () => {
    const made = await key(subtle, "AES-GCM", ["unwrapKey", "decrypt", "decrypt", "encrypt"]);
    assert.deepEqual(made.usages, ["encrypt", "decrypt", "unwrapKey"]);
    await same((s) => key(s, "AES-GCM", ["eat"]));
    await same((s) => key(s, "AES-GCM", "encrypt"));
    await same((s) => key(s, "AES-GCM", null));
    await same(async (s) => s.encrypt({ name: "AES-CBC", iv: new Uint8Array(16) }, await key(s, "AES-CBC", ["decrypt"]), bytes()));
    await same(async (s) => s.sign("HMAC", await key(s, "AES-CBC", ["decrypt"]), bytes()));
    await same(async (s) => s.exportKey("raw", await key(s, "AES-CBC", ["decrypt"], false)));
    await rejects(subtle.exportKey("spki", await key(subtle, "AES-CBC", ["decrypt"])), "NotSupportedError");
    await same(async (s) => s.exportKey("der", await key(s, "AES-CBC", ["decrypt"])));
    await rejects(subtle.exportKey("raw", {}), "TypeError");
    await rejects(subtle.exportKey("raw", await key(theirs, "AES-CBC", ["decrypt"])), "TypeError");
  });

  test("JSON Web Keys are read and written", async () => {
    const k = "AAECAwQFBgcICQoLDA0ODw";
    const cases = [
      { kty: "oct", k },
      { kty: "oct", k, alg: "A128GCM" },
      { kty: "oct", k, alg: "A256GCM" },
      { kty: "oct", k, use: "enc" },
      { kty: "oct", k, use: "sig" },
      { kty: "oct", k, ext: false },
      { kty: "oct", k, ext: true, key_ops: ["encrypt", "decrypt"] },
      { kty: "oct", k, key_ops: ["decrypt"] },
      { kty: "oct", k, key_ops: ["encrypt", "encrypt"] },
      { kty: "oct" },
      { kty: "RSA", k },
      { k },
      { kty: "oct", k: "AAEC" },
    ];
    for (const jwk of cases) {
      const message = JSON.stringify(jwk);
      await same(async (s) => s.exportKey("jwk", await s.importKey("jwk", jwk, "AES-GCM", true, ["encrypt"])), message);
    }
    // By Web IDL: bytes and numbers are no dictionary, null and undefined are an empty one.
    for (const data of [aesKey, 1]) await rejects(subtle.importKey("jwk", data, "AES-GCM", true, ["encrypt"]), "TypeError");
    for (const data of [null, undefined]) await same((s) => s.importKey("jwk", data, "AES-GCM", true, ["encrypt"]));
    for (const data of [cases[0], null, "raw"]) await same((s) => s.importKey("raw", data, "AES-GCM", true, ["encrypt"]));
    for (const hash of hashNames) {
      await same(async (s) => s.exportKey("jwk", await key(s, { name: "HMAC", hash }, ["sign", "verify"])));
    }
  });
});

describe("derivation", () => {
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: bytes(1), info: bytes(2) };
  const pbkdf2 = { name: "PBKDF2", hash: "SHA-512", salt: bytes(1), iterations: 3 };

  test("HKDF and PBKDF2 give bits and keys", async () => {
    for (const algorithm of [hkdf, pbkdf2]) {
      const base = (s) => key(s, algorithm.name, ["deriveBits", "deriveKey"], false);
      for (const length of [8, 128, 256, 1000, 12, null]) {
        await same(async (s) => s.deriveBits(algorithm, await base(s), length), `${algorithm.name} ${length}`);
      }
      for (const [type, usages] of [
        [{ name: "AES-GCM", length: 256 }, ["encrypt"]],
        [{ name: "AES-GCM", length: 100 }, ["encrypt"]],
        [{ name: "HMAC", hash: "SHA-256" }, ["sign"]],
        [{ name: "HMAC", hash: "SHA-512", length: 256 }, ["sign"]],
        [{ name: "AES-CBC", length: 128 }, []],
        [{ name: "AES-CBC", length: 128 }, ["sign"]],
      ]) {
        await same(async (s) => {
          const made = await s.deriveKey(algorithm, await base(s), type, true, usages);
          return [made, await s.exportKey("raw", made)];
        });
      }
    }
    await same((s) => key(s, "HKDF", ["deriveBits"], true));
    await same((s) => key(s, "PBKDF2", ["deriveBits"], true));
    await same((s) => s.importKey("jwk", { kty: "oct", k: "AAAA" }, "PBKDF2", false, ["deriveBits"]));
    await same(async (s) => s.deriveBits({ ...pbkdf2, iterations: 0 }, await key(s, "PBKDF2", ["deriveBits"], false), 128));
    await same(async (s) => s.deriveBits(hkdf, await key(s, "HKDF", ["deriveKey"], false), 128));
    await same(async (s) => s.deriveBits({ name: "HKDF", hash: "SHA-256" }, await key(s, "HKDF", ["deriveBits"], false), 128));
  });

  test("ECDH and X25519 agree with Node in both directions", async () => {
    for (const algorithm of [{ name: "ECDH", namedCurve: "P-256" }, { name: "ECDH", namedCurve: "P-384" }, { name: "X25519" }]) {
      const own = await subtle.generateKey(algorithm, true, ["deriveBits"]);
      const node = await theirs.generateKey(algorithm, true, ["deriveBits"]);
      assert.deepEqual(shape(own.privateKey), shape(node.privateKey));
      assert.deepEqual(shape(own.publicKey), shape(node.publicKey));
      const carry = async (from, to, made) => to.importKey("raw", await from.exportKey("raw", made), algorithm, true, []);
      const mine = await subtle.deriveBits({ name: algorithm.name, public: await carry(theirs, subtle, node.publicKey) }, own.privateKey, 256);
      const other = await theirs.deriveBits({ name: algorithm.name, public: await carry(subtle, theirs, own.publicKey) }, node.privateKey, 256);
      assert.equal(hex(mine), hex(other));
      const whole = await subtle.deriveBits({ name: algorithm.name, public: own.publicKey }, own.privateKey, null);
      assert.equal(whole.byteLength, algorithm.namedCurve === "P-384" ? 48 : 32);
      await rejects(subtle.deriveBits({ name: algorithm.name, public: own.privateKey }, own.privateKey, 8), "InvalidAccessError");
      await rejects(subtle.deriveBits({ name: algorithm.name, public: own.publicKey }, own.privateKey, 392), "OperationError");
      await rejects(subtle.deriveBits({ name: algorithm.name }, own.privateKey, 8), "TypeError");
      await rejects(subtle.deriveBits({ name: algorithm.name, public: own.publicKey }, own.publicKey, 8), "InvalidAccessError");
    }
  });
});

describe("pairs", () => {
  const kinds = [
    ["rs", { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, {}],
    ["rs", { name: "RSA-PSS", hash: "SHA-1" }, { saltLength: 20 }],
    ["rs", { name: "RSA-PSS", hash: "SHA-512" }, { saltLength: 10 }],
    ["ec", { name: "ECDSA", namedCurve: "P-256" }, { hash: "SHA-384" }],
    ["ed", { name: "Ed25519" }, {}],
  ];

  test("what we sign Node verifies, and the other way round", async () => {
    for (const [name, algorithm, extra] of kinds) {
      const parameters = { name: algorithm.name, ...extra };
      const load = (s, part) => s.importKey("jwk", jwks[name][part], algorithm, true, [part === "public" ? "verify" : "sign"]);
      for (const [signer, verifier] of [[subtle, theirs], [theirs, subtle]]) {
        const signature = await signer.sign(parameters, await load(signer, "private"), bytes(1, 2, 3));
        const check = async (data) => verifier.verify(parameters, await load(verifier, "public"), signature, data);
        assert.equal(await check(bytes(1, 2, 3)), true, algorithm.name);
        assert.equal(await check(bytes(1, 2)), false);
      }
      await same(async (s) => s.sign(parameters, await load(s, "public"), bytes()));
      await same(async (s) => s.verify(parameters, await load(s, "private"), bytes(), bytes()));
    }
  });

  test("keys are described and exported as elsewhere", async () => {
    for (const [name, algorithm] of kinds) {
      for (const [part, format] of [["private", "pkcs8"], ["public", "spki"]]) {
        const usages = [part === "public" ? "verify" : "sign"];
        const load = (s) => s.importKey("jwk", jwks[name][part], algorithm, true, usages);
        await same(load);
        for (const wanted of ["pkcs8", "spki", ...(name === "rs" ? [] : ["raw"])]) await same(async (s) => s.exportKey(wanted, await load(s)));
        // Node 20 leaves out the "alg" that the specification has Ed25519 keys carry.
        const { alg, ...jwk } = await subtle.exportKey("jwk", await load(subtle));
        const { alg: nodeAlg, ...nodeJwk } = await theirs.exportKey("jwk", await load(theirs));
        assert.deepEqual(shape(jwk), shape(nodeJwk));
        if (name !== "ed") assert.equal(alg, nodeAlg);
        const exported = await subtle.exportKey(format, await load(subtle));
        await same((s) => s.importKey(format, exported, algorithm, false, usages));
        await same((s) => s.importKey(format, bytes(1, 2, 3), algorithm, false, usages));
        await same((s) => s.importKey(format, exported, algorithm, false, ["encrypt"]));
        await same((s) => s.importKey(format, exported, algorithm, false, []));
        await same(async (s) => s.exportKey(format, await s.importKey(format, exported, algorithm, false, usages)));
      }
    }
  });

  test("a JWK of another kind, curve, algorithm or use is refused", async () => {
    const { rs, ec, ed } = jwks;
    for (const [algorithm, jwk] of [
      [{ name: "ECDSA", namedCurve: "P-384" }, ec.public],
      [{ name: "ECDSA", namedCurve: "P-256" }, rs.public],
      [{ name: "ECDSA", namedCurve: "P-256" }, { ...ec.public, alg: "ES384" }],
      [{ name: "ECDSA", namedCurve: "P-256" }, { ...ec.public, alg: "ES256" }],
      [{ name: "ECDSA", namedCurve: "P-256" }, { ...ec.public, use: "enc" }],
      [{ name: "ECDSA", namedCurve: "P-256" }, { ...ec.public, use: "sig" }],
      [{ name: "ECDSA", namedCurve: "P-256" }, { ...ec.public, key_ops: ["sign"] }],
      [{ name: "ECDSA", namedCurve: "P-256" }, { ...ec.public, y: undefined }],
      [{ name: "Ed25519" }, { ...ed.public, alg: "EdDSA" }],
      [{ name: "Ed25519" }, { ...ed.public, crv: "X25519" }],
      [{ name: "RSA-PSS", hash: "SHA-256" }, { ...rs.public, alg: "PS256" }],
      [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" }, { ...rs.public, alg: "RS256" }],
      [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, { ...rs.public, e: undefined }],
      [{ name: "RSASSA-PKCS1-v1_5" }, rs.public],
      [{ name: "RSASSA-PKCS1-v1_5", hash: "MD5" }, rs.public],
    ]) {
      await same((s) => s.importKey("jwk", jwk, algorithm, true, ["verify"]), JSON.stringify([algorithm, jwk]));
    }
    // Node looks at the number alone.
    await rejects(
      subtle.importKey("jwk", { ...rs.public, alg: "RS256" }, { name: "RSA-PSS", hash: "SHA-256" }, true, ["verify"]),
      "DataError",
    );
    await rejects(subtle.importKey("jwk", ec.public, { name: "ECDSA", namedCurve: "P-521" }, true, ["verify"]), "NotSupportedError");
  });

  test("generated pairs look and work as elsewhere", async () => {
    for (const [algorithm, usages] of [
      [{ name: "ECDSA", namedCurve: "P-256" }, ["sign", "verify"]],
      [{ name: "ECDSA", namedCurve: "P-384" }, ["sign"]],
      [{ name: "Ed25519" }, ["verify", "sign"]],
      [{ name: "RSA-PSS", modulusLength: 1024, publicExponent: bytes(1, 0, 1), hash: "SHA-256" }, ["sign", "verify"]],
      [{ name: "RSA-OAEP", modulusLength: 1024, publicExponent: bytes(1, 0, 1), hash: "SHA-1" }, ["decrypt", "wrapKey"]],
      [{ name: "ECDSA", namedCurve: "P-256" }, ["verify"]],
      [{ name: "ECDSA", namedCurve: "P-256" }, ["encrypt"]],
      [{ name: "Ed25519" }, []],
    ]) {
      await same((s) => s.generateKey(algorithm, false, usages), JSON.stringify(algorithm));
    }
    const rsa = (publicExponent) => ({ name: "RSA-PSS", modulusLength: 1024, publicExponent, hash: "SHA-256" });
    await rejects(subtle.generateKey(rsa(bytes(2)), true, ["sign"]), "OperationError");
    await rejects(subtle.generateKey(rsa([1, 0, 1]), true, ["sign"]), "TypeError");
  });

  test("RSA-OAEP opens what Node sealed and the other way round", async () => {
    const algorithm = { name: "RSA-OAEP", hash: "SHA-256" };
    const parameters = { name: "RSA-OAEP", label: text.encode("label") };
    for (const [sealer, opener] of [[subtle, theirs], [theirs, subtle]]) {
      const sealed = await sealer.encrypt(parameters, await sealer.importKey("jwk", jwks.rs.public, algorithm, true, ["encrypt"]), bytes(7));
      const own = await opener.importKey("jwk", jwks.rs.private, algorithm, true, ["decrypt"]);
      assert.equal(hex(await opener.decrypt(parameters, own, sealed)), "07");
      await rejects(opener.decrypt("RSA-OAEP", own, sealed), "OperationError");
    }
    await same(async (s) => s.exportKey("jwk", await s.importKey("jwk", jwks.rs.public, algorithm, true, ["encrypt"])));
  });
});

describe("wrapping", () => {
  const iv = new Uint8Array(12);

  test("AES-KW and AES-GCM wrap what Node unwraps", async () => {
    for (const [wrapping, format] of [["AES-KW", "raw"], [{ name: "AES-GCM", iv }, "raw"], [{ name: "AES-GCM", iv }, "jwk"]]) {
      const name = wrapping.name ?? wrapping;
      for (const [from, to] of [[subtle, theirs], [theirs, subtle], [subtle, subtle]]) {
        const wrapped = await from.wrapKey(
          format,
          await key(from, { name: "HMAC", hash: "SHA-256" }, ["sign"]),
          await key(from, name, ["wrapKey"]),
          wrapping,
        );
        const opened = await to.unwrapKey(format, wrapped, await key(to, name, ["unwrapKey"]), wrapping, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
        assert.equal(hex(await to.exportKey("raw", opened)), hex(aesKey));
      }
    }
  });

  test("wrapping needs the right usages and an extractable key", async () => {
    const wrap = async (s, usage, extractable) =>
      s.wrapKey("raw", await key(s, "AES-CBC", ["encrypt"], extractable), await key(s, "AES-GCM", [usage]), { name: "AES-GCM", iv });
    await same((s) => wrap(s, "wrapKey", true));
    await same((s) => wrap(s, "wrapKey", false));
    await same((s) => wrap(s, "encrypt", true));
    const unwrap = async (s, data, format = "raw") =>
      s.unwrapKey(format, data, await key(s, "AES-KW", ["unwrapKey"]), "AES-KW", "AES-CBC", true, ["encrypt"]);
    await same((s) => unwrap(s, new Uint8Array(24)));
    await same((s) => s.wrapKey("raw", {}, {}, "AES-KW"));
    await same((s) => s.wrapKey("raw", {}, {}, "HMAC"));
  });

  test("unwrapped bytes that are no JSON Web Key are a DataError", async () => {
    const own = await key(subtle, "AES-GCM", ["encrypt", "unwrapKey"]);
    const unwrap = async (plain) => {
      const sealed = await subtle.encrypt({ name: "AES-GCM", iv }, own, plain);
      return subtle.unwrapKey("jwk", sealed, own, { name: "AES-GCM", iv }, "AES-CBC", true, ["encrypt"]);
    };
    for (const plain of [bytes(0xff), bytes(), text.encode("[1"), text.encode("null"), text.encode("{}")]) {
      await rejects(unwrap(plain), "DataError");
    }
    const made = await unwrap(text.encode('{"kid":"ключ","kty":"oct","k":"AAECAwQFBgcICQoLDA0ODw"}'));
    assert.equal(hex(await subtle.exportKey("raw", made)), hex(aesKey));
  });
});

describe("the module's top level", () => {
  test("nothing random happens there, and the rest works", async (t) => {
    const ec = await subtle.importKey("jwk", jwks.ec.private, { name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
    const ed = await subtle.importKey("jwk", jwks.ed.private, "Ed25519", true, ["sign"]);
    const pss = await subtle.importKey("jwk", jwks.rs.private, { name: "RSA-PSS", hash: "SHA-256" }, true, ["sign"]);
    const oaep = await subtle.importKey("jwk", jwks.rs.public, { name: "RSA-OAEP", hash: "SHA-256" }, true, ["encrypt"]);
    t.after(() => (phase = 1));
    phase = 0;
    for (const attempt of [
      () => subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]),
      () => subtle.generateKey("Ed25519", true, ["sign"]),
      () => subtle.sign({ name: "ECDSA", hash: "SHA-256" }, ec, bytes()),
      () => subtle.sign({ name: "RSA-PSS", saltLength: 32 }, pss, bytes()),
      () => subtle.encrypt("RSA-OAEP", oaep, bytes()),
    ]) {
      await assert.rejects(attempt(), /not available while the module's top level runs/);
    }
    assert.equal((await subtle.digest("SHA-256", bytes())).byteLength, 32);
    assert.equal((await subtle.sign("Ed25519", ed, bytes())).byteLength, 64);
  });
});

describe("the host's refusals", () => {
  test("arrive as a DOMException, and anything else as it is", async (t) => {
    const honest = native.call;
    t.after(() => (native.call = honest));
    for (const name of ["OperationError", "DataError", "NotSupportedError"]) {
      native.call = () => {
        throw refuse(name, "because");
      };
      await assert.rejects(subtle.digest("SHA-1", bytes()), (error) => {
        assert.ok(error instanceof DOMException);
        assert.deepEqual([error.name, error.message], [name, "because"]);
        return true;
      });
    }
    native.call = () => {
      throw new TypeError("protocol");
    };
    await assert.rejects(subtle.digest("SHA-1", bytes()), TypeError);
  });
});
