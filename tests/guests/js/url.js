// URL, by the WHATWG standard: parsing, hosts, percent-encoding, setters, relative references.
import { checks, equal, ok, table, throws } from "./lib/check.js";

const href = (input) => new URL(input).href;
const host = (input) => new URL(`http://${input}/`).hostname;

export default checks({
  "the parts": () => {
    const url = new URL("https://us%65r:p%40ss@Example.COM:8443/a/b;c?d=e&f#g/h");
    equal(
      [url.protocol, url.username, url.password, url.host, url.hostname, url.port, url.pathname, url.search, url.hash, url.origin],
      ["https:", "us%65r", "p%40ss", "example.com:8443", "example.com", "8443", "/a/b;c", "?d=e&f", "#g/h", "https://example.com:8443"],
    );
    equal([`${url}`, JSON.stringify({ url })], [url.href, `{"url":"${url.href}"}`]);
  },
  "default ports and dot segments go": () =>
    table(href, [
      ["http://a:80/", "http://a/"],
      ["https://a:443", "https://a/"],
      ["http://a:443", "http://a:443/"],
      ["ftp://a:21/x", "ftp://a/x"],
      ["http://a:00090/", "http://a:90/"],
      ["http://a/b/../c/./d/..", "http://a/c/"],
      ["http://a/%2e%2E/b", "http://a/b"],
      ["http://a/../../b", "http://a/b"],
      ["http:\\\\a\\b", "http://a/b"],
      ["  http://a/\t\n ", "http://a/"],
      ["ht\ntp://a/b\rc", "http://a/bc"],
    ]),
  "hosts of IPv4 take every old spelling": () =>
    table(host, [
      ["0x7f.1", "127.0.0.1"],
      ["2130706433", "127.0.0.1"],
      ["017700000001", "127.0.0.1"],
      ["192.168.257", "192.168.1.1"],
      ["1.2.3.4.", "1.2.3.4"],
      ["%31%32%37.0.0.1", "127.0.0.1"],
      ["0x", "0.0.0.0"],
    ]),
  "what only looks like IPv4 is refused": () => {
    for (const name of ["256.0.0.1", "1.2.3.4.5", "0x100000000", "1.2.3.08", "foo.0x4"]) throws(() => host(name), "TypeError", name);
    equal(host("1.2.3.4.example"), "1.2.3.4.example");
  },
  "IPv6 is shortened": () =>
    table(host, [
      ["[0:0:0:0:0:0:0:1]", "[::1]"],
      ["[1:0:0:2:0:0:0:3]", "[1:0:0:2::3]"],
      ["[::ffff:192.168.0.1]", "[::ffff:c0a8:1]"],
      ["[2001:DB8::A]", "[2001:db8::a]"],
    ]),
  "international names become ASCII": () => {
    table(host, [
      ["Bücher.example", "xn--bcher-kva.example"],
      ["faß.de", "xn--fa-hia.de"],
      ["日本語.jp", "xn--wgv71a119e.jp"],
      ["EXAMPLE。com", "example.com"],
      ["ｅｘａｍｐｌｅ.com", "example.com"],
      ["a\u00adb.com", "ab.com"],
    ]);
    for (const bad of ["a b", "a<b", "a^b", "%00", "xn--a", "\u00ad", "a%2fb"]) throws(() => host(bad), "TypeError", JSON.stringify(bad));
  },
  "what is no URL throws a TypeError": () => {
    for (const bad of ["", "a", "/a", "//a", "http://", "http://a:99999", "http://a:b", "http://[::1", "http://[g::1]", "http://user@/x"]) throws(() => href(bad), "TypeError", JSON.stringify(bad));
    equal([URL.canParse("a", "http://b/"), URL.canParse("a"), URL.parse("a"), URL.parse("a", "http://b/").href], [true, false, null, "http://b/a"]);
  },
  "each part has its own set of characters to encode": () =>
    table(href, [
      ["http://a/ü {}`\"<>", "http://a/%C3%BC%20%7B%7D%60%22%3C%3E"],
      ["http://a/?ü '\"<>{}`", "http://a/?%C3%BC%20%27%22%3C%3E{}`"],
      ["http://a/#ü \"<>`{}", "http://a/#%C3%BC%20%22%3C%3E%60{}"],
      ["http://ü:p|@a/", "http://%C3%BC:p%7C@a/"],
      ["http://a/%zz%1", "http://a/%zz%1"],
      ["foo://a/?'", "foo://a/?'"],
      ["http://a/\ud800", "http://a/%EF%BF%BD"],
    ]),
  "relative references": () =>
    table((input) => new URL(input, "http://a/b/c/d;p?q#f").href, [
      ["g", "http://a/b/c/g"],
      ["./g/", "http://a/b/c/g/"],
      ["/g", "http://a/g"],
      ["//g", "http://g/"],
      ["?y", "http://a/b/c/d;p?y"],
      ["#s", "http://a/b/c/d;p?q#s"],
      ["", "http://a/b/c/d;p?q"],
      ["../../../g", "http://a/g"],
      ["http:g", "http://a/b/c/g"],
      ["https:g", "https://g/"],
      ["mailto:x", "mailto:x"],
      ["g?y/../x", "http://a/b/c/g?y/../x"],
      ["\\g", "http://a/g"],
    ]),
  "other schemes keep what they have": () => {
    const url = new URL("data:text/plain,a b#c");
    equal([url.pathname, url.host, url.origin, url.hash], ["text/plain,a b", "", "null", "#c"]);
    equal(href("file:///C:/x/../../y"), "file:///C:/y");
    equal(new URL("blob:http://a:80/x").origin, "http://a");
    equal(href("non-special://A%41/x"), "non-special://A%41/x");
  },
  "setters change one part, or nothing": () => {
    const url = new URL("http://a:8080/x?y#z");
    url.protocol = "https";
    url.hostname = "b.example";
    url.port = "443";
    url.pathname = "p q";
    url.search = "a b";
    url.hash = "";
    equal(url.href, "https://b.example/p%20q?a%20b");
    url.port = "70000";
    url.hostname = "";
    url.protocol = "mailto";
    equal(url.href, "https://b.example/p%20q?a%20b");
    url.port = "81x";
    url.host = "c:82/ignored";
    url.username = "u:";
    url.password = "p@";
    equal(url.href, "https://u%3A:p%40@c:82/p%20q?a%20b");
    throws(() => { url.href = "nonsense"; }, "TypeError");
    equal(url.hostname, "c");
  },
  "search and searchParams see each other": () => {
    const url = new URL("http://a/?x=1&x=2");
    url.searchParams.append("y", "ü +");
    equal(url.search, "?x=1&x=2&y=%C3%BC+%2B");
    url.search = "?z=3";
    equal([...url.searchParams], [["z", "3"]]);
    url.searchParams.delete("z");
    equal(url.href, "http://a/");
    ok(url.searchParams === url.searchParams);
  },
  "the class looks like the standard's": () => {
    throws(() => URL("http://a"), "TypeError");
    throws(() => new URL(), "TypeError");
    equal([Object.prototype.toString.call(new URL("http://a")), URL.length], ["[object URL]", 1]);
  },
});
