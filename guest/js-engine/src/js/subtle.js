// crypto.subtle: the rules of Web Crypto (names, parameters, usages, formats, the errors a script
// sees). The host computes; it keeps nothing, so every call hands it the key's bytes: raw for a
// symmetric key, PKCS#8 for a private and SPKI for a public one.
import { freeze, isUint8Array, jsonParse, jsonStringify } from "./primordials.js";
import * as webidl from "./webidl.js";

let native;
let DOMException;
let requireInvocation;

/** Returns the object `crypto.subtle` and its interfaces. `requireInvocation(what)` throws at the top level. */
export function installSubtle(hostFunctions, deps) {
  native = hostFunctions;
  DOMException = deps.DOMException;
  requireInvocation = deps.requireInvocation;
  return { subtle: new SubtleCrypto(ILLEGAL), SubtleCrypto, CryptoKey };
}

const ILLEGAL = Symbol("internal");
const noBytes = new Uint8Array(0);
const formats = ["raw", "spki", "pkcs8", "jwk"];
const allUsages = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"];
const hashes = { __proto__: null, "SHA-1": 512, "SHA-256": 512, "SHA-384": 1024, "SHA-512": 1024 };

const fail = (name, message) => new DOMException(message, name);
const failData = (message) => fail("DataError", message);
const failAccess = (message) => fail("InvalidAccessError", message);
const failOperation = (message) => fail("OperationError", message);
const failSupport = (message) => fail("NotSupportedError", message);
const failSyntax = (message) => fail("SyntaxError", message);

// --- The host ---------------------------------------------------------------------------------

const hostErrors = ["OperationError", "DataError", "NotSupportedError", "InvalidAccessError", "SyntaxError"];

function host(operation, parameters, ...buffers) {
  let answer;
  try {
    answer = native.call(`crypto.${operation}`, jsonStringify(parameters), ...buffers);
  } catch (error) {
    throw hostErrors.includes(error?.name) ? fail(error.name, error.message) : error;
  }
  const [meta, bytes] = answer;
  return { meta: meta ? jsonParse(meta) : undefined, bytes: bytes ?? noBytes };
}

const hostBytes = (...args) => host(...args).bytes;

function random(length) {
  const bytes = new Uint8Array(length);
  if (length > 0) native.randomFill(bytes);
  return bytes;
}

/** The whole buffer of bytes that nobody else holds. */
function toBuffer(bytes) {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
}

// --- Keys -------------------------------------------------------------------------------------

let slotsOf;

