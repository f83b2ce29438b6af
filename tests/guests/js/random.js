// crypto's randomness.
import { checks, equal, ok, throws } from "./lib/check.js";

export default checks({
  "getRandomValues fills integer arrays in place": () => {
    for (const Type of [Uint8Array, Int16Array, Uint32Array, BigUint64Array, Uint8ClampedArray]) {
      const array = new Type(64);
      ok(crypto.getRandomValues(array) === array);
      ok(new Set(array).size > 8, Type.name);
    }
    const part = new Uint8Array(100);
    crypto.getRandomValues(part.subarray(10, 90));
    ok(part.subarray(0, 10).every((byte) => byte === 0) && part.subarray(90).every((byte) => byte === 0));
  },
  "getRandomValues refuses what the standard refuses": () => {
    throws(() => crypto.getRandomValues(new Float32Array(1)), "TypeMismatchError");
    throws(() => crypto.getRandomValues(new DataView(new ArrayBuffer(1))), "TypeMismatchError");
    throws(() => crypto.getRandomValues(new Uint8Array(65537)), "QuotaExceededError");
    throws(() => crypto.getRandomValues([]), "TypeError");
    equal(crypto.getRandomValues(new Uint8Array(0)).length, 0);
    crypto.getRandomValues(new Uint8Array(65536));
  },
  "randomUUID is of version 4": () => {
    const ids = Array.from({ length: 200 }, () => crypto.randomUUID());
    equal(new Set(ids).size, 200);
    for (const id of ids) ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), id);
  },
  "Math.random is spread over its range": () => {
    const draws = Array.from({ length: 2000 }, Math.random);
    ok(draws.every((draw) => draw >= 0 && draw < 1));
    const mean = draws.reduce((sum, draw) => sum + draw) / draws.length;
    ok(mean > 0.45 && mean < 0.55, `${mean}`);
    equal(new Set(draws).size, draws.length);
  },
});
