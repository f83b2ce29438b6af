// atob and btoa.
import { checks, equal, table, throws } from "./lib/check.js";

export default checks({
  "btoa takes Latin-1": () => {
    table(btoa, [["", ""], ["a", "YQ=="], ["ab", "YWI="], ["abc", "YWJj"], ["\xff\0", "/wA="]]);
    equal(btoa(null), "bnVsbA==");
    throws(() => btoa("€"), "InvalidCharacterError");
    throws(() => btoa(), "TypeError");
  },
  "atob forgives white space and missing padding": () => {
    table(atob, [["", ""], ["YQ==", "a"], ["YQ", "a"], [" Y\tW\nI\f=\r", "ab"], ["/wA=", "\xff\0"], ["YR", "a"]]);
  },
  "atob refuses the rest": () => {
    for (const bad of ["Y", "YQ=", "YQ===", "=", "Y=Q=", "a-b_", "YQ==x", "ü", "YQ=\u00a0="]) throws(() => atob(bad), "InvalidCharacterError", JSON.stringify(bad));
    const error = throws(() => atob("!"));
    equal([error instanceof DOMException, error.code], [true, 5]);
  },
  "every byte survives": () => {
    const bytes = String.fromCharCode(...Array.from({ length: 256 }, (_, at) => at));
    equal(atob(btoa(bytes)), bytes);
    const long = bytes.repeat(1000);
    equal(atob(btoa(long)) === long, true);
  },
});