class CryptoKey {
  #slots;
  constructor(key, slots) {
    if (key !== ILLEGAL) throw new TypeError("Illegal constructor");
    this.#slots = slots;
  }
  get type() {
    return this.#slots.type;
  }
  get extractable() {
    return this.#slots.extractable;
  }
  get algorithm() {
    return this.#slots.shownAlgorithm;
  }
  get usages() {
    return this.#slots.shownUsages;
  }
  static {
    slotsOf = (value, what) => {
      if (!webidl.isObject(value) || !(#slots in value)) throw new TypeError(`${what} must be a CryptoKey`);
      return value.#slots;
    };
  }
}
webidl.defineInterface(CryptoKey, "CryptoKey", 0);

/** What a script sees is a copy: writing to it cannot change what the key may do. */
function makeKey(type, extractable, algorithm, usages, material) {
  const shown = { ...algorithm };
  if (shown.hash !== undefined) shown.hash = freeze({ name: shown.hash });
  if (shown.publicExponent !== undefined) shown.publicExponent = new Uint8Array(shown.publicExponent);
  return new CryptoKey(ILLEGAL, {
    type,
    extractable,
    algorithm,
    usages,
    material,
    shownAlgorithm: freeze(shown),
    shownUsages: freeze([...usages]),
  });
}

function checkUsages(usages, allowed, what) {
  for (const usage of usages) {
    if (!allowed.includes(usage)) throw failSyntax(`${what} cannot be used to ${usage}`);
  }
}

const only = (usages, allowed) => usages.filter((usage) => allowed.includes(usage));

// --- Parameters of algorithms -----------------------------------------------------------------

function member(dictionary, name) {
  const value = dictionary[name];
  if (value === undefined) throw new TypeError(`the algorithm's "${name}" is missing`);
  return value;
}

/** [EnforceRange] octet, unsigned short or unsigned long. */
function integer(value, bits, name) {
  const number = Math.trunc(Number(value));
  if (!(number >= 0 && number < 2 ** bits)) {
    throw new TypeError(`the algorithm's "${name}" must be an integer from 0 to ${2 ** bits - 1}`);
  }
  return number + 0;
}

/** A copy, because reading the next member may run the script's code. */
const buffer = (value, name) => new Uint8Array(webidl.bytesOf(value, `the algorithm's "${name}"`));

const hashOf = (dictionary) => normalize("digest", member(dictionary, "hash")).name;

const noParameters = () => ({});
const hashed = (d) => ({ hash: hashOf(d) });
const lengthOf = (bits) => (d) => ({ length: integer(member(d, "length"), bits, "length") });
const hmacParameters = (d) => {
  const hash = hashOf(d);
  return d.length === undefined ? { hash } : { hash, length: integer(d.length, 32, "length") };
};
const curved = (d) => ({ namedCurve: webidl.toDOMString(member(d, "namedCurve")) });
const withPublicKey = (d) => ({ public: slotsOf(member(d, "public"), 'the algorithm\'s "public"') });
const gcmParameters = (d) => ({
  additionalData: d.additionalData === undefined ? noBytes : buffer(d.additionalData, "additionalData"),
  iv: buffer(member(d, "iv"), "iv"),
  tagLength: d.tagLength === undefined ? 128 : integer(d.tagLength, 8, "tagLength"),
});
const cbcParameters = (d) => ({ iv: buffer(member(d, "iv"), "iv") });
const ctrParameters = (d) => ({
  counter: buffer(member(d, "counter"), "counter"),
  length: integer(member(d, "length"), 8, "length"),
});
const hkdfParameters = (d) => ({
  hash: hashOf(d),
  info: buffer(member(d, "info"), "info"),
  salt: buffer(member(d, "salt"), "salt"),
});
const pbkdf2Parameters = (d) => ({
  hash: hashOf(d),
  iterations: integer(member(d, "iterations"), 32, "iterations"),
  salt: buffer(member(d, "salt"), "salt"),
});
const pssParameters = (d) => ({ saltLength: integer(member(d, "saltLength"), 32, "saltLength") });
const oaepParameters = (d) => ({ label: d.label === undefined ? noBytes : buffer(d.label, "label") });
const rsaParameters = (d) => {
  const hash = hashOf(d);
  const modulusLength = integer(member(d, "modulusLength"), 32, "modulusLength");
  const exponent = member(d, "publicExponent");
  if (!isUint8Array(exponent)) throw new TypeError('the algorithm\'s "publicExponent" must be a Uint8Array');
  return { hash, modulusLength, publicExponent: new Uint8Array(exponent) };
};

// --- Symmetric keys ---------------------------------------------------------------------------

function checkFormat(format, allowed, name) {
  if (!allowed.includes(format)) throw failSupport(`${name} keys have no format "${format}"`);
}

function aes(name, suffix, allowed, parameters, operations) {
  const checkLength = (length) => {
    if (![128, 192, 256].includes(length)) throw failOperation(`an AES key has 128, 192 or 256 bits, not ${length}`);
  };
  const methods = {
    generateKey({ length }, extractable, usages) {
      checkUsages(usages, allowed, `an ${name} key`);
      checkLength(length);
      return makeKey("secret", extractable, { name, length }, usages, random(length / 8));
    },
    importKey(format, data, _, extractable, usages) {
      checkFormat(format, ["raw", "jwk"], name);
      checkUsages(usages, allowed, `an ${name} key`);
      const material = format === "raw" ? data : fromOct(data, extractable, usages, "enc");
      const length = material.byteLength * 8;
      if (![128, 192, 256].includes(length)) throw failData(`an AES key has 128, 192 or 256 bits, not ${length}`);
      if (format === "jwk") checkJwkAlg(data, [`A${length}${suffix}`]);
      return makeKey("secret", extractable, { name, length }, usages, material);
    },
    exportKey(format, key) {
      checkFormat(format, ["raw", "jwk"], name);
      return format === "raw" ? key.material.slice() : toOct(key, `A${key.algorithm.length}${suffix}`);
    },
    getKeyLength({ length }) {
      checkLength(length);
      return length;
    },
  };
  return {
    name,
    parameters: {
      generateKey: lengthOf(16),
      importKey: noParameters,
      exportKey: noParameters,
      getKeyLength: lengthOf(16),
      ...parameters,
    },
    ...methods,
    ...operations,
  };
}

/** Encrypts and decrypts with what `request` makes of the parameters: [mode, ...buffers before the data]. */
function cipher(request) {
  const run = (operation) => (parameters, key, data) => {
    const [mode, ...buffers] = request(parameters);
    return hostBytes(operation, mode, key.material, ...buffers, data);
  };
  return { encrypt: run("aes.encrypt"), decrypt: run("aes.decrypt") };
}

const cipherUsages = ["encrypt", "decrypt", "wrapKey", "unwrapKey"];
const aesGcm = aes(
  "AES-GCM",
  "GCM",
  cipherUsages,
  { encrypt: gcmParameters, decrypt: gcmParameters },
  cipher(({ iv, additionalData, tagLength }) => [{ mode: "gcm", tagLength }, iv, additionalData]),
);
const aesCbc = aes(
  "AES-CBC",
  "CBC",
  cipherUsages,
  { encrypt: cbcParameters, decrypt: cbcParameters },
  cipher(({ iv }) => [{ mode: "cbc" }, iv]),
);
const aesCtr = aes(
  "AES-CTR",
  "CTR",
  cipherUsages,
  { encrypt: ctrParameters, decrypt: ctrParameters },
  cipher(({ counter, length }) => [{ mode: "ctr", length }, counter]),
);
const aesKw = aes(
  "AES-KW",
  "KW",
  ["wrapKey", "unwrapKey"],
  { wrapKey: noParameters, unwrapKey: noParameters },
  {
    wrapKey: (_, key, data) => hostBytes("aes.encrypt", { mode: "kw" }, key.material, data),
    unwrapKey: (_, key, data) => hostBytes("aes.decrypt", { mode: "kw" }, key.material, data),
  },
);

const hmacUsages = ["sign", "verify"];
const hmacAlg = (hash) => `HS${hash.slice(4)}`;
const hmac = {
  name: "HMAC",
  parameters: {
    generateKey: hmacParameters,
    importKey: hmacParameters,
    exportKey: noParameters,
    getKeyLength: hmacParameters,
    sign: noParameters,
    verify: noParameters,
  },
  generateKey({ hash, length = hashes[hash] }, extractable, usages) {
    checkUsages(usages, hmacUsages, "an HMAC key");
    if (length === 0) throw failOperation("an HMAC key of no length");
    if (length > 1 << 20) throw failOperation(`an HMAC key of ${length} bits; at most ${1 << 20} are generated`);
    const material = withoutLastBits(random(Math.ceil(length / 8)), length);
    return makeKey("secret", extractable, { name: "HMAC", hash, length }, usages, material);
  },
  importKey(format, data, { hash, length }, extractable, usages) {
    checkFormat(format, ["raw", "jwk"], "HMAC");
    checkUsages(usages, hmacUsages, "an HMAC key");
    let material = data;
    if (format === "jwk") {
      material = fromOct(data, extractable, usages, "sig");
      checkJwkAlg(data, [hmacAlg(hash)]);
    }
    const bits = material.byteLength * 8;
    if (bits === 0) throw failData("an HMAC key of no length");
    if (length !== undefined && (length > bits || length <= bits - 8)) {
      throw failData(`"length" is ${length}, but the HMAC key has ${bits} bits`);
    }
    const used = length ?? bits;
    return makeKey("secret", extractable, { name: "HMAC", hash, length: used }, usages, withoutLastBits(material, used));
  },
  exportKey(format, key) {
    checkFormat(format, ["raw", "jwk"], "HMAC");
    return format === "raw" ? key.material.slice() : toOct(key, hmacAlg(key.algorithm.hash));
  },
  getKeyLength({ hash, length = hashes[hash] }) {
    if (length === 0) throw new TypeError("an HMAC key of no length");
    return length;
  },
  sign: (_, key, data) => hostBytes("hmac.sign", { hash: key.algorithm.hash }, key.material, data),
  verify: (_, key, signature, data) =>
    host("hmac.verify", { hash: key.algorithm.hash }, key.material, signature, data).meta.valid,
};

/** Clears what lies beyond `length` bits in the last byte. */
function withoutLastBits(bytes, length) {
  if (length % 8 !== 0) bytes[bytes.length - 1] &= 0xff00 >> (length % 8);
  return bytes;
}

const derivation = (name, parameters, derive) => ({
  name,
  parameters: { importKey: noParameters, getKeyLength: noParameters, deriveBits: parameters },
  importKey(format, data, _, extractable, usages) {
    checkFormat(format, ["raw"], name);
    checkUsages(usages, ["deriveKey", "deriveBits"], `a ${name} key`);
    if (extractable) throw failSyntax(`a ${name} key cannot be extractable`);
    return makeKey("secret", false, { name }, usages, data);
  },
  getKeyLength: () => null,
  deriveBits(given, key, length) {
    if (length === null || length % 8 !== 0) throw failOperation(`${name} needs a length in bits, a multiple of 8`);
    return derive(given, key.material, length / 8);
  },
});
const hkdf = derivation("HKDF", hkdfParameters, ({ hash, salt, info }, material, length) =>
  hostBytes("hkdf", { hash, length }, material, salt, info),
);
const pbkdf2 = derivation("PBKDF2", pbkdf2Parameters, ({ hash, iterations, salt }, material, length) =>
  hostBytes("pbkdf2", { hash, iterations, length }, material, salt),
);

// --- Pairs of keys ----------------------------------------------------------------------------

/**
 * `usages` are those of a public and of a private key; `kindOf(algorithm)` is the host's word for what
 * the key is; `jwk(algorithm)` the members of its JWK that are not numbers, `algs` the names it may go by.
 */
function pairs({ name, parameters, usages: allowed, formats: known, kindOf, jwk, algs, keyAlgorithm, generation, ...operations }) {
  const article = /^[AEX]/.test(name) ? "an" : "a";
  return {
    name,
    parameters: { exportKey: noParameters, ...parameters },
    generateKey(given, extractable, usages) {
      checkUsages(usages, [...allowed.public, ...allowed.private], `${article} ${name} key`);
      const { meta, bytes } = host("key.generate", { kind: kindOf(given), ...generation?.(given) });
      const algorithm = keyAlgorithm(given, given);
      const key = (type, exported, material) =>
        makeKey(type, exported, algorithm, only(usages, allowed[type]), material.slice());
      return {
        publicKey: key("public", true, bytes.subarray(meta.split)),
        privateKey: key("private", extractable, bytes.subarray(0, meta.split)),
      };
    },
    importKey(format, data, given, extractable, usages) {
      checkFormat(format, known, name);
      const kind = kindOf(given);
      const isPrivate = format === "pkcs8" || (format === "jwk" && data.d !== undefined);
      checkUsages(usages, isPrivate ? allowed.private : allowed.public, `${article} ${name} ${isPrivate ? "private" : "public"} key`);
      let answer;
      if (format === "jwk") {
        const { kty, crv } = jwk(given);
        if (data.kty !== kty) throw failData(`"kty" of the JWK is not "${kty}"`);
        checkJwk(data, extractable, usages, allowed.public.concat(allowed.private).includes("sign") ? "sig" : "enc");
        if (data.crv !== crv) throw failData(`"crv" of the JWK is not "${crv}"`);
        checkJwkAlg(data, algs(given));
        if (data.oth !== undefined) throw failSupport("RSA keys with more than two primes");
        answer = host("key.fromJwk", { ...numbersOf(data), kind });
      } else {
        answer = host("key.import", { kind, format }, data);
      }
      return makeKey(answer.meta.type, extractable, keyAlgorithm(given, answer.meta), usages, answer.bytes);
    },
    exportKey(format, key) {
      checkFormat(format, known, name);
      const kind = kindOf(key.algorithm);
      if (format === "jwk") {
        const { kty, crv, alg } = jwk(key.algorithm);
        const numbers = host("key.toJwk", { kind, part: key.type }, key.material).meta;
        return {
          key_ops: [...key.usages],
          ext: key.extractable,
          kty,
          ...numbers,
          ...(crv !== undefined && { crv }),
          ...(alg !== undefined && { alg }),
        };
      }
      if (key.type !== (format === "pkcs8" ? "private" : "public")) {
        throw failAccess(`a ${key.type} key cannot be exported as "${format}"`);
      }
      return format === "raw" ? hostBytes("key.toRaw", { kind }, key.material) : key.material.slice();
    },
    ...operations,
  };
}

const numbers = ["x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi"];

function numbersOf(jwk) {
  const found = {};
  for (const name of numbers) {
    if (jwk[name] !== undefined) found[name] = jwk[name];
  }
  return found;
}

function needType(key, type, what) {
  if (key.type !== type) throw failAccess(`${what} needs a ${type} key`);
}

/** sign and verify with the host's words for the scheme. */
function signing(schemeOf, what, isRandomised) {
  return {
    sign(given, key, data) {
      needType(key, "private", "crypto.subtle.sign");
      if (isRandomised) requireInvocation(`crypto.subtle.sign with ${what}`);
      return hostBytes("sign", schemeOf(given, key), key.material, data);
    },
    verify(given, key, signature, data) {
      needType(key, "public", "crypto.subtle.verify");
      return host("verify", schemeOf(given, key), key.material, signature, data).meta.valid;
    },
  };
}

const curves = ["P-256", "P-384"];
const pointFormats = ["raw", "spki", "pkcs8", "jwk"];
const signingUsages = { public: ["verify"], private: ["sign"] };
const agreementUsages = { public: [], private: ["deriveKey", "deriveBits"] };

function curveOf({ namedCurve }) {
  if (!curves.includes(namedCurve)) throw failSupport(`the curve "${namedCurve}" is not one of ${curves.join(", ")}`);
  return namedCurve;
}

const agreement = {
  deriveBits(given, key, length) {
    needType(key, "private", "crypto.subtle.deriveBits");
    const other = given.public;
    if (other.type !== "public") throw failAccess('the algorithm\'s "public" is not a public key');
    if (other.algorithm.name !== key.algorithm.name || other.algorithm.namedCurve !== key.algorithm.namedCurve) {
      throw failAccess("the two keys are of different kinds");
    }
    const kind = key.algorithm.namedCurve ?? key.algorithm.name;
    const secret = hostBytes("agree", { kind }, key.material, other.material);
    if (length === null) return secret;
    if (length > secret.byteLength * 8) {
      throw failOperation(`${length} bits asked of a secret of ${secret.byteLength * 8}`);
    }
    return withoutLastBits(secret.slice(0, Math.ceil(length / 8)), length);
  },
};

const ecdsa = pairs({
  name: "ECDSA",
  parameters: { generateKey: curved, importKey: curved, sign: hashed, verify: hashed },
  usages: signingUsages,
  formats: pointFormats,
  kindOf: curveOf,
  jwk: ({ namedCurve }) => ({ kty: "EC", crv: namedCurve }),
  algs: ({ namedCurve }) => [namedCurve === "P-256" ? "ES256" : "ES384"],
  keyAlgorithm: ({ namedCurve }) => ({ name: "ECDSA", namedCurve }),
  ...signing(({ hash }, key) => ({ scheme: "ECDSA", curve: key.algorithm.namedCurve, hash }), "ECDSA", true),
});
const ecdh = pairs({
  name: "ECDH",
  parameters: { generateKey: curved, importKey: curved, deriveBits: withPublicKey },
  usages: agreementUsages,
  formats: pointFormats,
  kindOf: curveOf,
  jwk: ({ namedCurve }) => ({ kty: "EC", crv: namedCurve }),
  keyAlgorithm: ({ namedCurve }) => ({ name: "ECDH", namedCurve }),
  algs: () => undefined,
  ...agreement,
});
const ed25519 = pairs({
  name: "Ed25519",
  parameters: { generateKey: noParameters, importKey: noParameters, sign: noParameters, verify: noParameters },
  usages: signingUsages,
  formats: pointFormats,
  kindOf: () => "Ed25519",
  jwk: () => ({ kty: "OKP", crv: "Ed25519", alg: "Ed25519" }),
  algs: () => ["Ed25519", "EdDSA"],
  keyAlgorithm: () => ({ name: "Ed25519" }),
  ...signing(() => ({ scheme: "Ed25519" }), "Ed25519", false),
});
const x25519 = pairs({
  name: "X25519",
  parameters: { generateKey: noParameters, importKey: noParameters, deriveBits: withPublicKey },
  usages: agreementUsages,
  formats: pointFormats,
  kindOf: () => "X25519",
  jwk: () => ({ kty: "OKP", crv: "X25519" }),
  keyAlgorithm: () => ({ name: "X25519" }),
  algs: () => undefined,
  ...agreement,
});

function rsa(name, usages, algOf, parameters, operations) {
  return pairs({
    name,
    parameters: { generateKey: rsaParameters, importKey: hashed, ...parameters },
    usages,
    formats: ["spki", "pkcs8", "jwk"],
    kindOf: () => "RSA",
    jwk: ({ hash }) => ({ kty: "RSA", alg: algOf(hash) }),
    algs: ({ hash }) => [algOf(hash)],
    generation: ({ modulusLength, publicExponent }) => ({ modulusLength, publicExponent: exponentOf(publicExponent) }),
    keyAlgorithm: ({ hash }, { modulusLength, publicExponent }) => ({
      name,
      modulusLength,
      publicExponent: new Uint8Array(publicExponent),
      hash,
    }),
    ...operations,
  });
}

/** A number that fits the host's 32 bits; larger ones are refused there and here alike. */
function exponentOf(bytes) {
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  if (value !== 3 && value !== 65537) throw failOperation("the public exponent must be 3 or 65537");
  return value;
}

const rsassa = rsa(
  "RSASSA-PKCS1-v1_5",
  signingUsages,
  (hash) => `RS${hash.slice(4)}`,
  { sign: noParameters, verify: noParameters },
  signing((_, key) => ({ scheme: "RSASSA-PKCS1-v1_5", hash: key.algorithm.hash }), "RSASSA-PKCS1-v1_5", false),
);
const rsaPss = rsa(
  "RSA-PSS",
  signingUsages,
  (hash) => `PS${hash.slice(4)}`,
  { sign: pssParameters, verify: pssParameters },
  signing(({ saltLength }, key) => ({ scheme: "RSA-PSS", hash: key.algorithm.hash, saltLength }), "RSA-PSS", true),
);
const rsaOaep = rsa(
  "RSA-OAEP",
  { public: ["encrypt", "wrapKey"], private: ["decrypt", "unwrapKey"] },
  (hash) => (hash === "SHA-1" ? "RSA-OAEP" : `RSA-OAEP-${hash.slice(4)}`),
  { encrypt: oaepParameters, decrypt: oaepParameters },
  {
    encrypt({ label }, key, data) {
      needType(key, "public", "RSA-OAEP encryption");
      requireInvocation("RSA-OAEP encryption");
      return hostBytes("rsa.encrypt", { hash: key.algorithm.hash }, key.material, label, data);
    },
    decrypt({ label }, key, data) {
      needType(key, "private", "RSA-OAEP decryption");
      return hostBytes("rsa.decrypt", { hash: key.algorithm.hash }, key.material, label, data);
    },
  },
);

// --- Names ------------------------------------------------------------------------------------

const algorithms = { __proto__: null };
for (const definition of [
  aesGcm,
  aesCbc,
  aesCtr,
  aesKw,
  hmac,
  hkdf,
  pbkdf2,
  ecdsa,
  ecdh,
  ed25519,
  x25519,
  rsassa,
  rsaPss,
  rsaOaep,
]) {
  algorithms[definition.name.toUpperCase()] = definition;
}
for (const name of Object.keys(hashes)) {
  algorithms[name] = { name, parameters: { digest: noParameters } };
}

/** Algorithm identifiers are strings or dictionaries; names are compared without case. */
function normalize(operation, identifier) {
  const dictionary = webidl.isObject(identifier) ? identifier : { name: webidl.toDOMString(identifier) };
  const name = webidl.toDOMString(member(dictionary, "name"));
  const definition = isAscii(name) ? algorithms[name.toUpperCase()] : undefined;
  const parameters = definition?.parameters[operation];
  if (parameters === undefined) {
    throw failSupport(definition === undefined ? `no algorithm "${name}"` : `${definition.name} has no ${operation}`);
  }
  return { ...parameters(dictionary), name: definition.name };
}

// Without this, letters such as the long s would change into ASCII ones.
const isAscii = (text) => !/[^\x00-\x7f]/.test(text);

const definitionOf = ({ name }) => algorithms[name.toUpperCase()];

/** Key wrapping falls back on encryption. */
function normalizeWrapping(operation, fallback, identifier) {
  try {
    return [normalize(operation, identifier), operation];
  } catch {
    return [normalize(fallback, identifier), fallback];
  }
}

function allow(key, algorithm, usage) {
  if (key.algorithm.name !== algorithm.name) {
    throw failAccess(`the key is for ${key.algorithm.name}, not for ${algorithm.name}`);
  }
  if (!key.usages.includes(usage)) throw failAccess(`the key may not be used to ${usage}`);
}

// --- JSON Web Keys ----------------------------------------------------------------------------

const jwkTexts = ["kty", "use", "alg", "crv", "k", ...numbers];

/** The dictionary JsonWebKey: each member read once. */
function toJwk(value) {
  const jwk = { __proto__: null };
  for (const name of jwkTexts) {
    const text = value[name];
    if (text !== undefined) jwk[name] = webidl.toDOMString(text);
  }
  if (value.ext !== undefined) jwk.ext = Boolean(value.ext);
  if (value.key_ops !== undefined) jwk.key_ops = [...value.key_ops].map(webidl.toDOMString);
  if (value.oth !== undefined) jwk.oth = value.oth;
  return jwk;
}

function checkJwk(jwk, extractable, usages, use) {
  if (usages.length > 0 && jwk.use !== undefined && jwk.use !== use) throw failData(`"use" of the JWK is not "${use}"`);
  if (jwk.key_ops !== undefined) {
    if (new Set(jwk.key_ops).size !== jwk.key_ops.length) throw failData('"key_ops" of the JWK names one twice');
    const missing = usages.find((usage) => !jwk.key_ops.includes(usage));
    if (missing !== undefined) throw failData(`"key_ops" of the JWK lacks "${missing}"`);
  }
  if (jwk.ext === false && extractable) throw failData('"ext" of the JWK is false');
}

function checkJwkAlg(jwk, allowed) {
  if (jwk.alg !== undefined && allowed !== undefined && !allowed.includes(jwk.alg)) {
    throw failData(`"alg" of the JWK is not "${allowed[0]}"`);
  }
}

function fromOct(jwk, extractable, usages, use) {
  if (jwk.kty !== "oct") throw failData('"kty" of the JWK is not "oct"');
  const material = hostBytes("key.fromJwk", { kind: "oct", k: jwk.k });
  checkJwk(jwk, extractable, usages, use);
  return material;
}

function toOct(key, alg) {
  const { k } = host("key.toJwk", { kind: "oct" }, key.material).meta;
  return { key_ops: [...key.usages], ext: key.extractable, kty: "oct", k, alg };
}

/** Only ASCII leaves here: the members that keys are exported with. */
const asciiBytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

function jwkFromBytes(bytes) {
  try {
    // Percent-encoded, because the decoder for that refuses malformed UTF-8.
    const encoded = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
    const value = jsonParse(decodeURIComponent(encoded));
    if (webidl.isObject(value)) return toJwk(value);
  } catch {
    // Told below.
  }
  throw failData("the unwrapped bytes are not a JSON Web Key");
}

// --- The interface ----------------------------------------------------------------------------

function toUsages(value, what) {
  if (!webidl.isObject(value)) throw new TypeError(`${what}: the usages are not a list`);
  const given = [...value].map((usage) => webidl.toEnum(usage, allUsages, `${what}: usage`));
  return allUsages.filter((usage) => given.includes(usage));
}

const toFormat = (value, what) => webidl.toEnum(value, formats, `${what}: format`);

/** AlgorithmIdentifier: the conversion of a non-object happens before anything else. */
const toIdentifier = (value) => (webidl.isObject(value) ? value : webidl.toDOMString(value));

const toData = (value, what) => {
  if (!webidl.isBufferSource(value)) throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
  return webidl.bytesOf(value, what);
};

function toKeyData(format, value, what) {
  const isBytes = webidl.isBufferSource(value);
  if (format === "jwk") {
    const dictionary = value ?? {};
    if (isBytes || !webidl.isObject(dictionary)) throw new TypeError(`${what}: the key is not a JSON Web Key`);
    return toJwk(dictionary);
  }
  if (!isBytes) throw new TypeError(`${what}: the key is not an ArrayBuffer or a view of one`);
  return new Uint8Array(webidl.bytesOf(value, what));
}

/** No key without a use, except public ones. */
function needUsages(key) {
  const { type, usages } = slotsOf(key);
  if (type !== "public" && usages.length === 0) throw failSyntax(`a ${type} key needs at least one usage`);
  return key;
}

function importKey(format, data, algorithm, extractable, usages) {
  return needUsages(definitionOf(algorithm).importKey(format, data, algorithm, extractable, usages));
}

function exportKey(format, key) {
  const definition = definitionOf(key.algorithm);
  if (definition.exportKey === undefined) throw failSupport(`${key.algorithm.name} keys cannot be exported`);
  if (!key.extractable) throw failAccess("the key is not extractable");
  return definition.exportKey(format, key);
}

// Every method is async, so that whatever it throws becomes a rejection, as promises of Web IDL demand.
class SubtleCrypto {
  #brand;
  constructor(key) {
    if (key !== ILLEGAL) throw new TypeError("Illegal constructor");
  }

  async encrypt(algorithm, key, data) {
    this.#brand;
    return this.#transform("encrypt", arguments.length, algorithm, key, data);
  }

  async decrypt(algorithm, key, data) {
    this.#brand;
    return this.#transform("decrypt", arguments.length, algorithm, key, data);
  }

  async sign(algorithm, key, data) {
    this.#brand;
    return this.#transform("sign", arguments.length, algorithm, key, data);
  }

  #transform(operation, count, algorithm, key, data) {
    const what = `crypto.subtle.${operation}`;
    webidl.needArguments(count, 3, what);
    const identifier = toIdentifier(algorithm);
    const slots = slotsOf(key, `${what}: the key`);
    const bytes = toData(data, `${what}: the data`);
    const normalized = normalize(operation, identifier);
    allow(slots, normalized, operation);
    return toBuffer(definitionOf(normalized)[operation](normalized, slots, bytes));
  }

  async verify(algorithm, key, signature, data) {
    this.#brand;
    webidl.needArguments(arguments.length, 4, "crypto.subtle.verify");
    const identifier = toIdentifier(algorithm);
    const slots = slotsOf(key, "crypto.subtle.verify: the key");
    const given = toData(signature, "crypto.subtle.verify: the signature");
    const bytes = toData(data, "crypto.subtle.verify: the data");
    const normalized = normalize("verify", identifier);
    allow(slots, normalized, "verify");
    return definitionOf(normalized).verify(normalized, slots, given, bytes);
  }

  async digest(algorithm, data) {
    this.#brand;
    webidl.needArguments(arguments.length, 2, "crypto.subtle.digest");
    const identifier = toIdentifier(algorithm);
    const bytes = toData(data, "crypto.subtle.digest: the data");
    const { name } = normalize("digest", identifier);
    return toBuffer(hostBytes("digest", { hash: name }, bytes));
  }

  async generateKey(algorithm, extractable, keyUsages) {
    this.#brand;
    webidl.needArguments(arguments.length, 3, "crypto.subtle.generateKey");
    const identifier = toIdentifier(algorithm);
    const usages = toUsages(keyUsages, "crypto.subtle.generateKey");
    const normalized = normalize("generateKey", identifier);
    requireInvocation("crypto.subtle.generateKey");
    const made = definitionOf(normalized).generateKey(normalized, Boolean(extractable), usages);
    needUsages(made.privateKey ?? made);
    return made;
  }

  async deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
    this.#brand;
    const what = "crypto.subtle.deriveKey";
    webidl.needArguments(arguments.length, 5, what);
    const identifier = toIdentifier(algorithm);
    const slots = slotsOf(baseKey, `${what}: the base key`);
    const target = toIdentifier(derivedKeyType);
    const usages = toUsages(keyUsages, what);
    const normalized = normalize("deriveBits", identifier);
    const importing = normalize("importKey", target);
    const sized = normalize("getKeyLength", target);
    allow(slots, normalized, "deriveKey");
    const length = definitionOf(sized).getKeyLength(sized);
    const secret = definitionOf(normalized).deriveBits(normalized, slots, length);
    return importKey("raw", secret, importing, Boolean(extractable), usages);
  }

