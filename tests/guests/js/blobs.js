// Blob and File.
import { checks, equal, ok, throws, utf8 } from "./lib/check.js";

export default checks({
  "parts of every kind are joined": async () => {
    const blob = new Blob(["a", utf8("b"), utf8("c").buffer, new DataView(utf8("xd").buffer, 1), new Blob(["e"]), 1]);
    equal([blob.size, await blob.text()], [6, "abcde1"]);
  },
  "a type is lowered, and dropped when it is no ASCII": () => {
    equal(new Blob([], { type: "Text/HTML" }).type, "text/html");
    equal(new Blob([], { type: "te\u00fct" }).type, "");
    equal(new Blob().type, "");
  },
  "line endings stay unless they are asked to be native": async () => {
    equal(await new Blob(["a\r\nb\rc\nd"]).text(), "a\r\nb\rc\nd");
    equal(await new Blob(["a\r\nb\rc\nd"], { endings: "native" }).text(), "a\nb\nc\nd");
    throws(() => new Blob([], { endings: "other" }), "TypeError");
  },
  "slice counts from both ends and clamps": async () => {
    const blob = new Blob(["0123456789"], { type: "a/b" });
    const text = async (...range) => blob.slice(...range).text();
    equal([await text(2, 5), await text(-3), await text(5, 2), await text(0, 100), await text(-100, 2)], ["234", "789", "", "0123456789", "01"]);
    equal([blob.slice(0, 1).type, blob.slice(0, 1, "C/D").type], ["", "c/d"]);
  },
  "a stream gives the bytes": async () => {
    const reader = new Blob(["abc"]).stream().getReader();
    const { value, done } = await reader.read();
    equal([[...value], done, (await reader.read()).done], [[97, 98, 99], false, true]);
  },
  "bytes and arrayBuffer are fresh copies": async () => {
    const blob = new Blob(["abc"]);
    (await blob.bytes()).fill(0);
    new Uint8Array(await blob.arrayBuffer()).fill(0);
    equal(await blob.text(), "abc");
  },
  "a file has a name and a time": () => {
    const file = new File(["x"], "ü/a.txt", { type: "text/plain", lastModified: 12 });
    equal([file.name, file.size, file.type, file.lastModified, file instanceof Blob], ["ü/a.txt", 1, "text/plain", 12, true]);
    ok(Math.abs(new File([], "a").lastModified - Date.now()) < 60_000);
    throws(() => new File([]), "TypeError");
    throws(() => new Blob("text"), "TypeError");
  },
});
