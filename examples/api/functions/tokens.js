// POST /tokens/sign makes a token of the body; GET /tokens/check?token=… reads one back.
//
// Secrets are given to the handler, not to the top level, which runs once at deploy.

const encoder = new TextEncoder();
const algorithm = { name: "HMAC", hash: "SHA-256" };

const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));

const keyOf = (env) => crypto.subtle.importKey("raw", encoder.encode(env.SIGNING_KEY), algorithm, false, ["sign", "verify"]);

async function sign(text, env) {
  const mac = await crypto.subtle.sign("HMAC", await keyOf(env), encoder.encode(text));
  return new Response(`${base64url(encoder.encode(text))}.${base64url(mac)}`);
}

async function check(token, env) {
  const refused = () => new Response("not a token of ours\n", { status: 401 });
  const [text, mac] = (token ?? "").split(".");
  if (mac === undefined) return refused();
  try {
    // verify compares in constant time, which === would not.
    const genuine = await crypto.subtle.verify("HMAC", await keyOf(env), bytesOf(mac), bytesOf(text));
    return genuine ? new Response(bytesOf(text)) : refused();
  } catch {
    return refused();
  }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/tokens/sign" && request.method === "POST") return sign(await request.text(), env);
    if (url.pathname === "/tokens/check") return check(url.searchParams.get("token"), env);
    return new Response("POST /tokens/sign or GET /tokens/check?token=…\n", { status: 404 });
  },
};