  async deriveBits(algorithm, baseKey, length = null) {
    this.#brand;
    webidl.needArguments(arguments.length, 2, "crypto.subtle.deriveBits");
    const identifier = toIdentifier(algorithm);
    const slots = slotsOf(baseKey, "crypto.subtle.deriveBits: the base key");
    const bits = length === null ? null : webidl.toUnsigned(length, 32);
    const normalized = normalize("deriveBits", identifier);
    allow(slots, normalized, "deriveBits");
    return toBuffer(definitionOf(normalized).deriveBits(normalized, slots, bits));
  }

  async importKey(format, keyData, algorithm, extractable, keyUsages) {
    this.#brand;
    const what = "crypto.subtle.importKey";
    webidl.needArguments(arguments.length, 5, what);
    const wanted = toFormat(format, what);
    const identifier = toIdentifier(algorithm);
    const usages = toUsages(keyUsages, what);
    const normalized = normalize("importKey", identifier);
    const data = toKeyData(wanted, keyData, what);
    return importKey(wanted, data, normalized, Boolean(extractable), usages);
  }

  async exportKey(format, key) {
    this.#brand;
    const what = "crypto.subtle.exportKey";
    webidl.needArguments(arguments.length, 2, what);
    const wanted = toFormat(format, what);
    const exported = exportKey(wanted, slotsOf(key, `${what}: the key`));
    return wanted === "jwk" ? exported : toBuffer(exported);
  }

