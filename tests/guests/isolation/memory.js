// mayfly: memory = "256MB"
// Writes a caller's secret all over its memory, or looks for one in all the memory that it can get.
const marker = "S3CR3T";
const kept = [];

function write(secret, megabytes) {
  const text = `${marker}:${secret}:`;
  const bytes = new TextEncoder().encode(text.repeat(Math.ceil((1 << 20) / text.length))).subarray(0, 1 << 20);
  for (let i = 0; i < megabytes; i++) kept.push(bytes.slice());
  for (let i = 0; i < 2000; i++) kept.push(`${text}${i}`);
  const wide = [];
  for (let i = 0; i < 100; i++) wide.push(`${text}\u{1f98b}${i}`.repeat(10));
  kept.push(wide);
  return kept.length;
}

/** The places where memory that was just given is not zero. */
function scan(megabytes) {
  const dirty = [];
  const held = [];
  for (let i = 0; i < megabytes; i++) {
    const words = new BigUint64Array(1 << 17);
    held.push(words);
    // Not every word: a function of 64 MB of reads in an interpreter takes seconds. A page that is
    // not zero is full of a secret, so some words of each page tell.
    for (let at = 0; at < words.length; at += 61) if (words[at] !== 0n) dirty.push(`${i}:${at}`);
  }
  // What grows in place, and what is made without being filled.
  const grown = new ArrayBuffer(8, { maxByteLength: 4 << 20 });
  grown.resize(4 << 20);
  const tail = new Uint32Array(grown);
  for (let at = 0; at < tail.length; at += 61) if (tail[at] !== 0) dirty.push(`grown:${at}`);
  const moved = new ArrayBuffer(16).transfer(1 << 20);
  const rest = new Uint32Array(moved);
  for (let at = 0; at < rest.length; at += 61) if (rest[at] !== 0) dirty.push(`moved:${at}`);
  const decoded = new TextDecoder("latin1").decode(new Uint8Array(1 << 16));
  if (decoded.includes(marker)) dirty.push("text");
  return dirty;
}

export default {
  fetch(request) {
    const { searchParams } = new URL(request.url);
    const megabytes = Number(searchParams.get("mb") ?? 1);
    const before = kept.length;
    if (before !== 0) return new Response(`something was kept: ${before}`, { status: 500 });
    if (searchParams.has("write")) return new Response(`wrote ${write(searchParams.get("write"), megabytes)}`);
    const dirty = scan(megabytes);
    return new Response(dirty.length === 0 ? "zero" : dirty.slice(0, 10).join(), { status: dirty.length === 0 ? 200 : 500 });
  },
};
