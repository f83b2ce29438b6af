// Each turn of a `for (let …)` loop has a binding of its own, also where `continue` ends the turn.
import { checks, equal } from "./lib/check.js";

const called = (closures) => closures.map((closure) => closure());

export default checks({
  "without continue": () => {
    const closures = [];
    for (let i = 0; i < 3; i++) closures.push(() => i);
    equal(called(closures), [0, 1, 2]);
  },
  "with continue": () => {
    const closures = [];
    for (let i = 0; i < 3; i++) {
      closures.push(() => i);
      if (i < 9) continue;
    }
    equal(called(closures), [0, 1, 2]);
  },
  "with a label": () => {
    const closures = [];
    outer: for (let i = 0; i < 3; i++) {
      for (;;) {
        closures.push(() => i);
        continue outer;
      }
    }
    equal(called(closures), [0, 1, 2]);
  },
});