  async wrapKey(format, key, wrappingKey, wrapAlgorithm) {
    this.#brand;
    const what = "crypto.subtle.wrapKey";
    webidl.needArguments(arguments.length, 4, what);
    const wanted = toFormat(format, what);
    const slots = slotsOf(key, `${what}: the key`);
    const wrapping = slotsOf(wrappingKey, `${what}: the wrapping key`);
    const [normalized, operation] = normalizeWrapping("wrapKey", "encrypt", toIdentifier(wrapAlgorithm));
    allow(wrapping, normalized, "wrapKey");
    const exported = exportKey(wanted, slots);
    const bytes = wanted === "jwk" ? asciiBytes(jsonStringify(exported)) : exported;
    return toBuffer(definitionOf(normalized)[operation](normalized, wrapping, bytes));
  }

  async unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages) {
    this.#brand;
    const what = "crypto.subtle.unwrapKey";
    webidl.needArguments(arguments.length, 7, what);
    const wanted = toFormat(format, what);
    const wrapped = toData(wrappedKey, `${what}: the wrapped key`);
    const unwrapping = slotsOf(unwrappingKey, `${what}: the unwrapping key`);
    const unwrap = toIdentifier(unwrapAlgorithm);
    const target = toIdentifier(unwrappedKeyAlgorithm);
    const usages = toUsages(keyUsages, what);
    const [normalized, operation] = normalizeWrapping("unwrapKey", "decrypt", unwrap);
    const importing = normalize("importKey", target);
    allow(unwrapping, normalized, "unwrapKey");
    const bytes = definitionOf(normalized)[operation](normalized, unwrapping, wrapped);
    const data = wanted === "jwk" ? jwkFromBytes(bytes) : bytes;
    return importKey(wanted, data, importing, Boolean(extractable), usages);
  }
}
webidl.defineInterface(SubtleCrypto, "SubtleCrypto", 0);
webidl.setLengths(SubtleCrypto.prototype, { deriveBits: 2 });
