// JSON Web Tokens, as a handler verifies them: RS256 and ES256. Keys and tokens were made for this file.
import { checks, equal, ok, rejects, utf8 } from "./lib/check.js";

const { subtle } = crypto;
const rsa = {"kty": "RSA", "n": "sjVU9WdvWSUOx_Go30PyCxF-IUONlfOzhT5zOZOiRsTEF3_gH2RKQMTMnAHqmPwDyHoXpwCTbJlbQMA9VAvMDX-fw5Niohn5rVUKW5L1nd5lUdwrzjqSuZ-O3eQj-NBSLdn_FqU2mU7CLcLVX8cYytOTfXE9iVTPwBFnkaQiQLNS_BX8RjrCsT4NEX1FB-o-UzuIfP6KytBriDWNnz0pxjGtmdfleYi0RDDIMbckaEsjGkDZZgV9kREAZItllEHabsTXFcjBsR7_WPxlONjm0VRgbD68wV6WVQSXffBTo-3N4rnlg82yQpsI6rPsTk7Q0dZmn7ojnGD6EjVhBbMzcQ", "e": "AQAB", "alg": "RS256"};
const rsaSpki = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsjVU9WdvWSUOx_Go30PyCxF-IUONlfOzhT5zOZOiRsTEF3_gH2RKQMTMnAHqmPwDyHoXpwCTbJlbQMA9VAvMDX-fw5Niohn5rVUKW5L1nd5lUdwrzjqSuZ-O3eQj-NBSLdn_FqU2mU7CLcLVX8cYytOTfXE9iVTPwBFnkaQiQLNS_BX8RjrCsT4NEX1FB-o-UzuIfP6KytBriDWNnz0pxjGtmdfleYi0RDDIMbckaEsjGkDZZgV9kREAZItllEHabsTXFcjBsR7_WPxlONjm0VRgbD68wV6WVQSXffBTo-3N4rnlg82yQpsI6rPsTk7Q0dZmn7ojnGD6EjVhBbMzcQIDAQAB";
const ec = {"kty": "EC", "x": "pdPyk9orshDmRSxkVDhb75nfNj4NnvKwOfQ-CmbZB6s", "y": "dvkZqBcvm-joS5OV4yNNzoePtPrujrLtKnUGlhOjN0U", "crv": "P-256"};
const tokens = {
  rs256: "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJtYXlmbHkiLCJuYW1lIjoiR3LDvG4iLCJleHAiOjQxMDI0NDQ4MDB9.QxupVY-jzS9lZwcgFsBE9eV8UVKaGc2RwCGDphRAMFElu2WK7rNTEGUDCekPpnPF0GVbB5ecdTUzEDi33j7cdzLFAjrymm0MyV49D_b71YHk9ZwRadV_z-ML7jVNRSTWBw86BXstiZdM9IVrMLmOzCFl8ipoup-rzJSuQpfv1v890trXTzu1bcFGB0FjQStnWLL60OVz7CO-HhqQAsJFfc72zvE27rh5loMETSHYYo77H8FTv3WJaLE1XvAy-VhvafhrPnh2eldjw2ORs3jJKkvgEqPssD_USBZHm7FZzaRA-hXju4rqAC8aO0bO69TU7bpRpy6Tp805rdTw5Xqz6Q",
  es256: "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJtYXlmbHkiLCJuYW1lIjoiR3LDvG4iLCJleHAiOjQxMDI0NDQ4MDB9.yS_20qIH0tQAf1EaghdVf46pOutXvz9BQm6Q9ZS7EgukM5_ZhrIr5KUhPjx8z-JheQX66JFbdG02-f31icW0nw",
};

const bytesOf = (base64url) => Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const algorithms = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
};

async function claims(token, key, format = "jwk") {
  const [head, payload, signature] = token.split(".");
  const { alg } = JSON.parse(new TextDecoder().decode(bytesOf(head)));
  const imported = await subtle.importKey(format, key, algorithms[alg], false, ["verify"]);
  if (!(await subtle.verify(algorithms[alg], imported, bytesOf(signature), utf8(`${head}.${payload}`)))) throw new Error("a forged token");
  return JSON.parse(new TextDecoder().decode(bytesOf(payload)));
}

/** The same token with another payload. */
function forged(token) {
  const parts = token.split(".");
  parts[1] = btoa(JSON.stringify({ sub: "somebody else" })).replaceAll("=", "");
  return parts.join(".");
}

export default checks({
  "RS256 with a JWK": async () => {
    equal(await claims(tokens.rs256, rsa), { sub: "mayfly", name: "Grün", exp: 4102444800 });
    await rejects(claims(forged(tokens.rs256), rsa), "Error");
  },
  "RS256 with a key in SPKI": async () => ok((await claims(tokens.rs256, bytesOf(rsaSpki), "spki")).sub === "mayfly"),
  "ES256": async () => {
    equal((await claims(tokens.es256, ec)).name, "Grün");
    await rejects(claims(forged(tokens.es256), ec), "Error");
  },
  "a key cannot verify the other algorithm's token": async () => {
    await rejects(claims(tokens.rs256, ec));
    await rejects(claims(tokens.es256, rsa));
  },
  "HS256 goes both ways": async () => {
    const key = await subtle.importKey("raw", utf8("0123456789abcdef0123456789abcdef"), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
    const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const signed = `${base64url(utf8('{"alg":"HS256"}'))}.${base64url(utf8('{"sub":"me"}'))}`;
    const signature = base64url(await subtle.sign("HMAC", key, utf8(signed)));
    ok(await subtle.verify("HMAC", key, bytesOf(signature), utf8(signed)));
    ok(!(await subtle.verify("HMAC", key, bytesOf(signature), utf8(`${signed}x`))));
  },
});
