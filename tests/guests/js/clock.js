// performance, Date, and what is deliberately absent: Intl and a time zone.
import { checks, equal, ok, throws } from "./lib/check.js";

const loadedAt = Date.now();

export default checks({
  "performance.now never goes back": () => {
    let last = performance.now();
    for (let i = 0; i < 1000; i++) {
      const now = performance.now();
      ok(now >= last, `${now} after ${last}`);
      last = now;
    }
    ok(last >= 0 && last < 60_000, `${last}`);
  },
  "timeOrigin is this invocation's": () => {
    ok(Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000, `${performance.timeOrigin}`);
  },
  "marks and measures": () => {
    performance.mark("a", { startTime: 5, detail: { x: 1 } });
    performance.mark("b", { startTime: 9 });
    const measure = performance.measure("m", "a", "b");
    equal([measure.duration, measure.entryType, performance.getEntriesByName("a")[0].detail.x], [4, "measure", 1]);
    throws(() => performance.measure("n", "absent"), "SyntaxError");
    performance.clearMarks();
    equal(performance.getEntriesByType("mark"), []);
  },
  "Date.now is the present, not the deployment's": () => ok(Date.now() >= loadedAt),
  "dates are UTC": () => {
    const date = new Date(2024, 1, 29, 12, 30);
    equal([date.getTimezoneOffset(), date.toISOString(), date.getHours()], [0, "2024-02-29T12:30:00.000Z", 12]);
    equal(new Date("2024-02-29T12:30:00+02:00").toJSON(), "2024-02-29T10:30:00.000Z");
    equal(Date.UTC(2024, 0, 31), 1706659200000);
    equal(`${new Date(NaN)}`, "Invalid Date");
    throws(() => new Date(NaN).toISOString(), "RangeError");
    equal(new Date("Thu, 29 Feb 2024 12:30:00 GMT").getTime(), 1709209800000);
  },
  "there is no Intl": () => equal(typeof Intl, "undefined"),
});
