// TextEncoder and TextDecoder: UTF-8, UTF-16, the legacy encodings, fatal, ignoreBOM, streaming.
import { checks, equal, ok, throws, unhex, utf8 } from "./lib/check.js";

const decode = (label, bytes, options) => new TextDecoder(label, options).decode(typeof bytes === "string" ? unhex(bytes) : bytes);

export default checks({
  "UTF-8 goes both ways": () => {
    const text = "\0a\u00fc\u20ac🦋\uffff";
    equal(decode("utf-8", utf8(text)), text);
    equal([...utf8("\ud800x")], [0xef, 0xbf, 0xbd, 0x78]);
    equal(new TextEncoder().encode().length, 0);
    equal(new TextEncoder().encoding, "utf-8");
  },
  "encodeInto writes whole characters": () => {
    const into = new Uint8Array(6);
    equal(new TextEncoder().encodeInto("aü🦋", into), { read: 2, written: 3 });
    equal([...into], [97, 195, 188, 0, 0, 0]);
    equal(new TextEncoder().encodeInto("🦋", into.subarray(1)), { read: 2, written: 4 });
  },
  "wrong bytes are replaced by the maximal subpart": () => {
    equal(decode("utf-8", "61c0af62"), "a\ufffd\ufffdb");
    equal(decode("utf-8", "f09f98"), "\ufffd");
    equal(decode("utf-8", "f09f41"), "\ufffdA");
    equal(decode("utf-8", "eda080"), "\ufffd\ufffd\ufffd");
    equal(decode("utf-8", "f8888080"), "\ufffd\ufffd\ufffd\ufffd");
  },
  "fatal throws": () => {
    throws(() => decode("utf-8", "ff", { fatal: true }), "TypeError");
    throws(() => decode("utf-16le", "00d8", { fatal: true }), "TypeError");
    equal(decode("utf-8", utf8("ü"), { fatal: true }), "ü");
    equal(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).fatal, true);
  },
  "a byte order mark is dropped unless it is to be kept": () => {
    equal(decode("utf-8", "efbbbf61"), "a");
    equal(decode("utf-8", "efbbbf61", { ignoreBOM: true }), "\ufeffa");
    equal(decode("utf-8", "efbbbfefbbbf"), "\ufeff");
    equal(decode("utf-16le", "fffe6100"), "a");
  },
  "a stream may cut characters": () => {
    const decoder = new TextDecoder();
    equal([decoder.decode(unhex("f09f"), { stream: true }), decoder.decode(unhex("a68b61"), { stream: true }), decoder.decode()], ["", "🦋a", ""]);
    decoder.decode(unhex("f0"), { stream: true });
    equal(decoder.decode(), "\ufffd");
    equal(decoder.decode(unhex("efbbbf62")), "b");
    const shift = new TextDecoder("shift_jis");
    equal(shift.decode(unhex("82"), { stream: true }) + shift.decode(unhex("a0")), "あ");
  },
  "labels name encodings in every spelling": () => {
    for (const [label, name] of [["UTF8", "utf-8"], [" latin1\n", "windows-1252"], ["ascii", "windows-1252"], ["iso-8859-1", "windows-1252"], ["l2", "iso-8859-2"], ["sjis", "shift_jis"], ["gb2312", "gbk"], ["utf-16", "utf-16le"], ["x-user-defined", "x-user-defined"], ["ISO-8859-8-I", "iso-8859-8-i"]]) {
      equal(new TextDecoder(label).encoding, name, label);
    }
    for (const label of ["utf-7", "replacement", "utf-32", "", "nonsense"]) throws(() => new TextDecoder(label), "RangeError", label);
  },
  "legacy encodings are decoded": () => {
    equal(decode("windows-1252", "80e4f6fc"), "€äöü");
    equal(decode("windows-1251", "cff0e8"), "При");
    equal(decode("koi8-r", "f0d2c9"), "При");
    equal(decode("iso-8859-15", "a4"), "€");
    equal(decode("shift_jis", "93fa967b"), "日本");
    equal(decode("euc-jp", "c6fccbdc"), "日本");
    equal(decode("iso-2022-jp", "1b2442467c4b5c1b2842"), "日本");
    equal(decode("gb18030", "c4e3bac3"), "你好");
    equal(decode("gb18030", "90308130"), "\u{10000}");
    equal(decode("big5", "a741a66e"), "你好");
    equal(decode("euc-kr", "c7d1b1db"), "한글");
    equal(decode("utf-16be", "00610394"), "aΔ");
    equal(decode("macintosh", "8a"), "ä");
  },
  "every kind of buffer is taken": () => {
    const bytes = utf8("xabcx");
    equal(decode("utf-8", bytes.subarray(1, 4)), "abc");
    equal(decode("utf-8", bytes.buffer), "xabcx");
    equal(decode("utf-8", new DataView(bytes.buffer, 1, 2)), "ab");
    equal(new TextDecoder().decode(), "");
    throws(() => new TextDecoder().decode("text"), "TypeError");
  },
  "a megabyte is decoded": () => {
    const text = "grün 🦋 ".repeat(100_000);
    ok(decode("utf-8", utf8(text)) === text);
  },
});
