// Math.random of the engine keeps its state in the snapshot and cannot be seeded: every
// invocation would draw the same numbers. This generator (sfc32) is seeded by `begin`.
let a = 0x9e3779b9 | 0;
let b = 0x243f6a88 | 0;
let c = 0xb7e15162 | 0;
let counter = 1;

function next() {
  const t = (((a + b) | 0) + counter) | 0;
  counter = (counter + 1) | 0;
  a = b ^ (b >>> 9);
  b = (c + (c << 3)) | 0;
  c = (((c << 21) | (c >>> 11)) + t) | 0;
  return t >>> 0;
}

export function seedRandom(s0, s1, s2, s3) {
  a = s0 | 0;
  b = s1 | 0;
  c = s2 | 0;
  counter = s3 | 0;
}

export function random() {
  return ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
}
