// One of two functions that take turns on the same slots; see two.js.
import { turn } from "../js/lib/turn.js";
export default { fetch: turn("one") };
