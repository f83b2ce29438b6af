// MIME types of the MIME Sniffing Standard, as far as bodies need them.
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** {essence, parameters: Map}, or null for text that is not a MIME type. */
export function parseMime(text) {
  const parts = splitParameters(text);
  const essence = parts[0].trim().toLowerCase();
  const slash = essence.indexOf("/");
  if (slash < 1 || !token.test(essence.slice(0, slash)) || !token.test(essence.slice(slash + 1))) return null;
  const parameters = new Map();
  for (let i = 1; i < parts.length; i++) {
    const equals = parts[i].indexOf("=");
    if (equals < 0) continue;
    const name = parts[i].slice(0, equals).trim().toLowerCase();
    let value = parts[i].slice(equals + 1).trim();
    if (value.startsWith('"')) value = unquote(value);
    if (token.test(name) && value !== "" && !parameters.has(name)) parameters.set(name, value);
  }
  return { essence, parameters };
}

/** The type in its normal form; "" for null. Values keep their case: a boundary depends on it. */
export function serializeMime(mime) {
  if (mime === null) return "";
  let text = mime.essence;
  for (const [name, value] of mime.parameters) {
    text += `;${name}=${token.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`}`;
  }
  return text;
}

/** Cuts at semicolons that are not inside a quoted string. */
export function splitParameters(text) {
  if (!text.includes('"')) return text.split(";");
  const parts = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') quoted = !quoted;
    else if (char === "\\" && quoted) i++;
    else if (char === ";" && !quoted) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function unquote(value) {
  let result = "";
  for (let i = 1; i < value.length; i++) {
    if (value[i] === '"') break;
    if (value[i] === "\\" && i + 1 < value.length) i++;
    result += value[i];
  }
  return result;
}
